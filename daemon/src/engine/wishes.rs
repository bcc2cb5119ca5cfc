//! What built in tools ask for: some of it at once, some only once the call is answered or the answer has been played.

use std::time::Instant;

use pressel_live::event::{Input, Phase};
use serde_json::{Map, Value, json};
use tracing::info;

use super::Engine;
use crate::gesture::Act;
use crate::phrases;
use crate::tools::News;
use crate::tools::builtin::{Wish, Wished};

/// What waits for its moment; the newest wish counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// Silence, as soon as the call that asked for it is answered.
    Stop,
    /// Then: what the model says to that answer is not heard either, until the person speaks again.
    Hush,
    /// A new talk, once the answer has been played.
    NewTalk,
    /// The end of the talk, then.
    HangUp,
}

impl Engine {
    pub(super) fn on_tools(&mut self, news: News) {
        match news {
            News::Done(result) => {
                self.conversation.handle_input(Instant::now(), Input::ToolResult(result));
                if self.late == Some(Late::Stop) {
                    self.perform_all(); // the response first
                    self.act(Act::Stop);
                    self.late = Some(Late::Hush);
                }
            }
            News::Offered => self.reload.offered = true,
            News::Wished(Wished { wish, tell }) => {
                let told = self.grant(wish);
                // Nobody waits where the call was cancelled meanwhile.
                let _ = tell.send(Ok(told));
            }
        }
    }

    fn grant(&mut self, wish: Wish) -> Map<String, Value> {
        let later = |told: &str| json!({ "output": told });
        let told = match wish {
            Wish::Volume(change) => {
                if let Some(change) = change {
                    self.volume(change);
                }
                let status = self.edges.volume.status();
                let (percent, min, max) = (status.percent, status.min_percent, status.max_percent);
                json!({ "percent": percent, "softest": min, "loudest": max })
            }
            Wish::Status => self.plain_status(),
            Wish::Stop => {
                self.late = Some(Late::Stop);
                later("silent; say nothing")
            }
            Wish::NewTalk => {
                self.late = Some(Late::NewTalk);
                later("a new talk begins once your answer has been played; say so in a few words")
            }
            Wish::EndTheTalk => {
                self.late = Some(Late::HangUp);
                later("the talk ends once your answer has been played; say goodbye in a few words")
            }
        };
        let Value::Object(told) = told else { unreachable!("each is an object") };
        told
    }

    /// The person has said something more: what comes now is the answer to that, and nobody hangs up on them.
    pub(super) fn person_spoke(&mut self) {
        if matches!(self.late, Some(Late::Hush | Late::HangUp)) {
            self.late = None;
        }
    }

    /// Does what waited for the end of the answer.
    pub(super) fn grant_late(&mut self, now: Instant) {
        if self.late == Some(Late::Hush) && self.conversation.phase() == Phase::Speaking {
            self.conversation.handle_input(now, Input::Stop);
            return self.perform_all();
        }
        if matches!(self.late, None | Some(Late::Stop | Late::Hush)) || !self.conversation.is_pause() {
            return;
        }
        match self.late.take() {
            Some(Late::NewTalk) => self.act(Act::NewTalk),
            Some(Late::HangUp) => {
                info!("the talk is ended");
                self.conversation.handle_input(now, Input::HangUp);
            }
            _ => {}
        }
        self.perform_all();
    }

    /// How the device is, in the words that it says itself.
    fn plain_status(&self) -> Value {
        let line = self.state_line();
        json!({
            "status": phrases::text(line),
            "network": if self.report.network { "there" } else { "missing" },
            "microphone": if self.report.muted { "switched off" } else { "on" },
            "missing": self.report.missing(),
            "volume_percent": self.edges.volume.status().percent,
            "clock": crate::net::Clock::read().doubt(),
        })
    }
}
