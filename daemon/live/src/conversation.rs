//! The conversation: what follows from each input, given the link and the turn.
//!
//! Three calls: [`Conversation::handle_input`], [`Conversation::poll_action`], [`Conversation::poll_timeout`].
//! What is done about the person is in `person.rs`, about the server in `server.rs`; here the two meet.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::event::{Action, Input, LinkInput, Listen, Note, Phase};
use crate::link::{Link, State};
use crate::profile::Profile;
use crate::settings::{OpenStart, Settings, TalkMode};
use crate::turn::{Mute, Turn};
use crate::utterance::Utterance;
use crate::verdict::{Failure, Stage, Verdict, judge};
use crate::wire::client;

/// An utterance that found no link for this long is stale: nobody waits for its answer any more.
const UTTERANCE_STALE: Duration = Duration::from_secs(60);
/// The same words are sent on this many links at most.
const TRIES_MAX: u32 = 2;
/// What was said during an answer may be no question; the server need not answer it.
const AFTER_ANSWER: Duration = Duration::from_secs(6);
/// A link that the server wants gone is kept this long after a turn for the handle that holds it.
const HANDLE_WAIT: Duration = Duration::from_secs(2);
/// Silence sent to keep a link in open mode, in 16 kHz samples (100 ms).
const KEEP_ALIVE_SAMPLES: usize = 1600;

/// A talk in open mode.
#[derive(Debug)]
pub(crate) struct OpenTalk {
    /// Last sign of life: speech, answer, press.
    pub(crate) active: Instant,
    /// The gate is open.
    pub(crate) gate_open: bool,
}

/// The state machine.
#[derive(Debug)]
pub struct Conversation {
    pub(crate) settings: Settings,
    pub(crate) profile: &'static Profile,
    pub(crate) link: Link,
    pub(crate) turn: Turn,
    pub(crate) mute: Mute,
    pub(crate) utterance: Option<Utterance>,
    pub(crate) open: Option<OpenTalk>,
    /// Calls not yet answered: id and name.
    pub(crate) calls: BTreeMap<String, String>,
    /// A tool was answered and the model has not spoken since: an empty turn does not end the wait.
    pub(crate) tool_answered: bool,
    /// The model says it goes on after this turn.
    pub(crate) in_progress: bool,
    /// Sound of a turn has come, its turnComplete has not.
    pub(crate) turn_open: bool,
    /// A turn was cut before its turnComplete: that one is not the next turn's.
    pub(crate) turn_cut: bool,
    /// The person's last use of the link.
    pub(crate) last_use: Instant,
    pub(crate) answer_number: u32,
    pub(crate) listen_number: u32,
    listening: Listen,
    actions: VecDeque<Action>,
    shown: Option<Phase>,
    key: bool,
    pub(crate) microphone_lost: bool,
    pub(crate) speaker_lost: bool,
    stopped: bool,
}

impl Conversation {
    /// A conversation at rest. `now` is the time of everything before the first input.
    pub fn new(settings: Settings, now: Instant) -> Self {
        let profile = Profile::of(&settings.model);
        let mut conversation = Conversation {
            link: Link::new(settings.seed),
            profile,
            settings,
            turn: Turn::Idle,
            mute: Mute::default(),
            utterance: None,
            open: None,
            calls: BTreeMap::new(),
            tool_answered: false,
            in_progress: false,
            turn_open: false,
            turn_cut: false,
            last_use: now,
            answer_number: 0,
            listen_number: 0,
            listening: Listen::Rest,
            actions: VecDeque::new(),
            shown: None,
            key: true,
            microphone_lost: false,
            speaker_lost: false,
            stopped: false,
        };
        conversation.rest_listening();
        conversation.settle(now);
        conversation
    }

