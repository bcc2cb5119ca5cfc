//! The one loop: drain what the conversation wants, wait for one thing to happen, hand it in. What gestures do beyond
//! talking is in `acts`.

mod acts;

mod reload;
mod wishes;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pressel_live::Conversation;
use pressel_live::event::{Action, ButtonInput, ConsentInput, Input, Note, Phase};
use pressel_live::profile::Profile;
use pressel_live::settings::Settings;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{Instant as Clock, sleep_until, timeout};
use tracing::{debug, error, info, warn};

use crate::button::ButtonThreads;
use crate::config::{Config, Mode};
use crate::control::{Control, ControlRequest, Event, Op};
use crate::credential::Credential;
use crate::doctor::Verdict;
use crate::earcons::Earcons;
use crate::gesture::{self, Grammar};
use crate::heal::Heal;
use crate::levels::Levels;
use crate::net::watch::{Change, Watch as NetWatch};
use crate::notify::{Notify, Watch};
use crate::panel::Panel;
use crate::phrases::Phrases;
use crate::reload::Reload;
use crate::report::Report;
use crate::sound::{DeviceNews, Side, Sound, SoundEvent};
use crate::state::StateFile;
use crate::stats::{Latency, Stats};
use crate::tools::Tools;
use crate::usage::Usage;
use crate::volume::Volume;
use crate::warm::Warm;
use crate::wire::{News, Wire};

/// How long the server may take to answer our close at the end.
const GOODBYE: Duration = Duration::from_millis(500);

/// The edges of the conversation, already open.
pub struct Edges {
    /// Cards.
    pub sound: Sound,
    /// Links.
    pub wire: Wire,
    /// News of network and clock.
    pub net: NetWatch,
    /// Button and mute switch.
    pub button: ButtonThreads,
    /// How loud.
    pub volume: Volume,
    /// Light.
    pub panel: Panel,
    /// Control socket.
    pub control: Control,
    /// Sounds of the device's own.
    pub earcons: Earcons,
    /// What the device says by itself.
    pub phrases: Phrases,
    /// What talking costs.
    pub usage: Usage,
    /// What the assistant can do besides talking.
    pub tools: Tools,
    /// The service manager.
    pub notify: Notify,
    /// What opens the service, if there is something.
    pub credential: Option<Arc<Credential>>,
}

/// The daemon at work.
pub struct Engine {
    conversation: Conversation,
    edges: Edges,
    stats: Stats,
    report: Report,
    watch: Watch,
    warm: Warm,
    /// Where a restart finds the talk.
    state: Option<StateFile>,
    grammar: Grammar,
    /// What the doctor's thread will tell, if it was sent for.
    verdict: Option<oneshot::Receiver<Verdict>>,
    poweroff: Option<acts::Poweroff>,
    /// What a built in tool wished for, to be done once the answer has been played.
    late: Option<wishes::Late>,
    ready: bool,
    /// When the message in hand was read.
    message_at: Instant,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// A hang-up is the end of the terminal we belong to.
    on_terminal: bool,
    reload: Reload,
    heal: Heal,
}

impl Engine {
    /// Puts the conversation between its edges.
    ///
    /// # Errors
    /// When the system grants no signal handler.
    pub fn new(reload: Reload, edges: Edges, started: Instant) -> std::io::Result<Self> {
        let now = Instant::now();
        let seed = fastrand::u64(..);
        let settings =
            Settings { seed, ..settings(&reload.config, edges.credential.as_deref(), &edges.tools) };
        let config = &reload.config;
        let mut conversation = Conversation::new(settings, now);
        let state = crate::state::take_up(&config.live.state_file, &mut conversation, now);
        conversation.handle_input(now, Input::Key(edges.credential.is_some()));
        let mut watch = Watch::new();
        crate::report::watch_sound(&mut watch, &edges.sound, now);
        edges.button.watch(&mut watch, now);
        Ok(Engine {
            report: Report::new(config, edges.credential.as_deref()),
            conversation,
            edges,
            stats: Stats::new(started),
            watch,
            warm: Warm::new(&config.link.warm, now),
            state,
            grammar: grammar(config),
            verdict: None,
            poweroff: None,
            late: None,
            ready: false,
            message_at: now,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            heal: Heal::new(&reload.config),
            on_terminal: std::io::stdin().is_terminal(),
            reload,
        })
    }

