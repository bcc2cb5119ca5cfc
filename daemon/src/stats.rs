//! Counters and latencies since the start, in a fixed amount of memory.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pressel_live::event::{Line, Note};
use serde::{Deserialize, Serialize};

/// Measurements kept per latency; percentiles are taken over these.
const KEPT: usize = 64;
/// Kinds of unread messages and of troubles told apart; the rest is counted together.
const KINDS_MAX: usize = 32;

/// A span of time that a person may notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Latency {
    /// Press of the button, from the event read, to the light.
    PressToLight,
    /// Dial to `setupComplete`.
    DialToUp,
    /// End of the person's utterance (activityEnd sent) to the first sound of the answer.
    UtteranceToSound,
    /// Message with the first sound of an answer to that sound.
    MessageToSound,
    /// Flush to silence, fade included.
    FlushToSilence,
    /// Start of the program to ready.
    StartToReady,
    /// Start of the program to the first `setup` on its way.
    StartToSetup,
}

impl Latency {
    /// All of them.
    pub const ALL: [Latency; 7] = [
        Latency::PressToLight,
        Latency::DialToUp,
        Latency::UtteranceToSound,
        Latency::MessageToSound,
        Latency::FlushToSilence,
        Latency::StartToReady,
        Latency::StartToSetup,
    ];

    /// Its name in status and events.
    pub fn name(self) -> &'static str {
        match self {
            Latency::PressToLight => "press_to_light",
            Latency::DialToUp => "dial_to_up",
            Latency::UtteranceToSound => "utterance_to_sound",
            Latency::MessageToSound => "message_to_sound",
            Latency::FlushToSilence => "flush_to_silence",
            Latency::StartToReady => "start_to_ready",
            Latency::StartToSetup => "start_to_setup",
        }
    }
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Presses of the button.
    pub presses: u64,
    /// Utterances sent to their end.
    pub utterances: u64,
    /// Turns of the assistant that ended.
    pub turns: u64,
    /// Of these, cut by the server because a person spoke.
    pub interruptions: u64,
    /// Answers cut by the device because a person spoke.
    pub barge_ins: u64,
    /// Links that were accepted.
    pub links_up: u64,
    /// Of these, resumed with a handle.
    pub links_resumed: u64,
    /// Links that ended or never opened.
    pub links_down: u64,
    /// Of these, by trouble: the operator's word in docs/protocol.md.
    pub troubles: BTreeMap<String, u64>,
    /// Lines the person was told, by name.
    pub lines: BTreeMap<String, u64>,
    /// Payload bytes sent.
    pub bytes_up: u64,
    /// Payload bytes received.
    pub bytes_down: u64,
    /// Messages sent.
    pub messages_up: u64,
    /// Messages received.
    pub messages_down: u64,
    /// Messages that could not be read or came at the wrong time, by kind.
    pub unread: BTreeMap<String, u64>,
    /// 16 kHz samples of speech dropped beyond the bound.
    pub speech_dropped_samples: u64,
    /// Samples of answers dropped beyond the bound or of a cut turn.
    pub answer_dropped_samples: u64,
    /// Times an answer broke off because the network was late.
    pub answer_gaps: u64,
    /// How long the next answer's beginning waits for that, in ms.
    pub jitter_ms: u64,
    /// Tokens in, as the server counts them.
    pub tokens_in: u64,
    /// Tokens out, thoughts included.
    pub tokens_out: u64,
    /// Clients of the control socket that watched too slowly and were let go.
    pub watchers_dropped: u64,
}

/// What is told of one latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LatencySummary {
    /// How many were measured.
    pub count: u64,
    /// The last one.
    pub last_ms: f64,
    /// Half of the last 64 were at most this.
    pub p50_ms: f64,
    /// 95 of 100 of the last 64 were at most this.
    pub p95_ms: f64,
    /// The longest since the start.
    pub max_ms: f64,
}

/// Counters and latencies of this run.
#[derive(Clone, Debug)]
pub struct Stats {
    /// To be counted up by whoever sees it happen.
    pub counters: Counters,
    spans: [Spans; Latency::ALL.len()],
    started: Instant,
}

