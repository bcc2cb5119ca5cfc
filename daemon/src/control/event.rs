//! What a watcher is told.

use std::time::Instant;

use pressel_live::event::{Note, Phase};
use serde::Serialize;

use crate::stats::Latency;
use crate::status::phase_word;

/// One event; on the wire an object with `event`, `at_ns` (CLOCK_MONOTONIC) and the members below.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The light shows another phase.
    Phase {
        /// As in status.
        phase: &'a str,
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
            Note::LinkUp { resumed } => Event::LinkUp { resumed: *resumed },
            Note::LinkDown { code, reason, retry } => Event::LinkDown { code: *code, reason, retry: *retry },
            Note::FirstSound { turn } => Event::FirstSound { turn: *turn },
            Note::UtteranceEnded => Event::UtteranceEnded,
            Note::Interrupted => Event::Interrupted,
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
