//! A stage for the real daemon: a virtual sound card in front, a Live server behind, a button in between.
//!
//! The daemon is the program that is shipped, in a process of its own. The stage writes its configuration, presses its
//! button and follows its events through the control socket, speaks into its microphone and reads what its loudspeaker
//! played; all times are CLOCK_MONOTONIC in nanoseconds.

mod aloop;
mod board;
mod daemon;
mod machine;
pub mod proxy;
pub mod puppet;
mod qmp;
mod remote;
pub mod vm;
pub mod world;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fake_gemini::{FakeGemini, Options};
use pressel_world::card::{Card, CardOptions, Direction, StreamOptions};

pub use aloop::{Bridge, Gaps, Loopback};
pub use board::{BUTTON, Board, Disk, HOST, SPEAKER};
pub use daemon::{Daemon, Usage, program};
pub use machine::Machine;
pub use qmp::Qmp;
pub use remote::{Happened, Remote};
pub use vm::Vm;

/// The key that the stage gives the daemon; checkers look for it in logs.
pub const KEY: &str = "AIzaStageKey-not-a-real-one-0123456789";

/// Every stage that changes the microphone's samples is off, so that what was said can be compared with what arrived, and
/// the device says nothing by itself, so that what is played can be compared with what was sent.
pub const STAGES_OFF: &str = "\
[array]
watch = false
playback_loop = \"none\"
[echo]
engine = \"off\"
[noise]
max_attenuation_db = 0.0
[gain]
on = false
[barge_in]
policy = \"server\"
[phrases]
on = false
";

/// The daemon as it was built for another machine, and what is needed beside it.
#[derive(Clone, Debug)]
pub struct Build {
    /// What starts it.
    pub program: PathBuf,
    /// The virtual card's plugin for its libasound.
    pub plugin: PathBuf,
}

/// How a stage is set.
pub struct Setting {
    /// The sound card.
    pub card: CardOptions,
    /// The server.
    pub server: Options,
    /// TOML that is added to the stage's own; tables `capture`, `playback`, `control` and `live` are taken, and those of `stages`.
    pub config: String,
    /// Keys added to `[live]`.
    pub live: String,
    /// Keys added to `[capture]`.
    pub capture: String,
    /// Keys added to `[playback]`.
    pub playback: String,
    /// Tables of the stages between microphone and network: as a product has them where this is empty.
    pub stages: String,
    /// The key; absent = none.
    pub key: Option<String>,
    /// More environment for the daemon.
    pub env: Vec<(&'static str, PathBuf)>,
    /// A server of the test's own instead of the stage's.
    pub endpoint: Option<String>,
    /// What is done to the card before the daemon sees it.
    pub prepare: fn(&Card),
    /// Another build of the daemon than the one beside this program; absent = that one.
    pub build: Option<Build>,
    /// The button's lines and the mute switch are simulated, see [`Daemon::line`].
    pub wired: bool,
    /// The kernel's loopback card carries the sound; absent = the virtual card's plugin.
    pub loopback: Option<Loopback>,
}

impl Default for Setting {
    fn default() -> Self {
        Setting {
            card: CardOptions {
                microphone: StreamOptions::new(16_000, 1),
                speaker: StreamOptions::new(24_000, 1),
            },
            server: Options::default(),
            config: String::new(),
            live: String::new(),
            capture: "high_pass_hz = 0".into(),
            playback: String::new(),
            stages: STAGES_OFF.into(),
            key: Some(KEY.into()),
            env: Vec::new(),
            endpoint: None,
            prepare: |_| {},
            build: None,
            wired: false,
            loopback: None,
        }
    }
}

impl Setting {
    /// The default with a talk mode and more TOML.
    pub fn mode(mode: &str, more: &str) -> Self {
        Setting { config: format!("[talk]\nmode = \"{mode}\"\n{more}\n"), ..Setting::default() }
    }
}

/// Everything around one daemon.
pub struct Stage {
    /// The sound card; over a loopback card what is before its microphone and behind its speaker.
    pub card: Arc<Card>,
    /// The server.
    pub server: FakeGemini,
    /// The program.
    pub daemon: Daemon,
    /// Its control socket.
    pub remote: Remote,
    /// What carries the sound over a loopback card.
    pub bridge: Option<Bridge>,
    folder: PathBuf,
    program: PathBuf,
    env: Vec<(&'static str, PathBuf)>,
    key: Option<String>,
}

impl Stage {
    /// Sets the stage in an empty folder and waits until the daemon has looked for both cards.
    ///
    /// # Errors
    /// What could not be built, written or started, or the daemon's own words when it ended.
    pub fn set(folder: &Path, setting: Setting) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        let rates = (setting.card.microphone.rate_hz, setting.card.speaker.rate_hz);
        let channels = (setting.card.microphone.file_channels(), setting.card.speaker.file_channels());
        let card = Arc::new(match setting.loopback {
            Some(_) => Card::create_files(&folder.join("card"), setting.card)?,
            None => match &setting.build {
                Some(build) => Card::create_for(&folder.join("card"), setting.card, &build.plugin)?,
                None => Card::create(&folder.join("card"), setting.card)?,
            },
        });
        card.fill_noise(1, 6)?; // every stretch of the room's silence is unlike every other
        (setting.prepare)(&card);
        let bridge = setting.loopback.as_ref().map(|loopback| Bridge::start(&card, loopback)).transpose()?;
        let (microphone, speaker, playback) = match &setting.loopback {
            Some(loopback) => (loopback.microphone(), loopback.speaker(), aloop::PLAYBACK),
            None => ("pressel_mic".into(), "pressel_speaker".into(), ""),
        };
        // What is made up for missing sound is nothing that samples can be compared with.
        let conceal = if setting.playback.contains("conceal") { "" } else { "conceal = false\n" };
        // So is a tone at a press.
        let own = setting.stages.clone() + &setting.config;
        let quiet = if own.contains("[sounds]") { "" } else { "[sounds]\non = false\n" };
        let server = FakeGemini::spawn_thread(setting.server)?;
        let ca = folder.join("ca.pem");
        server.write_ca(&ca)?;
        let config = format!(
            "[live]\nendpoint = \"{url}\"\nca_file = \"{ca}\"\n{live}\n\
             [capture]\ndevice = \"{microphone}\"\nrate_hz = {mic_rate}\nchannels = {mic_channels}\n{capture}\n\
             [playback]\ndevice = \"{speaker}\"\nrate_hz = {spk_rate}\nchannels = {spk_channels}\n{playback}\n\
             [control]\npath = \"{control}\"\n{quiet}{stages}\n{config}",
            url = setting.endpoint.unwrap_or_else(|| server.url()),
            ca = ca.display(),
            live = setting.live,
            mic_rate = rates.0,
            mic_channels = channels.0,
            capture = setting.capture,
            spk_rate = rates.1,
            spk_channels = channels.1,
            playback = playback.to_owned() + conceal + &setting.playback,
            control = folder.join("control").display(),
            stages = setting.stages,
            config = setting.config,
        );
        let path = folder.join("pressel.toml");
        std::fs::write(&path, config)?;
        let plugin = bridge.is_none().then(|| card.env());
        let env: Vec<_> = setting.env.into_iter().chain(plugin).collect();
        let program = match setting.build {
            Some(build) => build.program,
            None if setting.wired => program("pressel-wired")?,
            None => program("pressel")?,
        };
        let key = setting.key;
        let mut daemon = Daemon::start_as(&program, &path, &folder.join("log"), &env, key.as_deref())?;
        let remote = Remote::connect(&folder.join("control"), || daemon.check_alive())?;
        let stage = Stage { card, server, daemon, remote, bridge, folder, program, env, key };
        stage.wait_for_cards()?;
        Ok(stage)
    }

