//! What is written while the power goes. `tests/it/vm/cut.rs` starts this as nearly the only program of a machine, again and
//! again with the same disk, and kills the machine in the middle of it.

mod settings;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fake_gemini::{Authority, FakeGemini, Options};
use tests::stage::{Daemon, KEY, Loopback, Remote, STAGES_OFF};

use super::answers;
use super::kernel::run;
use crate::scene::WAIT;

/// The disk that is kept.
const DISK: &str = "/run/state";
/// Where the other side reads, on a disk that loses nothing.
const SHARED: &str = "/run/shared";
/// Daemons that write at the same time.
const DAEMONS: u32 = 2;

/// One of the daemons, with a folder on the disk.
struct Writer {
    daemon: Daemon,
    remote: Remote,
    folder: PathBuf,
    /// Turns that were billed before, by what the status said.
    known: PathBuf,
}

fn config(number: u32, folder: &Path, url: &str) -> String {
    let card = |device: u32| format!("hw:CARD=Loopback,DEV={device},SUBDEV={number}");
    format!(
        "[live]\nendpoint = \"{url}\"\nca_file = \"/run/ca.pem\"\nstate_file = \"{at}/session.json\"\n\
         [capture]\ndevice = \"{microphone}\"\n[playback]\ndevice = \"{speaker}\"\n[talk]\nmode = \"hold\"\n\
         [volume]\nkeep_folder = \"{at}\"\n[usage]\nledger_folder = \"{at}\"\n\
         [control]\npath = \"/run/control-{number}\"\n{STAGES_OFF}",
        at = folder.display(),
        microphone = card(1),
        speaker = card(0),
    )
}

impl Writer {
    /// Starts on what the last power cut left, and looks at it.
    #[track_caller]
    fn start(number: u32, server: &FakeGemini) -> Writer {
        let folder = Path::new(DISK).join(number.to_string());
        let known = Path::new(SHARED).join(format!("turns-{number}"));
        std::fs::create_dir_all(&folder).unwrap();
        let file = Path::new("/run").join(format!("{number}.toml"));
        std::fs::write(&file, config(number, &folder, &server.url())).unwrap();
        let volume = volume(&folder);
        let log = Path::new("/run").join(format!("log-{number}"));
        let mut daemon = Daemon::start(&file, &log, &[], Some(KEY)).unwrap();
        let control = format!("/run/control-{number}");
        let remote = Remote::connect(Path::new(&control), || daemon.check_alive());
        let remote = remote.unwrap_or_else(|error| panic!("{error}"));
        let turns = turns(&remote);
        let before =
            std::fs::read_to_string(&known).ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        assert!(
            turns >= before,
            "{turns} turns in the ledger, {before} were told before the cut:\n{}",
            daemon.log()
        );
        let told = daemon.log();
        assert!(!told.contains("damaged") && !told.contains("a new talk begins"), "{told}");
        if before > 0 {
            assert!(told.contains("the talk before the restart goes on"), "the talk is lost:\n{told}");
        }
        let is = remote.ask("{\"op\":\"volume\"}").unwrap()["percent"].as_u64();
        assert_eq!(is, Some(volume.unwrap_or(100)), "{told}");
        println!("{number}: {turns} turns in the ledger, {before} told before the cut; volume {volume:?}");
        Writer { daemon, remote, folder, known }
    }

    /// A question and its answer; what the status then says was counted must be there after a cut.
    #[track_caller]
    fn talk(&mut self) {
        // Another one than before, which is kept a second later.
        let percent = 10 + turns(&self.remote) % 90;
        self.remote.ask(&format!("{{\"op\":\"volume\",\"to\":{percent}}}")).unwrap();
        let mark = self.remote.mark();
        self.remote.press().unwrap();
        self.remote.wait_phase(mark, "listening", WAIT).unwrap();
        // Somebody speaks, for longer than a busy machine may take to bring the first sound of a card just opened.
        std::thread::sleep(Duration::from_millis(800));
        self.remote.release().unwrap();
        let speaking = self.remote.wait_phase(mark, "speaking", WAIT);
        let speaking = speaking.unwrap_or_else(|error| panic!("{error}\n{}", self.daemon.log())).at_ns;
        self.remote.wait(mark, WAIT, |e| e.at_ns > speaking && e.is_phase("idle")).unwrap();
        // The state of this talk was written before: the ledger's last line may still be on its way.
        let turns = turns(&self.remote);
        if self.folder.join("session.json").exists() {
            let mut file = File::create(self.known.with_extension("new")).unwrap();
            write!(file, "{}", turns.saturating_sub(1)).unwrap();
            std::fs::rename(self.known.with_extension("new"), &self.known).unwrap();
        }
    }
}

/// The volume that was kept; a file that was begun is whole.
#[track_caller]
fn volume(folder: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(folder.join("volume")).ok()?;
    let percent = text.strip_suffix(" 100\n").and_then(|percent| percent.parse().ok());
    Some(percent.unwrap_or_else(|| panic!("the volume that was kept is {text:?}")))
}

fn turns(remote: &Remote) -> u64 {
    remote.status().unwrap()["usage"]["month"]["turns"].as_u64().expect("it counts turns")
}

#[test]
fn everything_is_whole_after_the_last_cut_and_is_written_until_the_next() {
    if std::env::var_os("PRESSEL_CUT").is_none() {
        println!("skipped: runs in a virtual machine whose power is cut, `cargo xtask test --vm`");
        return;
    }
    run("modprobe snd-aloop pcm_substreams=4");
    Loopback::find().unwrap();
    let listen = ([127, 0, 0, 1], 4433).into();
    let authority = Authority::new().unwrap();
    let server = FakeGemini::spawn_thread(Options {
        listen,
        authority: Some(authority),
        ..Options::script(answers(200))
    });
    let server = server.unwrap();
    // This boot's server is vouched for by another authority than the last one's.
    server.write_ca("/run/ca.pem".as_ref()).unwrap();
    let settings = settings::Settings::look();
    let mut writers: Vec<Writer> = (0..DAEMONS).map(|number| Writer::start(number, &server)).collect();
    File::create(Path::new(SHARED).join("whole")).unwrap();
    let settings = std::thread::spawn(|| settings.change_for_ever());
    loop {
        for writer in &mut writers {
            writer.talk();
        }
        assert!(!settings.is_finished(), "setup has failed, see above");
        File::create(Path::new(SHARED).join("written")).unwrap();
    }
}
