//! What the daemon tells about itself: the log's lines about links and cards, each said once, and the status.

mod device;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use pressel_live::Conversation;
use pressel_live::event::{Listen, Note};
use pressel_live::settings::TalkMode;
use tracing::{debug, info, warn};

use crate::config::{Backend, Config};
use crate::credential::Credential;
use crate::levels::Levels;
use crate::notify::{Pulse, Watch};
use crate::sound::{Facts, Side, Sound, Trouble};
use crate::stats::Stats;
use crate::status::{DeviceStatus, LinkStatus, Status, listen_word, phase_word};
use crate::wire::{Endpoint, Traffic};

/// Has the watchdog look at both sound threads.
pub fn watch_sound(watch: &mut Watch, sound: &Sound, now: Instant) {
    let facts = sound.facts();
    let capture = move || {
        let facts: &Facts = &facts;
        let waiting = (!facts.capture.running.load(Relaxed)).then_some("the microphone");
        let opening = waiting.is_some() && facts.capture.opening.load(Relaxed);
        Pulse { beats: facts.capture.beats.load(Relaxed), waiting, opening }
    };
    let facts = sound.facts();
    let playback = move || {
        let facts: &Facts = &facts;
        let waiting = (!facts.playback.running.load(Relaxed)).then_some("the speaker");
        let opening = waiting.is_some() && facts.playback.opening.load(Relaxed);
        Pulse { beats: facts.playback.beats.load(Relaxed), waiting, opening }
    };
    watch.add("capture", capture, now);
    watch.add("playback", playback, now);
}

/// Facts that change, as they are told.
pub struct Report {
    /// The microphone is switched off.
    pub muted: bool,
    /// There is a network, as far as is known.
    pub network: bool,
    /// What each line of the button is, or why it is not there; none before it was looked for.
    buttons: Vec<Option<Result<String, String>>>,
    /// What the mute switch is, or why it cannot be read.
    mute: Option<Result<String, String>>,
    /// Why there is no light, where there should be one.
    dark: Option<String>,
    key: Option<String>,
    link: LinkStatus,
    link_since: Instant,
    sides: [DeviceStatus; 2],
    looked_for: [bool; 2],
    missing: Vec<String>,
    /// What there is to be said where nothing opens the service.
    lacks: &'static str,
    /// The newest configuration cannot be used.
    refused: Option<String>,
    unread_told: BTreeSet<&'static str>,
    too_long_told: bool,
    /// Speech of the utterance in hand was lost, and that has been said.
    loss_told: bool,
}

impl Report {
    /// Nothing has happened yet.
    pub fn new(config: &Config, credential: Option<&Credential>) -> Self {
        let mut report = Report {
            muted: false,
            network: true,
            buttons: Vec::new(),
            mute: None,
            dark: None,
            key: None,
            link: LinkStatus { state: "down".into(), ..LinkStatus::default() },
            link_since: Instant::now(),
            sides: Default::default(),
            looked_for: [false; 2],
            missing: Vec::new(),
            lacks: "",
            refused: None,
            unread_told: BTreeSet::new(),
            too_long_told: false,
            loss_told: false,
        };
        report.listens(Listen::Rest);
        report.renew(config, credential);
        report
    }

    /// What the configuration and the credential say.
    pub fn renew(&mut self, config: &Config, credential: Option<&Credential>) {
        self.key = credential.map(Credential::to_string);
        self.link.endpoint = match config.live.backend {
            // Where it derives its own host, that is what people want to see.
            Backend::Vertex => Endpoint::of(config).map(|endpoint| endpoint.base()).unwrap_or_default(),
            Backend::Developer | Backend::Token => config.live.endpoint.clone(),
        };
        self.link.model.clone_from(&config.live.model);
        self.lacks = match config.live.backend {
            Backend::Developer => "no API key",
            Backend::Token => "no token source",
            Backend::Vertex => "no project for Vertex AI",
        };
        self.sides[Side::Microphone as usize].device.clone_from(&config.capture.device);
        self.sides[Side::Speaker as usize].device.clone_from(&config.playback.device);
        self.find_missing();
    }

