//! The conversation alone in virtual time: card, speaker, wire and light are simulated around it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pressel_live::Conversation;
use pressel_live::event::{
    Action, ButtonInput, Input, LinkInput, Listen, MicrophoneInput, Note, Phase, SpeakerInput, ToolResult,
};
use pressel_live::settings::{OpenStart, TalkMode};

use super::capture::{Capture, TICK};
use super::faults::Faults;
use super::law::Law;
use super::network::Network;
use super::player::{Entry, Seen, World};
use super::script::{Cable, Deed, Part, Room, Talk};
use super::sound::Speaker;

/// From a word to the microphone until it is obeyed.
const OBEY: Duration = Duration::from_millis(3);
/// From `setup` to `setupComplete` where the server answers by itself.
const SET_UP: Duration = Duration::from_millis(60);
/// After everything is let go: longer than all waits of a conversation together.
const LONG: Duration = Duration::from_secs(300);

/// Something that will happen.
enum Happening {
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
    now: Duration,
    pub(super) conversation: Conversation,
    pub(super) capture: Capture,
    pub(super) speaker: Speaker,
    pub(super) network: Network,
    pub(super) law: Law,
    pub(super) room: Room,
    pub(super) faults: Option<Faults>,
    agenda: BTreeMap<(Duration, u64), Happening>,
    happened: u64,
    journal: Vec<Entry>,
    phase: Phase,
    /// The server completes setups by itself.
    obliging: bool,
    /// When the chunk before was handed over.
    chunk_at: Duration,
    /// Chunks are captured one by one.
    ticks: bool,
    /// The timer as the conversation set it, and when it will be served.
    timer: Option<(Duration, Duration)>,
    pressed: bool,
    key: bool,
    stopped: bool,
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
            law: Law::new(talk.settings.utterance_max),
            room: talk.room.clone(),
            obliging: faults.is_some(),
            faults,
            agenda: BTreeMap::new(),
            happened: 0,
            journal: Vec::new(),
            phase: Phase::Idle,
            chunk_at: Duration::ZERO,
            ticks: false,
            timer: None,
            pressed: false,
            key: true,
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

