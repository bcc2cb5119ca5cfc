//! One run in virtual time: the conversation, the strict server, a network between them, tools, and a person.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use fake_gemini::{Fault, Options, Sent, VirtualGemini, What};
use pressel::gesture::{Gesture, Grammar, bindings};
use pressel_live::Conversation;
use pressel_live::event::{
    Action, Agree, AgreeBy, ButtonInput, Cause, ConsentInput, Decision, Input, Line, LinkInput, Listen,
    MicrophoneInput, Note, Phase, SpeakerInput, ToolAsk, ToolResult,
};
use pressel_live::settings::{Settings, TalkMode};
use pressel_world::talk::Talk;
use pressel_world::talk::capture::{Capture, TICK};
use pressel_world::talk::sound::Speaker;
use serde_json::{Map, Value, json};

use crate::account::{Account, Made, Run};
use crate::law::Law;
use crate::plan::{ASKS, Deed, FINISHES, Meanwhile, NEW, ON_VERTEX, Person, Plan, TIMEOUT};

/// From a word to the microphone until it is obeyed.
const OBEY: Duration = Duration::from_millis(3);
/// Calls that the daemon makes at a time.
const AT_ONCE: usize = 8;
/// Between the press and the first word, and between the last word and letting go.
const BREATH: Duration = Duration::from_millis(100);
/// Somebody who waits for a tool in silence hears of it by then.
const SIGN: Duration = Duration::from_millis(1300);
/// Steps at one time before it is an endless loop.
const STEPS_MAX: u32 = 100_000;

/// Something that will happen.
enum Event {
    Tick,
    Obey(Listen),
    Link(u32, LinkInput),
    /// A client's message arrives; or its end.
    Arrives(u32, String),
    Leaves(u32),
    Opens(u32),
    Speaker(SpeakerInput),
    Tool(String, u64),
    Deed(usize),
    Speak,
    Silent,
    Release,
    Unmute,
    SignDue(u64),
    /// A finger on the button's line, or a program in its place.
    Finger {
        pressed: bool,
        by_program: bool,
    },
    /// Somebody who was asked about this does something.
    Person(usize),
    Befalls(Meanwhile, usize),
    Gesture(usize),
}

/// A link as both ends know it.
struct Pair {
    /// The server's number; none until it is open.
    server: Option<u32>,
    over: bool,
    closing: bool,
}

/// A tool at work.
struct Working {
    number: usize,
    begun: u64,
    kill: bool,
    outcome: Result<Map<String, Value>, String>,
}

/// A call that the daemon keeps until it is decided.
struct Kept {
    name: String,
    args: Map<String, Value>,
}

/// One run.
pub struct World<'a> {
    plan: &'a Plan,
    began: Instant,
    now: Duration,
    settings: Settings,
    conversation: Conversation,
    capture: Capture,
    ticks: bool,
    speaker: Speaker,
    server: VirtualGemini,
    links: BTreeMap<u32, Pair>,
    /// Numbers of links begin again with a restart of the daemon.
    base: u32,
    working: BTreeMap<String, Working>,
    tools_begun: u64,
    kept: BTreeMap<String, Kept>,
    asks: VecDeque<ToolAsk>,
    grammar: Grammar,
    law: Law,
    /// Who was asked and has done what they do.
    acted: BTreeSet<usize>,
    /// Until when a finger makes a gesture.
    busy_until: Duration,
    /// What was typed was told to be asked later.
    not_taken: bool,
    /// What came of the message in hand.
    played: Option<(u32, Duration)>,
    pub account: Account,
    agenda: BTreeMap<(Duration, u64), Event>,
    happened: u64,
    phase: Phase,
    speaking: Duration,
    away_until: Duration,
    twice: bool,
    /// A tool is waited for in silence; counts such waits.
    silent: bool,
    waits: u64,
    /// A question was lost with its link, and nobody has said anything since: it is the same question on the next.
    again: bool,
    /// When somebody last asked something, and when an answer was last whole.
    asked_at: Duration,
    answered_at: Duration,
    pressed: bool,
    pub story: Option<Vec<String>>,
}

impl<'a> World<'a> {
    pub fn new(plan: &'a Plan, tools: &[Value], told: bool) -> Self {
        let talk = Talk::parse(&format!("{}\nwait 1ms", plan.header)).expect("a plan's header is a talk's");
        let began = Instant::now();
        let mut settings = Settings { seed: plan.seed, model: plan.model.to_owned(), ..talk.settings };
        settings.tools = vec![json!({ "functionDeclarations": tools })];
        settings.finishes = [FINISHES.to_owned()].into();
        if pressel_live::profile::Profile::of(plan.model).takes_search(true) {
            settings.tools.push(json!({ "googleSearch": {} }));
        }
        let options = Options { new_model: Some(NEW.to_owned()), ..Options::script(plan.script.clone()) };
        let mut world = World {
            plan,
            began,
            now: Duration::ZERO,
            conversation: Conversation::new(settings.clone(), began),
            settings,
            capture: Capture::new(&talk.room),
            ticks: false,
            speaker: Speaker::default(),
            server: VirtualGemini::new(options).expect("it writes no log"),
            links: BTreeMap::new(),
            base: 0,
            working: BTreeMap::new(),
            tools_begun: 0,
            kept: BTreeMap::new(),
            asks: VecDeque::new(),
            grammar: person::grammar(plan),
            law: Law::default(),
            acted: BTreeSet::new(),
            busy_until: Duration::ZERO,
            not_taken: false,
            played: None,
            account: Account::default(),
            agenda: BTreeMap::new(),
            happened: 0,
            phase: Phase::Idle,
            speaking: Duration::ZERO,
            away_until: Duration::ZERO,
            twice: false,
            silent: false,
            waits: 0,
            again: false,
            asked_at: Duration::ZERO,
            answered_at: Duration::ZERO,
            pressed: false,
            story: told.then(Vec::new),
        };
        world.perform_all();
        for (n, (at, _)) in plan.deeds.iter().enumerate() {
            world.plan_at(*at, Event::Deed(n));
        }
        world
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        let now = self.now.as_millis();
        if let Some(story) = &mut self.story {
            story.push(format!("{now:9} ms  {}", what()));
        }
    }

