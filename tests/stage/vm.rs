//! A virtual machine with kernel devices of its own: Debian in QEMU, made by `cargo xtask test --vm`. Its disk stays as
//! it is; what is done to the machine is gone with it.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Half a minute where a processor is free; four times as long where others want it, too.
const BOOT: Duration = Duration::from_secs(240);
/// How often somebody who cannot tell is asked.
const ASK: Duration = Duration::from_millis(250);
/// The sources, as the machine's file system is told of them.
const SOURCES: &str = "sources";
/// The shared folder, likewise.
const SHARED: &str = "shared";

/// A machine that has booted. Dropping it cuts its power.
pub struct Vm {
    qemu: Child,
    agent: BufReader<UnixStream>,
}

impl Vm {
    /// Starts QEMU with a kernel, the disk in `made` and more options; the machine may write into `shared`, what its
    /// console says is in `shared/console`.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub fn start(made: &Path, shared: &Path, command_line: &str, options: &[String]) -> io::Result<Child> {
        let at = |name: &str| shared.join(name).display().to_string();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lie in the workspace");
        let disk = made.join("disk.ext4").display().to_string();
        // A busy machine is too slow for the kernel's look at its timer, so that it takes none: no_timer_check.
        // Nehalem is emulated faster than the processors that QEMU would choose.
        let plain =
            "-M pc -cpu Nehalem -accel tcg,thread=multi -smp 2 -m 1024 -nodefaults -display none -no-reboot";
        // First among what this machine does: its clock goes on while it stands still. As much as we may.
        Command::new("nice")
            .args(["-n", "-10", "qemu-system-x86_64"])
            .args(plain.split(' '))
            .arg("-kernel")
            .arg(made.join("vmlinuz"))
            .arg("-initrd")
            .arg(made.join("initrd.cpio"))
            .args([
                "-append",
                &format!("console=ttyS0 quiet net.ifnames=0 panic=-1 no_timer_check {command_line}"),
            ])
            .args(["-serial", &format!("file:{}", at("console"))])
            .args(["-drive", &format!("file={disk},format=raw,if=none,id=disk,snapshot=on")])
            .args(["-device", "virtio-blk-pci,drive=disk"])
            .args(["-virtfs", &share(sources, SOURCES, ",readonly=on")])
            .args(["-virtfs", &share(shared, SHARED, "")])
            .args(options)
            .stdin(Stdio::null())
            .spawn()
    }

    /// Boots the whole system. Inside the sources are where they are here, and so is `shared`.
    ///
    /// # Errors
    /// What kept it from booting.
    pub fn boot(made: &Path, shared: &Path) -> io::Result<Vm> {
        let socket = |name: &str| shared.join(name);
        let port = |name: &str, known_as: &str| {
            let path = socket(name).display().to_string();
            let chardev = format!("socket,id={name},path={path},server=on,wait=off");
            [
                "-chardev".into(),
                chardev,
                "-device".into(),
                format!("virtserialport,chardev={name},name={known_as}"),
            ]
        };
        let mut options: Vec<String> = ["-device", "virtio-serial-pci"].map(String::from).into();
        options.extend(port("agent", "org.qemu.guest_agent.0"));
        // The machine's own monitor is one of its ports: what is tested inside pulls plugs by itself.
        options.extend(port("qmp", "qmp"));
        let monitor = format!("socket,id=monitor,path={}", socket("qmp").display());
        for more in [
            ["-chardev", &monitor],
            ["-mon", "chardev=monitor,mode=control"],
            ["-netdev", "user,id=net"],
            ["-device", "virtio-net-pci,netdev=net"],
            ["-device", "qemu-xhci,id=usb"],
            ["-audiodev", "none,id=sound"],
        ] {
            options.extend(more.map(String::from));
        }
        let qemu = Self::start(made, shared, "", &options)?;
        let mut guard = Started(Some(qemu));
        let deadline = Instant::now() + BOOT;
        let stream = loop {
            match UnixStream::connect(socket("agent")) {
                Ok(stream) => break stream,
                Err(error) => guard.check(deadline, &error.to_string())?,
            }
            std::thread::sleep(ASK); // the socket's birth cannot be awaited
        };
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut agent = BufReader::new(stream);
        let mut number = 0;
        // The agent inside answers once it runs; what it was asked before may be lost.
        while let Err(error) = synchronise(&mut agent, {
            number += 1;
            number
        }) {
            guard.check(deadline, &format!("its agent is silent: {error}"))?;
        }
        agent.get_ref().set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut vm = Vm { qemu: guard.0.take().expect("it was started"), agent };
        // The agent may run before udev has found the shared folders' driver.
        vm.run("modprobe 9pnet_virtio && udevadm settle", BOOT)?;
        for (tag, path) in [
            (SOURCES, env!("CARGO_MANIFEST_DIR").rsplit_once('/').map_or("/", |p| p.0)),
            (SHARED, shared.to_str().ok_or_else(|| io::Error::other("a folder whose name is no text"))?),
        ] {
            let options = "trans=virtio,version=9p2000.L,msize=262144";
            vm.run(&format!("mkdir -p '{path}' && mount -t 9p -o {options} {tag} '{path}'"), BOOT)?;
        }
        vm.run("systemctl is-system-running --wait || systemctl --failed", BOOT)?;
        Ok(vm)
    }

    /// Runs a script of its shell as root; what it printed.
    ///
    /// # Errors
    /// A script that fails, with what it said, or does not end.
    pub fn run(&mut self, script: &str, within: Duration) -> io::Result<String> {
        let deadline = Instant::now() + within;
        let arguments = json!({ "path": "/bin/sh", "arg": ["-c", script], "capture-output": true });
        let pid = self.ask("guest-exec", &arguments)?["pid"].clone();
        let ended = loop {
            let status = self.ask("guest-exec-status", &json!({ "pid": pid }))?;
            if status["exited"] == true {
                break status;
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("{script}: not over after {within:?}")));
            }
            std::thread::sleep(ASK);
        };
        let said = |name: &str| {
            let bytes = STANDARD.decode(ended[name].as_str().unwrap_or_default()).unwrap_or_default();
            String::from_utf8_lossy(&bytes).trim_end().to_owned()
        };
        if ended["exitcode"] == 0 {
            return Ok(said("out-data"));
        }
        Err(io::Error::other(format!("{script}: {ended}\n{}\n{}", said("out-data"), said("err-data"))))
    }

    fn ask(&mut self, what: &str, arguments: &Value) -> io::Result<Value> {
        send(&self.agent, &json!({ "execute": what, "arguments": arguments }))?;
        let mut answer = read(&mut self.agent)?;
        match answer.get_mut("return") {
            Some(value) => Ok(value.take()),
            None => Err(io::Error::other(format!("{what}: {answer}"))),
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// A QEMU whose machine may yet fail to boot.
struct Started(Option<Child>);

impl Started {
    fn check(&mut self, deadline: Instant, doing: &str) -> io::Result<()> {
        let qemu = self.0.as_mut().expect("it is there until it is handed on");
        if let Some(status) = qemu.try_wait()? {
            return Err(io::Error::other(format!("QEMU has ended, {status}")));
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!(
                "the virtual machine does not boot within {BOOT:?}: {doing}"
            )));
        }
        Ok(())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(mut qemu) = self.0.take() {
            let _ = qemu.kill();
            let _ = qemu.wait();
        }
    }
}

