//! What a watcher is told.

use std::time::Instant;

use pressel_live::event::{Listen, Note, Phase, Source};
use serde::Serialize;

use crate::stats::Latency;
use crate::status::{listen_word, phase_word};

/// One event; on the wire an object with `event`, `at_ns` (CLOCK_MONOTONIC) and the members below.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The light shows another phase.
    Phase {
        /// As in status.
        phase: &'a str,
    },
    /// What leaves the microphone from now on.
    Listen {
        /// As in status: `rest`, `all` or `gated`.
        what: &'a str,
    },
    /// What the person was understood to say: append.
    Heard {
        /// Words.
        text: &'a str,
    },
    /// A guess at what the person says: replaces the guess before.
    Hearing {
        /// Words.
        text: &'a str,
    },
    /// What the assistant says: append.
    Said {
        /// Words.
        text: &'a str,
    },
    /// What the assistant searched for and found.
    Grounding {
        /// Searches.
        queries: &'a [String],
        /// Pages: `uri`, `title`.
        sources: &'a [Source],
        /// HTML with more searches.
        suggestions: Option<&'a str>,
    },
    /// A latency was measured.
    Latency {
        /// As in status.
        name: &'a str,
        /// How long.
        ms: f64,
    },
    /// The link came up.
    LinkUp {
        /// Whether the session was resumed.
        resumed: bool,
    },
    /// The link ended.
    LinkDown {
        /// Close code or HTTP status.
        code: u16,
        /// The server's words.
        reason: &'a str,
        /// Whether it is dialled again without a person.
        retry: bool,
        /// The operator's word for it, see docs/protocol.md.
        trouble: &'a str,
    },
    /// A gesture, or somebody in its place, had this done.
    Act {
        /// As in `[button] gestures`.
        act: &'a str,
    },
    /// How loud it is from now on.
    Volume {
        /// Of the loudest.
        percent: u32,
    },
    /// The person was told this.
    Line {
        /// Its name, as of its sound file.
        line: &'a str,
    },
    /// The first sound of an answer arrived.
    FirstSound {
        /// Its turn.
        turn: u32,
    },
    /// The person's utterance is over.
    UtteranceEnded,
    /// The answer was cut.
    Interrupted,
    /// The device heard a person speak over the answer and cut it.
    BargeIn,
    /// Somebody may be speaking over the answer: it was turned down; or it came back.
    Duck {
        /// Down.
        ducked: bool,
    },
    /// A turn ended.
    TurnComplete,
    /// Tokens of a turn, as the server counts them.
    Usage {
        /// Tokens in.
        prompt: u64,
        /// Of these, from the cache.
        cached: u64,
        /// Tokens out.
        response: u64,
        /// Thoughts.
        thoughts: u64,
        /// The server's sum.
        total: u64,
    },
    /// A message that was counted and skipped.
    Unread {
        /// Its kind.
        kind: &'a str,
    },
    /// Sound was dropped.
    Dropped {
        /// `speech` or `answer`.
        what: &'a str,
        /// Samples.
        samples: u64,
    },
    /// Anything else worth telling a person: a card that came or went.
    Told {
        /// A sentence.
        text: &'a str,
    },
}

impl<'a> Event<'a> {
    /// The light shows this phase.
    pub fn phase(phase: Phase) -> Self {
        Event::Phase { phase: phase_word(phase) }
    }

    /// This leaves the microphone from now on.
    pub fn listen(listen: Listen) -> Self {
        Event::Listen { what: listen_word(listen) }
    }

    /// A latency was measured.
    pub fn latency(latency: Latency, length: std::time::Duration) -> Self {
        Event::Latency { name: latency.name(), ms: length.as_secs_f64() * 1000.0 }
    }

    /// What a note of the conversation is to a watcher; `None` when it is nothing to him.
    pub fn note(note: &'a Note) -> Option<Self> {
        Some(match note {
            Note::Heard(text) => Event::Heard { text },
            Note::Hearing(text) => Event::Hearing { text },
            Note::Said(text) => Event::Said { text },
            Note::Grounding(found) => Event::Grounding {
                queries: &found.queries,
                sources: &found.sources,
                suggestions: found.suggestions.as_deref(),
            },
            Note::LinkUp { resumed } => Event::LinkUp { resumed: *resumed },
            Note::LinkDown { code, reason, retry, trouble } => {
                Event::LinkDown { code: *code, reason, retry: *retry, trouble }
            }
            Note::FirstSound { turn } => Event::FirstSound { turn: *turn },
            Note::UtteranceEnded => Event::UtteranceEnded,
            Note::Interrupted => Event::Interrupted,
            Note::BargeIn => Event::BargeIn,
            Note::TurnComplete => Event::TurnComplete,
            Note::Usage(usage) => Event::Usage {
                prompt: usage.prompt,
                cached: usage.cached,
                response: usage.response,
                thoughts: usage.thoughts,
                total: usage.total,
            },
            Note::Unread { kind } => Event::Unread { kind },
            Note::SpeechDropped { samples } => Event::Dropped { what: "speech", samples: *samples },
            Note::AnswerDropped { samples } => Event::Dropped { what: "answer", samples: *samples },
            _ => return None,
        })
    }