    /// A newer configuration was refused for this; or none is.
    pub fn refused(&mut self, mistake: Option<&String>) {
        self.refused =
            mistake.map(|mistake| format!("configuration refused, the former one is kept: {mistake}"));
        self.find_missing();
    }

    /// What is waited for or lacking, each a sentence.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// A line of the button was found, or is missing.
    pub fn button(&mut self, line: usize, what: Result<String, String>) {
        if self.buttons.len() <= line {
            self.buttons.resize(line + 1, None);
        }
        self.buttons[line] = Some(what);
        self.find_missing();
    }

    /// Why there is no light, if so. Whether that is news.
    pub fn light(&mut self, problem: Option<&str>) -> bool {
        let news = self.dark.as_deref() != problem;
        if news {
            self.dark = problem.map(str::to_owned);
            self.find_missing();
        }
        news
    }

    /// Button and switch are opened anew.
    pub fn no_buttons(&mut self) {
        self.buttons.clear();
        self.mute = None;
        self.find_missing();
    }

    /// The mute switch was found, or cannot be read.
    pub fn mute(&mut self, what: Result<String, String>) {
        self.mute = Some(what);
        self.find_missing();
    }

    /// Whether it is the microphone that is waited for.
    pub fn microphone_is_missing(&self) -> bool {
        self.sides[Side::Microphone as usize].problem.is_some()
    }

    /// Both sound threads have opened their card, or said why not.
    pub fn both_cards_looked_for(&self) -> bool {
        self.looked_for == [true, true]
    }

    /// What leaves the microphone from now on.
    pub fn listens(&mut self, listen: Listen) {
        self.sides[Side::Microphone as usize].listens = Some(listen_word(listen).to_owned());
    }

    /// A dial began.
    pub fn dialling(&mut self, now: Instant) {
        self.link_is("connecting", now);
        if self.link.trouble.is_none() {
            info!(endpoint = self.link.endpoint, model = self.link.model, "dialling");
        }
    }

    /// We closed the link.
    pub fn closed(&mut self, now: Instant) {
        self.link_is("down", now);
        info!("link closed");
    }

    fn link_is(&mut self, state: &str, now: Instant) {
        state.clone_into(&mut self.link.state);
        self.link_since = now;
    }

    /// An answer is longer than the queue; said once.
    pub fn answer_too_long(&mut self) {
        if !std::mem::replace(&mut self.too_long_told, true) {
            warn!("an answer is longer than [playback] queue_max_s; its end is dropped");
        }
    }

    /// Logs what a person may care about; captions never.
    pub fn note(&mut self, note: &Note, now: Instant) {
        match note {
            Note::LinkUp { resumed } => {
                self.link.resumed = *resumed;
                self.link_is("up", now);
                self.link.trouble = None;
                info!(resumed, "link up");
            }
            Note::LinkDown { code, reason, retry, trouble } => {
                // A server that is away would otherwise fill the log with one line.
                let said = self.link.trouble.replace((*trouble).to_owned()).as_deref() == Some(*trouble);
                match (retry, said) {
                    (true, true) => debug!(trouble, code, reason, "link down, dialling again"),
                    (true, false) => warn!(trouble, code, reason, "link down, dialling again"),
                    (false, _) => {
                        tracing::error!(
                            trouble,
                            code,
                            reason,
                            "refused; a press dials once more, mend the configuration or key"
                        );
                    }
                }
                self.link.last_end = Some(format!("{code} {reason}"));
                self.link_is(if *retry { "waiting" } else { "refused" }, now);
            }
            Note::Unread { kind } if self.unread_told.insert(kind) => {
                warn!(kind, "a message could not be used; counted from now on");
            }
            Note::SpeechDropped { samples } if std::mem::replace(&mut self.loss_told, true) => {
                debug!(ms = samples / 16, "more speech was lost");
            }
            Note::SpeechDropped { samples } => {
                warn!(ms = samples / 16, "speech was lost; said once per utterance, counted in the status");
            }
            Note::UtteranceEnded => self.loss_told = false,
            Note::Usage(usage) => {
                debug!(tokens_in = usage.prompt, tokens_out = usage.response + usage.thoughts, "usage");
            }
            Note::Interrupted => debug!("interrupted"),
            Note::BargeIn => debug!("spoken over: answer cut"),
            Note::TurnComplete => debug!("turn complete"),
            _ => {}
        }
    }

