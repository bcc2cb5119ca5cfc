//! What is seen of the real world: what arrives at the server, what the control socket tells, what is heard in the room.

use std::time::Duration;

use pressel_live::event::{Line, Phase};
use pressel_world::card::Direction;
use pressel_world::talk::player::{Seen, World};
use pressel_world::talk::script::Cable;
use serde_json::Value;

use super::RealWorld;
use super::ear::Heard;
use super::uplink::Uplink;
use crate::stage::Happened;
use crate::stage::puppet::Arrived;

impl RealWorld {
    /// Takes in everything that has happened.
    pub(super) fn look(&mut self) {
        for arrival in self.puppet.record_from(self.recorded) {
            self.recorded += 1;
            self.arrived(arrival.link, self.since_began(arrival.at_ns), arrival.complete, arrival.what);
        }
        for event in self.stage.remote.events().split_off(self.told) {
            self.told += 1;
            self.happened(&event);
        }
        match self.ear.listen(&self.stage.card) {
            Ok(heard) => {
                for (at_ns, what) in heard {
                    match what {
                        Heard::Piece(said_ns) => self.see(self.since_began(said_ns), Seen::Play),
                        Heard::Cut if self.room.speaker != Cable::Back => {}
                        Heard::Cut => self.see(self.since_began(at_ns), Seen::Flush),
                    }
                }
            }
            Err(error) => self.breaks(self.now(), &format!("the card cannot be listened to: {error}")),
        }
    }

    fn arrived(&mut self, link: u32, at: Duration, complete: bool, what: Arrived) {
        match what {
            Arrived::Dial => {
                self.answer += 1;
                self.gaps.append(&mut self.uplink.gaps);
                self.uplink = Uplink::new(link);
                self.see(at, Seen::Dial);
            }
            Arrived::Message(kind, message) => {
                if link != self.uplink.link {
                    return self.breaks(at, &format!("{kind} on link {link}, not the newest"));
                }
                if let Err(why) = self.uplink.take(&kind, &message, complete, &self.stage.card) {
                    self.breaks(at, &format!("sent on link {link}: {why}"));
                }
                let text = if kind == "audio" { String::new() } else { message.to_string() };
                self.see(at, Seen::Sent(kind, text));
            }
            Arrived::Garbage(text) => self.breaks(at, &format!("sent on link {link}: {text:.80}")),
            Arrived::Close(code) => {
                if code.is_some_and(|code| code != 1000) {
                    self.breaks(at, &format!("closed link {link} with {code:?}"));
                }
                self.see(at, Seen::Close);
            }
            Arrived::Cut => {
                if self.puppet.links().iter().any(|of| of.number == link && !of.over && !of.closing) {
                    self.breaks(at, &format!("left link {link} without a close"));
                }
            }
        }
    }

    fn happened(&mut self, event: &Happened) {
        let at = self.since_began(event.at_ns);
        let value = &event.value;
        let text = || value["text"].as_str().unwrap_or_default();
        let note = match event.name.as_str() {
            "phase" => {
                let Some(phase) = phase_of(&value["phase"]) else {
                    return self.breaks(at, &format!("the light shows {}", value["phase"]));
                };
                if self.phases.last().is_some_and(|(_, last)| *last == phase) && self.phases.len() > 1 {
                    self.breaks(at, &format!("showed {phase:?} again"));
                }
                self.phases.push((at, phase));
                return self.see(at, Seen::Phase(phase));
            }
            "listen" => {
                self.reasons.push(self.stage.card.sample_at(Direction::Capture, event.at_ns));
                return self.see(at, Seen::Listen(listen_word(&value["what"])));
            }
            "line" => {
                let word = Line::ALL.into_iter().map(Line::word).find(|word| value["line"] == *word);
                return self.see(at, Seen::Told(word.unwrap_or("?")));
            }
            "duck" => return self.see(at, Seen::Duck(value["ducked"] == true)),
            "heard" | "said" | "hearing" => format!("{} {}", event.name, text()),
            "link_up" => format!("link-up {}", if value["resumed"] == true { "resumed" } else { "fresh" }),
            "link_down" if value["retry"] == true => "link-down retry".to_owned(),
            "link_down" => format!("link-down final {}", value["reason"].as_str().unwrap_or_default()),
            "unread" => format!("unread {}", value["kind"].as_str().unwrap_or_default()),
            "dropped" => {
                self.reasons.push(self.stage.card.sample_at(Direction::Capture, event.at_ns));
                format!("{}-dropped", value["what"].as_str().unwrap_or_default())
            }
            "first_sound" | "utterance_ended" | "interrupted" | "barge_in" | "turn_complete" | "usage" => {
                event.name.replace('_', "-")
            }
            _ => return,
        };
        self.see(at, Seen::Note(note));
    }
}

/// The word of the talks for what leaves the microphone.
pub(super) fn listen_word(value: &Value) -> &'static str {
    ["rest", "all", "gated", "watched"].into_iter().find(|word| value == word).unwrap_or("?")
}

fn phase_of(word: &Value) -> Option<Phase> {
    Some(match word.as_str()? {
        "needs set-up" => Phase::NeedsSetup,
        "fault" => Phase::Fault,
        "clock not set" => Phase::ClockNotSet,
        "no device" => Phase::NoDevice,
        "budget spent" => Phase::Spent,
        "asking" => Phase::Asking,
        "muted" => Phase::Muted,
        "offline" => Phase::Offline,
        "idle" => Phase::Idle,
        "connecting" => Phase::Connecting,
        "listening" => Phase::Listening,
        "thinking" => Phase::Thinking,
        "speaking" => Phase::Speaking,
        _ => return None,
    })
}
