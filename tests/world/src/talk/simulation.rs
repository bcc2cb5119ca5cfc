//! The conversation alone in virtual time: card, speaker, wire and light are simulated around it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pressel_live::Conversation;
use pressel_live::event::{Input, LinkInput, Listen, MicrophoneInput, Phase, SpeakerInput};
use pressel_live::settings::{BargeIn, OpenStart, TalkMode};

use super::capture::{Capture, TICK};
use super::faults::Faults;
use super::law::Law;
use super::network::Network;
use super::player::{Entry, World};
use super::script::{Deed, Part, Room, Talk};
use super::sound::Speaker;

/// From `setup` to `setupComplete` where the server answers by itself.
pub(super) const SET_UP: Duration = Duration::from_millis(60);
/// After everything is let go: longer than all waits of a conversation together.
const LONG: Duration = Duration::from_secs(300);

/// Something that will happen.
pub(super) enum Happening {
    /// 20 ms more are captured.
    Tick,
    /// The microphone obeys.
    Obey(Listen),
    Microphone(MicrophoneInput),
    Speaker(SpeakerInput),
    Link(u32, LinkInput),
    /// The server completes the setup of this link.
    SetUp(u32),
}

/// The conversation alone in virtual time.
pub struct Simulation {
    began: Instant,
    pub(super) now: Duration,
    pub(super) conversation: Conversation,
    pub(super) capture: Capture,
    pub(super) speaker: Speaker,
    pub(super) network: Network,
    pub(super) law: Law,
    pub(super) room: Room,
    pub(super) faults: Option<Faults>,
    pub(super) agenda: BTreeMap<(Duration, u64), Happening>,
    happened: u64,
    pub(super) journal: Vec<Entry>,
    pub(super) phase: Phase,
    /// The server completes setups by itself.
    pub(super) obliging: bool,
    /// When the chunk before was handed over.
    chunk_at: Duration,
    /// Chunks that get lost from now on.
    pub(super) gap: u128,
    /// Chunks are captured one by one.
    ticks: bool,
    /// The timer as the conversation set it, and when it will be served.
    timer: Option<(Duration, Duration)>,
    pub(super) pressed: bool,
    pub(super) key: bool,
    barge_in: BargeIn,
    pub(super) stopped: bool,
}

impl Simulation {
    /// A world for this talk, with these faults or none.
    pub fn new(talk: &Talk, faults: Option<Faults>) -> Self {
        let began = Instant::now();
        let mut simulation = Simulation {
            began,
            now: Duration::ZERO,
            conversation: Conversation::new(talk.settings.clone(), began),
            capture: Capture::new(&talk.room),
            speaker: Speaker::default(),
            network: Network::default(),
            law: Law::new(talk.settings.utterance_max, !talk.settings.finishes.is_empty()),
            room: talk.room.clone(),
            obliging: faults.is_some(),
            faults,
            agenda: BTreeMap::new(),
            happened: 0,
            journal: Vec::new(),
            phase: Phase::Idle,
            chunk_at: Duration::ZERO,
            gap: 0,
            ticks: false,
            timer: None,
            pressed: false,
            key: true,
            barge_in: talk.settings.barge_in,
            stopped: false,
        };
        simulation.perform_all();
        if simulation.faults.is_some() {
            simulation.tick_from_now();
        }
        // The daemon rests for a moment before anybody can press: the microphone has a past.
        simulation.pass(Duration::from_millis(500));
        simulation
    }

    pub(super) fn instant(&self) -> Instant {
        self.began + self.now
    }

