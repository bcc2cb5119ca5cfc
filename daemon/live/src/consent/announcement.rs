//! The question as it is said and heard: what of a model's words is it, and when all of it was heard.

use std::time::{Duration, Instant};

use super::{AGREE_WITHIN, SAYS_WITHIN, Stage};
use crate::conversation::Conversation;
use crate::event::Action;
use crate::profile::ToolBehavior;
use crate::turn::Turn;

/// A line of the device's own is never longer.
const LINE_MAX: Duration = Duration::from_secs(15);

impl Conversation {
    /// Sound of an answer has come for this turn.
    pub(crate) fn announces(&mut self, now: Instant, sounding: u32) {
        // Where a call keeps the model from nothing, what it said before it was told to ask may still be on its way.
        let goes_on = self.profile.audio_during_call
            && self.profile.behavior_of(&self.settings.model) != ToolBehavior::Blocking;
        let delay = self.link.pulse.delay();
        let Some(asked) = &mut self.consent.asked else { return };
        asked.heard = false;
        if goes_on && now < asked.told + delay {
            asked.before = asked.before.max(sounding);
        }
        match asked.stage {
            Stage::Announced { turn, own: false, .. } if turn == sounding => {}
            Stage::Due { .. } if sounding <= asked.before => {
                asked.stage = Stage::Due { until: now + SAYS_WITHIN };
            }
            _ => asked.stage = Stage::Announced { turn: sounding, whole: false, own: false },
        }
    }

    /// All of the answer in hand has come.
    pub(crate) fn announced_whole(&mut self) {
        let newest = self.answer_number;
        let Some(asked) = &mut self.consent.asked else { return };
        if let Stage::Announced { turn, whole, .. } = &mut asked.stage {
            *whole |= *turn == newest;
        }
    }

    /// A segment of somebody's speech goes up.
    pub(crate) fn doubt_announcement(&mut self) {
        if let Some(asked) = &mut self.consent.asked {
            asked.doubtful |= !matches!(asked.stage, Stage::Asking { .. });
            asked.heard = false;
        }
    }

    /// All of this turn has been heard.
    pub(crate) fn announcement_heard(&mut self, now: Instant, drained: u32) {
        // A word before another call, whose result it will speak of, is no question.
        let goes_on = self.in_progress;
        // What its own turn's end has followed already is not what the model still has to say.
        let more = self.tool_answered || goes_on && !self.turn_open;
        let Some(asked) = &mut self.consent.asked else { return };
        let Stage::Announced { turn, whole, own } = asked.stage else { return };
        if turn != drained {
            return;
        }
        let doubtful = std::mem::take(&mut asked.doubtful);
        let wait = if doubtful { Duration::ZERO } else { SAYS_WITHIN };
        asked.stage = Stage::Due { until: now + wait };
        asked.heard = own || whole && !doubtful && !more;
        if own || !goes_on {
            self.ask_by_light(now);
        }
    }

    /// The model says that it was all; that may come after it was heard.
    pub(crate) fn ask_by_light(&mut self, now: Instant) {
        let Some(asked) = self.consent.asked.as_mut().filter(|asked| asked.heard) else { return };
        asked.heard = false;
        let until = *asked.until.get_or_insert(now + AGREE_WITHIN);
        if until <= now {
            return self.time_is_over(now);
        }
        asked.stage = Stage::Asking { since: now, until };
    }

    /// The device asks by itself, as a turn of its own: it is cut and heard to its end like an answer.
    pub(super) fn ask_aloud(&mut self, now: Instant) {
        self.answer_number += 1;
        let turn = self.answer_number;
        let Some(asked) = &mut self.consent.asked else { return };
        asked.stage = Stage::Announced { turn, whole: true, own: true };
        (asked.doubtful, asked.heard, asked.until) = (false, false, None);
        let by = asked.ask.by;
        self.tool_answered = false; // the model has had its time
        self.turn = Turn::Speaking { turn, last_sound: now, heard_by: now + LINE_MAX, ended: true };
        self.act(Action::AskAloud { turn, by });
    }
}
