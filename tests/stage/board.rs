//! An emulated arm64 board that boots the disk image of `cargo xtask image virt`: a microphone
//! and a loudspeaker, a wire to a line of its GPIO chip, and nothing inside but what is shipped.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A minute where a processor is free; several where others want it, too.
const BOOT: Duration = Duration::from_secs(480);
/// Where the board finds this machine. Nobody's address elsewhere (RFC 5737), and one the server's certificate names.
pub const HOST: &str = "192.0.2.1";
/// Its GPIO chip's free line that the button hangs on, by the chip's label.
pub const BUTTON: &str = "9030000.pl061:5";
/// The image's own, and that its console tells everything.
const COMMAND_LINE: &str = "ro console=ttyAMA0 net.ifnames=0 panic=-1 systemd.show_status=1 \
    SYSTEMD_COLORS=0 systemd.journald.forward_to_console=1 systemd.journald.max_level_console=info";
/// What its loudspeaker plays, in the folder that it was booted in: a WAV file whose head is right once its power is cut.
pub const SPEAKER: &str = "speaker.wav";
/// How often a file is looked into.
const LOOK: Duration = Duration::from_millis(50);

/// A board. Dropping it cuts its power.
pub struct Board {
    qemu: Child,
    console: PathBuf,
    disk: PathBuf,
    made: PathBuf,
    wires: BufReader<UnixStream>,
    chip: String,
    /// When its power was switched on.
    pub started: Instant,
}

/// A card with the image on it, larger than the image.
pub struct Disk {
    path: PathBuf,
    made: PathBuf,
}

impl Disk {
    /// Writes the image in `made` to a card in a folder.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(made: &Path, folder: &Path) -> io::Result<Disk> {
        let path = folder.join("disk.img");
        check(Command::new("cp").arg("--sparse=always").arg(made.join("disk.img")).arg(&path))?;
        let file = fs::OpenOptions::new().write(true).open(&path)?;
        file.set_len(file.metadata()?.len() + 200_000_000)?;
        Ok(Disk { path, made: made.to_owned() })
    }

    /// Puts a file on its boot partition, as any computer can.
    ///
    /// # Errors
    /// What mtools says.
    pub fn put(&self, from: &Path, name: &str) -> io::Result<()> {
        let tool = self.made.join("mcopy");
        check(
            Command::new(tool)
                .arg("-o")
                .arg("-i")
                .arg(self.boot_partition())
                .arg(from)
                .arg(format!("::/{name}")),
        )?;
        Ok(())
    }

    /// The names on its boot partition, one a line.
    ///
    /// # Errors
    /// What mtools says.
    pub fn names(&self) -> io::Result<String> {
        check(Command::new(self.made.join("mdir")).arg("-b").arg("-i").arg(self.boot_partition()).arg("::/"))
    }

    /// How large its state partition is.
    ///
    /// # Errors
    /// What the file system says.
    pub fn state_bytes(&self) -> io::Result<u64> {
        Ok(self.partition(3)?.1)
    }

    /// Whether its root partition is still what the image has, to the byte.
    ///
    /// # Errors
    /// What the file system says.
    pub fn root_is_the_images(&self) -> io::Result<bool> {
        let (begin, mut left) = self.partition(2)?;
        let open = |path: &Path| -> io::Result<fs::File> {
            let mut file = fs::File::open(path)?;
            file.seek(io::SeekFrom::Start(begin))?;
            Ok(file)
        };
        let (mut image, mut card) = (open(&self.made.join("disk.img"))?, open(&self.path)?);
        let (mut written, mut found) = (vec![0; 1 << 20], vec![0; 1 << 20]);
        while left > 0 {
            let length = left.min(1 << 20) as usize;
            image.read_exact(&mut written[..length])?;
            card.read_exact(&mut found[..length])?;
            if written[..length] != found[..length] {
                return Ok(false);
            }
            left -= length as u64;
        }
        Ok(true)
    }

    /// Where a partition begins and how long it is, in bytes, from the table in the first sector.
    fn partition(&self, number: usize) -> io::Result<(u64, u64)> {
        let mut sector = [0; 512];
        fs::File::open(&self.path)?.read_exact(&mut sector)?;
        let entry = &sector[446 + (number - 1) * 16..][..16];
        let bytes = |at: usize| {
            let sectors =
                u32::from_le_bytes(entry[at..at + 4].try_into().expect("four bytes are four bytes"));
            512 * u64::from(sectors)
        };
        Ok((bytes(8), bytes(12)))
    }

    /// The boot partition begins at 4 MiB.
    fn boot_partition(&self) -> String {
        format!("{}@@4M", self.path.display())
    }

    /// Puts it into a board and switches that on.
    ///
    /// # Errors
    /// When the emulator cannot be started, or does not know the board's parts.
    pub fn boot(self, folder: &Path) -> io::Result<Board> {
        let at = |name: &str| folder.join(name).display().to_string();
        let played = format!("wav,id=speaker,path={},out.frequency=48000,out.channels=1", at(SPEAKER));
        let started = Instant::now();
        let qemu = Command::new(self.made.join("qemu-system-aarch64"))
            .args("-M virt -cpu max,pauth-impdef=on -accel tcg,thread=multi -smp 2 -m 512".split(' '))
            .args("-nodefaults -display none -no-reboot".split(' '))
            .arg("-kernel")
            .arg(self.made.join("vmlinuz"))
            .arg("-initrd")
            .arg(self.made.join("initrd.img"))
            .args(["-append", COMMAND_LINE])
            .args(["-serial", &format!("file:{}", at("console"))])
            .args(["-drive", &format!("file={},format=raw,if=none,id=disk", self.path.display())])
            .args(["-device", "virtio-blk-pci,drive=disk"])
            .args(["-netdev", &format!("user,id=net,net=192.0.2.0/24,host={HOST}")])
            .args(["-device", "virtio-net-pci,netdev=net,romfile="])
            // The first card hears silence, the second plays into a file.
            .args(["-audiodev", "none,id=microphone", "-device", "virtio-sound-pci,audiodev=microphone"])
            .args(["-audiodev", &played, "-device", "virtio-sound-pci,audiodev=speaker"])
            // It counts real time, of which a busy machine gives the board little.
            .args(["-device", "i6300esb", "-action", "watchdog=none"])
            .args(["-qmp", &format!("unix:{},server=on,wait=off", at("qmp"))])
            .args(["-qtest", &format!("unix:{},server=on,wait=off", at("wires")), "-qtest-log", "none"])
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.join("qemu.log"))?)
            .spawn()?;
        let console = folder.join("console");
        let mut starting = Starting(Some(qemu));
        let qmp = starting.connect(&folder.join("qmp"))?;
        let wires = BufReader::new(starting.connect(&folder.join("wires"))?);
        let chip = find(&qmp, "pl061")?;
        let qemu = starting.0.take().expect("it is there until it is handed on");
        Ok(Board { qemu, console, disk: self.path, made: self.made, wires, chip, started })
    }
}

