//! Servers that are no code of ours, from public packages: what tools talk to in these tests.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use tests::stage::program;

use crate::scene::WAIT;

/// A program that ends with the test.
pub struct Service(pub Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A file of tests/services.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("services").join(name)
}

/// Python with the packages of tests/services/requirements.txt: installed below target, once.
///
/// Without a package registry this fails: a real server is what these tests are about.
pub fn python() -> PathBuf {
    static READY: OnceLock<PathBuf> = OnceLock::new();
    READY.get_or_init(install).clone()
}

fn install() -> PathBuf {
    let folder = once("services-venv", |folder| {
        run("python3".as_ref(), &["-m", "venv", "--clear", folder.to_str().unwrap()]);
        pip(&folder.join("bin/python"), &[]);
    });
    folder.join("bin/python")
}

/// The same packages for another machine's Python, `3.13`: a folder for its PYTHONPATH.
pub fn packages_for(version: &str) -> PathBuf {
    let python = python();
    once(&format!("services-{version}"), |folder| {
        let _ = fs::remove_dir_all(folder);
        let there = ["--only-binary=:all:", "--python-version", version, "--no-compile", "--target"];
        pip(&python, &[&there[..], &[folder.to_str().unwrap()]].concat());
    })
}

fn pip(python: &Path, more: &[&str]) {
    let requirements = file("requirements.txt");
    let arguments = ["-m", "pip", "install", "-q", "-r", requirements.to_str().unwrap()];
    run(python.as_ref(), &[&arguments[..], more].concat());
}

/// Fills a folder below target, unless it was filled for the same requirements.
fn once(name: &str, fill: impl FnOnce(&Path)) -> PathBuf {
    let folder = program("pressel").unwrap().ancestors().nth(2).unwrap().join(name);
    fs::create_dir_all(&folder).unwrap();
    // Another test program may be at it.
    let lock = File::create(folder.with_file_name(format!("{name}.lock"))).unwrap();
    // SAFETY: locks a descriptor that lives past the call; no memory is touched.
    assert_eq!(unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) }, 0);
    let wanted = fs::read(file("requirements.txt")).unwrap();
    let done = folder.join("installed.txt");
    if fs::read(&done).is_ok_and(|found| found == wanted) {
        return folder;
    }
    let begun = Instant::now();
    fill(&folder);
    fs::write(done, wanted).unwrap();
    eprintln!("servers for tests installed into {name} within {:?}", begun.elapsed());
    folder
}

fn run(program: &OsStr, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output();
    let why = match &done {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    panic!(
        "REAL SERVERS FOR TESTS CANNOT BE INSTALLED (needed: python3-venv, a package registry): {} {arguments:?}: {why}",
        Path::new(program).display()
    );
}

/// A port that nobody listens at.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a program that listens at a port, and waits until it does.
pub fn listening(command: &mut Command, port: u16) -> Service {
    let service = Service(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < WAIT, "nobody listens at {port}: {command:?}");
        std::thread::sleep(std::time::Duration::from_millis(10)); // nobody tells us
    }
    service
}

/// Makes a file that the owner alone can read.
pub fn secret(path: &Path, text: &str) {
    let file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}
