//! Faults by a seed: what a network, a server or a device may do at any time. Which kinds there are in one run, how often
//! and when follows from the seed alone.

use std::time::Duration;

/// What may go wrong in one run.
#[derive(Debug)]
pub struct Faults {
    random: fastrand::Rng,
    duplicate: f64,
    padding: f64,
    garbage: f64,
    early: f64,
    bounce: f64,
    stale: f64,
    gap: f64,
    unreachable: f64,
    stray: f64,
    late_ms: u64,
    jitter_ms: u64,
    report_ms: u64,
    goodbye_ms: u64,
    /// When the link is cut, the next one first.
    cuts: Vec<Duration>,
}

/// How a link may end in the middle.
const ENDS: [(u16, &str); 8] = [
    (1006, ""),
    (1006, ""),
    (1011, "Internal error encountered."),
    (1001, ""),
    (1000, "The operation was cancelled."),
    (1012, ""),
    (1008, "The operation was aborted."),
    (1011, "Deadline expired before operation could complete."),
];

/// What is no message at all, or none that is known.
const GARBAGE: [&[u8]; 12] = [
    b"",
    b"\xff\xfe\x00",
    b"null",
    b"[]",
    b"{\"serverContent\":",
    b"{\"serverContent\":{\"modelTurn\":{\"parts\":[{\"inlineData\":{\"data\":\"%%%\"}}]}}}",
    b"{\"serverContent\":7,\"usageMetadata\":{\"totalTokenCount\":\"many\"}}",
    b"{\"brandNew\":{\"a\":[1,2,3]}}",
    b"{\"error\":{\"code\":13,\"message\":\"internal\"}}",
    b"{\"sessionResumptionUpdate\":{\"resumable\":true}}",
    b"{\"toolCallCancellation\":{\"ids\":[\"nobody\"]}}",
    b"{\"voiceActivity\":{\"type\":\"ACTIVITY_START\",\"audioOffset\":\"1.880s\"},\"serverContent\":{}}",
];

/// What asks for an answer, or to be heard.
const STRAY: [&[u8]; 3] = [
    b"{\"toolCall\":{\"functionCalls\":[{\"id\":\"stray\",\"name\":\"lamp\",\"args\":{}}]}}",
    b"{\"goAway\":{\"timeLeft\":\"1s\"}}",
    b"{\"serverContent\":{\"interrupted\":true,\"turnComplete\":true}}",
];

impl Faults {
    /// The faults of this seed.
    pub fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut some = |most: f64| if random.bool() { random.f64() * most } else { 0.0 };
        let (duplicate, padding, garbage) = (some(0.3), some(0.5), some(0.2));
        let (early, bounce, stale, gap) = (some(0.1), some(0.3), some(0.2), some(0.02));
        let (unreachable, stray) = (some(0.5), some(0.5));
        let (late_ms, jitter_ms) = (some(400.0) as u64, some(100.0) as u64);
        let (report_ms, goodbye_ms) = (some(500.0) as u64, some(3000.0) as u64);
        let cuts = if random.bool() { random.usize(1..=4) } else { 0 };
        let mut cuts: Vec<Duration> =
            (0..cuts).map(|_| Duration::from_millis(random.u64(0..12_000))).collect();
        cuts.sort_by(|a, b| b.cmp(a));
        Faults {
            random,
            duplicate,
            padding,
            garbage,
            early,
            bounce,
            stale,
            gap,
            unreachable,
            stray,
            late_ms,
            jitter_ms,
            report_ms,
            goodbye_ms,
            cuts,
        }
    }

    fn chance(&mut self, of: f64) -> bool {
        of > 0.0 && self.random.f64() < of
    }

    fn up_to(&mut self, ms: u64) -> Duration {
        Duration::from_millis(self.random.u64(0..=ms))
    }

    /// What is delivered instead of one message.
    pub(super) fn message(&mut self, payload: Vec<u8>) -> Vec<Vec<u8>> {
        let mut payloads = Vec::new();
        if self.chance(self.padding) {
            payloads.push(if self.random.bool() {
                b"{}\n".to_vec()
            } else {
                b"{\"serverContent\": {}}\n".to_vec()
            });
        }
        if self.chance(self.garbage) {
            payloads.push(GARBAGE[self.random.usize(..GARBAGE.len())].to_vec());
        }
        if self.chance(self.duplicate) {
            payloads.push(payload.clone());
        }
        payloads.push(payload);
        payloads
    }

    /// How late the timer is served.
    pub(super) fn timer_late(&mut self) -> Duration {
        self.up_to(self.late_ms)
    }

    /// Whether a timer fires that nobody has set.
    pub(super) fn timer_early(&mut self) -> bool {
        self.chance(self.early)
    }

    /// How late a chunk is handed over.
    pub(super) fn chunk_late(&mut self) -> Duration {
        self.up_to(self.jitter_ms)
    }

    /// Whether a chunk of a listening that is over comes as well.
    pub(super) fn chunk_stale(&mut self) -> bool {
        self.chance(self.stale)
    }

    /// Whether a chunk is lost.
    pub(super) fn chunk_lost(&mut self) -> bool {
        self.chance(self.gap)
    }

    /// Whether the button bounces.
    pub(super) fn bounces(&mut self) -> bool {
        self.chance(self.bounce)
    }

    /// How late the speaker reports.
    pub(super) fn report_late(&mut self) -> Duration {
        self.up_to(self.report_ms)
    }

    /// How late the server answers our close.
    pub(super) fn goodbye(&mut self) -> Duration {
        self.up_to(self.goodbye_ms)
    }

    /// Whether a dial fails.
    pub(super) fn dial_fails(&mut self) -> bool {
        self.chance(self.unreachable)
    }

    /// What the server says although nobody may answer: before setupComplete, after our close.
    pub(super) fn stray(&mut self) -> Option<Vec<u8>> {
        let message = STRAY[self.random.usize(..STRAY.len())].to_vec();
        self.chance(self.stray).then_some(message)
    }

    /// How the link ends, if it does at this time.
    pub(super) fn cut(&mut self, now: Duration) -> Option<(u16, &'static str)> {
        self.cuts.last().filter(|&&at| at <= now)?;
        self.cuts.pop();
        Some(ENDS[self.random.usize(..ENDS.len())])
    }
}