    fn plan(&mut self, at: Duration, what: Happening) {
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
                    LinkInput::Message(_) => {}
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
    fn hand_over(&mut self, told: Vec<MicrophoneInput>) {
        for mut event in told {
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
        self.conversation.handle_input(self.instant(), input);
        self.perform_all();
    }

    fn perform_all(&mut self) {
        while let Some(action) = self.conversation.poll_action() {
            self.perform(action);
        }
    }

    fn see(&mut self, seen: Seen) {
        self.journal.push(Entry { at: self.now, seen });
    }

    fn perform(&mut self, action: Action) {
        let now = self.now;
        self.law.acted(now, &format!("{action:.60?}"));
        match action {
            Action::Dial { link } => {
                self.law.dial(now, link, &self.network);
                self.network.dial(link);
                self.see(Seen::Dial);
                if let Some(after) = self.room.dial {
                    let fails = self.faults.as_mut().is_some_and(Faults::dial_fails);
                    let failed = LinkInput::Failed { http_status: None, reason: "no route".to_owned() };
                    let news = if fails { failed } else { LinkInput::Opened };
                    self.plan(now + after, Happening::Link(link, news));
                }
            }
            Action::Send { link: number, message } => self.send(number, &message),
            Action::Close { link: number, .. } => {
                let link = self.network.link(number);
                self.law.close(now, link.as_deref(), number);
                if let Some(link) = link {
                    link.closing = true;
                }
                self.see(Seen::Close);
                let goodbye = self.faults.as_mut().map_or(self.room.goodbye, Faults::goodbye);
                let closed = LinkInput::Closed { code: 1000, reason: String::new() };
                self.plan(now + goodbye, Happening::Link(number, closed));
            }
            Action::Listen(listen) => {
                self.law.listen(now, listen);
                self.see(Seen::Listen(match listen {
                    Listen::Rest => "rest",
                    Listen::All { .. } => "all",
                    Listen::Gated { .. } => "gated",
                }));
                self.agenda.retain(|_, what| !matches!(what, Happening::Obey(_)));
                self.plan(now + OBEY, Happening::Obey(listen));
            }
            Action::Play { turn, samples, rate_hz } => {
                self.law.play(now, turn, &samples);
                self.see(Seen::Play);
                let time = Duration::from_secs_f64(samples.len() as f64 / f64::from(rate_hz));
                let report = self.speaker.play(now, turn, time);
                self.report(report);
            }
            Action::EndOfTurn { turn } => {
                self.law.end_of_turn(now, turn);
                let report = self.speaker.end_of_turn(now, turn);
                self.report(report);
            }
            Action::Flush { turn } => {
                self.law.flush(now, turn);
                self.speaker.flush(now, turn);
                self.see(Seen::Flush);
            }
            Action::Show(phase) => {
                self.law.show(now, phase);
                self.phase = phase;
                self.see(Seen::Phase(phase));
            }
            Action::CallTool { id, name, .. } => {
                self.law.call(now, &id);
                self.see(Seen::Call(name));
            }
            Action::CancelTools { ids } => {
                self.law.cancel(now, &ids);
                self.see(Seen::CancelTools);
            }
            Action::Note(note) => self.see(Seen::Note(words(&note))),
        }
    }

    fn report(&mut self, report: Option<(Duration, SpeakerInput)>) {
        if let Some((at, report)) = report {
            let late = self.faults.as_mut().map_or(Duration::ZERO, Faults::report_late);
            self.plan(at + late, Happening::Speaker(report));
        }
    }

    fn send(&mut self, number: u32, message: &str) {
        let now = self.now;
        let Some(link) = self.network.link(number) else {
            return self.law.holds(now, false, || format!("sent on link {number}, which was never dialled"));
        };
        let Some(kind) = self.law.send(now, link, message, &self.capture) else { return };
        if link.order.last() != Some(&kind) {
            link.order.push(kind.clone());
        }
        let text = if kind == "audio" { String::new() } else { message.to_owned() };
        if kind == "setup" {
            link.set_up = true;
            if self.obliging {
                self.plan(now + SET_UP, Happening::SetUp(number));
            }
        }
        self.see(Seen::Sent(kind, text));
    }

    pub(super) fn press_or_release(&mut self, button: ButtonInput) {
        self.pressed = button == ButtonInput::Press;
        self.input(Input::Button(button));
        if self.faults.as_mut().is_some_and(Faults::bounces) {
            self.input(Input::Button(button));
        }
    }

    pub(super) fn set_key(&mut self, present: bool) {
        self.key = present;
        self.input(Input::Key(present));
    }

    pub(super) fn plug_microphone(&mut self, cable: Cable) {
        self.catch_up();
        self.capture.plug(cable);
        match cable {
            Cable::Lost => self.input(Input::Microphone(MicrophoneInput::Lost)),
            Cable::Back => self.input(Input::Microphone(MicrophoneInput::Back)),
            Cable::Stuck => {}
        }
    }

    pub(super) fn plug_speaker(&mut self, cable: Cable) {
        self.speaker.plug(self.now, cable);
        match cable {
            Cable::Lost => self.input(Input::Speaker(SpeakerInput::Lost)),
            Cable::Back => self.input(Input::Speaker(SpeakerInput::Back)),
            Cable::Stuck => {}
        }
    }

    pub(super) fn finish_tool(&mut self, result: ToolResult) {
        self.law.finished(&result.id);
        self.input(Input::ToolResult(result));
    }

    pub(super) fn shut_down(&mut self) {
        self.input(Input::Shutdown);
        self.law.stop();
        self.stopped = true;
    }

    /// Everything is let go: nobody presses or speaks, everything is plugged in, the server obliges.
    fn let_go(&mut self) {
        self.faults = None;
        self.obliging = true;
        self.room.dial.get_or_insert(SET_UP);
        self.catch_up();
        self.capture.speaking = false;
        if let Some(link) = self.network.newest().filter(|link| !link.over) {
            let (number, opened) = (link.number, link.opened);
            if !opened {
                self.plan(self.now, Happening::Link(number, LinkInput::Opened));
            }
            self.plan(self.now + SET_UP, Happening::SetUp(number));
        }
        if self.pressed {
            self.press_or_release(ButtonInput::Release);
        }
        if self.capture.cable != Cable::Back {
            self.plug_microphone(Cable::Back);
        }
        self.plug_speaker(Cable::Back);
        if !self.key {
            self.set_key(true);
        }
        for id in self.law.calls() {
            self.finish_tool(ToolResult { id, outcome: Ok(serde_json::Map::new()) });
        }
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

/// A note as the talks spell it.
fn words(note: &Note) -> String {
    match note {
        Note::Heard(text) => format!("heard {text}"),
        Note::Said(text) => format!("said {text}"),
        Note::Hearing(text) => format!("hearing {text}"),
        Note::LinkUp { resumed: true } => "link-up resumed".to_owned(),
        Note::LinkUp { resumed: false } => "link-up fresh".to_owned(),
        Note::LinkDown { retry: true, .. } => "link-down retry".to_owned(),
        Note::LinkDown { retry: false, reason, .. } => format!("link-down final {reason}"),
        Note::FirstSound { .. } => "first-sound".to_owned(),
        Note::UtteranceEnded => "utterance-ended".to_owned(),
        Note::Interrupted => "interrupted".to_owned(),
        Note::TurnComplete => "turn-complete".to_owned(),
        Note::Usage(_) => "usage".to_owned(),
        Note::Unread { kind } => format!("unread {kind}"),
        Note::SpeechDropped { .. } => "speech-dropped".to_owned(),
        Note::AnswerDropped { .. } => "answer-dropped".to_owned(),
        _ => "other".to_owned(),
    }
}