    /// The line a watcher reads.
    pub fn line(&self, at: Instant) -> String {
        #[derive(Serialize)]
        struct Stamped<'a> {
            at_ns: u64,
            #[serde(flatten)]
            event: &'a Event<'a>,
        }
        let mut line = serde_json::to_string(&Stamped { at_ns: monotonic_ns(at), event: self })
            .expect("texts and finite numbers are always JSON");
        line.push('\n');
        line
    }
}

/// A moment on CLOCK_MONOTONIC, which other programs can read as well.
pub fn monotonic_ns(at: Instant) -> u64 {
    // SAFETY: fills a local struct.
    let clock = unsafe {
        let mut clock: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut clock);
        clock
    };
    let now = Instant::now();
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)] // never negative; widths differ by target
    let clock_ns = clock.tv_sec as u64 * 1_000_000_000 + clock.tv_nsec as u64;
    let before = u64::try_from(now.saturating_duration_since(at).as_nanos()).unwrap_or(u64::MAX);
    let after = u64::try_from(at.saturating_duration_since(now).as_nanos()).unwrap_or(u64::MAX);
    clock_ns.saturating_sub(before).saturating_add(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each. The match makes a new event fail to compile here until it is added.
    fn all() -> Vec<Event<'static>> {
        let all = vec![
            Event::Phase { phase: "" },
            Event::Listen { what: "" },
            Event::Heard { text: "" },
            Event::Hearing { text: "" },
            Event::Said { text: "" },
            Event::Grounding { queries: &[], sources: &[], suggestions: None },
            Event::Latency { name: "", ms: 0.5 },
            Event::LinkUp { resumed: true },
            Event::LinkDown { code: 1006, reason: "", retry: true, trouble: "cut" },
            Event::Act { act: "stop" },
            Event::Volume { percent: 80 },
            Event::Line { line: "no-network" },
            Event::FirstSound { turn: 1 },
            Event::UtteranceEnded,
            Event::Interrupted,
            Event::BargeIn,
            Event::Duck { ducked: true },
            Event::TurnComplete,
            Event::Usage { prompt: 1, cached: 1, response: 1, thoughts: 1, total: 1 },
            Event::Unread { kind: "" },
            Event::Dropped { what: "", samples: 1 },
            Event::Told { text: "" },
        ];
        match all[0] {
            Event::Phase { .. } | Event::Listen { .. } | Event::Duck { .. } | Event::BargeIn => {}
            Event::Heard { .. } | Event::Hearing { .. } | Event::Said { .. } | Event::Grounding { .. } => {}
            Event::Latency { .. } | Event::LinkUp { .. } | Event::LinkDown { .. } | Event::Line { .. } => {}
            Event::Act { .. } | Event::Volume { .. } => {}
            Event::FirstSound { .. } | Event::UtteranceEnded | Event::Interrupted | Event::TurnComplete => {}
            Event::Usage { .. } | Event::Unread { .. } | Event::Dropped { .. } | Event::Told { .. } => {}
        }
        all
    }

    #[test]
    fn every_event_stands_in_the_page_with_its_members_and_no_other_does() {
        let page = include_str!("../../../docs/control.md");
        let table = page.split("| event | members | means |").nth(1).unwrap();
        let words =
            |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        let told: Vec<(Vec<String>, Vec<String>)> = table
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| {
                let mut cells = line.split('|').skip(1);
                (words(cells.next().unwrap()), words(cells.next().unwrap()))
            })
            .collect();
        let sent: Vec<(Vec<String>, Vec<String>)> = all()
            .iter()
            .map(|event| {
                let value: serde_json::Value = serde_json::from_str(&event.line(Instant::now())).unwrap();
                let name = value["event"].as_str().unwrap().to_owned();
                let mut members: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
                members.retain(|member| member != "event" && member != "at_ns");
                (vec![name], members)
            })
            .collect();
        let sorted = |list: Vec<(Vec<String>, Vec<String>)>| -> Vec<_> {
            list.into_iter()
                .map(|(name, mut members)| {
                    members.sort();
                    (name, members)
                })
                .collect()
        };
        assert_eq!(sorted(told), sorted(sent));
    }

    #[test]
    fn a_moment_keeps_its_distance_on_the_other_clock() {
        let now = Instant::now();
        let later = now + std::time::Duration::from_secs(2);
        let (a, b) = (monotonic_ns(now), monotonic_ns(later));
        assert!((b - a).abs_diff(2_000_000_000) < 50_000_000, "{a} {b}");
    }
}
