//! The world of a talk with the real daemon in it: a process with a virtual sound card in front of it and a server that
//! is worked by the script behind it. Time is real, and so is everything that is seen: what arrives at the server, what
//! the loudspeaker plays, what the control socket tells.

mod config;
mod deeds;
mod ear;
mod room;
mod senses;
mod uplink;

use std::io;
use std::path::Path;
use std::time::Duration;

use fake_gemini::{Authority, Options};
use pressel_live::event::Phase;
use pressel_world::card::{monotonic_ns, sleep_until_ns};
use pressel_world::talk::player::{Entry, Seen, World};
use pressel_world::talk::{Talk, script};

use self::ear::Ear;
use self::room::RealRoom;
use self::senses::listen_word;
use self::uplink::Uplink;
use super::puppet::{LinkState, Manner, Puppet};
use super::{KEY, Stage};

/// How often the world is looked at.
const LOOK_NS: u64 = 4_000_000;
/// A sleep that lasts so much longer than it was meant to is not what a talk reckons with.
const LATE_NS: u64 = 100_000_000;
/// How long something may take when the talk does not say it; and how much longer than it says, on a machine that does
/// other things as well.
const PATIENCE: Duration = Duration::from_secs(3);
/// Microphone samples around a gap, within which a reason for it must lie.
const REASON_SAMPLES: u64 = 16_000;

/// The daemon at work, and everything around it.
pub struct RealWorld {
    stage: Stage,
    puppet: Puppet,
    began_ns: u64,
    room: RealRoom,
    ear: Ear,
    uplink: Uplink,
    /// Of the answer that the server is giving.
    answer: u32,
    /// Messages that the server was told to send.
    said: u64,
    journal: Vec<Entry>,
    /// Of what the daemon told, and of what the server recorded, so much is in the journal.
    told: usize,
    recorded: usize,
    /// The light so far; the first `shown` changes have been looked at.
    phases: Vec<(Duration, Phase)>,
    shown: usize,
    pressed: bool,
    /// Time spent until what was said last was done, which a talk does not reckon with.
    settling: Duration,
    /// The daemon has ended.
    ended: bool,
    /// This process was kept from its work for so long that the talk had another rhythm than is written.
    late: bool,
    /// When the microphone had a reason not to go on, in its samples.
    reasons: Vec<u64>,
    gaps: Vec<std::ops::Range<u64>>,
    broken: Vec<String>,
}

impl RealWorld {
    /// Sets the stage for a talk in an empty folder.
    ///
    /// # Errors
    /// What the daemon cannot be told, or why it does not start.
    pub fn set(talk: &Talk, folder: &Path, authority: &Authority) -> io::Result<Self> {
        // A script needs a moment to say something after our close.
        let goodbye = talk.room.goodbye.max(Duration::from_millis(100));
        let began_ns = monotonic_ns();
        let puppet = Puppet::start(authority, Manner { dial: talk.room.dial, goodbye })?;
        let options = Options { authority: Some(authority.clone()), ..Options::default() };
        let setting = config::setting(talk, puppet.url(), options).map_err(io::Error::other)?;
        let stage = Stage::set(folder, setting)?;
        let room = RealRoom::new(&talk.room, &talk.settings.talk);
        let mut world = RealWorld {
            stage,
            puppet,
            began_ns,
            room,
            ear: Ear::new(),
            uplink: Uplink::default(),
            answer: 1,
            said: 0,
            journal: Vec::new(),
            told: 0,
            recorded: 0,
            phases: vec![(Duration::ZERO, Phase::Idle)],
            shown: 1,
            pressed: false,
            settling: Duration::ZERO,
            ended: false,
            late: false,
            reasons: Vec::new(),
            gaps: Vec::new(),
            broken: Vec::new(),
        };
        // Said before anybody could watch.
        let status = world.stage.remote.status()?;
        world.see(Duration::ZERO, Seen::Listen(listen_word(&status["microphone"]["listens"])));
        world.pass(Duration::from_millis(500)); // the microphone has a past
        Ok(world)
    }

    /// Whether this process could not keep time, so that a failure means nothing.
    pub fn was_late(&self) -> bool {
        self.late
    }

    /// What the daemon logged.
    pub fn log(&self) -> String {
        self.stage.log()
    }

    /// Everything seen, with its time in ms, for a person.
    pub fn story(&self) -> String {
        let lines =
            self.journal.iter().map(|entry| format!("{:6} ms {:.100?}\n", entry.at.as_millis(), entry.seen));
        let mut story: Vec<String> = Vec::new();
        for line in lines {
            if story.last().is_none_or(|last| last[9..] != line[9..]) {
                story.push(line);
            }
        }
        story.concat()
    }

