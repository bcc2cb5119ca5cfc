//! The monitor of the virtual machine that this runs in: plugs are pulled from the inside.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde_json::{Value, json};

/// Where the machine finds its monitor.
const PORT: &str = "/dev/virtio-ports/qmp";

/// A monitor that takes commands.
pub struct Qmp {
    lines: BufReader<File>,
}

impl Qmp {
    /// Opens it, by one user at a time.
    ///
    /// # Errors
    /// When this machine has no such port.
    pub fn open() -> io::Result<Qmp> {
        let file = File::options().read(true).write(true).open(Path::new(PORT))?;
        let mut qmp = Qmp { lines: BufReader::new(file) };
        // It greets its first user only, and takes being asked again.
        let _ = qmp.execute("qmp_capabilities", &json!({}));
        Ok(qmp)
    }

    /// Gives a command; its answer.
    ///
    /// # Errors
    /// Its refusal.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> io::Result<Value> {
        self.send(&json!({ "execute": command, "arguments": arguments }))?;
        loop {
            let mut message = self.read()?;
            if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            }
            if message.get("error").is_some() {
                return Err(io::Error::other(format!("{command} {arguments}: {message}")));
            }
        }
    }

    /// Pulls a device out, and waits until it is gone.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn unplug(&mut self, id: &str) -> io::Result<()> {
        self.send(&json!({ "execute": "device_del", "arguments": { "id": id } }))?;
        let (mut answered, mut gone) = (false, false);
        while !(answered && gone) {
            let message = self.read()?;
            answered |= message.get("return").is_some();
            gone |= message["event"] == "DEVICE_DELETED" && message["data"]["device"] == id;
            if message.get("error").is_some() {
                return Err(io::Error::other(format!("device_del {id}: {message}")));
            }
        }
        Ok(())
    }

    /// In one piece: each write is an interrupt outside.
    fn send(&mut self, message: &Value) -> io::Result<()> {
        self.lines.get_mut().write_all(format!("{message}\n").as_bytes())
    }

    fn read(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the monitor is gone"));
        }
        serde_json::from_str(&line).map_err(io::Error::other)
    }
}
