//! Links as the server's end has them, and what the service makes of what arrives there.

use std::collections::BTreeSet;
use std::time::Duration;

use pressel_live::event::LinkInput;
use serde_json::{Value, json};

use super::plan::Away;
use super::world::{Campaign, Event};
use crate::talk::network::message;
use crate::talk::order::{Order, Said, kind};
use crate::talk::script::Part;

/// What is left of an answer when its link ends is nobody's.
const PIECE: Duration = Duration::from_millis(200);
/// Sound of one utterance arrives at most so far apart.
const BETWEEN: Duration = Duration::from_millis(100);
/// From `turnComplete` to the handle that holds it.
const HANDLE: Duration = Duration::from_millis(50);
/// Samples per millisecond of an answer; the service has 24, fewer are read sooner.
const PER_MS: usize = 8;

/// One link.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) number: u32,
    pub(super) opened: bool,
    pub(super) set_up: bool,
    pub(super) complete: bool,
    /// Closed by us.
    pub(super) closing: bool,
    /// Nothing comes any more.
    pub(super) over: bool,
    /// The other end is gone.
    pub(super) stranded: bool,
    /// The kernel at the other end still acknowledges what is sent.
    pub(super) acknowledged: bool,
    /// The server has said that it ends soon.
    pub(super) ending: bool,
    /// Something sent was not acknowledged.
    pub(super) unacknowledged: bool,
    order: Order,
    /// Chunks of the utterance that is arriving, and when each did.
    chunks: Vec<(u64, Duration)>,
    /// Resumed with this.
    handle: Option<u32>,
}

/// A step of an answer.
#[derive(Clone, Debug)]
pub(super) enum Serve {
    /// The setup is accepted.
    Ready,
    /// The utterances' answer begins: a tool is called, or the words are said.
    Answer(BTreeSet<usize>),
    /// So many pieces of sound are left.
    Speak(BTreeSet<usize>, u32),
    /// The session can be resumed.
    Handle,
    /// The link is closed.
    Close(u16, String),
    /// A ping is answered.
    Pong,
}