#[derive(Clone, Debug)]
struct Spans {
    began: Option<Instant>,
    kept_us: [u32; KEPT],
    count: u64,
    max_us: u32,
}

impl Stats {
    /// Starts at nothing; `now` is the start of the program.
    pub fn new(now: Instant) -> Self {
        let empty = Spans { began: None, kept_us: [0; KEPT], count: 0, max_us: 0 };
        Stats { counters: Counters::default(), spans: std::array::from_fn(|_| empty.clone()), started: now }
    }

    /// When the program started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The span begins. A begin that was never ended is forgotten.
    pub fn begin(&mut self, latency: Latency, now: Instant) {
        self.spans[latency as usize].began = Some(now);
    }

    /// The span that began will not end.
    pub fn forget(&mut self, latency: Latency) {
        self.spans[latency as usize].began = None;
    }

    /// The span ends; how long it was, or `None` when it never began.
    pub fn end(&mut self, latency: Latency, now: Instant) -> Option<Duration> {
        let began = self.spans[latency as usize].began.take()?;
        let length = now.saturating_duration_since(began);
        self.measured(latency, length);
        Some(length)
    }

    /// A span that was measured elsewhere.
    pub fn measured(&mut self, latency: Latency, length: Duration) {
        let spans = &mut self.spans[latency as usize];
        let us = u32::try_from(length.as_micros()).unwrap_or(u32::MAX);
        let slot = (spans.count % KEPT as u64) as usize;
        spans.kept_us[slot] = us;
        spans.count += 1;
        spans.max_us = spans.max_us.max(us);
    }

    /// The person was told something.
    pub fn told(&mut self, line: Line) {
        *self.counters.lines.entry(line.word().to_owned()).or_default() += 1;
    }

    /// Counts what the conversation tells.
    pub fn note(&mut self, note: &Note) {
        let counters = &mut self.counters;
        match note {
            Note::LinkUp { resumed } => {
                counters.links_up += 1;
                counters.links_resumed += u64::from(*resumed);
            }
            Note::LinkDown { trouble, .. } => {
                counters.links_down += 1;
                count(&mut counters.troubles, trouble);
            }
            Note::UtteranceEnded => counters.utterances += 1,
            Note::Interrupted => counters.interruptions += 1,
            Note::BargeIn => counters.barge_ins += 1,
            Note::TurnComplete => counters.turns += 1,
            Note::Usage(usage) => {
                counters.tokens_in += usage.prompt + usage.tool_use;
                counters.tokens_out += usage.response + usage.thoughts;
            }
            Note::Unread { kind } => count(&mut counters.unread, kind),
            Note::SpeechDropped { samples } => counters.speech_dropped_samples += samples,
            Note::AnswerDropped { samples } => counters.answer_dropped_samples += samples,
            _ => {} // captions, and what later versions tell
        }
    }

    /// What is told of one latency; `None` before the first.
    pub fn latency(&self, latency: Latency) -> Option<LatencySummary> {
        let spans = &self.spans[latency as usize];
        let kept = usize::try_from(spans.count).unwrap_or(KEPT).min(KEPT);
        if kept == 0 {
            return None;
        }
        let mut sorted = spans.kept_us;
        let sorted = &mut sorted[..kept];
        sorted.sort_unstable();
        // Nearest rank: the smallest value that at least this part of them does not exceed.
        let rank = |percent: usize| ms(sorted[(kept * percent).div_ceil(100) - 1]);
        let last = ((spans.count - 1) % KEPT as u64) as usize;
        Some(LatencySummary {
            count: spans.count,
            last_ms: ms(spans.kept_us[last]),
            p50_ms: rank(50),
            p95_ms: rank(95),
            max_ms: ms(spans.max_us),
        })
    }

    /// All that were measured, by name.
    pub fn latencies(&self) -> BTreeMap<String, LatencySummary> {
        let told = |latency: Latency| Some((latency.name().to_owned(), self.latency(latency)?));
        Latency::ALL.into_iter().filter_map(told).collect()
    }
}

