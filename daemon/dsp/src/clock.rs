//! Where a sound card's clock stands: a line through observations of its position at moments of the system's clock.
//!
//! Observations come as they can be had: true to a microsecond where the driver stamps its pointer, milliseconds
//! wrong where only a fill level is known, and sometimes late, missing or absurd. Late ones are the rule on a busy
//! machine, so the mean of many is not always the best summary: the earliest, the latest or the middle between the
//! two can be far steadier. All four are followed, each with the scatter it shows, and the one that knows the rate
//! best is believed (see line.rs).
//!
//! What comes out is one smooth line: corrections bend it by millionths, and only a true jump breaks it.

mod line;
mod stretch;

use line::Line;
use stretch::{LONG, Stretch};

/// Length of a summary for the mean in s: short, so that exact stamps give a rate at once.
const SHORT_S: f64 = 0.25;
/// Stretches kept since the line began: until there are so many, the first ones are read anew as the rate gets
/// known, because extremes of a tilted stretch are found at its ends.
const KEPT: usize = 16 * LONG;
/// Further from the line than this is no jitter: in s.
const STRAY_S: f64 = 0.02;
/// So many strays in a row that agree with each other are a jump, fewer are nonsense.
const STRAYS: u32 = 6;
/// Strays agree if they lie this close together, in s.
const AGREE_S: f64 = 0.01;
/// The line takes this long to give in to a correction of the position, in s: 16 µs are caught up with 1 ppm.
const SLEW_S: f64 = 16.0;
/// Beyond this the line is plainly wrong, and gives in four times faster, in s.
const FAR_OFF_S: f64 = 0.000_5;
/// And never faster than this: the pitch of a voice may move by so much unheard.
const SLEW_MAX: f64 = 300e-6;
/// Extremes are believed from this many summaries on: three show for the first time how far they scatter.
const SUMMARIES: u32 = 5;
/// A line must be so much surer than the one believed: how far few summaries scatter is itself uncertain.
const SURER: f64 = 1.6;
/// No clock of a card is worse than this, in ppm.
const RATE_MAX_PPM: f64 = 1_000.0;

/// Follows the position of one sound card in frames against CLOCK_MONOTONIC in ns.
#[derive(Clone, Debug)]
pub struct ClockModel {
    rate_hz: f64,
    /// The first observation of the line; everything else is relative to it, so that f64 keeps ns for years.
    origin: Option<Origin>,
    /// Mean of short stretches; then earliest, latest and middle of long ones.
    lines: [Line; 4],
    /// What the last three were when the line began.
    first_lines: [Line; 3],
    short: Stretch,
    stretches: [Stretch; KEPT],
    count: usize,
    replays: bool,
    /// The line that is believed, and how far it lies from what comes out, in s.
    chosen: usize,
    bias_s: f64,
    /// What comes out.
    out: Straight,
    last: Option<(u64, u64)>,
    strays: u32,
    stray_s: f64,
    jumps: u64,
    /// The next observation starts a new line.
    jumping: bool,
    /// The line that is believed has been chosen since the last jump.
    settled: bool,
}

#[derive(Clone, Copy, Debug)]
struct Origin {
    position: u64,
    time_ns: u64,
}

/// The card's lead over its nominal rate in s, by the system's clock in s.
#[derive(Clone, Copy, Debug, Default)]
struct Straight {
    lead_s: f64,
    at_s: f64,
    slope: f64,
}

impl Straight {
    fn at(&self, time_s: f64) -> f64 {
        self.lead_s + self.slope * (time_s - self.at_s)
    }
}

