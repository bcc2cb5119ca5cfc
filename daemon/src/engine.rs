//! The one loop: drain what the conversation wants (`perform`), wait for one thing to happen, hand it in (`news`). What
//! gestures do beyond talking is in `acts`, what built in tools ask for in `wishes`.

mod acts;
mod news;
mod perform;
mod reload;
mod wishes;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pressel_live::Conversation;
use pressel_live::event::{Input, Phase};
use pressel_live::profile::Profile;
use pressel_live::settings::Settings;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{Instant as Clock, sleep_until, timeout};
use tracing::{error, info, warn};

use crate::button::ButtonThreads;
use crate::config::{Config, Mode};
use crate::control::Control;
use crate::credential::Credential;
use crate::doctor::Verdict;
use crate::earcons::Earcons;
use crate::gesture::{self, Grammar};
use crate::heal::Heal;
use crate::net::watch::Watch as NetWatch;
use crate::notify::{Notify, Watch};
use crate::panel::Panel;
use crate::phrases::Phrases;
use crate::reload::Reload;
use crate::report::Report;
use crate::sound::Sound;
use crate::state::StateFile;
use crate::stats::Stats;
use crate::tools::Tools;
use crate::usage::Usage;
use crate::volume::Volume;
use crate::warm::Warm;
use crate::wire::Wire;

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
            self.look_at_light();
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
}

/// What a conversation must know, in the words of the backend; what the model does not take is said.
fn settings(config: &Config, credential: Option<&Credential>, tools: &Tools) -> Settings {
    let mut settings = config.settings(0);
    (settings.tools, settings.finishes) = (tools.declare(), tools.finishes());
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
