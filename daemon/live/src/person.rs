//! The person's side: button, microphone, loudspeaker.

use std::time::{Duration, Instant};

use crate::conversation::Conversation;
use crate::event::{Action, ButtonInput, Line, Listen, MicrophoneInput, Note, SpeakerInput};
use crate::settings::{OpenStart, TalkMode};
use crate::turn::Turn;
use crate::utterance::Utterance;

/// Without a chunk that reaches the end of the tail, the utterance ends this much later.
const TAIL_GRACE: Duration = Duration::from_millis(400);
/// In tap mode an utterance of which no sound comes at all ends after this.
const DEAF: Duration = Duration::from_secs(3);
/// Shorter and without speech, on a link that is not up: a slip of the finger.
const SLIP: Duration = Duration::from_millis(600);
/// How long an answer may be due when nothing was said.
const NOTHING_SAID: Duration = Duration::from_secs(3);
/// Open mode: the gate may have opened for a noise that the server does not answer.
const NOISE: Duration = Duration::from_secs(6);
/// Open mode: silence that closes a segment when the server's own default is unknown.
const END_AFTER_DEFAULT: Duration = Duration::from_millis(800);
/// And this much more than it asks for.
const END_AFTER_MARGIN: Duration = Duration::from_millis(100);

impl Conversation {
    pub(crate) fn on_button(&mut self, now: Instant, button: ButtonInput) {
        use ButtonInput::{Press, Release};
        let asked = self.consent.is_asked();
        if button == Press {
            self.refuse_consent(now);
        }
        if button == Press && self.refuses(now) {
            return;
        }
        if button == Press && self.muted && self.open.is_none() {
            return self.silence(now); // the light says why nothing begins
        }
        if button == Press {
            self.link.press(now);
            self.ask_again(now);
            if !self.key {
                self.tell(now, Line::NeedsSetup);
            }
        }
        match (self.settings.talk, button) {
            (TalkMode::Hold { .. }, Press) if self.turn.is_listening() => self.go_on(),
            (TalkMode::Hold { .. }, Press) => self.begin_utterance(now, now),
            (TalkMode::Hold { tail }, Release) => self.end_at(now + tail),
            (TalkMode::Tap { .. }, Press) if self.turn.is_listening() => self.end_at(now),
            (TalkMode::Tap { .. }, Press) => self.begin_utterance(now, now),
            (TalkMode::Open { start, .. }, Press) => {
                if self.turn.is_speaking() {
                    self.silence(now);
                } else if asked {
                    // It was meant as a no.
                } else if self.open.is_none() {
                    self.begin_open_talk(now);
                } else if start != OpenStart::Always {
                    self.end_open_talk(now);
                }
            }
            (TalkMode::Tap { .. } | TalkMode::Open { .. }, Release) => {}
        }
    }

    /// A press in hold or tap mode, or a voice over the answer: silence the answer, listen from then.
    pub(crate) fn begin_utterance(&mut self, now: Instant, since: Instant) {
        self.question = None;
        self.silence(now);
        if self.is_deaf() {
            return; // the light says so
        }
        let kept = self.utterance.take().filter(|u| u.ended && !u.is_sent());
        // Said while there was no link: what is said now goes on from there, as one utterance.
        let mut utterance = kept.unwrap_or_else(|| Utterance::new(since, self.utterance_samples_max()));
        utterance.ended = false;
        self.utterance = Some(utterance);
        self.turn = Turn::Listening { since, ending: None, last_chunk: now };
        self.go_on_listening(since);
    }

    /// A press within the tail: the utterance is not over after all.
    fn go_on(&mut self) {
        if let Turn::Listening { ending, .. } = &mut self.turn {
            *ending = None;
        }
    }

    /// What is captured up to `at` belongs to the utterance.
    fn end_at(&mut self, at: Instant) {
        if let Turn::Listening { ending: ending @ None, .. } = &mut self.turn {
            *ending = Some(at);
        }
    }

    pub(crate) fn utterance_samples_max(&self) -> usize {
        self.settings.utterance_max.as_millis() as usize * 16
    }

    /// The answer stops now: what is queued is flushed, what still arrives of it is dropped.
    pub(crate) fn silence(&mut self, now: Instant) {
        self.refuse_consent(now);
        match self.turn {
            Turn::Speaking { ended, .. } => {
                self.act(Action::Flush { turn: self.answer_number });
                self.memory.cut(now);
                if !ended {
                    self.mute_cut(now);
                }
                self.cut_turn();
                self.become_idle(now);
                self.lives(now);
            }
            // An answer may be on its way already.
            Turn::Thinking { .. } => {
                if self.utterance.as_ref().is_none_or(Utterance::is_sent) {
                    self.keep_sound();
                    self.memory.cut(now);
                    self.mute_cut(now);
                    self.cut_turn();
                }
                self.become_idle(now);
            }
            _ => {}
        }
    }