impl ClockModel {
    /// A card that says it runs at `rate_hz`.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            rate_hz: f64::from(rate_hz.max(1)),
            origin: None,
            lines: [Line::new(); 4],
            first_lines: [Line::new(); 3],
            short: Stretch::default(),
            stretches: [Stretch::default(); KEPT],
            count: 0,
            replays: true,
            chosen: 0,
            bias_s: 0.0,
            out: Straight::default(),
            last: None,
            strays: 0,
            stray_s: 0.0,
            jumps: 0,
            jumping: false,
            settled: false,
        }
    }

    /// Takes in that the card stood at `position_frames` at `time_ns`; returns whether this revealed a jump.
    ///
    /// A moment that is not after the one before, and a position that has not moved, tell nothing and are passed
    /// over.
    pub fn observe(&mut self, position_frames: u64, time_ns: u64) -> bool {
        let Some(origin) = self.origin else {
            self.origin = Some(Origin { position: position_frames, time_ns });
            self.last = Some((position_frames, time_ns));
            self.jumping = false;
            self.begin();
            return false;
        };
        if let Some((position, time)) = self.last {
            // The clock of the system never runs backwards; a stamp that does is an old one. One that is far
            // behind comes from elsewhere, and strays until it is believed.
            let old = time_ns <= time && time - time_ns < 1_000_000_000;
            if !self.jumping && (old || position_frames == position) {
                return false;
            }
        }
        self.last = Some((position_frames, time_ns));
        let time_s = seconds_between(origin.time_ns, time_ns);
        let lead_s = difference(origin.position, position_frames) / self.rate_hz - time_s;
        let off_s = lead_s - self.out.at(time_s);
        if self.jumping || off_s.abs() > STRAY_S {
            return self.stray(Origin { position: position_frames, time_ns }, off_s);
        }
        self.strays = 0;
        self.take(time_s, lead_s);
        false
    }

    /// Says that the next observation will not continue the line: after an xrun, a rewound or reopened card. The
    /// rate is kept.
    pub fn jump(&mut self) {
        self.jumping = self.origin.is_some();
    }

    /// Where the card stands at `time_ns`, in frames, a little beyond the observations too; none before the first.
    pub fn position_at(&self, time_ns: u64) -> Option<f64> {
        let origin = self.origin?;
        let time_s = seconds_between(origin.time_ns, time_ns);
        Some(origin.position as f64 + (time_s + self.out.at(time_s)) * self.rate_hz)
    }

    /// When the card stands at `position_frames`, in ns; none before the first observation.
    pub fn time_at(&self, position_frames: f64) -> Option<u64> {
        let origin = self.origin?;
        let card_s = (position_frames - origin.position as f64) / self.rate_hz;
        // the straight line, solved for the time
        let time_s = (card_s - self.out.lead_s + self.out.slope * self.out.at_s) / (1.0 + self.out.slope);
        let ns = time_s * 1e9;
        Some(if ns < 0.0 {
            origin.time_ns.saturating_sub(-ns as u64)
        } else {
            origin.time_ns.saturating_add(ns as u64)
        })
    }

    /// How much faster than its nominal rate the card runs on the system's clock, in ppm.
    pub fn rate_ppm(&self) -> f64 {
        (self.lines[self.chosen].slope() * 1e6).clamp(-RATE_MAX_PPM, RATE_MAX_PPM)
    }

    /// What the rate is probably wrong by, in ppm: one standard deviation.
    pub fn uncertainty_ppm(&self) -> f64 {
        self.lines[self.chosen].slope_deviation() * 1e6
    }

    /// How often the line broke, by a call of `jump` or by itself.
    pub fn jumps(&self) -> u64 {
        self.jumps
    }

    /// Forgets the card.
    pub fn reset(&mut self) {
        *self = Self::new(self.rate_hz as u32);
    }

    /// Starts to summarise anew.
    fn begin(&mut self) {
        self.first_lines.copy_from_slice(&self.lines[1..]);
        self.count = 0;
        self.replays = true;
        self.short = Stretch::new(0.0, 0.0);
    }

    /// An observation far from the line: nonsense, or the first of a new line.
    fn stray(&mut self, here: Origin, off_s: f64) -> bool {
        let agrees = self.strays > 0 && (off_s - self.stray_s).abs() < AGREE_S;
        self.strays = if agrees { self.strays + 1 } else { 1 };
        self.stray_s = off_s;
        if !self.jumping && self.strays < STRAYS {
            return false;
        }
        self.jumping = false;
        self.strays = 0;
        self.jumps += 1;
        self.origin = Some(here);
        self.out = Straight { slope: self.rate_ppm() * 1e-6, ..Straight::default() };
        for line in &mut self.lines {
            line.jump();
        }
        self.settled = false;
        self.begin();
        true
    }

    /// An observation that belongs to the line.
    fn take(&mut self, time_s: f64, lead_s: f64) {
        if time_s - self.short.start_s() < SHORT_S {
            self.short.add(time_s, lead_s);
            return;
        }
        let short = std::mem::replace(&mut self.short, Stretch::new(time_s, lead_s));
        let slope = self.lines[self.chosen].slope();
        let (at_s, mean, guess) = short.mean(slope);
        self.lines[0].observe(at_s, mean, guess);
        if self.count == KEPT {
            // By now the rate is known as well as it ever will be.
            self.count = 0;
            self.replays = false;
        }
        self.stretches[self.count] = short;
        self.count += 1;
        if self.count % LONG == 0 {
            self.read_extremes(slope);
        }
        self.bend(time_s);
    }

    /// Brings the lines of the extremes up to date.
    fn read_extremes(&mut self, slope: f64) {
        let first = if self.replays {
            self.lines[1..].copy_from_slice(&self.first_lines);
            0
        } else {
            self.count - LONG
        };
        for long in self.stretches[first..self.count].chunks_exact(LONG) {
            let (at_s, least, most, guess) = stretch::extremes(long, slope);
            self.lines[1].observe(at_s, least, guess);
            self.lines[2].observe(at_s, most, guess);
            self.lines[3].observe(at_s, (least + most) / 2.0, guess / 2.0);
        }
    }

    /// Lets what comes out follow the line that knows the rate best, from `time_s` on.
    fn bend(&mut self, time_s: f64) {
        let lead_s = self.out.at(time_s);
        let sure = |line: &Line| if line.summaries() < SUMMARIES { f64::MAX } else { line.slope_deviation() };
        let best = (1..self.lines.len())
            .min_by(|&a, &b| sure(&self.lines[a]).total_cmp(&sure(&self.lines[b])))
            .filter(|&best| sure(&self.lines[best]) < f64::MAX)
            .unwrap_or(0);
        let chosen = &self.lines[self.chosen];
        // Among extremes a switch costs nothing; away from the mean it has to be worth it.
        let surer = if self.chosen == 0 { SURER } else { SURER.sqrt().sqrt() };
        let better = surer * self.lines[best].slope_deviation() < chosen.slope_deviation();
        let next = if chosen.summaries() == 0 {
            0
        } else if better {
            best
        } else if SURER * self.lines[0].slope_deviation() < chosen.slope_deviation() {
            0
        } else {
            self.chosen
        };
        if next != self.chosen || !self.settled {
            // The mean decides where the line lies; another statistic lies beside it by a constant.
            let settle = next == 0 && !self.settled;
            self.bias_s = if settle { 0.0 } else { lead_s - self.lines[next].at(time_s) };
            self.chosen = next;
            self.settled = true;
        }
        let off_s = self.lines[self.chosen].at(time_s) + self.bias_s - lead_s;
        // At first the rate is a guess and nobody relies on the position yet.
        let slew_s = (0.3 * time_s).clamp(0.5, SLEW_S);
        let slew_s = if off_s.abs() > FAR_OFF_S { slew_s.min(SLEW_S / 4.0) } else { slew_s };
        let slope = self.rate_ppm() * 1e-6 + (off_s / slew_s).clamp(-SLEW_MAX, SLEW_MAX);
        self.out = Straight { lead_s, at_s: time_s, slope };
    }
}

fn seconds_between(from_ns: u64, to_ns: u64) -> f64 {
    difference(from_ns, to_ns) * 1e-9
}

/// `to - from`, exact as far as f64 goes, whichever is larger.
fn difference(from: u64, to: u64) -> f64 {
    if to >= from { (to - from) as f64 } else { -((from - to) as f64) }
}

#[cfg(test)]
mod tests;
