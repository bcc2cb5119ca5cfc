//! The conversation: what follows from each input, given the link and the turn.
//!
//! Three calls: [`Conversation::handle_input`], [`Conversation::poll_action`], [`Conversation::poll_timeout`].
//! What is done about the person is in `person.rs` and, for a talk in open mode, `kiosk.rs`; about the server in
//! `server.rs`, about the link in `news.rs`. Here they meet; `light.rs` tells what the light shows of it, `upkeep.rs` sees
//! to what is due and what must always hold.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::ask::Question;
use crate::barge_in::Watch;
use crate::consent::Consent;
use crate::event::{Action, Budget, Input, Listen, Note, Phase};
use crate::finishing::Finishing;
use crate::link::Link;
use crate::memory::Memory;
use crate::pending::{Called, Pending};
use crate::profile::Profile;
use crate::replay::Carry;
use crate::settings::{OpenStart, Settings, TalkMode};
use crate::trouble::Told;
use crate::turn::{Mute, Turn};
use crate::utterance::Utterance;

/// A talk in open mode.
#[derive(Debug)]
pub(crate) struct OpenTalk {
    /// Last sign of life: words that were understood, an answer, a press. A gate that opens is none.
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
    pub(crate) watch: Watch,
    /// The talk as far as the server may not hold it.
    pub(crate) memory: Memory,
    /// What waits for the next link.
    pub(crate) carry: Carry,
    /// Typed, and not on the present link.
    pub(crate) question: Option<Question>,
    /// A typed question is not over yet.
    pub(crate) asking: bool,
    /// When nobody goes on with this talk any more.
    pub(crate) forget_at: Instant,
    /// Calls of the present link not yet answered, by the id they run under.
    pub(crate) calls: BTreeMap<String, Pending>,
    pub(crate) called: Called,
    pub(crate) finishing: Finishing,
    /// What a person is asked before it is done.
    pub(crate) consent: Consent,
    /// A tool was answered and the model has not spoken since: an empty turn does not end the wait.
    pub(crate) tool_answered: bool,
    /// When the person is to hear that a tool still runs.
    pub(crate) sign_at: Option<Instant>,
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
    pub(crate) listening: Listen,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) shown: Option<Phase>,
    pub(crate) key: bool,
    pub(crate) budget: Budget,
    /// When the talk in hand began.
    pub(crate) talk_since: Option<Instant>,
    /// A link is kept ready although nobody talks.
    pub(crate) warm: bool,
    /// When somebody last talked, as far as it matters to a warm link.
    pub(crate) last_talk: Option<Instant>,
    pub(crate) told: Told,
    /// The utterance that a silent server may not have heard; its turn is over.
    pub(crate) doubtful: Option<Utterance>,
    pub(crate) microphone_lost: bool,
    /// Switched off by the person.
    pub(crate) muted: bool,
    pub(crate) speaker_lost: bool,
    pub(crate) stopped: bool,
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
            watch: Watch::default(),
            memory: Memory::default(),
            carry: Carry::default(),
            question: None,
            asking: false,
            forget_at: now,
            calls: BTreeMap::new(),
            called: Called::default(),
            finishing: Finishing::default(),
            consent: Consent::default(),
            tool_answered: false,
            sign_at: None,
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
            budget: Budget::Fine,
            talk_since: None,
            warm: false,
            last_talk: None,
            told: Told::default(),
            doubtful: None,
            microphone_lost: false,
            muted: false,
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
            Input::Consent(input) => self.on_consent(now, input),
            Input::Key(present) => {
                if present && !self.key {
                    self.link.press(now); // a refusal may have been for the old key
                    self.forget_trouble();
                }
                self.key = present;
            }
            Input::Network(there) => self.on_network(now, there),
            Input::Clock(set) => self.link.clock(now, set),
            Input::Warm(warm) => self.warm = warm,
            Input::Ask(text) => self.on_ask(now, text),
            Input::Stop => self.on_stop(now),
            Input::TakeBack => self.take_back(now),
            Input::Muted(muted) => self.on_muted(now, muted),
            Input::Forget => self.on_forget(now),
            Input::HangUp => self.on_hang_up(now),
            Input::Budget(budget) => self.on_budget(now, budget),
            Input::Mode(talk) => self.on_mode(now, talk),
            Input::Settings { settings, relink } => self.on_settings(now, *settings, relink),
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
        due(self.turn_deadline());
        due(self.listening_deadline());
        due(self.suspicion_deadline());
        due(self.leave_at());
        due(self.warm_at());
        due(self.renew_at());
        due(self.quiet_at());
        due(self.keep_alive_at());
        due(self.open_idle_at());
        due(self.stale_at());
        due(self.sign_at);
        due(self.consent.deadline());
        due(self.talk_over_at());
        due(self.cap_at());
        next
    }

    /// Whether a link is up and ready for talk.
    pub fn is_link_up(&self) -> bool {
        self.link.is_up()
    }

    /// Whether a refusal stands: nothing is dialled until a person presses or something is set differently.
    pub fn is_refused(&self) -> bool {
        self.link.is_refused()
    }

    /// Whether nobody speaks and no answer is due: a moment for a line of the device's own.
    pub fn is_quiet(&self) -> bool {
        // While a tool runs no answer is due: a sign of life may sound.
        let due = matches!(self.turn, Turn::Thinking { .. }) && self.link.is_up() && !self.is_on_errand();
        let gate_open = self.open.as_ref().is_some_and(|talk| talk.gate_open);
        !(self.turn.is_speaking() || self.turn.is_listening() || gate_open || due)
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
        let asked = self.utterance.is_some() || self.question.is_some() || self.consent.is_open();
        self.open.is_some() || asked || !self.turn.is_idle()
    }

    /// Only a link brings somebody further. What was received of an answer is heard without.
    pub(crate) fn needs_link(&self) -> bool {
        let answer_due = !(self.turn.is_idle() || self.turn.is_speaking()) || self.is_owed();
        let asked = self.utterance.is_some() || self.question.is_some() || self.consent.is_open();
        self.open.is_some() || asked || answer_due
    }

    /// Nobody is in the middle of anything that a new link would tear.
    pub fn is_pause(&self) -> bool {
        self.turn.is_idle()
            && self.calls.is_empty()
            && self.utterance.is_none()
            && self.question.is_none()
            && !self.consent.is_asked()
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
            Listen::All { number, .. } | Listen::Gated { number, .. } => number == listen,
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
        } else if self.is_manual() && self.withholds() {
            // An answer is still being heard, and looked over.
        } else {
            self.listen(Listen::Rest);
        }
    }

    pub(crate) fn listen_gated(&mut self) {
        if !self.is_gated() {
            self.listen_number += 1;
            self.listen(Listen::Gated { number: self.listen_number, watch: false });
        }
    }

    pub(crate) fn drop_utterance(&mut self) {
        if let Some(utterance) = self.utterance.take() {
            self.speech_lost(utterance.unsent());
        }
    }

    pub(crate) fn become_idle(&mut self, now: Instant) {
        self.turn = Turn::Idle;
        self.used(now);
        self.in_progress = false;
        self.tool_answered = false;
    }

    /// Somebody is there: the talk in open mode goes on.
    pub(crate) fn lives(&mut self, now: Instant) {
        if let Some(talk) = &mut self.open {
            talk.active = now;
        }
    }

    /// The person's last use of the link is now.
    pub(crate) fn used(&mut self, now: Instant) {
        self.last_use = now;
        self.forget_at = now + self.settings.forget_after;
    }

    /// A new talk begins.
    pub(crate) fn on_forget(&mut self, now: Instant) {
        self.withdraw(now, None);
        if self.open.is_some() {
            self.end_open_talk(now);
        }
        self.silence(now);
        self.end_utterance(now);
        self.drop_utterance();
        self.question = None;
        self.become_idle(now);
        self.forget_talk(now);
    }
}