    /// Runs until SIGTERM or SIGINT, then stops playback and closes the link.
    pub async fn run(mut self) {
        if let Some(budget) = self.edges.usage.at_start(Instant::now()) {
            self.conversation.handle_input(Instant::now(), Input::Budget(budget));
        }
        let feed_every = self.edges.notify.feed_every();
        let mut feed_at = feed_every.map(|_| Instant::now());
        loop {
            self.perform_all();
            let timer = self.conversation.poll_timeout();
            let blink = self.edges.panel.next_change();
            let money = self.edges.usage.next_look();
            let words = self.edges.phrases.due();
            let (gesture, power) = (self.grammar.due(), self.power_due());
            let due =
                [timer, blink, feed_at, money, words, gesture, power, self.warm.next(), self.heal.next()];
            let due = due.into_iter().flatten().min();
            tokio::select! {
                biased;
                _ = self.terminate.recv() => break,
                _ = self.interrupt.recv() => break,
                _ = self.hangup.recv() => match self.on_terminal {
                    true => break,
                    false => drop(self.reload()),
                },
                news = self.edges.button.next() => self.on_button(news),
                event = self.edges.sound.next() => self.on_sound(event),
                news = self.edges.wire.next() => self.on_wire(news),
                change = self.edges.net.next() => self.on_change(change),
                news = self.edges.tools.next() => self.on_tools(news),
                verdict = told(&mut self.verdict) => self.on_verdict(verdict),
                request = self.edges.control.next() => self.on_request(request),
                () = until(due) => {}
            }
            let now = Instant::now();
            self.look_at_mute();
            self.grammar.tick(now);
            self.gestures();
            self.power(now);
            self.edges.panel.tick(now);
            if let Some(warm) = self.warm.look(now) {
                self.conversation.handle_input(now, Input::Warm(warm));
            }
            if timer.is_some_and(|at| at <= now) {
                self.conversation.handle_input(now, Input::Timeout);
            }
            self.spend(now);
            self.speak(now);
            self.grant_late(now);
            self.take_up(now);
            self.take_up_tools(now);
            self.heal(now);
            if feed_at.is_some_and(|at| at <= now) {
                feed_at = feed_every.map(|every| now + every);
                match self.watch.check(now) {
                    Ok(()) => self.edges.notify.feed(),
                    Err(stuck) => {
                        error!(thread = stuck.thread, since = ?stuck.since, "thread does not turn");
                        if stuck.again {
                            self.edges.notify.give_up();
                        }
                    }
                }
            }
        }
        self.stop().await;
    }

    async fn stop(mut self) {
        info!("stopping");
        self.edges.notify.stopping();
        self.edges.tools.stop();
        self.conversation.handle_input(Instant::now(), Input::Shutdown);
        self.perform_all();
        self.keep_talk();
        self.edges.usage.stop();
        self.edges.panel.show(Phase::Idle, Instant::now());
        let goodbye = async {
            while self.edges.wire.is_busy() {
                self.edges.wire.next().await;
            }
        };
        // A server that does not answer our close keeps nobody waiting.
        let _ = timeout(GOODBYE, goodbye).await;
        self.edges.sound.stop();
        self.edges.button.stop();
    }

    /// Everything the conversation wants. Nothing here waits.
    fn perform_all(&mut self) {
        loop {
            while let Some(action) = self.conversation.poll_action() {
                self.perform(action);
            }
            let Some(ask) = self.edges.tools.ask() else { return };
            self.conversation.handle_input(Instant::now(), Input::Consent(ConsentInput::Due(ask)));
        }
    }

    fn perform(&mut self, action: Action) {
        let now = Instant::now();
        match action {
            Action::Dial { link } => {
                self.stats.begin(Latency::DialToUp, now);
                self.report.dialling(now);
                self.edges.wire.dial(link);
            }
            Action::Send { link, message } => {
                self.edges.usage.sends(&message);
                self.edges.wire.send(link, message);
                if self.stats.latency(Latency::StartToSetup).is_none() {
                    self.stats.measured(Latency::StartToSetup, now - self.stats.started());
                }
            }
            Action::Close { link, code } => {
                self.report.closed(now);
                self.edges.wire.close(link, code);
            }
            Action::Listen(listen) => {
                self.edges.sound.listen(listen);
                self.report.listens(listen);
                self.edges.control.publish(&Event::listen(listen), now);
            }
            Action::Play { turn, samples, rate_hz } => {
                self.edges.usage.plays(samples.len(), rate_hz);
                let dropped = self.edges.sound.play(turn, samples, rate_hz) as u64;
                if dropped > 0 {
                    self.on_note(now, &Note::AnswerDropped { samples: dropped });
                    self.report.answer_too_long();
                }
            }
            Action::EndOfTurn { turn } => self.edges.sound.end_of_turn(turn),
            Action::Flush { turn } => {
                self.edges.sound.flush(turn);
                self.stats.forget(Latency::MessageToSound);
            }
            Action::Duck { ducked } => {
                self.edges.sound.duck(ducked);
                self.edges.control.publish(&Event::Duck { ducked }, now);
            }
            Action::Ping { link } => self.edges.wire.ping(link),
            Action::Show(phase) => self.show(phase, now),
            Action::Tell(line) => {
                info!(line = line.word(), "told");
                self.edges.control.publish(&Event::Line { line: line.word() }, now);
                self.stats.told(line);
                self.edges.phrases.tell(line.word(), now);
            }
            Action::AskAloud { turn, by } => self.ask_aloud(turn, by),
            Action::Ask(agree) => self.grammar.ask(agree, now),
            Action::Decide { id, decision } => self.edges.tools.decide(now, &id, decision),
            Action::CallTool { id, name, args } => self.edges.tools.call(now, id, &name, args),
            Action::CancelTools { ids } => self.edges.tools.cancel(&ids),
            Action::Note(note) => {
                self.edges.usage.note(&note);
                self.on_note(now, &note);
            }
        }
    }