    fn since_began(&self, ns: u64) -> Duration {
        Duration::from_nanos(ns.saturating_sub(self.began_ns))
    }

    fn see(&mut self, at: Duration, seen: Seen) {
        self.journal.push(Entry { at, seen });
    }

    fn breaks(&mut self, at: Duration, what: &str) {
        self.broken.push(format!("at {} ms: {what}", at.as_millis()));
    }

    /// The light has been looked at up to now.
    fn catch_up(&mut self) {
        self.look();
        self.shown = self.phases.len();
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) {
        self.pass_until(monotonic_ns() + time.as_nanos() as u64);
    }

    fn pass_until(&mut self, until_ns: u64) {
        while monotonic_ns() < until_ns {
            self.sleep(until_ns);
            self.catch_up();
        }
    }

    /// A moment, at most until then.
    fn sleep(&mut self, until_ns: u64) {
        let meant = (monotonic_ns() + LOOK_NS).min(until_ns);
        sleep_until_ns(meant);
        self.late |= monotonic_ns() > meant + LATE_NS;
    }

    fn newest(&self) -> Option<LinkState> {
        self.puppet.links().pop()
    }

    /// Ends the daemon as a service manager does.
    fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        match self.stage.daemon.stop() {
            Ok((Some(0), took)) if took < Duration::from_secs(1) + PATIENCE => {}
            Ok((code, took)) => self.breaks(self.now(), &format!("ended with {code:?} after {took:?}")),
            Err(error) => self.breaks(self.now(), &error.to_string()),
        }
        self.stage.card.process_died();
        let at = self.now();
        self.see(at, Seen::Listen("rest")); // as whatever has ended
    }

    /// What must hold at the end.
    fn hold(&mut self) {
        let at = self.now();
        self.gaps.append(&mut self.uplink.gaps);
        let gaps = std::mem::take(&mut self.gaps);
        for gap in gaps {
            let around = gap.start.saturating_sub(REASON_SAMPLES)..gap.end + REASON_SAMPLES;
            if !self.room.gated && !self.reasons.iter().any(|reason| around.contains(reason)) {
                self.breaks(at, &format!("samples {gap:?} of the microphone are missing in an utterance"));
            }
        }
        for link in self.puppet.links() {
            if link.opened && !link.over && !link.closing {
                self.breaks(at, &format!("link {} is open after the end", link.number));
            }
        }
        let log = self.log();
        if log.contains(KEY) {
            self.breaks(at, "the key is in the log");
        }
        self.broken.extend_from_slice(self.ear.broken());
    }
}

impl World for RealWorld {
    fn now(&self) -> Duration {
        self.since_began(monotonic_ns())
    }

    /// Shows one more change of the light, so that none is missed however quickly they came, or waits for news.
    fn step(&mut self, until: Duration) {
        self.look();
        if self.shown < self.phases.len() {
            self.shown += 1;
            return;
        }
        let until_ns = self.began_ns + until.as_nanos() as u64;
        self.sleep(until_ns);
        self.look();
        self.shown = (self.shown + 1).min(self.phases.len());
    }

    fn act(&mut self, deed: &script::Deed) -> Result<Duration, String> {
        self.deed(deed)
    }

    fn journal(&self) -> &[Entry] {
        &self.journal
    }

    fn phase(&self) -> Phase {
        self.phases[self.shown.max(1) - 1].1
    }

    fn utterance(&self) -> (Duration, Duration) {
        if self.newest().is_some_and(|newest| newest.number == self.uplink.link) {
            self.room.measure(self.uplink.parts())
        } else {
            (Duration::ZERO, Duration::ZERO)
        }
    }

    fn hush(&self) -> Duration {
        self.uplink.hush()
    }

    fn heard(&self) -> Duration {
        self.ear.newest()
    }

    fn order(&self) -> Vec<String> {
        self.newest().map(|link| link.order).unwrap_or_default()
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    /// A chunk, and a block of the gate's or of the pre-roll's on either side.
    fn exactness(&self) -> Duration {
        Duration::from_millis(40)
    }

    fn finish(&mut self) -> Vec<String> {
        if !self.ended {
            if std::mem::take(&mut self.pressed) && self.stage.remote.release().is_err() {
                self.breaks(self.now(), "the daemon does not answer");
            }
            self.pass(Duration::from_millis(50));
            self.end();
        }
        self.pass(Duration::from_millis(150));
        self.hold();
        std::mem::take(&mut self.broken)
    }
}