    /// The lines of the button, when all of them are there.
    fn buttons(&self) -> Option<String> {
        let there: Option<Vec<&str>> =
            self.buttons.iter().map(|line| line.as_ref()?.as_deref().ok()).collect();
        there.filter(|lines| !lines.is_empty()).map(|lines| lines.join(", "))
    }

    fn find_missing(&mut self) {
        self.missing.clear();
        if self.key.is_none() {
            self.missing.push(self.lacks.into());
        }
        self.missing.extend(self.refused.clone());
        let problems = self.sides.iter().filter_map(|side| side.problem.clone());
        self.missing.extend(problems);
        let lines = self.buttons.iter().flatten().filter_map(|line| line.as_ref().err());
        self.missing.extend(lines.map(|why| format!("button: {why}")));
        if let Some(Err(why)) = &self.mute {
            self.missing.push(format!("mute switch: {why}"));
        }
        self.missing.extend(self.dark.as_ref().map(|why| format!("light: {why}")));
    }

    /// The whole state.
    pub fn status(
        &self,
        conversation: &Conversation,
        stats: &Stats,
        traffic: &Traffic,
        sound: &Sound,
    ) -> Status {
        let facts = sound.facts();
        let [mut microphone, mut speaker] = self.sides.clone();
        microphone.xruns = facts.capture.xruns.load(Relaxed);
        microphone.lost_frames = facts.capture.lost_frames.load(Relaxed);
        speaker.xruns = facts.playback.xruns.load(Relaxed);
        speaker.late = facts.playback.late.load(Relaxed);
        if facts.capture.running.load(Relaxed) && !self.muted {
            microphone.level_dbfs = facts.capture.level_dbfs.value();
            microphone.floor_dbfs = facts.capture.floor_dbfs.value();
            let troubles = Trouble::of_bits(facts.capture.troubles.load(Relaxed));
            microphone.troubles = troubles.map(|trouble| trouble.word().to_owned()).collect();
        }
        let mut counters = stats.counters.clone();
        counters.answer_gaps = facts.playback.starved.load(Relaxed);
        counters.jitter_ms = u64::from(facts.playback.jitter_ms.load(Relaxed));
        counters.bytes_up = traffic.bytes_up.load(Relaxed);
        counters.bytes_down = traffic.bytes_down.load(Relaxed);
        counters.messages_up = traffic.messages_up.load(Relaxed);
        counters.messages_down = traffic.messages_down.load(Relaxed);
        let mut link = self.link.clone();
        link.since_s = self.link_since.elapsed().as_secs_f64();
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uptime_s: stats.started().elapsed().as_secs_f64(),
            phase: phase_word(conversation.phase()).into(),
            missing: self.missing.clone(),
            mode: mode_word(conversation.mode()).into(),
            key: self.key.clone(),
            link,
            microphone,
            speaker,
            levels: Levels::of(&facts),
            button: self.buttons(),
            mute: self.mute.clone().map(|mute| mute.unwrap_or_else(|why| why)),
            muted: self.muted,
            volume: None,
            light: None,
            latencies: stats.latencies(),
            counters,
            usage: None,
            clock_kept: crate::net::Clock::read().synchronized,
        }
    }
}

fn mode_word(mode: TalkMode) -> &'static str {
    match mode {
        TalkMode::Hold { .. } => "hold",
        TalkMode::Tap { .. } => "tap",
        TalkMode::Open { .. } => "open",
    }
}
