//! A folder of tools with `pressel-mcp` beside it, asked by hand.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tests::stage::program;

use crate::scene::WAIT;
use crate::services::{self, Service};

/// A folder of tools, and `pressel-mcp` beside it.
pub(super) struct Shop {
    folder: TempDir,
    pub(super) helper: Option<Service>,
}

impl Shop {
    pub(super) fn closed() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("tools.d")).unwrap();
        Shop { folder, helper: None }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server's file; `keys` are lines of `[mcp]`.
    pub(super) fn put(&self, name: &str, keys: &str) {
        let text = format!("name = \"{name}\"\n[mcp]\n{keys}\n");
        fs::write(self.path("tools.d").join(format!("{name}.toml")), text).unwrap();
    }

    pub(super) fn open(&mut self) {
        let helper = program("pressel-mcp").expect(
            "pressel-mcp is not built: cargo build --manifest-path mcp/Cargo.toml --target-dir target",
        );
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("helper.log")).unwrap();
        let mut command = Command::new(helper);
        command.arg("--folder").arg(self.path("tools.d")).arg("--socket").arg(self.path("mcp"));
        self.helper = Some(Service(command.stdin(Stdio::null()).stderr(log).spawn().unwrap()));
        until("pressel-mcp listens", || self.path("mcp").exists());
    }

    pub(super) fn config(&self) -> String {
        format!(
            "[tools]\nfolder = \"{}\"\nsocket = \"\"\nmcp_socket = \"{}\"\nlog_folder = \"{}\"\n",
            self.path("tools.d").display(),
            self.path("mcp").display(),
            self.folder.path().display()
        )
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let config = self.path("pressel.toml");
        fs::write(&config, self.config()).unwrap();
        let mut command = Command::new(program("pressel").unwrap());
        command.arg("--config").arg(&config).arg("tools").args(args).stdin(Stdio::null());
        command
    }

    /// `pressel tools` by hand: exit code, stdout and stderr.
    pub(super) fn pressel(&self, args: &[&str]) -> (Option<i32>, String) {
        let done = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).expect("pressel prints text");
        (done.status.code(), text(done.stdout) + &text(done.stderr))
    }

    /// Calls a tool by hand: what it gave, or the sentence.
    #[track_caller]
    pub(super) fn call(&self, name: &str, args: &Value) -> Result<Value, String> {
        match self.pressel(&["call", name, &args.to_string()]) {
            (Some(0), out) => Ok(serde_json::from_str(&out).unwrap()),
            (_, told) => Err(told.trim().trim_start_matches("pressel: ").to_owned()),
        }
    }

    /// A line to `pressel-mcp`, as anybody may say it who reaches its socket; the answer.
    #[track_caller]
    pub(super) fn ask(&self, line: &str) -> Value {
        let mut stream = UnixStream::connect(self.path("mcp")).unwrap();
        writeln!(stream, "{line}").unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    pub(super) fn trace(&self) -> String {
        fs::read_to_string(self.path("trace")).unwrap_or_default()
    }

    /// Keys of `[mcp]` for a script of tests/services, run by Python.
    pub(super) fn script(&self, python: &str, script: &str, way: &str) -> String {
        let script = services::file(script);
        format!(
            "command = [\"{python}\", \"{}\", \"{way}\", \"{}\"]\n",
            script.display(),
            self.path("trace").display()
        )
    }
}

#[track_caller]
pub(super) fn until(what: &str, fits: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !fits() {
        assert!(start.elapsed() < WAIT, "never: {what}");
        std::thread::sleep(Duration::from_millis(5)); // of other processes nobody tells us
    }
    start.elapsed()
}

/// Processes with this word in their command line.
pub(super) fn with_word(word: &str) -> usize {
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    processes.filter(|line| line.windows(word.len()).any(|part| part == word.as_bytes())).count()
}

pub(super) fn python3() -> &'static str {
    "/usr/bin/python3"
}