/// One more of this kind. The kinds are bounded.
fn count(kinds: &mut BTreeMap<String, u64>, kind: &str) {
    if let Some(count) = kinds.get_mut(kind) {
        *count += 1;
    } else {
        let kind = if kinds.len() < KINDS_MAX { kind } else { "other" };
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
}

fn ms(us: u32) -> f64 {
    f64::from(us) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_look_at_the_last_ones_and_the_maximum_at_all() {
        let mut stats = Stats::new(Instant::now());
        assert_eq!(stats.latency(Latency::PressToLight), None);
        stats.measured(Latency::PressToLight, Duration::from_millis(500));
        for ms in 1..=64 {
            stats.measured(Latency::PressToLight, Duration::from_millis(ms));
        }
        let expected = LatencySummary { count: 65, last_ms: 64.0, p50_ms: 32.0, p95_ms: 61.0, max_ms: 500.0 };
        assert_eq!(stats.latency(Latency::PressToLight), Some(expected));
        assert_eq!(
            stats.latencies().into_iter().collect::<Vec<_>>(),
            [("press_to_light".to_owned(), expected)]
        );
    }

    #[test]
    fn one_measurement_is_every_percentile() {
        let mut stats = Stats::new(Instant::now());
        stats.measured(Latency::DialToUp, Duration::from_micros(1500));
        let expected = LatencySummary { count: 1, last_ms: 1.5, p50_ms: 1.5, p95_ms: 1.5, max_ms: 1.5 };
        assert_eq!(stats.latency(Latency::DialToUp), Some(expected));
    }

    #[test]
    fn a_span_ends_once_and_only_if_it_began() {
        let start = Instant::now();
        let mut stats = Stats::new(start);
        let later = start + Duration::from_millis(7);
        assert_eq!(stats.end(Latency::FlushToSilence, later), None);
        stats.begin(Latency::FlushToSilence, start);
        assert_eq!(stats.end(Latency::FlushToSilence, later), Some(Duration::from_millis(7)));
        assert_eq!(stats.end(Latency::FlushToSilence, later), None);
        stats.begin(Latency::FlushToSilence, start);
        stats.forget(Latency::FlushToSilence);
        assert_eq!(stats.end(Latency::FlushToSilence, later), None);
        assert_eq!(stats.latency(Latency::FlushToSilence).unwrap().count, 1);
    }

    #[test]
    fn notes_are_counted_where_they_belong() {
        let mut stats = Stats::new(Instant::now());
        stats.note(&Note::LinkUp { resumed: true });
        stats.note(&Note::LinkUp { resumed: false });
        stats.note(&Note::LinkDown { code: 1006, reason: String::new(), retry: true, trouble: "cut" });
        stats.note(&Note::Unread { kind: "garbage" });
        stats.note(&Note::Unread { kind: "garbage" });
        stats.note(&Note::SpeechDropped { samples: 320 });
        stats.note(&Note::Heard("never counted".into()));
        let expected = Counters {
            links_up: 2,
            links_resumed: 1,
            links_down: 1,
            troubles: BTreeMap::from([("cut".to_owned(), 1)]),
            unread: BTreeMap::from([("garbage".to_owned(), 2)]),
            speech_dropped_samples: 320,
            ..Counters::default()
        };
        assert_eq!(stats.counters, expected);
    }

    #[test]
    fn kinds_are_bounded() {
        let mut kinds = BTreeMap::new();
        for kind in 0..100 {
            count(&mut kinds, &format!("kind {kind}"));
        }
        assert_eq!(kinds.len(), KINDS_MAX + 1);
        assert_eq!(kinds["other"], 100 - KINDS_MAX as u64);
    }

    #[test]
    fn names_are_told_apart() {
        let names: std::collections::HashSet<_> = Latency::ALL.iter().map(|l| l.name()).collect();
        assert_eq!(names.len(), Latency::ALL.len());
        for (index, latency) in Latency::ALL.into_iter().enumerate() {
            assert_eq!(latency as usize, index);
        }
    }
}
