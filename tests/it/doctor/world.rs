//! A device as the doctor sees it: real libasound over a virtual card, a server on loopback, and the system's files in the
//! kernel's own formats below a folder. It is well until a test breaks it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use fake_gemini::{FakeGemini, Options};
use pressel_world::card::{Card, CardOptions, Echo, StreamOptions};
use serde_json::Value;
use tempfile::TempDir;
use tests::stage::{KEY, program};

/// Before and after `Value` of systemctl show: LoadState, ActiveState, SubState, Result, ExecMainStatus, NRestarts.
pub const RUNS: [&str; 6] = ["loaded", "active", "running", "success", "0", "0"];

/// A system and what surrounds it.
pub struct World {
    pub folder: TempDir,
    pub card: Card,
    pub server: FakeGemini,
    /// Tables of the configuration by name, each its keys.
    pub config: Vec<(&'static str, String)>,
    pub key: Option<&'static str>,
    /// The doctor plays its sweep.
    pub plays: bool,
    /// What is typed before the command.
    pub before: Option<String>,
}

impl World {
    pub fn well() -> Self {
        Self::with(
            CardOptions { microphone: StreamOptions::new(16_000, 1), speaker: StreamOptions::new(24_000, 1) },
            Options::default(),
        )
    }

    pub fn with(card: CardOptions, server: Options) -> Self {
        let folder = TempDir::new().unwrap();
        let card = Card::create(&folder.path().join("card"), card).unwrap();
        card.fill_noise(1, 60).unwrap();
        card.set_echo(Some(Echo { delay: Duration::from_millis(30), gain: 0.3 }));
        let server = FakeGemini::spawn_thread(server).unwrap();
        let ca = folder.path().join("ca.pem");
        server.write_ca(&ca).unwrap();
        let config = vec![
            ("live", format!("endpoint = \"{}\"\nca_file = \"{}\"", server.url(), ca.display())),
            ("capture", "device = \"pressel_mic\"\nrate_hz = 16000\nchannels = 1".into()),
            ("playback", "device = \"pressel_speaker\"\nrate_hz = 24000\nchannels = 1".into()),
            ("talk", "mode = \"open\"".into()),
            ("open", "start = \"speech\"".into()),
            ("control", format!("path = \"{}\"", folder.path().join("control").display())),
            ("usage", "ledger_folder = \"/var/lib/pressel\"".into()),
            ("network", String::new()),
            ("button", String::new()),
        ];
        let world = World { folder, card, server, config, key: Some(KEY), plays: false, before: None };
        world.furnish();
        world
    }

    /// The files of a Pi that is well.
    fn furnish(&self) {
        for (path, text) in [
            ("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0"),
            ("etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nID=debian\n"),
            ("proc/sys/kernel/osrelease", "6.12.25+rpt-rpi-2712\n"),
            ("proc/sys/kernel/sched_rt_runtime_us", "950000\n"),
            ("boot/firmware/config.txt", "dtparam=audio=off\ndtoverlay=vc4-kms-v3d\n"),
            (
                "proc/asound/cards",
                " 0 [vc4hdmi0       ]: vc4-hdmi - vc4-hdmi-0\n                      vc4-hdmi-0\n \
                 1 [ArrayUAC10     ]: USB-Audio - ReSpeaker 4 Mic Array (UAC1.0)\n                      SEEED\n",
            ),
            ("proc/asound/card1/pcm0c/sub0/status", "closed\n"),
            ("etc/passwd", "root:x:0:0::/root:/bin/sh\npressel:x:996:996::/:/usr/sbin/nologin\n"),
            ("etc/group", "audio:x:29:pressel\ngpio:x:997:pressel\ninput:x:101:pressel\nspi:x:994:pressel\n"),
            (
                "proc/self/limits",
                "Limit                     Soft Limit           Hard Limit           Units     \nMax locked memory         \
                 unlimited            unlimited            bytes     \nMax realtime priority     80                   80  \
                 \n",
            ),
            ("sys/class/thermal/thermal_zone0/temp", "48312\n"),
            ("sys/devices/platform/soc/soc:firmware/get_throttled", "0\n"),
            (
                "proc/self/mounts",
                "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\n/dev/mmcblk0p3 /var/lib/pressel ext4 rw 0 0\n",
            ),
            ("var/lib/pressel/.keep", ""),
            (
                "proc/net/wireless",
                "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n face | tus | link \
                 level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n wlan0: 0000   58.  -52.  -256        0      \
                 0      0      0      0        0\n",
            ),
            (
                "proc/net/route",
                "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\nwlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t\
                 00000000\nwlan0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\n",
            ),
            ("etc/resolv.conf", "nameserver 192.168.1.1\n"),
        ] {
            self.write(path, text);
        }
        self.service(RUNS);
        self.program("iw", "echo 'Power save: off'");
    }