    /// Takes in one thing that happened. Drain [`Conversation::poll_action`] before the next.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        if self.stopped {
            return;
        }
        match input {
            Input::Button(button) => self.on_button(now, button),
            Input::Microphone(event) => self.on_microphone(now, event),
            Input::Speaker(event) => self.on_speaker(now, event),
            Input::Link(number, event) if number == self.link.number => self.on_link(now, event),
            Input::Link(..) => {}
            Input::ToolResult(result) => self.on_tool_result(now, result),
            Input::Key(present) => {
                if present && !self.key {
                    self.link.press(now); // a refusal may have been for the old key
                }
                self.key = present;
            }
            Input::Mode(talk) => self.on_mode(now, talk),
            Input::Timeout => self.on_timeout(now),
            Input::Shutdown => return self.stop(now),
        }
        self.settle(now);
    }

    /// The next thing to do, in order.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Timeout`] is due; it may come early or late.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.stopped {
            return None;
        }
        let mut next: Option<Instant> = None;
        let mut due = |at: Option<Instant>| {
            if let Some(at) = at {
                next = Some(next.map_or(at, |n| n.min(at)));
            }
        };
        due(self.link.deadline(&self.settings));
        due(self.turn.deadline());
        due(self.listening_deadline());
        due(self.leave_at());
        due(self.quiet_at());
        due(self.keep_alive_at());
        due(self.open_idle_at());
        due(self.stale_at());
        next
    }

    /// What the light shows.
    pub fn phase(&self) -> Phase {
        if !self.key {
            return Phase::NeedsSetup;
        }
        if self.link.is_refused() && !self.turn.is_speaking() {
            return Phase::Fault;
        }
        if self.microphone_lost || self.speaker_lost {
            return Phase::NoDevice;
        }
        if self.turn.is_speaking() {
            return Phase::Speaking;
        }
        let person_speaks = self.turn.is_listening() && self.open.is_none();
        let gate_open = self.open.as_ref().is_some_and(|talk| talk.gate_open);
        if person_speaks || gate_open {
            return Phase::Listening; // also while the link is coming up: it is kept
        }
        if self.is_wanted() && !self.link.is_up() {
            return if self.link.is_failing() { Phase::Offline } else { Phase::Connecting };
        }
        match self.turn {
            Turn::Thinking { .. } => Phase::Thinking,
            _ if self.open.is_some() => Phase::Listening,
            _ => Phase::Idle,
        }
    }

    /// Whether a link is up and ready for talk.
    pub fn is_link_up(&self) -> bool {
        self.link.is_up()
    }

    /// Names of the link's and the turn's state, for logs and docs/states.md.
    pub fn state_names(&self) -> (&'static str, &'static str) {
        (self.link.state.name(), self.turn.name())
    }

    /// How turns are taken now.
    pub fn mode(&self) -> TalkMode {
        self.settings.talk
    }

    pub(crate) fn is_manual(&self) -> bool {
        !matches!(self.settings.talk, TalkMode::Open { .. })
    }

    /// Somebody needs a link now.
    pub(crate) fn is_wanted(&self) -> bool {
        self.open.is_some() || self.utterance.is_some() || !self.turn.is_idle()
    }

    /// Only a link brings somebody further. What was received of an answer is heard without.
    fn needs_link(&self) -> bool {
        self.open.is_some() || self.utterance.is_some() || !(self.turn.is_idle() || self.turn.is_speaking())
    }

    /// Nobody is in the middle of anything that a new link would tear.
    pub(crate) fn is_pause(&self) -> bool {
        self.turn.is_idle()
            && self.calls.is_empty()
            && self.utterance.is_none()
            && self.open.as_ref().is_none_or(|talk| !talk.gate_open)
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.act(Action::Note(note));
    }

    pub(crate) fn send(&mut self, now: Instant, message: String) {
        let link = self.link.number;
        self.link.sent(now);
        self.act(Action::Send { link, message });
    }

    pub(crate) fn listen(&mut self, listen: Listen) {
        if self.listening != listen {
            self.listening = listen;
            self.act(Action::Listen(listen));
        }
    }

    /// Whether this listening is the one that goes on; what comes of another is late.
    pub(crate) fn is_heard(&self, listen: u32) -> bool {
        match self.listening {
            Listen::Rest => false,
            Listen::All { number, .. } | Listen::Gated { number } => number == listen,
        }
    }

    pub(crate) fn is_gated(&self) -> bool {
        matches!(self.listening, Listen::Gated { .. })
    }

    /// What the microphone does while no talk goes on: the gate may be what begins one.
    pub(crate) fn rest_listening(&mut self) {
        let gated = matches!(self.settings.talk, TalkMode::Open { start: OpenStart::Speech, .. });
        if gated {
            self.listen_gated();
        } else {
            self.listen(Listen::Rest);
        }
    }

    pub(crate) fn listen_gated(&mut self) {
        if !self.is_gated() {
            self.listen_number += 1;
            self.listen(Listen::Gated { number: self.listen_number });
        }
    }

    fn on_link(&mut self, now: Instant, event: LinkInput) {
        match event {
            LinkInput::Opened if matches!(self.link.state, State::Opening { .. }) => {
                self.link.opened(now);
                let setup = client::setup(&self.settings, self.profile, self.link.handle());
                self.send(now, setup);
            }
            LinkInput::Opened => self.note(Note::Unread { kind: "opened twice" }),
            LinkInput::Message(payload) => self.on_payload(now, &payload),
            LinkInput::Closed { code, reason } => self.on_ended(now, Failure::Close(code, &reason)),
            LinkInput::Failed { http_status: Some(status), reason } => {
                self.on_ended(now, Failure::Http(status, &reason));
            }
            LinkInput::Failed { http_status: None, reason } => self.on_ended(now, Failure::Network(&reason)),
        }
    }

    /// The link is gone: by our wish, or by itself.
    fn on_ended(&mut self, now: Instant, failure: Failure<'_>) {
        let (code, reason) = match failure {
            Failure::Http(code, reason) | Failure::Close(code, reason) => (code, reason.to_owned()),
            Failure::Network(reason) => (0, reason.to_owned()),
        };
        let stage = match self.link.state {
            State::Opening { .. } => Stage::Dialing,
            State::SettingUp { resuming, .. } => Stage::SettingUp { resuming },
            State::Up { since, resumed, .. } => {
                Stage::Running { resumed_for: resumed.then(|| now.saturating_duration_since(since)) }
            }
            State::Leaving { .. } => {
                self.link.left();
                return self.lose_link(now);
            }
            State::Down | State::Waiting { .. } | State::Refused => return,
        };
        let verdict = match judge(stage, failure) {
            // The server keeps ending links that carry this handle: it may be the session that is broken.
            Verdict::Retry
                if matches!(failure, Failure::Close(code, _) if code != 1006) && self.link.is_worn() =>
            {
                Verdict::Fresh
            }
            verdict => verdict,
        };
        self.link.ended(now, verdict);
        self.note(Note::LinkDown { code, reason, retry: verdict != Verdict::Never });
        self.lose_link(now);
        if verdict == Verdict::Never {
            self.give_up(now);
        }
    }

    /// What a lost link takes with it.
    fn lose_link(&mut self, now: Instant) {
        self.mute.stop();
        self.in_progress = false;
        self.tool_answered = false;
        self.turn_open = false;
        self.turn_cut = false;
        if !self.calls.is_empty() {
            let ids = std::mem::take(&mut self.calls).into_keys().collect();
            self.act(Action::CancelTools { ids });
        }
        if let Some(utterance) = &mut self.utterance {
            utterance.rewind();
            if utterance.tries >= TRIES_MAX && utterance.ended {
                self.drop_utterance();
            }
        }
        match self.turn {
            // What was received is still heard to its end.
            Turn::Speaking { .. } => self.end_of_sound(),
            Turn::Thinking { .. } if self.utterance.is_none() => self.become_idle(now),
            Turn::Thinking { .. } => self.turn = Turn::Thinking { until: None },
            _ => {}
        }
    }

    /// Refused for good: nothing that waits for a link will get one.
    fn give_up(&mut self, now: Instant) {
        self.drop_utterance();
        self.open = None;
        self.rest_listening();
        if !self.turn.is_speaking() {
            self.become_idle(now);
        }
    }

    pub(crate) fn drop_utterance(&mut self) {
        if let Some(utterance) = self.utterance.take() {
            let samples = utterance.unsent();
            if samples > 0 {
                self.note(Note::SpeechDropped { samples });
            }
        }
    }

    pub(crate) fn become_idle(&mut self, now: Instant) {
        self.turn = Turn::Idle;
        self.last_use = now;
        self.in_progress = false;
        self.tool_answered = false;
        if let Some(talk) = &mut self.open {
            talk.active = now;
        }
    }

    fn on_mode(&mut self, now: Instant, talk: TalkMode) {
        if talk == self.settings.talk {
            return;
        }
        // What is being said is over, and is asked; what is being heard is silenced.
        self.end_utterance(now);
        self.on_gate_closed(now);
        if self.turn.is_speaking() {
            self.silence(now);
        }
        self.pump(now);
        self.open = None;
        self.settings.talk = talk;
        self.rest_listening();
        // The VAD setting is fixed per link: another one needs another link, which continues the session.
        if self.link.is_open() && self.link.manual != self.is_manual() {
            let close = self.link.leave(now);
            self.actions.extend(close);
            self.lose_link(now);
        }
    }

    fn on_timeout(&mut self, now: Instant) {
        if matches!(self.link.state, State::Leaving { until } if until <= now) {
            self.link.left();
        }
        if self.link.is_overdue(now, &self.settings) {
            let stage = match self.link.state {
                State::SettingUp { resuming, .. } => Stage::SettingUp { resuming },
                _ => Stage::Dialing,
            };
            let link = self.link.number;
            self.act(Action::Close { link, code: 1000 });
            let reason = "no answer to setup in time";
            self.link.ended(now, judge(stage, Failure::Network(reason)));
            // News of the abandoned link must not be taken for the next one's.
            self.link.number += 1;
            self.note(Note::LinkDown { code: 0, reason: reason.into(), retry: true });
            self.lose_link(now);
        }
        self.end_overdue_turn(now);
        if self.stale_at().is_some_and(|at| at <= now) {
            self.drop_utterance();
            if !self.turn.is_speaking() {
                self.become_idle(now);
            }
        }
        if self.open_idle_at().is_some_and(|at| at <= now) {
            self.end_open_talk(now);
        }
        if self.keep_alive_at().is_some_and(|at| at <= now) {
            self.send(now, client::audio(&[0; KEEP_ALIVE_SAMPLES]));
        }
    }

    /// What must hold after every input.
    fn settle(&mut self, now: Instant) {
        let always = matches!(self.settings.talk, TalkMode::Open { start: OpenStart::Always, .. });
        if always && self.open.is_none() && self.key && !self.link.is_refused() {
            self.begin_open_talk(now);
        }
        let forced = self.link.leave_by().is_some_and(|by| by <= now);
        let asked = self.leave_at().is_some_and(|at| at <= now);
        let quiet = self.quiet_at().is_some_and(|at| at <= now);
        if forced || asked || quiet {
            let close = self.link.leave(now);
            self.actions.extend(close);
            self.lose_link(now);
        }
        if self.utterance.is_none() && self.turn == (Turn::Thinking { until: None }) {
            self.become_idle(now); // what was to be answered is gone
        }
        if self.turn.is_idle() {
            // Said while an answer was being heard, or while it was cut: it is still to be answered.
            if let Some(utterance) = self.utterance.as_ref().filter(|utterance| utterance.ended) {
                let until = utterance.is_sent().then(|| now + AFTER_ANSWER);
                self.turn = Turn::Thinking { until };
            }
        }
        if self.needs_link() && self.key {
            let dial = self.link.want(now, self.is_manual());
            self.actions.extend(dial);
        } else {
            self.link.rest();
        }
        self.pump(now);
        let phase = self.phase();
        if self.shown != Some(phase) {
            self.shown = Some(phase);
            self.act(Action::Show(phase));
        }
    }

    /// After a goAway: when nobody is in the middle of anything, and the session is safe.
    fn leave_at(&self) -> Option<Instant> {
        let wait = if self.link.lacks_handle() { HANDLE_WAIT } else { Duration::ZERO };
        (self.link.leave_by().is_some() && self.is_pause()).then(|| self.last_use + wait)
    }

    /// Hold and tap: when an unused link is let go.
    fn quiet_at(&self) -> Option<Instant> {
        let unused = self.link.is_up() && !self.is_wanted();
        let wait = if self.is_manual() { self.settings.quiet_close } else { Duration::ZERO };
        unused.then(|| self.last_use + wait)
    }

    fn keep_alive_at(&self) -> Option<Instant> {
        self.open.as_ref().and_then(|_| self.link.keep_alive_at())
    }

    fn stale_at(&self) -> Option<Instant> {
        let waiting = self.utterance.as_ref().filter(|u| u.ended && !u.is_sent())?;
        (!self.link.is_up()).then(|| waiting.until + UTTERANCE_STALE)
    }

    fn stop(&mut self, now: Instant) {
        self.silence(now);
        let ids: Vec<String> = std::mem::take(&mut self.calls).into_keys().collect();
        if !ids.is_empty() {
            self.act(Action::CancelTools { ids });
        }
        self.listen(Listen::Rest);
        let close = self.link.leave(now);
        self.actions.extend(close);
        self.stopped = true;
    }
}
