//! What goes wrong in a talk.

use std::io;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pressel_world::card::Direction;

use crate::Ground;

/// One thing that happens in the middle of a talk, and is over within a second or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    UnplugMicrophone,
    UnplugSpeaker,
    UnplugBoth,
    /// Calls fail with this errno.
    Fails(Direction, i32),
    /// Poll says POLLERR.
    Poll(Direction),
    Overrun,
    Underrun,
    /// Gone, and held by somebody else when it is back.
    Busy,
    /// The clock of the microphone runs faster or slower from now on.
    Pace,
    Reset,
    Strand,
    Reload,
    Refused,
    /// Somebody presses again and again.
    Mash,
    /// Clients come, ask, watch and go.
    Watchers,
}

const ALL: [Fault; 15] = [
    Fault::UnplugMicrophone,
    Fault::UnplugSpeaker,
    Fault::UnplugBoth,
    Fault::Fails(Direction::Capture, libc::EIO),
    Fault::Fails(Direction::Playback, libc::EBADFD),
    Fault::Poll(Direction::Capture),
    Fault::Overrun,
    Fault::Underrun,
    Fault::Busy,
    Fault::Pace,
    Fault::Reset,
    Fault::Strand,
    Fault::Reload,
    Fault::Refused,
    Fault::Mash,
];

impl Fault {
    /// Each as likely as the other; watchers come with one in eight of all.
    pub fn by_chance(random: &mut fastrand::Rng) -> Fault {
        if random.u32(0..8) == 0 { Fault::Watchers } else { ALL[random.usize(0..ALL.len())] }
    }

    pub fn word(self) -> &'static str {
        match self {
            Fault::UnplugMicrophone => "microphone unplugged",
            Fault::UnplugSpeaker => "speaker unplugged",
            Fault::UnplugBoth => "both unplugged",
            Fault::Fails(..) => "calls failed",
            Fault::Poll(_) => "POLLERR",
            Fault::Overrun => "overrun",
            Fault::Underrun => "underrun",
            Fault::Busy => "held by another",
            Fault::Pace => "another pace",
            Fault::Reset => "link reset",
            Fault::Strand => "link stranded",
            Fault::Reload => "settings changed",
            Fault::Refused => "settings refused",
            Fault::Mash => "pressed wildly",
            Fault::Watchers => "watchers",
        }
    }

    /// Lets it happen, and be over.
    pub fn strike(self, ground: &Ground, random: &mut fastrand::Rng) -> io::Result<()> {
        let stage = &ground.stage;
        let card = &stage.card;
        let (microphone, speaker) = (Direction::Capture, Direction::Playback);
        let mut a_while = || std::thread::sleep(Duration::from_millis(random.u64(100..1_500))); // it lasts so long
        match self {
            Fault::UnplugMicrophone => {
                card.unplug(microphone);
                a_while();
                card.replug(microphone);
            }
            Fault::UnplugSpeaker => {
                card.unplug(speaker);
                a_while();
                card.replug(speaker);
            }
            Fault::UnplugBoth => {
                card.unplug(speaker);
                card.unplug(microphone);
                a_while();
                card.replug(speaker);
                card.replug(microphone);
            }
            Fault::Fails(direction, errno) => {
                card.break_calls(direction, errno);
                a_while();
                card.break_calls(direction, 0);
            }
            Fault::Poll(direction) => {
                card.break_poll(direction, true);
                a_while();
                card.break_poll(direction, false);
            }
            Fault::Overrun => card.force_xrun(microphone),
            Fault::Underrun => card.force_xrun(speaker),
            Fault::Busy => {
                card.set_busy(microphone, true);
                card.unplug(microphone);
                card.replug(microphone);
                a_while();
                card.set_busy(microphone, false);
            }
            Fault::Pace => card.set_drift(microphone, random.f64() * 300.0 - 150.0),
            Fault::Reset => drop(ground.proxy.reset()),
            Fault::Strand => drop(ground.proxy.strand(false)),
            Fault::Reload => reload(ground, &format!("rest_ms = {}\nperiod_ms = 10", random.u32(20..120)))?,
            Fault::Refused => reload(ground, "rest_ms = \"soon\"\nperiod_ms = 10")?,
            Fault::Mash => {
                for _ in 0..6 {
                    stage.remote.press()?;
                    std::thread::sleep(Duration::from_millis(random.u64(5..120))); // as fast as a child
                    stage.remote.release()?;
                }
            }
            Fault::Watchers => {
                let path = stage.folder().join("control");
                let mut clients = Vec::new();
                for _ in 0..8 {
                    let mut client = UnixStream::connect(&path)?;
                    client.write_all(b"{\"op\":\"watch\"}\n")?;
                    clients.push(client);
                    stage.remote.status()?;
                }
                a_while();
            }
        }
        Ok(())
    }
}

/// The configuration with these lines in `[capture]`.
fn reload(ground: &Ground, lines: &str) -> io::Result<()> {
    let path = ground.stage.folder().join("pressel.toml");
    let text = std::fs::read_to_string(&path)?;
    let rest: Vec<&str> =
        text.lines().filter(|line| !line.starts_with("rest_ms") && !line.starts_with("period_ms")).collect();
    std::fs::write(&path, rest.join("\n").replacen("[capture]\n", &format!("[capture]\n{lines}\n"), 1))?;
    ground.stage.daemon.signal(libc::SIGHUP);
    Ok(())
}