    /// Ends the daemon, if it has not, and starts it again with the same configuration. What was told is forgotten.
    ///
    /// # Errors
    /// As [`Stage::set`], or when it does not stop.
    pub fn restart(&mut self) -> io::Result<()> {
        self.daemon.stop()?;
        self.card.process_died();
        let (config, log) = (self.folder.join("pressel.toml"), self.folder.join("log-again"));
        self.daemon = Daemon::start_as(&self.program, &config, &log, &self.env, self.key.as_deref())?;
        let daemon = &mut self.daemon;
        self.remote = Remote::connect(&self.folder.join("control"), || daemon.check_alive())?;
        self.wait_for_cards()
    }

    fn wait_for_cards(&self) -> io::Result<()> {
        // The daemon tells of each card once; a status asked after that knows both.
        let told = |status: &serde_json::Value, side: &str| {
            !status[side]["format"].is_null() || !status[side]["problem"].is_null()
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            let status = self.remote.status()?;
            if told(&status, "microphone") && told(&status, "speaker") {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2)); // status is asked for, not told
        }
        Err(io::Error::other(format!("the daemon did not look for its cards: {}", self.log())))
    }

    /// Where everything lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the daemon logged so far.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Speaks into the microphone, beginning `after` from now (over a loopback card 0.5 s later: much of the room is
    /// on its way already); returns the sample at which the sound begins.
    ///
    /// # Errors
    /// Beyond the end of the card's file; or the machine is so busy that the sound came too late.
    pub fn say(&self, after: Duration, sound: &[i16]) -> io::Result<u64> {
        let rate = u64::from(self.card.stream(Direction::Capture).rate_hz);
        let after = after + self.bridge.as_ref().map_or(Duration::ZERO, |_| aloop::LATER);
        let at = self.card.now_sample(Direction::Capture) + after.as_micros() as u64 * rate / 1_000_000;
        self.card.say(at, sound)?;
        let now = match &self.bridge {
            Some(bridge) => bridge.taken(),
            None => self.card.now_sample(Direction::Capture),
        };
        if now > at {
            // What was heard meanwhile is not what the file says now.
            return Err(io::Error::other(format!(
                "spoken {} samples too late: this machine is busy",
                now - at
            )));
        }
        Ok(at)
    }

    /// Waits until everything that was played by now can be read from the card.
    ///
    /// # Errors
    /// When the loopback card has ended.
    pub fn catch_up(&self) -> io::Result<()> {
        let now = self.card.now_sample(Direction::Playback);
        self.bridge.as_ref().map_or(Ok(()), |bridge| bridge.until_recorded(now))
    }

    /// When a microphone sample has been heard.
    pub fn heard_at(&self, sample: u64) -> u64 {
        self.card.time_of(Direction::Capture, sample + 1)
    }
}
