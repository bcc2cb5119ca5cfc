//! The conversation, and everything around it in virtual time.

mod perform;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use pressel_live::Conversation;
use pressel_live::event::{Input, LinkInput, Listen, MicrophoneInput, Phase, SpeakerInput, ToolResult};

use super::line::{Line, Serve};
use super::person::Utterance;
use super::plan::{Away, Blow, Plan};
use super::report::Outcome;
use crate::talk::Talk;
use crate::talk::capture::{Capture, TICK};
use crate::talk::sound::Speaker;

/// Timers served at one time before it is an endless loop.
const TIMER_MAX: u32 = 50;

/// Something that will happen.
pub(super) enum Event {
    Tick,
    Obey(Listen),
    Link(u32, LinkInput),
    Serve(u32, Serve),
    Speaker(SpeakerInput),
    Tool(String),
    Begins(Away),
    Ends(Away),
    Blow(usize),
    Wants(Duration, Duration),
    Speak(Duration),
    Silent,
    Release,
}

/// One run.
pub(super) struct Campaign<'a> {
    pub(super) plan: &'a Plan,
    pub(super) random: fastrand::Rng,
    began: Instant,
    pub(super) now: Duration,
    pub(super) conversation: Conversation,
    pub(super) capture: Capture,
    speaker: Speaker,
    pub(super) lines: Vec<Line>,
    /// Handles that are good.
    pub(super) handles: BTreeSet<String>,
    pub(super) handle_number: u32,
    /// Of the answer that is being given.
    pub(super) answer: i16,
    pub(super) calls: u32,
    /// What the newest call, or answer, is for.
    pub(super) asking: BTreeSet<usize>,
    pub(super) said: Vec<Utterance>,
    /// From when to when sound arrived.
    pub(super) heard: Vec<(Duration, Duration)>,
    /// When something took a link, or a session that was to be resumed.
    pub(super) strikes: Vec<Duration>,
    /// When the first pong was there.
    pub(super) first_pong: Option<Duration>,
    /// Chunks that arrived before the person was done.
    pub(super) early: BTreeSet<u64>,
    pub(super) phase: Phase,
    agenda: BTreeMap<(Duration, u64), Event>,
    happened: u64,
    ticks: bool,
    pub(super) outcome: Outcome,
}

