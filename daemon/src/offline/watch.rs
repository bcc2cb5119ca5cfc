//! What is seen on the way of a recording through the capture path: it becomes the report.

use pressel_dsp::{BLOCK, BargeIn, Block, FrontEnd, Reading, Steer, block_level_dbfs};

use super::{Duck, Echo, Opening, Report};

/// Above this the far end sounds, in dBFS.
const FAR_SOUNDS_DBFS: f32 = -60.0;
/// The far end's first two seconds are not measured: there the canceller learns the room.
const LEARNING_BLOCKS: usize = 200;

/// Gathers the report.
pub(super) struct Watch {
    late_ms: f32,
    report: Report,
    has_far: bool,
    /// Measures beside the path where nothing is cancelled.
    steer: Option<Steer>,
    delays_ms: Vec<f32>,
    /// Blocks in which the far end sounded so far.
    far_blocks: usize,
    /// Energy before and after the canceller while only the far end spoke: learnt, and from the start.
    learnt: (f64, f64),
    all: (f64, f64),
    opening: Option<u64>,
    duck: Option<u64>,
    confirmed: bool,
    floor_dbfs: f32,
    at_ms: u64,
}

impl Watch {
    pub(super) fn new(late_ms: f32, has_far: bool, steered: bool) -> Self {
        Watch {
            late_ms,
            report: Report::default(),
            has_far,
            steer: (!steered).then(|| Steer::new(true)),
            delays_ms: Vec::new(),
            far_blocks: 0,
            learnt: (0.0, 0.0),
            all: (0.0, 0.0),
            opening: None,
            duck: None,
            confirmed: false,
            floor_dbfs: 0.0,
            at_ms: 0,
        }
    }

    pub(super) fn see(&mut self, n: usize, front_end: &FrontEnd, far: &Block, reading: &Reading) {
        // A block is judged at its end; what it says happened earlier by what the path adds.
        self.at_ms = ((n as f32 + 1.0) * 10.0 - self.late_ms).max(0.0) as u64;
        self.floor_dbfs = reading.floor_dbfs;
        if reading.opened {
            self.opening = Some(self.at_ms);
        }
        if reading.closed {
            if let Some(open_ms) = self.opening.take() {
                self.report.gate.push(Opening { open_ms, close_ms: self.at_ms });
            }
        }
        match reading.barge_in {
            Some(BargeIn::Suspected) => {
                self.duck.get_or_insert(self.at_ms);
                self.confirmed = false;
            }
            Some(BargeIn::Confirmed) => self.confirmed = true,
            Some(BargeIn::Dismissed) => self.end_duck(),
            None => {}
        }
        // The answer would have been dropped; in the recording it goes on, so the end is the person's.
        if self.confirmed && !reading.open {
            self.end_duck();
        }
        let direction = front_end.array().direction_deg;
        self.report.direction_deg = direction.or(self.report.direction_deg);
        if block_level_dbfs(far) > FAR_SOUNDS_DBFS {
            self.far_blocks += 1;
            let stages = front_end.stages();
            if front_end.echo().near_end < 0.5 {
                let (before, after) = (energy(&stages.microphone), energy(&stages.cancelled));
                self.all = (self.all.0 + before, self.all.1 + after);
                if self.far_blocks > LEARNING_BLOCKS {
                    self.learnt = (self.learnt.0 + before, self.learnt.1 + after);
                }
            }
        }
        if self.has_far {
            let steer = match &mut self.steer {
                Some(steer) => steer.process(far, &front_end.stages().microphone, &mut [0.0; BLOCK]),
                None => front_end.steer(),
            };
            if steer.delay_ms > 0.0 {
                self.delays_ms.push(steer.delay_ms);
            }
            self.report.echo = Some(Echo {
                delay_ms: steer.delay_ms,
                drift_ppm: steer.drift_ppm,
                locked: steer.locked,
                erle_db: 0.0,
            });
        }
    }

    fn end_duck(&mut self) {
        self.confirmed = false;
        if let Some(start_ms) = self.duck.take() {
            self.report.duck.push(Duck { start_ms, end_ms: self.at_ms });
        }
    }

    pub(super) fn end(mut self) -> Report {
        self.end_duck();
        if let Some(open_ms) = self.opening.take() {
            self.report.gate.push(Opening { open_ms, close_ms: self.at_ms });
        }
        self.delays_ms.sort_by(f32::total_cmp);
        let (before, after) = if self.learnt.0 > 0.0 { self.learnt } else { self.all };
        if let Some(echo) = &mut self.report.echo {
            let ratio = if after > 0.0 { before / after } else { before / 1e-12 };
            // Two clocks that drift have no one delay: the median.
            echo.delay_ms = self.delays_ms.get(self.delays_ms.len() / 2).copied().unwrap_or(0.0);
            echo.erle_db = if before > 0.0 { (10.0 * ratio.log10()).max(0.0) as f32 } else { 0.0 };
        }
        self.report.floor_dbfs = self.floor_dbfs;
        self.report
    }
}

fn energy(block: &Block) -> f64 {
    block.iter().map(|&s| f64::from(s) * f64::from(s)).sum()
}