    /// What was used may have used up the budget; a new day brings a new one.
    fn spend(&mut self, now: Instant) {
        if let Some(budget) = self.edges.usage.changed(now) {
            info!(budget = crate::usage::budget_word(budget), "budget");
            self.conversation.handle_input(now, Input::Budget(budget));
            self.perform_all();
        }
    }

    /// A line for the person waits for a moment in which nobody speaks.
    fn speak(&mut self, now: Instant) {
        let quiet = self.conversation.is_quiet();
        if let Some((samples, rate_hz)) = self.edges.phrases.next(now, quiet) {
            self.edges.sound.play_local(samples, rate_hz);
        }
    }

    fn show(&mut self, phase: Phase, now: Instant) {
        self.edges.panel.show(phase, now);
        if let Some(length) = self.stats.end(Latency::PressToLight, Instant::now()) {
            self.edges.control.publish(&Event::latency(Latency::PressToLight, length), now);
        }
        debug!(phase = crate::status::phase_word(phase), "phase");
        self.edges.control.publish(&Event::phase(phase), now);
        self.tell_status();
        if let Some((samples, rate_hz)) = self.edges.earcons.of(phase) {
            self.edges.sound.play_local(samples, rate_hz);
        }
    }

    fn on_note(&mut self, now: Instant, note: &Note) {
        self.stats.note(note);
        self.report.note(note, now);
        match note {
            Note::FirstSound { .. } => self.stats.begin(Latency::MessageToSound, self.message_at),
            Note::UtteranceEnded => {
                self.person_spoke();
                self.stats.begin(Latency::UtteranceToSound, now);
            }
            Note::LinkUp { .. } => self.measured(Latency::DialToUp, now, now),
            Note::LinkDown { .. } => self.stats.forget(Latency::DialToUp),
            Note::SessionChanged => self.keep_talk(),
            _ => {}
        }
        if let Some(event) = Event::note(note) {
            self.edges.control.publish(&event, now);
        }
    }

    fn keep_talk(&self) {
        if let Some(state) = &self.state {
            state.put(self.conversation.session());
        }
    }

    fn measured(&mut self, latency: Latency, end: Instant, now: Instant) {
        if let Some(length) = self.stats.end(latency, end) {
            self.edges.control.publish(&Event::latency(latency, length), now);
        }
    }

    fn press_or_release(&mut self, gesture: ButtonInput, at: Instant) {
        if gesture == ButtonInput::Press {
            self.stats.counters.presses += 1;
            self.stats.begin(Latency::PressToLight, at);
        }
        self.conversation.handle_input(Instant::now(), Input::Button(gesture));
        self.perform_all();
        // A press that changes nothing on the light measures nothing.
        self.stats.forget(Latency::PressToLight);
    }

    fn on_sound(&mut self, event: SoundEvent) {
        let now = Instant::now();
        match event {
            SoundEvent::Microphone(input) => self.conversation.handle_input(now, Input::Microphone(input)),
            SoundEvent::Speaker(input, at) => {
                if matches!(input, pressel_live::event::SpeakerInput::Started { .. }) {
                    self.measured(Latency::MessageToSound, at, now);
                    self.measured(Latency::UtteranceToSound, at, now);
                }
                self.conversation.handle_input(now, Input::Speaker(input));
            }
            SoundEvent::Device(news) => self.on_device(now, &news),
        }
    }

    fn on_device(&mut self, now: Instant, news: &DeviceNews) {
        let told = self.report.device(news);
        self.edges.control.publish(&Event::Told { text: &told }, now);
        self.tell_status();
        if matches!(news, DeviceNews::Opened { side: Side::Speaker, .. }) {
            self.edges.volume.set_mixer(); // a card that was plugged in remembers nothing
        }
        if !self.ready && self.report.both_cards_looked_for() {
            self.ready = true;
            self.stats.measured(Latency::StartToReady, now - self.stats.started());
            self.edges.notify.ready();
            info!("ready");
        }
    }