    /// What still comes of the answer is not heard. With marks of ours the server learns of it at once.
    fn mute_cut(&mut self, now: Instant) {
        if self.is_manual() {
            self.mute.start(now);
        } else {
            self.mute.start_unknown(now);
        }
    }

    pub(crate) fn on_microphone(&mut self, now: Instant, event: MicrophoneInput) {
        match event {
            MicrophoneInput::Lost => {
                self.microphone_lost = true;
                self.end_utterance(now);
                self.forget_suspicion();
                self.on_gate_closed(now);
            }
            MicrophoneInput::Back => self.microphone_lost = false,
            _ if self.muted => {}
            MicrophoneInput::Chunk { listen, samples, speech, at } if self.is_heard(listen) => {
                self.on_chunk(now, samples, speech, at);
            }
            MicrophoneInput::Opened { listen } if self.is_heard(listen) && self.is_gated() => {
                self.on_gate_opened(now);
            }
            MicrophoneInput::Closed { listen } if self.is_heard(listen) && self.is_gated() => {
                self.forget_suspicion();
                self.on_gate_closed(now);
            }
            MicrophoneInput::Suspected { listen } if self.is_heard(listen) => self.on_suspected(now),
            MicrophoneInput::Confirmed { listen } if self.is_heard(listen) => self.on_confirmed(now),
            MicrophoneInput::Dismissed { listen } if self.is_heard(listen) => self.on_dismissed(now),
            MicrophoneInput::Gap { listen, samples } if self.is_heard(listen) => {
                self.note(Note::SpeechDropped { samples });
            }
            // Of a listening that is over.
            _ => {}
        }
    }

    fn on_chunk(&mut self, now: Instant, samples: Vec<i16>, speech: bool, at: Instant) {
        let in_talk = self.open.as_ref().is_some_and(|talk| talk.gate_open);
        if self.withholds() {
            if in_talk || self.is_manual() {
                self.withhold(now, samples, speech, at);
            }
            return;
        }
        if !in_talk && !self.turn.is_listening() {
            return;
        }
        let Some(utterance) = &mut self.utterance else { return };
        let lost = utterance.push(samples, speech, at);
        self.speech_lost(lost);
        if let Turn::Listening { ending, last_chunk, .. } = &mut self.turn {
            *last_chunk = now;
            let reached = ending.is_some_and(|end| at >= end);
            if reached || self.is_silent_enough(at) {
                self.end_utterance(now);
            }
        }
    }

    /// Tap mode: the person has fallen silent, or never said a word.
    fn is_silent_enough(&self, at: Instant) -> bool {
        let TalkMode::Tap { end_silence, no_speech } = self.settings.talk else { return false };
        let (Turn::Listening { since, .. }, Some(utterance)) = (&self.turn, &self.utterance) else {
            return false;
        };
        match utterance.last_speech.filter(|last| last >= since) {
            Some(last) => at.saturating_duration_since(last) >= end_silence,
            None => at.saturating_duration_since(*since) >= no_speech,
        }
    }

    /// Hold and tap: nothing more is kept; the answer is due.
    pub(crate) fn end_utterance(&mut self, now: Instant) {
        let Turn::Listening { since, .. } = self.turn else { return };
        self.listen(Listen::Rest);
        self.turn = Turn::Thinking { until: None };
        let nothing = match &mut self.utterance {
            None => true,
            Some(utterance) => {
                utterance.ended = true;
                let slip = now.saturating_duration_since(since) < SLIP;
                let tap = matches!(self.settings.talk, TalkMode::Tap { .. });
                let quiet = !utterance.has_speech() && !self.link.is_up() && (slip || tap);
                quiet || utterance.is_empty()
            }
        };
        if nothing {
            self.utterance = None;
            self.become_idle(now);
        }
    }