impl Board {
    /// Waits until its console has said something, from the beginning on; after how long.
    ///
    /// # Errors
    /// When it does not, with what it said instead.
    pub fn says(&mut self, what: &str) -> io::Result<Duration> {
        while !self.console().contains(what) {
            let ended = self.qemu.try_wait()?;
            if ended.is_some() || self.started.elapsed() > BOOT {
                let end = ended.map_or(String::new(), |status| format!(", it ended: {status}"));
                return Err(io::Error::other(format!("never said{end}: {what}\n{}", self.console())));
            }
            std::thread::sleep(LOOK); // a file grows without a word
        }
        Ok(self.started.elapsed())
    }

    /// What its console has said.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.console).unwrap_or_default()).into_owned()
    }

    /// Presses the button, or lets go of it.
    ///
    /// # Errors
    /// What the emulator says.
    pub fn press(&mut self, down: bool) -> io::Result<()> {
        let level = u8::from(down);
        writeln!(self.wires.get_ref(), "set_irq_in {} unnamed-gpio-in 5 {level}", self.chip)?;
        let mut answer = String::new();
        self.wires.read_line(&mut answer)?;
        if answer.starts_with("OK") { Ok(()) } else { Err(io::Error::other(format!("the wire: {answer}"))) }
    }

    /// Cuts its power and takes the card out.
    pub fn cut(mut self) -> Disk {
        // It may have ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        Disk { path: std::mem::take(&mut self.disk), made: std::mem::take(&mut self.made) }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// An emulator that may yet fail to come up.
struct Starting(Option<Child>);

impl Starting {
    fn connect(&mut self, path: &Path) -> io::Result<UnixStream> {
        let qemu = self.0.as_mut().expect("it is there until it is handed on");
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match UnixStream::connect(path) {
                Ok(stream) => return Ok(stream),
                Err(error) => match qemu.try_wait()? {
                    Some(status) => {
                        return Err(io::Error::other(format!("QEMU has ended, {status}: see qemu.log")));
                    }
                    None if Instant::now() > deadline => return Err(error),
                    None => std::thread::sleep(LOOK), // a socket's birth cannot be awaited
                },
            }
        }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(mut qemu) = self.0.take() {
            let _ = qemu.kill();
            let _ = qemu.wait();
        }
    }
}

/// Where the emulator has a part of this kind (QMP, `qom-list`).
fn find(monitor: &UnixStream, kind: &str) -> io::Result<String> {
    let mut reader = BufReader::new(monitor);
    let mut ask = |what: &Value| -> io::Result<Value> {
        writeln!(&*monitor, "{what}")?;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::Error::other("the emulator's monitor has closed"));
            }
            let mut said: Value = serde_json::from_str(&line)?;
            if let Some(value) = said.get_mut("return") {
                return Ok(value.take());
            }
        }
    };
    ask(&json!({ "execute": "qmp_capabilities" }))?;
    let parts = ask(&json!({ "execute": "qom-list", "arguments": { "path": "/machine/unattached" } }))?;
    let found = parts.as_array().into_iter().flatten().find(|part| part["type"] == format!("child<{kind}>"));
    match found.and_then(|part| part["name"].as_str()) {
        Some(name) => Ok(format!("/machine/unattached/{name}")),
        None => Err(io::Error::other(format!("this board has no {kind}: {parts}"))),
    }
}

fn check(command: &mut Command) -> io::Result<String> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))))
}