impl<'a> Campaign<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let talk = Talk::parse(&format!("{}\nwait 1ms", plan.header)).expect("a plan's header is a talk's");
        let began = Instant::now();
        let settings = pressel_live::settings::Settings { seed: plan.seed, ..talk.settings };
        let mut campaign = Campaign {
            plan,
            random: fastrand::Rng::with_seed(plan.seed ^ 0x5eed),
            began,
            now: Duration::ZERO,
            conversation: Conversation::new(settings, began),
            capture: Capture::new(&talk.room),
            speaker: Speaker::default(),
            lines: Vec::new(),
            handles: BTreeSet::new(),
            handle_number: 0,
            answer: 1,
            calls: 0,
            asking: BTreeSet::new(),
            said: Vec::new(),
            heard: Vec::new(),
            strikes: Vec::new(),
            first_pong: None,
            early: BTreeSet::new(),
            phase: Phase::Idle,
            agenda: BTreeMap::new(),
            happened: 0,
            ticks: false,
            outcome: Outcome::default(),
        };
        campaign.perform_all();
        for outage in &plan.outages {
            campaign.plan_at(outage.from, Event::Begins(outage.away));
            campaign.plan_at(outage.to, Event::Ends(outage.away));
        }
        for (n, (at, _)) in plan.blows.iter().enumerate() {
            campaign.plan_at(*at, Event::Blow(n));
        }
        for press in &plan.presses {
            campaign.plan_at(press.at, Event::Wants(press.at, press.speech));
        }
        campaign
    }

    /// Plays it to its end.
    pub(super) fn run(mut self) -> Outcome {
        let mut timers = 0;
        while self.now < self.plan.length {
            let next = self.agenda.first_key_value().map(|(key, _)| *key);
            let timer = self.conversation.poll_timeout().map(|at| at.saturating_duration_since(self.began));
            let first = [next.map(|(at, _)| at), timer].into_iter().flatten().min();
            let Some(at) = first.filter(|at| *at < self.plan.length) else { break };
            timers = if at > self.now { 0 } else { timers + 1 };
            if timers > TIMER_MAX * 20 {
                self.breaks("the timer goes round and round");
                break;
            }
            self.now = self.now.max(at);
            match next.filter(|(planned, _)| *planned <= at).and_then(|key| self.agenda.remove(&key)) {
                Some(event) => self.happen(event),
                None => self.input(Input::Timeout),
            }
        }
        self.account();
        self.outcome
    }

    pub(super) fn plan_in(&mut self, after: Duration, event: Event) {
        self.plan_at(self.now + after, event);
    }

    fn plan_at(&mut self, at: Duration, event: Event) {
        self.happened += 1;
        self.agenda.insert((at, self.happened), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick => {
                let told = self.capture.tick(self.began + self.now);
                self.hand_over(told);
                self.ticks = self.capture.listens();
                if self.ticks {
                    self.plan_in(TICK, Event::Tick);
                }
            }
            Event::Obey(listen) => {
                self.catch_up();
                let told = self.capture.obey(listen, self.began + self.now);
                self.hand_over(told);
                if !std::mem::replace(&mut self.ticks, true) {
                    let next = self.capture.captured() + TICK;
                    self.plan_at(next, Event::Tick);
                }
            }
            Event::Link(number, news) => self.input_link(number, news),
            Event::Serve(number, serve) => self.serve(number, serve),
            Event::Speaker(report) if self.speaker.stands(report) => self.input(Input::Speaker(report)),
            Event::Speaker(_) => {}
            Event::Tool(id) => {
                self.input(Input::ToolResult(ToolResult { id, outcome: Ok(serde_json::Map::new()) }));
            }
            Event::Begins(away) => self.begins(away),
            Event::Ends(away) => {
                self.tell(|| format!("{away:?} is over"));
                if matches!(away, Away::Gone) {
                    self.input(Input::Network(true));
                }
            }
            Event::Blow(n) => self.blow(n),
            Event::Wants(since, speech) => self.wants(since, speech),
            Event::Speak(speech) => self.speaks(speech),
            Event::Silent => self.falls_silent(),
            Event::Release => self.lets_go(),
        }
    }

    fn begins(&mut self, away: Away) {
        self.tell(|| format!("{away:?} begins"));
        match away {
            Away::Refused => self.blow_link(|_| Some((1006, String::new()))),
            // What is in the kernel's hands then is lost here: harsher than a network that comes back soon.
            Away::Silent | Away::Hung => {
                for line in &mut self.lines {
                    line.stranded = true;
                    line.acknowledged = away == Away::Hung;
                }
            }
            Away::Gone => self.lose_address(),
            Away::NoName | Away::Status(_) | Away::Captive => {}
        }
        if away == Away::Gone {
            self.input(Input::Network(false));
        }
    }

    fn blow(&mut self, n: usize) {
        let (_, blow) = self.plan.blows[n].clone();
        self.tell(|| format!("{blow:?}"));
        self.strikes.extend(blow.takes().then_some(self.now));
        match blow {
            Blow::Cut => self.blow_link(|_| Some((1006, String::new()))),
            Blow::Close(code, reason) => self.blow_link(|_| Some((code, reason.clone()))),
            Blow::GoAway(left) => {
                if let Some(number) = self.newest().filter(|number| self.arrives(*number)) {
                    if let Some(line) = self.line(number) {
                        line.ending = true;
                    }
                    let payload = format!("{{\"goAway\": {{\"timeLeft\": \"{}s\"}}}}", left.as_secs());
                    self.input_link(number, LinkInput::Message(payload.into_bytes()));
                    let reason = "Session closed: the time announced by GoAway is over.".to_owned();
                    self.plan_in(left, Event::Serve(number, Serve::Close(1008, reason)));
                }
            }
            Blow::Strand => {
                for line in &mut self.lines {
                    line.stranded = true;
                }
            }
            Blow::NewAddress => {
                self.lose_address();
                self.input(Input::Network(true));
            }
            Blow::Garbage(bytes) => {
                if let Some(number) = self.newest().filter(|number| self.arrives(*number)) {
                    let payload = (0..bytes).map(|n| (n * 31 % 251) as u8).collect();
                    self.input_link(number, LinkInput::Message(payload));
                }
            }
            Blow::Forget => self.handles.clear(),
            Blow::Clock => {
                self.input(Input::Clock(false));
                self.input(Input::Clock(true));
            }
        }
    }

    /// The address is gone: dials go nowhere, and the daemon ends the links that had it.
    fn lose_address(&mut self) {
        for line in &mut self.lines {
            line.stranded = true;
        }
        let open: Vec<u32> =
            self.lines.iter().filter(|line| line.opened && !line.over).map(|line| line.number).collect();
        for number in open {
            self.input_link(number, LinkInput::Closed { code: 1006, reason: "its address is gone".into() });
        }
    }

    fn newest(&self) -> Option<u32> {
        self.lines.last().filter(|line| line.opened && !line.over).map(|line| line.number)
    }

    /// Ends the newest link, if its end can be told.
    fn blow_link(&mut self, end: impl Fn(&Line) -> Option<(u16, String)>) {
        let told = self.lines.last().filter(|line| line.opened && !line.over && !line.stranded);
        let Some((number, Some((code, reason)))) = told.map(|line| (line.number, end(line))) else { return };
        self.input_link(number, LinkInput::Closed { code, reason });
    }

    pub(super) fn input_link(&mut self, number: u32, news: LinkInput) {
        let Some(line) = self.line(number).filter(|line| !line.over) else { return };
        match &news {
            LinkInput::Opened if line.closing => return,
            LinkInput::Opened => line.opened = true,
            LinkInput::Closed { .. } | LinkInput::Failed { .. } => line.over = true,
            LinkInput::Message(_) | LinkInput::Pong => {}
        }
        self.tell(|| match &news {
            LinkInput::Message(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                let short: String =
                    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(90).collect();
                format!("link {number}: {short}")
            }
            other => format!("link {number}: {other:?}"),
        });
        self.input(Input::Link(number, news));
    }

    /// Captures what was not captured chunk by chunk because nobody listened.
    pub(super) fn catch_up(&mut self) {
        if !self.ticks {
            self.capture.rest_until(self.now);
        }
    }

    fn hand_over(&mut self, told: Vec<MicrophoneInput>) {
        for event in told {
            self.input(Input::Microphone(event));
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        self.conversation.handle_input(self.began + self.now, input);
        self.perform_all();
    }

    fn perform_all(&mut self) {
        while let Some(action) = self.conversation.poll_action() {
            self.perform(action);
        }
    }

    pub(super) fn breaks(&mut self, what: &str) {
        self.outcome.broken.push(format!("at {} ms: {what}", self.now.as_millis()));
    }

    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.plan.told {
            self.outcome.story.push(format!("{:9} ms  {}", self.now.as_millis(), what()));
        }
    }
}