    /// The sentence for `systemctl status`.
    fn tell_status(&mut self) {
        let phase = self.conversation.phase();
        self.edges.notify.status(&crate::status::sentence(phase, self.report.missing()));
    }

    fn on_wire(&mut self, News { link, input, at }: News) {
        self.message_at = at;
        self.conversation.handle_input(Instant::now(), Input::Link(link, input));
        self.perform_all();
    }

    fn on_change(&mut self, change: Change) {
        let now = Instant::now();
        debug!(?change, "network or clock");
        match change {
            Change::Network(there) => {
                self.report.network = there;
                self.edges.wire.network_changed();
                self.conversation.handle_input(now, Input::Network(there));
            }
            Change::AddressGone(address) => self.edges.wire.address_gone(address),
            Change::Clock(right) => {
                self.edges.usage.clock(right);
                self.conversation.handle_input(now, Input::Clock(right));
            }
        }
    }

    fn on_request(&mut self, ControlRequest { op, reply }: ControlRequest) {
        let now = Instant::now();
        match op {
            Op::Status => reply.answer(&self.status()),
            Op::Usage => reply.answer(&self.edges.usage.report()),
            Op::Levels => reply.answer(&Levels::of(&self.edges.sound.facts())),
            Op::Reload => match self.reload() {
                Ok(()) => reply.done(),
                Err(mistakes) => reply.error(&mistakes),
            },
            Op::Button { line, gesture } => match self.line_of(line.as_deref()) {
                Ok(line) => {
                    reply.done();
                    let pressed = gesture == ButtonInput::Press;
                    if pressed {
                        self.grammar.edge_by_program(line, false, now); // in tap and open mode programs need not let go
                    }
                    self.grammar.edge_by_program(line, pressed, now);
                    self.gestures();
                }
                Err(why) => reply.error(&why),
            },
            Op::Act(act) => {
                reply.done();
                self.act(act);
            }
            Op::Used(count) => {
                self.edges.usage.used(count);
                reply.done();
            }
            Op::Volume(change) => {
                if let Some(change) = change {
                    self.volume(change);
                }
                reply.answer(&self.edges.volume.status());
            }
        }
    }

    /// A line by the name that `[button] lines` gives it.
    fn line_of(&self, name: Option<&str>) -> Result<usize, String> {
        let Some(name) = name else { return Ok(0) };
        let lines = gesture::lines(&self.reload.config.button.lines).unwrap_or_default();
        let found = lines.iter().position(|line| line.name == name);
        found.map(|index| index + 1).ok_or_else(|| format!("[button] lines has none called \"{name}\""))
    }

    fn status(&self) -> crate::status::Status {
        let mut status =
            self.report.status(&self.conversation, &self.stats, self.edges.wire.traffic(), &self.edges.sound);
        status.counters.watchers_dropped = self.edges.control.watchers_dropped();
        status.light = self.edges.panel.describe();
        status.volume = Some(self.edges.volume.status());
        status.link.connection = self.edges.wire.transport().map(Into::into);
        status.link.proxy = self.edges.wire.proxy();
        status.usage = Some(self.edges.usage.report());
        status
    }
}

/// What a conversation must know, in the words of the backend; what the model does not take is said.
fn settings(config: &Config, credential: Option<&Credential>, tools: &Tools) -> Settings {
    let mut settings = config.settings(0);
    settings.tools = tools.declare();
    if let Some(credential) = credential {
        settings.model = credential.model(&settings.model);
    }
    crate::tools::offer_search(config, &mut settings);
    for setting in Profile::of(&settings.model).left_out(&settings) {
        warn!(setting, model = settings.model, "this model does not take it: left out");
    }
    settings
}

fn grammar(config: &Config) -> Grammar {
    let button = &config.button;
    let lines = gesture::lines(&button.lines).unwrap_or_default(); // checked when they were read
    let bindings = gesture::bindings(&button.gestures, &lines).unwrap_or_default();
    let double = Duration::from_millis(button.double_ms.into());
    Grammar::new(&bindings, double, config.talk.mode == Mode::Hold)
}

/// What the doctor tells, once; waits for ever where nobody sent for it.
async fn told(verdict: &mut Option<oneshot::Receiver<Verdict>>) -> Option<Verdict> {
    match verdict {
        Some(coming) => {
            let told = coming.await.ok();
            *verdict = None;
            told
        }
        None => std::future::pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(Clock::from_std(at)).await,
        None => std::future::pending().await,
    }
}