    fn plan_at(&mut self, at: Duration, event: Event) {
        self.happened += 1;
        self.agenda.insert((at.max(self.now), self.happened), event);
    }

    fn plan_in(&mut self, after: Duration, event: Event) {
        self.plan_at(self.now + after, event);
    }

    fn ns(&self) -> u64 {
        self.now.as_nanos() as u64 + 1
    }

    /// Plays it to its end.
    pub fn run(&mut self) {
        let mut steps = 0;
        while self.now < self.plan.length {
            let next = self.agenda.first_key_value().map(|(key, _)| *key);
            let timer = self.conversation.poll_timeout().map(|at| at.saturating_duration_since(self.began));
            let open = self.links.values().filter(|pair| !pair.over).filter_map(|pair| pair.server);
            let due = open.filter_map(|link| Some((self.server.deadline(link)?, link))).min();
            let served = due.map(|(at, _)| Duration::from_nanos(at.saturating_sub(1)));
            let gesture = self.grammar.due().map(|at| at.saturating_duration_since(self.began));
            let first = [next.map(|(at, _)| at), timer, served, gesture].into_iter().flatten().min();
            let Some(at) = first.filter(|at| *at < self.plan.length) else { break };
            steps = if at > self.now { 0 } else { steps + 1 };
            if steps > STEPS_MAX {
                self.account.breaks(self.now, "time stands still");
                break;
            }
            self.now = self.now.max(at);
            if let Some((_, link)) = due.filter(|_| served.is_some_and(|served| served <= at)) {
                let sent = self.server.tick(link, self.ns());
                self.send_down(link, sent);
            } else if let Some(event) =
                next.filter(|(planned, _)| *planned <= at).and_then(|key| self.agenda.remove(&key))
            {
                self.happen(event);
            } else if gesture.is_some_and(|due| due <= at) {
                self.grammar.tick(self.began + self.now);
                self.gestures();
            } else {
                self.input(Input::Timeout);
            }
        }
        self.now = self.plan.length;
        self.account.close(self.now);
        self.account.links = self.links.len() as u32;
        self.account.asked = self.law.asked();
        for event in self.server.take_events().iter() {
            if let What::Complaint(text) = &event.what {
                self.account.breaks(Duration::from_nanos(event.at_ns), text);
            }
        }
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
            Event::Opens(number) => {
                if self.links.get(&number).is_some_and(|pair| !pair.over && !pair.closing) {
                    let on_vertex = self.plan.model == ON_VERTEX;
                    let server = if on_vertex { self.server.open_on_vertex() } else { self.server.open() };
                    if let Some(pair) = self.links.get_mut(&number) {
                        pair.server = Some(server);
                    }
                    self.link(number, LinkInput::Opened);
                }
            }
            Event::Link(number, news) => self.link(number, news),
            Event::Arrives(number, text) => self.arrives(number, &text),
            Event::Leaves(number) => self.end_server(number),
            Event::Speaker(report) if self.speaker.stands(report) => self.input(Input::Speaker(report)),
            Event::Speaker(_) => {}
            Event::Tool(id, begun) => self.tool_ends(id, begun),
            Event::Deed(n) => self.deed(n),
            Event::Speak => {
                self.catch_up();
                self.capture.speaking = true;
                self.plan_in(self.speaking, Event::Silent);
            }
            Event::Silent => {
                self.catch_up();
                self.capture.speaking = false;
                self.plan_in(BREATH, Event::Release);
            }
            Event::Release => {
                if std::mem::take(&mut self.pressed) {
                    self.finger(false, false);
                }
            }
            Event::Unmute => self.input(Input::Muted(false)),
            Event::Finger { pressed, by_program } => drop(self.finger(pressed, by_program)),
            Event::Person(number) => self.person_acts(number),
            Event::Befalls(what, number) => self.befalls(what, number),
            Event::Gesture(number) => self.makes_gesture(number, false),
            Event::SignDue(wait) => {
                // Its link may have been over by then.
                if self.silent && self.waits == wait && !self.account.waiting().is_empty() {
                    self.account.breaks(self.now, "somebody waits for a tool and hears nothing");
                }
            }
        }
    }

    /// Somebody goes on: what they ask now is another question.
    fn asks_another(&mut self) {
        self.asked_at = self.now;
        if std::mem::take(&mut self.again) {
            self.server.ask_another();
        }
    }
}

mod deeds;
mod device;
mod links;
mod person;
