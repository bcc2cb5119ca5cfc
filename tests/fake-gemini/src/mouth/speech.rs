//! What is said of a turn: a word before it, its parts with their words, and its end.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Current, Mouth, Step};
use crate::answer::milliseconds;
use crate::audio;
use crate::effects::{Effects, Out};
use crate::rule::When;
use crate::script::Turn;

/// A word while something takes long.
const FILLER_MS: u16 = 200;

impl Mouth {
    /// A word before the answer.
    pub(super) fn fill(&mut self, current: &mut Current, fx: &mut Effects) {
        current.turn.filler = false;
        let word = Turn::noise(u64::from(FILLER_MS), 1);
        let Ok((samples, _)) = audio::render(&word, current.number) else { return };
        let blob = json!({"mimeType": "audio/pcm;rate=24000", "data": ""});
        let message = json!({"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}});
        self.usage.say(milliseconds(samples.len()));
        fx.out.push_back(Out::Audio { message, samples, turn: current.number });
    }

    /// Sends the next part, and what follows the last one.
    pub(super) fn speak(&mut self, current: &mut Current, since: u64, fx: &mut Effects) -> bool {
        let (next, count) = (current.next, current.answer.parts.len());
        let sent_ms = milliseconds(current.answer.parts[next].range.start);
        fx.strike(Some(current.number), When::Answer { ms: sent_ms });
        let last = next + 1 == count;
        let mut end = Map::new();
        if last && current.turn.bundled {
            end.insert("generationComplete".to_owned(), json!(true));
            end.insert("turnComplete".to_owned(), json!(true));
        }
        self.part(current, end, fx);
        if !last {
            return true;
        }
        let all_ms = milliseconds(current.answer.samples.len());
        fx.strike(Some(current.number), When::Answer { ms: all_ms });
        if current.turn.bundled {
            fx.strike(Some(current.number), When::TurnComplete);
            return false;
        }
        self.finish(current, since + current.answer.heard_ns(), fx)
    }

    /// One part of the answer, with its words, in one message or two; `more` goes into the content.
    pub(super) fn part(&mut self, current: &mut Current, more: Map<String, Value>, fx: &mut Effects) {
        let Some(part) = current.answer.parts.get(current.next).cloned() else { return };
        current.next += 1;
        if self.model.pads_with_nothing {
            fx.send(json!({}));
        }
        let blob = json!({"mimeType": "audio/pcm;rate=24000", "data": ""});
        let mut content = json!({"modelTurn": {"parts": [{"inlineData": blob}]}});
        if let Some(words) = part.words {
            let transcription = json!({"text": words});
            if self.model.bundles_words {
                content["modelTurn"]["role"] = json!("model");
                content["outputTranscription"] = transcription;
            } else {
                fx.content(json!({"outputTranscription": transcription}));
            }
        }
        let ends = more.contains_key("turnComplete");
        if let Value::Object(content) = &mut content {
            content.extend(more);
        }
        let mut message = json!({"serverContent": content});
        let samples: Arc<[i16]> = current.answer.samples[part.range].into();
        self.usage.say(milliseconds(samples.len()));
        if ends {
            message["usageMetadata"] = self.usage.of_turn();
        }
        fx.out.push_back(Out::Audio { message, samples, turn: current.number });
    }

    pub(super) fn finish(&mut self, current: &mut Current, heard: u64, fx: &mut Effects) -> bool {
        if current.turn.endless {
            current.step = Step::Endless;
            return true;
        }
        let mut content = json!({"generationComplete": true});
        if let Some(grounding) = current.turn.grounding.clone().filter(|_| self.searches) {
            content["groundingMetadata"] = grounding;
        }
        fx.content(content);
        fx.strike(Some(current.number), When::Generated);
        current.step = Step::Play { until: heard };
        true
    }

    pub(super) fn complete(&mut self, current: &Current, mut content: Value, fx: &mut Effects) {
        content["turnComplete"] = json!(true);
        if let Some(reason) = &current.turn.reason {
            content["turnCompleteReason"] = json!(reason);
        }
        if self.model.interaction_status {
            let thinks = matches!(current.step, Step::Think { .. } | Step::Call { .. });
            let pending = thinks || !self.errands.is_empty();
            content["interactionStatus"] = json!(if pending { "IN_PROGRESS" } else { "IDLE" });
        }
        fx.send(json!({"serverContent": content, "usageMetadata": self.usage.of_turn()}));
    }
}
