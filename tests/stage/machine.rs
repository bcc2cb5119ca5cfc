//! A machine of its own: Debian with systemd as its first process, in a container. What is done to it is gone with it.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::program;

/// Debian boots in a container within a second or two; on a machine busy with other things it takes its time.
const BOOT: Duration = Duration::from_secs(60);

/// A booted machine. Dropping it switches it off.
pub struct Machine {
    container: Child,
    /// Its first process, by this machine's number.
    leader: u32,
}

impl Machine {
    /// Boots from a root that stays as it is. The machine sees the sources in `/usr/src/pressel`, the programs in
    /// `/opt/pressel`, and `shared` under its own name; it has this machine's network.
    ///
    /// # Errors
    /// What kept it from booting.
    pub fn boot(root: &Path, shared: &Path) -> io::Result<Machine> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lie in the workspace");
        let programs = program("pressel")?.parent().expect("a program lies in a folder").to_owned();
        let bind = |from: &Path, to: &str| format!("{}:{to}", from.display());
        let container = Command::new("systemd-nspawn")
            .args(["--quiet", "--boot", "--register=no", "--keep-unit", "--volatile=overlay"])
            // As on any other machine: who may ask about the clock is the unit's business.
            .args(["--system-call-filter", "adjtimex clock_adjtime clock_adjtime64", "--directory"])
            .arg(root)
            .args(["--bind-ro", &bind(sources, "/usr/src/pressel")])
            .args(["--bind-ro", &bind(&programs, "/opt/pressel")])
            .args(["--bind", &shared.display().to_string()])
            .stdin(Stdio::null())
            .stdout(fs::File::create(shared.join("boot.log"))?)
            .stderr(Stdio::inherit())
            .spawn()?;
        let mut machine = Machine { container, leader: 0 };
        let deadline = Instant::now() + BOOT;
        machine.leader = loop {
            if let Some(leader) = first_process_of(machine.container.id()) {
                break leader;
            }
            if let Some(status) = machine.container.try_wait()? {
                return Err(io::Error::other(format!("the container has ended, {status}")));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("the container has no first process"));
            }
            std::thread::sleep(Duration::from_millis(10)); // a process' birth cannot be awaited
        };
        // Its manager takes calls a moment later; `--wait` then waits for the rest.
        while machine.run("systemctl is-system-running --wait").is_err() {
            if Instant::now() > deadline {
                let log = fs::read_to_string(shared.join("boot.log")).unwrap_or_default();
                return Err(io::Error::other(format!("it does not come up:\n{log}")));
            }
            std::thread::sleep(Duration::from_millis(50)); // the manager's socket is not there yet
        }
        Ok(machine)
    }

    /// Waits until it has switched itself off.
    ///
    /// # Errors
    /// When it does not.
    pub fn wait(&mut self, within: Duration) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.container.try_wait()? {
                self.leader = 0; // the number may be another one's by now
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("the container runs on after {within:?}")));
            }
            std::thread::sleep(Duration::from_millis(20)); // a process' end within a time cannot be awaited
        }
    }

    /// Runs a script of its shell as root; what it printed.
    ///
    /// # Errors
    /// A script that fails, with what it said.
    pub fn run(&self, script: &str) -> io::Result<String> {
        let output = Command::new("nsenter")
            .args(["--all", "--target", &self.leader.to_string()])
            .args(["env", "-i", "PATH=/usr/sbin:/usr/bin", "sh", "-c", script])
            .stdin(Stdio::null())
            .output()?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() {
            return Ok(said(&output.stdout));
        }
        let (out, error) = (said(&output.stdout), said(&output.stderr));
        Err(io::Error::other(format!("{script}: {}\n{out}\n{error}", output.status)))
    }

    /// Writes a file, for everybody to read.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, path: &str, text: &str) -> io::Result<()> {
        let path = self.path(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644))
    }

    /// One of its files, as this machine sees it.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.leader))
    }

    /// A property of a unit.
    ///
    /// # Errors
    /// As [`Machine::run`].
    pub fn property(&self, unit: &str, name: &str) -> io::Result<String> {
        self.run(&format!("systemctl show --property={name} --value {unit}"))
    }

    /// One of its processes by this machine's number.
    pub fn pid_here(&self, pid_there: u32) -> Option<u32> {
        let own = fs::read_link(format!("/proc/{}/ns/pid", self.leader)).ok()?;
        processes().find(|&pid| {
            numbers(pid).last() == Some(&pid_there)
                && fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|namespace| namespace == own)
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if self.leader != 0 {
            // SAFETY: a plain system call; the container has not been waited for, so the number is still its own.
            unsafe { libc::kill(self.leader as i32, libc::SIGKILL) };
        }
        let _ = self.container.kill();
        let _ = self.container.wait();
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A process' numbers, the outermost namespace's first (`NSpid`, proc_pid_status(5)).
fn numbers(pid: u32) -> Vec<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    line.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

fn first_process_of(container: u32) -> Option<u32> {
    let parent = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse::<u32>().ok()
    };
    processes().find(|&pid| {
        parent(pid) == Some(container) && numbers(pid).len() > 1 && numbers(pid).last() == Some(&1)
    })
}