fn share(path: &Path, tag: &str, more: &str) -> String {
    format!("local,path={},mount_tag={tag},security_model=none,multidevs=remap{more}", path.display())
}

fn read(agent: &mut BufReader<UnixStream>) -> io::Result<Value> {
    let mut line = String::new();
    if agent.read_line(&mut line)? == 0 {
        return Err(io::Error::other("the virtual machine is gone"));
    }
    serde_json::from_str(line.trim_matches(|c: char| c.is_whitespace() || c == '\u{ff}'))
        .map_err(io::Error::other)
}

/// In one piece: each write is an interrupt inside.
fn send(agent: &BufReader<UnixStream>, message: &Value) -> io::Result<()> {
    let mut agent = agent.get_ref();
    agent.write_all(format!("{message}\n").as_bytes())
}

/// Asks until the answer is to this question: those to earlier ones may still come.
fn synchronise(agent: &mut BufReader<UnixStream>, number: u64) -> io::Result<()> {
    send(agent, &json!({ "execute": "guest-sync", "arguments": { "id": number } }))?;
    while read(agent)?["return"] != number {}
    Ok(())
}

/// Where the chore has made a machine; `None` in a run that is not for one.
pub fn made() -> Option<PathBuf> {
    std::env::var_os("PRESSEL_VM").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// Copies the programs that the chore has built for the machine into its `shared/programs`.
///
/// # Errors
/// What the file system says.
pub fn hand_over(made: &Path, shared: &Path) -> io::Result<()> {
    let there = shared.join("programs");
    fs::create_dir(&there)?;
    for entry in fs::read_dir(made.join("programs"))? {
        let entry = entry?;
        fs::copy(entry.path(), there.join(entry.file_name()))?;
    }
    Ok(())
}
