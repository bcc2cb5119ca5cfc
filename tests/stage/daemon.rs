//! The program itself, as a process.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A running `pressel run`. Dropping it kills it.
pub struct Daemon {
    child: Child,
    /// Works its lines, where they are simulated.
    lines: Option<ChildStdin>,
    log: PathBuf,
    /// When it was started.
    pub started: Instant,
}

/// What the process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Processor time, user and system.
    pub cpu: Duration,
    /// Resident memory in KiB without files mapped by the virtual card.
    pub rss_kb: u64,
    /// Voluntary context switches of all threads: how often it woke up.
    pub wakes: u64,
    /// Threads.
    pub threads: u64,
}

/// Finds a program of this workspace beside the running one (tests run from `deps/`).
///
/// # Errors
/// Which chore builds it.
pub fn program(name: &str) -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folders = own.ancestors().skip(1).take(2);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file()).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("{name} is not built: cargo build --workspace --bins"),
        )
    })
}

impl Daemon {
    /// Starts it with this configuration; it logs into a file.
    ///
    /// # Errors
    /// When it is not built or the log cannot be written.
    pub fn start(config: &Path, log: &Path, env: &[(&str, PathBuf)], key: Option<&str>) -> io::Result<Self> {
        Self::start_as(&program("pressel")?, config, log, env, key)
    }

    /// The same with another build of it, or the one with simulated lines.
    ///
    /// # Errors
    /// As [`Daemon::start`].
    pub fn start_as(
        program: &Path,
        config: &Path,
        log: &Path,
        env: &[(&str, PathBuf)],
        key: Option<&str>,
    ) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .arg("run")
            .arg("--config")
            .arg(config)
            .env_remove("GEMINI_API_KEY")
            .env_remove("GOOGLE_API_KEY")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("INVOCATION_ID");
        // A developer's own settings must not decide a test.
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PRESSEL_"))
        {
            command.env_remove(name);
        }
        command.envs(env.iter().map(|(name, value)| (name, value)));
        if let Some(key) = key {
            command.env("GEMINI_API_KEY", key);
        }
        let file = File::create(log)?;
        let wired = program.ends_with("pressel-wired"); // see tests/wired
        let stdin = if wired { Stdio::piped() } else { Stdio::null() };
        command.stdin(stdin).stdout(file.try_clone()?).stderr(file);
        let started = Instant::now();
        let mut child = command.spawn()?;
        Ok(Daemon { lines: child.stdin.take(), child, log: log.to_owned(), started })
    }

    /// Works a simulated line: `0 down`, `mute lost`.
    ///
    /// # Errors
    /// When it has no simulated lines, or has ended.
    pub fn line(&self, command: &str) -> io::Result<()> {
        let mut lines = self.lines.as_ref().ok_or_else(|| io::Error::other("no simulated lines"))?;
        writeln!(lines, "{command}")?;
        lines.flush()
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_else(|e| format!("no log: {e}"))
    }

    /// # Errors
    /// When it has ended: its status and log.
    pub fn check_alive(&mut self) -> io::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(io::Error::other(format!("the daemon has ended, {status}:\n{}", self.log()))),
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: a plain system call; the child has not been waited for, so the number is still its own.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    /// Waits for its end; `None` when it does not end in time.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(&mut self, within: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            std::thread::sleep(Duration::from_millis(1)); // std offers no wait with a bound
        }
        Ok(None)
    }

    /// Asks it to stop; how it ended and how long that took.
    ///
    /// # Errors
    /// When it is still there after 5 s.
    pub fn stop(&mut self) -> io::Result<(Option<i32>, Duration)> {
        let asked = Instant::now();
        self.signal(libc::SIGTERM);
        match self.wait(Duration::from_secs(5))? {
            Some(status) => Ok((status.code().or(status.signal().map(|s| 128 + s)), asked.elapsed())),
            None => Err(io::Error::other(format!("it does not stop:\n{}", self.log()))),
        }
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> io::Result<Usage> {
        let proc = PathBuf::from(format!("/proc/{}", self.pid()));
        let stat = std::fs::read_to_string(proc.join("stat"))?;
        // Fields after the command's closing bracket, which may hold anything: proc(5), utime is the 14th of all.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<u64>().ok()).unwrap_or_default();
        // SAFETY: takes no pointers.
        let hz = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
        let mut usage = Usage {
            cpu: Duration::from_secs_f64((ticks(11) + ticks(12)) as f64 / hz),
            threads: ticks(17),
            ..Usage::default()
        };
        for task in std::fs::read_dir(proc.join("task"))?.flatten() {
            let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
            usage.wakes += number_after(&status, "voluntary_ctxt_switches:").unwrap_or_default();
        }
        // schedstat counts in nanoseconds where the kernel keeps it; ticks are 10 ms.
        let mut exact = 0;
        for task in std::fs::read_dir(proc.join("task"))?.flatten() {
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            exact += text.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or_default();
        }
        if exact > 0 {
            usage.cpu = Duration::from_nanos(exact);
        }
        usage.rss_kb = resident_kb(&std::fs::read_to_string(proc.join("smaps"))?);
        Ok(usage)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill and only the status to fetch.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number_after(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Sums Rss over all mappings but the virtual card's sound files.
fn resident_kb(smaps: &str) -> u64 {
    let (mut sum, mut card) = (0, false);
    for line in smaps.lines() {
        if line.split_whitespace().next().is_some_and(|word| word.contains('-')) {
            card = line.ends_with(".s16");
        } else if let (false, Some(kb)) = (card, number_after(line, "Rss:")) {
            sum += kb;
        }
    }
    sum
}