    pub(super) fn plan(&mut self, at: Duration, what: Happening) {
        self.happened += 1;
        self.agenda.insert((at.max(self.now), self.happened), what);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step_one(until);
        }
    }

    /// One happening, if there is one until then; otherwise it is then.
    pub(super) fn step_one(&mut self, until: Duration) {
        let next = self.agenda.first_key_value().map(|(key, _)| *key);
        let timer = self.timer_at();
        let first = [next.map(|(at, _)| at), timer].into_iter().flatten().min().filter(|at| *at <= until);
        let Some(at) = first else {
            self.now = until;
            return;
        };
        self.now = self.now.max(at);
        match next.filter(|(planned, _)| *planned <= at).and_then(|key| self.agenda.remove(&key)) {
            Some(what) => self.happen(what),
            None => {
                self.timer = None;
                self.input(Input::Timeout);
                let next = self.due();
                self.law.timer(self.now, next);
            }
        }
    }

    /// When the conversation's timer is due.
    fn due(&self) -> Option<Duration> {
        self.conversation.poll_timeout().map(|at| at.saturating_duration_since(self.began))
    }

    fn timer_at(&mut self) -> Option<Duration> {
        let due = self.due()?;
        if self.timer.is_none_or(|(of, _)| of != due) {
            let late = self.faults.as_mut().map_or(Duration::ZERO, Faults::timer_late);
            self.timer = Some((due, due + late));
        }
        self.timer.map(|(_, at)| at.max(self.now))
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Tick => {
                let told = self.capture.tick(self.instant());
                self.hand_over(told);
                self.disturb();
                // While nobody listens nothing comes of it: made up for when somebody does.
                self.ticks = self.capture.listens() || self.faults.is_some();
                if self.ticks {
                    self.plan(self.now + TICK, Happening::Tick);
                }
            }
            Happening::Obey(listen) => {
                self.catch_up();
                let told = self.capture.obey(listen, self.instant());
                self.hand_over(told);
                self.tick_from_now();
            }
            Happening::Microphone(event) => self.input(Input::Microphone(event)),
            Happening::Speaker(report) if self.speaker.stands(report) => self.input(Input::Speaker(report)),
            Happening::Speaker(_) => {}
            Happening::Link(number, event) => {
                let Some(link) = self.network.link(number).filter(|link| !link.over) else { return };
                match event {
                    LinkInput::Opened => link.opened = true,
                    LinkInput::Message(_) | LinkInput::Pong => {}
                    LinkInput::Closed { .. } | LinkInput::Failed { .. } => link.over = true,
                }
                self.input(Input::Link(number, event));
            }
            Happening::SetUp(number) => {
                let waits = |link: &&mut super::network::Link| link.set_up && !link.complete && !link.over;
                if self.network.link(number).filter(waits).is_some() {
                    let message = self.network.message(&[Part::SetupComplete]);
                    self.deliver(number, message);
                }
            }
        }
    }

    /// Captures what was not captured tick by tick because nobody listened.
    pub(super) fn catch_up(&mut self) {
        if !self.ticks {
            self.capture.rest_until(self.now);
        }
    }

    fn tick_from_now(&mut self) {
        if !std::mem::replace(&mut self.ticks, true) {
            let next = self.capture.captured() + TICK;
            self.plan(next, Happening::Tick);
        }
    }

    /// Faults that come by themselves.
    fn disturb(&mut self) {
        let Some(faults) = &mut self.faults else { return };
        let early = faults.timer_early();
        let cut = faults.cut(self.now);
        if early {
            self.input(Input::Timeout);
        }
        if let (Some((code, reason)), Some(link)) = (cut, self.network.newest().filter(|link| link.opened)) {
            let number = link.number;
            let closed = LinkInput::Closed { code, reason: reason.to_owned() };
            self.happen(Happening::Link(number, closed));
        }
    }

    /// What the microphone delivers, perhaps late, never out of order.
    pub(super) fn hand_over(&mut self, told: Vec<MicrophoneInput>) {
        for mut event in told {
            if self.gap > 0 {
                if let MicrophoneInput::Chunk { listen, samples, .. } = &event {
                    self.gap -= 1;
                    self.capture.lose(samples);
                    event = MicrophoneInput::Gap { listen: *listen, samples: samples.len() as u64 };
                }
            }
            let Some(faults) = &mut self.faults else {
                if self.chunk_at <= self.now {
                    self.input(Input::Microphone(event));
                } else {
                    self.plan(self.chunk_at, Happening::Microphone(event)); // others are late before it
                }
                continue;
            };
            if let MicrophoneInput::Chunk { listen, samples, at, .. } = &event {
                let (listen, at) = (*listen, *at);
                let late = faults.chunk_late();
                self.chunk_at = self.chunk_at.max(self.now + late);
                if faults.chunk_lost() {
                    self.capture.lose(samples);
                    event = MicrophoneInput::Gap { listen, samples: samples.len() as u64 };
                } else if faults.chunk_stale() {
                    let listen = listen.wrapping_sub(1);
                    let old = MicrophoneInput::Chunk { listen, samples: vec![12_345; 320], speech: true, at };
                    self.plan(self.chunk_at, Happening::Microphone(old));
                }
            }
            self.plan(self.chunk_at, Happening::Microphone(event));
        }
    }

    /// One payload from the server, perhaps with others around it.
    pub(super) fn deliver(&mut self, number: u32, payload: Vec<u8>) {
        let payloads = match &mut self.faults {
            Some(faults) => faults.message(payload),
            None => vec![payload],
        };
        for payload in payloads {
            let completes = payload.windows(15).any(|part| part == b"\"setupComplete\"");
            match self.network.link(number).filter(|link| !link.over) {
                Some(link) => link.complete |= completes && link.set_up,
                None => return,
            }
            self.input(Input::Link(number, LinkInput::Message(payload)));
        }
    }

    /// Sound of the answer in hand arrives.
    pub(super) fn deliver_sound(&mut self, number: u32, payload: Vec<u8>) {
        let answer = self.network.answer;
        self.deliver(number, payload);
        self.law.arrived(self.now, answer);
    }

    /// The link's news at this moment.
    pub(super) fn news(&mut self, number: u32, event: LinkInput) {
        self.happen(Happening::Link(number, event));
    }

    pub(super) fn input(&mut self, input: Input) {
        if let Input::Microphone(MicrophoneInput::Chunk { samples, .. }) = &input {
            let over = self.conversation.state_names().1 == "Speaking";
            if over && self.barge_in != BargeIn::Server {
                self.capture.spoke_over(samples);
            }
        }
        self.conversation.handle_input(self.instant(), input);
        self.perform_all();
    }

    fn perform_all(&mut self) {
        while let Some(action) = self.conversation.poll_action() {
            self.perform(action);
        }
        let speaking = self.conversation.state_names().1 == "Speaking";
        self.law.done(self.now, speaking && !self.stopped);
    }
}