impl Campaign<'_> {
    /// Whether what is sent on this link arrives.
    pub(super) fn arrives(&self, number: u32) -> bool {
        let away = self.away().is_some_and(|away| matches!(away, Away::Silent | Away::Gone | Away::Hung));
        let line = self.lines.iter().find(|line| line.number == number);
        !away && line.is_some_and(|line| line.opened && !line.over && !line.stranded)
    }

    pub(super) fn line(&mut self, number: u32) -> Option<&mut Line> {
        self.lines.iter_mut().rev().find(|line| line.number == number)
    }

    /// Somebody dials.
    pub(super) fn dial(&mut self, number: u32) {
        use pressel_live::event::Cause;
        self.outcome.dials.push(self.now);
        self.lines.retain(|line| !line.over);
        self.lines.push(Line { number, ..Line::default() });
        let failed = |cause| LinkInput::Failed { cause, reason: "as the plan says".to_owned() };
        let rtt = self.plan.rtt;
        let (after, news) = match self.away() {
            None | Some(Away::Hung) => (rtt * 3, LinkInput::Opened),
            Some(Away::Refused) => (rtt, failed(Cause::Connect)),
            Some(Away::NoName) => (rtt, failed(Cause::Lookup)),
            Some(Away::Gone) => (Duration::from_millis(1), failed(Cause::Connect)),
            Some(Away::Silent) => self.resent(rtt, failed(Cause::Connect)),
            Some(Away::Status(status)) => (rtt * 3, failed(Cause::Http(status))),
            Some(Away::Captive) => (rtt * 2, failed(Cause::Captive)),
        };
        self.plan_in(after, Event::Link(number, news));
    }

    /// TCP asks again 1 and 3 s after the first time (RFC 6298); the dialer gives an address 5 s.
    fn resent(&self, rtt: Duration, failed: LinkInput) -> (Duration, LinkInput) {
        let again = [1, 3].map(Duration::from_secs);
        match again.iter().find(|after| self.away_at(self.now + **after).is_none()) {
            Some(after) => (*after + rtt * 3, LinkInput::Opened),
            None => (Duration::from_secs(5), failed),
        }
    }

    /// TCP_USER_TIMEOUT of the dialer, and the time that the kernel takes to see it.
    fn wait_for_acknowledgement(&mut self, number: u32) {
        let Some(line) = self.line(number).filter(|line| line.stranded && !line.acknowledged) else { return };
        if !std::mem::replace(&mut line.unacknowledged, true) {
            let reason = "nothing is acknowledged".to_owned();
            let closed = LinkInput::Closed { code: 1006, reason };
            self.plan_in(Duration::from_millis(8_500), Event::Link(number, closed));
        }
    }

    /// The client sends a message.
    pub(super) fn sent(&mut self, number: u32, text: &str) {
        let arrives = self.arrives(number);
        self.wait_for_acknowledgement(number);
        let Ok(message) = serde_json::from_str::<Value>(text) else { return self.breaks("sent no JSON") };
        let Some(kind) = kind(&message) else { return self.breaks("sent not exactly one member") };
        if kind == "audio" {
            self.outcome.sound_bytes += text.len() as u64;
        } else {
            self.tell(|| format!("sent {text:.120}"));
        }
        let Some(line) = self.lines.iter_mut().find(|line| line.number == number) else {
            return self.breaks("sent on a link that is not there");
        };
        if !line.opened || line.closing || line.over {
            return self.breaks("sent on a link that is not open");
        }
        let now = self.now;
        let said = match line.order.take(&kind, &message, line.complete) {
            Ok(said) => said,
            Err(why) => return self.breaks(&why),
        };
        line.set_up |= kind == "setup";
        if !arrives {
            return;
        }
        match said {
            Said::Begin => line.chunks.clear(),
            Said::Sound { samples, begins } => {
                if begins {
                    line.chunks.clear();
                }
                match self.capture.recognize(&samples) {
                    Some(chunks) => line.chunks.extend(chunks.into_iter().map(|chunk| (chunk, now))),
                    None => self.breaks("sent sound that no microphone delivered"),
                }
                self.hears();
            }
            Said::Other => self.asked(number, &kind, &message),
        }
    }

    /// Sound has arrived.
    fn hears(&mut self) {
        match self.heard.last_mut().filter(|(_, to)| self.now <= *to + BETWEEN) {
            Some((_, to)) => *to = self.now,
            None => self.heard.push((self.now, self.now)),
        }
    }

    /// Something other than sound has arrived.
    fn asked(&mut self, number: u32, kind: &str, message: &Value) {
        match kind {
            "setup" => {
                let handle = message["setup"]["sessionResumption"]["handle"].as_str();
                let known = handle.map(|handle| self.handles.contains(handle));
                let (after, serve) = match (known, &self.plan.refuses) {
                    (_, Some((code, reason))) => (self.plan.rtt, Serve::Close(*code, reason.clone())),
                    (Some(false), _) => {
                        self.strikes.push(self.now + self.plan.rtt);
                        let reason = "BidiGenerateContent session not found".to_owned();
                        (self.plan.rtt, Serve::Close(1008, reason))
                    }
                    _ => (self.plan.rtt + Duration::from_millis(20), Serve::Ready),
                };
                let resumed = handle.and_then(|handle| handle.strip_prefix("h-")?.parse().ok());
                if let Some(line) = self.line(number) {
                    line.handle = resumed;
                }
                self.plan_in(after, Event::Serve(number, serve));
            }
            "activityEnd" | "audioStreamEnd" => {
                let chunks =
                    self.line(number).map(|line| std::mem::take(&mut line.chunks)).unwrap_or_default();
                let utterances = self.arrived(&chunks);
                self.think(number, utterances);
            }
            "toolResponse" => {
                let utterances = self.asking.clone();
                self.plan_in(self.plan.rtt, Event::Serve(number, Serve::Speak(utterances, 5)));
            }
            // What was before, told to a session that does not know it.
            "clientContent" if message["clientContent"]["turnComplete"] != true => {}
            // Words instead of sound: what was lost with a link, or a typed question.
            _ => self.think(number, BTreeSet::new()),
        }
    }

    fn think(&mut self, number: u32, utterances: BTreeSet<usize>) {
        let least = Duration::from_millis(200);
        let most = self.plan.think.max(least).as_millis() as u64;
        let time = Duration::from_millis(self.random.u64(200..=most));
        self.plan_in(self.plan.rtt + time, Event::Serve(number, Serve::Answer(utterances)));
    }

    /// The service does something on a link, if it can.
    pub(super) fn serve(&mut self, number: u32, serve: Serve) {
        if !self.arrives(number) {
            return;
        }
        match serve {
            Serve::Ready => {
                let Some(line) = self.line(number).filter(|line| line.set_up && !line.closing) else {
                    return;
                };
                line.complete = true;
                self.outcome.ready.push(self.now);
                self.say(number, &[Part::SetupComplete]);
                self.plan_in(HANDLE * 4, Event::Serve(number, Serve::Handle));
            }
            Serve::Answer(utterances) => {
                let again: Vec<usize> =
                    utterances.iter().copied().filter(|n| self.said[*n].answered).collect();
                self.outcome.asked_twice += again.len() as u32;
                for n in again {
                    let at = self.said[n].pressed;
                    self.tell(|| format!("asked twice: what was said at {at:?}"));
                }
                self.asking = utterances.clone();
                if self.random.u32(0..100) < self.plan.tools {
                    self.calls += 1;
                    let id = format!("call-{}", self.calls);
                    self.say(number, &[Part::Call { name: "lamp".to_owned(), id }]);
                } else {
                    let pieces = self.random.u32(2..20);
                    self.plan_in(Duration::ZERO, Event::Serve(number, Serve::Speak(utterances, pieces)));
                }
            }
            Serve::Speak(utterances, left) => {
                // What comes after our close is nobody's any more.
                let heard = self.line(number).is_some_and(|line| !line.closing);
                for n in utterances.iter().filter(|_| heard) {
                    self.said[*n].answered = true;
                }
                if left > 0 {
                    self.say(number, &[Part::Audio(PIECE)]);
                    self.plan_in(PIECE / 4, Event::Serve(number, Serve::Speak(utterances, left - 1)));
                } else {
                    self.say(number, &[Part::GenerationComplete]);
                    self.say(number, &[Part::TurnComplete]);
                    self.plan_in(HANDLE, Event::Serve(number, Serve::Handle));
                }
            }
            Serve::Handle => {
                self.handle_number += 1;
                let handle = format!("h-{}", self.handle_number);
                self.handles.insert(handle.clone());
                self.say(number, &[Part::Handle(Some(handle))]);
            }
            Serve::Close(code, reason) => self.input_link(number, LinkInput::Closed { code, reason }),
            Serve::Pong => {
                self.first_pong.get_or_insert(self.now);
                self.input_link(number, LinkInput::Pong);
            }
        }
    }

    fn say(&mut self, number: u32, parts: &[Part]) {
        self.answer += i16::from(parts.contains(&Part::TurnComplete));
        let answer = self.answer.max(1);
        let payload = message(parts, |time| {
            use base64::Engine;
            let pcm = answer.to_le_bytes().repeat(time.as_millis() as usize * PER_MS);
            let data = base64::engine::general_purpose::STANDARD.encode(pcm);
            json!({ "inlineData": { "mimeType": "audio/pcm;rate=8000", "data": data } })
        });
        self.input_link(number, LinkInput::Message(payload));
    }
}
