//! What the system says about itself: its files and programs, all looked for below one folder, `/` unless told otherwise.
//! A system on a mounted card is looked at as the running one is, and so is a broken one that a test has written.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Files of the kernel and of settings are shorter; a longer one is some other file.
const LENGTH_MAX: u64 = 1 << 20;
/// Where programs are, in the order in which they are looked for.
const FOLDERS: [&str; 4] = ["usr/bin", "usr/sbin", "bin", "sbin"];
/// A program that does not answer is not waited for.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// A system that is looked at.
#[derive(Clone, Debug)]
pub struct Facts {
    root: PathBuf,
}

impl Facts {
    /// The system whose files lie below this folder.
    pub fn below(root: &Path) -> Self {
        Facts { root: root.to_owned() }
    }

    /// Whether it is the running one, whose devices can be tried too.
    pub fn is_running(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where a file of it lies.
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.root.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// The text of a file without the zero that device trees end their texts with; `None` when it cannot be read.
    pub fn text(&self, absolute: impl AsRef<Path>) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.path(absolute)).ok()?.take(LENGTH_MAX).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
    }

    /// The first word of a file.
    pub fn word(&self, absolute: impl AsRef<Path>) -> Option<String> {
        Some(self.text(absolute)?.split_whitespace().next()?.to_owned())
    }

    /// Names in a folder, in order; none where it cannot be listed.
    pub fn names(&self, folder: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// What one of its programs prints; `None` when it is not there, fails or does not answer.
    pub fn told_by(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let places = FOLDERS.iter().map(|folder| self.root.join(folder).join(program));
        let path = places.into_iter().find(|path| path.is_file())?;
        let mut child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let out = child.stdout.take()?;
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            if out.take(LENGTH_MAX).read_to_end(&mut text).is_ok() {
                // Fails when nobody waits any more.
                let _ = tell.send(String::from_utf8_lossy(&text).into_owned());
            }
        });
        let text = told.recv_timeout(ANSWER_MAX).ok();
        if text.is_none() {
            // It may have ended just now; then there is nothing to kill.
            let _ = child.kill();
        }
        let ended = child.wait().ok()?;
        text.filter(|_| ended.success())
    }
}

/// The value behind `name=` at the beginning of a line, without quotes.
pub fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_and_programs_are_those_below_the_root() {
        let root = tempfile::tempdir().unwrap();
        let facts = Facts::below(root.path());
        fs::create_dir_all(root.path().join("proc/device-tree")).unwrap();
        fs::write(root.path().join("proc/device-tree/model"), "Raspberry Pi 5 Model B Rev 1.0\0").unwrap();
        assert_eq!(facts.text("/proc/device-tree/model").unwrap(), "Raspberry Pi 5 Model B Rev 1.0");
        assert_eq!(facts.word("/proc/device-tree/model").unwrap(), "Raspberry");
        assert_eq!((facts.text("/etc/os-release"), facts.names("/proc")), (None, vec!["device-tree".into()]));
        fs::create_dir_all(root.path().join("usr/sbin")).unwrap();
        for (name, script) in [("iw", "echo \"$2\""), ("fails", "exit 3"), ("hangs", "exec sleep 60")] {
            let program = root.path().join("usr/sbin").join(name);
            fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        assert_eq!(facts.told_by("iw", &["dev", "wlan0"]).unwrap(), "wlan0\n");
        for absent in ["fails", "hangs", "absent"] {
            assert_eq!(facts.told_by(absent, &[]), None, "{absent}");
        }
        assert!(!facts.is_running() && Facts::below(Path::new("/")).is_running());
    }

    #[test]
    fn values_are_read_as_shells_write_them() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 13\"\nID=debian\n";
        assert_eq!(value_of(text, "PRETTY_NAME"), Some("Debian GNU/Linux 13"));
        assert_eq!((value_of(text, "ID"), value_of(text, "NAME")), (Some("debian"), None));
    }
}