    /// Sends what is due of the utterance, and notices when all of it is out.
    pub(crate) fn pump(&mut self, now: Instant) {
        if self.muted {
            self.drop_unsent(); // also what a lost link would have sent again
        }
        if !self.link.is_up() || self.link.manual != self.is_manual() {
            return;
        }
        if !self.may_speak(now) {
            return;
        }
        let (manual, silence) = (self.is_manual(), self.closing_silence());
        let Some(utterance) = &mut self.utterance else { return };
        if utterance.is_sent() {
            return;
        }
        let begins = !utterance.is_begun();
        let mut messages = Vec::new();
        utterance.drain(manual, silence, |message| messages.push(message));
        let (sent, said) = (utterance.is_sent(), utterance.has_speech());
        if begins && utterance.is_begun() {
            if utterance.tries > 0 {
                self.note(Note::SaidAgain);
            }
            if self.memory.begin(false) {
                self.finishing.ask_another();
            }
            self.carry.hushed = false;
        }
        for message in messages {
            self.send(now, message);
        }
        if sent {
            self.watch.end_stream();
            self.note(Note::UtteranceEnded);
            if self.link.pulse.dead_at().is_none() {
                self.doubtful = None; // something has come since
            }
            if said {
                self.ask_for_life(now);
            }
            let due = if !self.calls.is_empty() {
                self.patience() // the answer that is due is the tools'
            } else if !said && manual {
                NOTHING_SAID
            } else if manual {
                self.settings.answer_timeout
            } else {
                NOISE
            };
            if let Turn::Thinking { until: until @ None } = &mut self.turn {
                *until = Some(now + due);
            }
            if manual || (self.settings.speech_interrupts && !self.mute.is_unknown()) {
                self.mute.expire(now); // the server has stopped saying what was cut
            }
        }
    }

    /// In samples. The server finds the end of speech in the stream's own time, so that silence sent in one burst
    /// ends the turn at once; `audioStreamEnd` alone does not always.
    fn closing_silence(&self) -> usize {
        let after = self.settings.end_after.unwrap_or(END_AFTER_DEFAULT) + END_AFTER_MARGIN;
        after.as_millis() as usize * 16
    }

    pub(crate) fn on_speaker(&mut self, now: Instant, event: SpeakerInput) {
        match event {
            SpeakerInput::Drained { turn: drained } => {
                if let Turn::Speaking { turn, ended: true, .. } = self.turn {
                    if turn == drained {
                        self.announcement_heard(now, drained);
                        self.answer_heard(now);
                    }
                }
            }
            SpeakerInput::Lost => {
                self.speaker_lost = true;
                if let Turn::Speaking { ended, .. } = self.turn {
                    self.memory.cut(now);
                    if !ended {
                        self.mute.start(now); // the rest of the answer is discarded as it comes
                    }
                    self.become_idle(now);
                }
            }
            SpeakerInput::Back => self.speaker_lost = false,
            SpeakerInput::Started { turn } => {
                if self.turn.is_speaking() && turn == self.answer_number {
                    self.memory.started(now);
                }
            }
        }
    }

    fn answer_heard(&mut self, now: Instant) {
        let more = self.in_progress || self.tool_answered || !self.calls.is_empty();
        if more && self.link.is_up() {
            self.turn = Turn::Thinking { until: Some(now + self.patience()) };
        } else if self.is_owed() {
            self.turn = Turn::Thinking { until: Some(now + self.owed_for()) };
        } else {
            self.become_idle(now);
        }
        self.lives(now);
    }

    /// When listening ends by itself.
    pub(crate) fn listening_deadline(&self) -> Option<Instant> {
        let Turn::Listening { ending, last_chunk, .. } = self.turn else { return None };
        match (ending, self.settings.talk) {
            (Some(end), _) => Some(end + TAIL_GRACE),
            (None, TalkMode::Tap { .. }) => Some(last_chunk + DEAF),
            (None, _) => None,
        }
    }

    /// Ends what waited too long.
    pub(crate) fn end_overdue_turn(&mut self, now: Instant) {
        if self.listening_deadline().is_some_and(|at| at <= now) {
            self.end_utterance(now);
        }
        if self.turn_deadline().is_none_or(|at| at > now) {
            return;
        }
        match self.turn {
            Turn::Thinking { .. } => {
                if self.remind(now) {
                    return;
                }
                let unsaid = std::mem::take(&mut self.tool_answered);
                self.doubt();
                if self.is_on_errand() {
                    self.stop_waiting();
                } else {
                    self.memory.give_up(); // a tool that goes on is not what was waited for
                }
                self.become_idle(now);
                if unsaid {
                    self.act(Action::Tell(Line::NoAnswer));
                }
            }
            Turn::Speaking { ended: false, .. } => self.end_of_sound(),
            Turn::Speaking { ended: true, .. } => self.answer_heard(now),
            Turn::Idle | Turn::Listening { .. } => {}
        }
    }
}