    /// Writes a file of the system.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A program of the system, as a script.
    pub fn program(&self, name: &str, script: &str) {
        self.write(&format!("usr/bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.root().join("usr/bin").join(name), mode).unwrap();
    }

    /// What `systemctl show` tells of the service.
    pub fn service(&self, values: [&str; 6]) {
        let names = ["LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts"];
        let lines: Vec<String> =
            names.iter().zip(values).map(|(name, value)| format!("{name}={value}")).collect();
        self.program("systemctl", &format!("cat <<'END'\n{}\nUnitFileState=enabled\nEND", lines.join("\n")));
    }

    /// The installed key, with this mode.
    pub fn installed_key(&self, text: &str, mode: u32) {
        self.write("etc/pressel/key", text);
        let path = self.root().join("etc/pressel/key");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Replaces the keys of a table.
    pub fn set(&mut self, table: &'static str, keys: impl Into<String>) {
        let keys = keys.into();
        match self.config.iter_mut().find(|(name, _)| *name == table) {
            Some((_, old)) => *old = keys,
            None => self.config.push((table, keys)),
        }
    }

    /// Another endpoint, with the server's authority trusted.
    pub fn endpoint(&mut self, url: &str) {
        let ca = self.folder.path().join("ca.pem");
        self.set("live", format!("endpoint = \"{url}\"\nca_file = \"{}\"", ca.display()));
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a person would type, in this world.
    pub fn doctor(&self, arguments: &[&str]) -> Output {
        let tables: Vec<String> =
            self.config.iter().map(|(name, keys)| format!("[{name}]\n{keys}\n")).collect();
        let file = self.path("config.toml");
        std::fs::write(&file, tables.concat()).unwrap();
        let doctor = program("pressel").unwrap();
        let mut command = match &self.before {
            None => Command::new(&doctor),
            Some(before) => {
                let mut command = Command::new("unshare");
                command.args(["-rm", "sh", "-c", &format!("{before} && exec \"$0\" \"$@\"")]).arg(&doctor);
                command
            }
        };
        let (name, conf) = self.card.env();
        command.arg("doctor").arg("--config").arg(&file).arg("--root").arg(self.root());
        command.args((!self.plays).then_some("--quiet")).args(arguments).env(name, conf).stdin(Stdio::null());
        for variable in ["GOOGLE_API_KEY", "https_proxy", "HTTPS_PROXY", "CREDENTIALS_DIRECTORY"] {
            command.env_remove(variable);
        }
        match self.key {
            Some(key) => command.env("GEMINI_API_KEY", key),
            None => command.env_remove("GEMINI_API_KEY"),
        };
        command.output().unwrap()
    }

    /// Its report, and the exit code.
    pub fn report(&self) -> (Value, Option<i32>) {
        let output = self.doctor(&["--json"]);
        let report = serde_json::from_slice(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        (report.unwrap_or_else(|error| panic!("{error}: {said}")), output.status.code())
    }
}

/// A web server that answers everybody with this.
pub fn answering(answer: &'static str) -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Whoever goes away meanwhile wanted no answer.
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// A port that nobody listens on: it was just given back.
pub fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