impl World for Simulation {
    fn now(&self) -> Duration {
        self.now
    }

    fn step(&mut self, until: Duration) {
        self.step_one(until);
    }

    fn act(&mut self, deed: &Deed) -> Result<Duration, String> {
        self.deed(deed)
    }

    fn journal(&self) -> &[Entry] {
        &self.journal
    }

    fn phase(&self) -> Phase {
        self.phase
    }

    fn utterance(&self) -> (Duration, Duration) {
        self.law.uplink.utterance(&self.capture)
    }

    fn hush(&self) -> Duration {
        self.law.uplink.hush()
    }

    fn heard(&self) -> Duration {
        self.speaker.heard(self.now)
    }

    fn order(&self) -> Vec<String> {
        self.network.links.last().map(|link| link.order.clone()).unwrap_or_default()
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(50)
    }

    fn finish(&mut self) -> Vec<String> {
        if !self.stopped {
            self.let_go();
            self.pass(LONG);
            let may_listen = matches!(
                self.conversation.mode(),
                TalkMode::Open { idle: None, .. } | TalkMode::Open { start: OpenStart::Always, .. }
            );
            let link_open = self.network.newest().is_some_and(|link| link.opened && !link.over);
            self.law.let_go(self.now, self.phase, may_listen, link_open);
            self.shut_down();
        }
        self.pass(Duration::from_secs(5));
        let open = self.network.links.iter().filter(|link| !link.over && !link.closing).count();
        self.law.holds(self.now, open == 0, || format!("{open} links are open after the end"));
        self.law.holds(self.now, self.conversation.poll_timeout().is_none(), || {
            "a timer after the end".to_owned()
        });
        self.law.broken().to_vec()
    }
}
