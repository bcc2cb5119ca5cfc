//! What anybody may know about the sound threads at any time: counters and levels, read without stopping them.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};

/// Both directions.
#[derive(Debug, Default)]
pub struct Facts {
    /// The microphone's thread.
    pub capture: CaptureFacts,
    /// The speaker's thread.
    pub playback: PlaybackFacts,
    /// The program's memory stays out of the swap, so that neither thread ever waits for a disk.
    pub memory_locked: AtomicBool,
}

/// Facts of the microphone's thread. Counters run from the program's start, over all openings of the card.
#[derive(Debug, Default)]
pub struct CaptureFacts {
    /// Moves at least every 3 s while the thread turns, card or no card: what the watchdog looks at.
    pub beats: AtomicU64,
    /// The kernel's id of the thread; 0 until the card was opened once.
    pub thread: AtomicU32,
    /// The card is open and delivers.
    pub running: AtomicBool,
    /// The card's rate in Hz; 0 before the first opening.
    pub rate_hz: AtomicU32,
    /// The card's channels.
    pub channels: AtomicU32,
    /// Frames read.
    pub frames: AtomicU64,
    /// Overruns.
    pub xruns: AtomicU64,
    /// Frames lost in overruns.
    pub lost_frames: AtomicU64,
    /// 16 kHz samples dropped because the main loop did not fetch them for seconds.
    pub dropped_samples: AtomicU64,
    /// Times the thread woke up.
    pub wakes: AtomicU64,
    level_centi_db: AtomicI32,
    floor_centi_db: AtomicI32,
}

impl CaptureFacts {
    /// Level of the last block in dBFS.
    pub fn level_dbfs(&self) -> f32 {
        self.level_centi_db.load(Relaxed) as f32 / 100.0
    }

    /// Noise floor in dBFS.
    pub fn floor_dbfs(&self) -> f32 {
        self.floor_centi_db.load(Relaxed) as f32 / 100.0
    }

    pub(super) fn set_levels(&self, level_dbfs: f32, floor_dbfs: f32) {
        self.level_centi_db.store((level_dbfs * 100.0) as i32, Relaxed);
        self.floor_centi_db.store((floor_dbfs * 100.0) as i32, Relaxed);
    }
}

/// Facts of the speaker's thread.
#[derive(Debug, Default)]
pub struct PlaybackFacts {
    /// Moves at least every 3 s while the thread turns, card or no card: what the watchdog looks at.
    pub beats: AtomicU64,
    /// The kernel's id of the thread; 0 until the card was opened once.
    pub thread: AtomicU32,
    /// The card is open and plays, silence included.
    pub running: AtomicBool,
    /// The card's rate in Hz; 0 before the first opening.
    pub rate_hz: AtomicU32,
    /// The card's channels.
    pub channels: AtomicU32,
    /// Whether written sound is taken back on a flush.
    pub rewinds: AtomicBool,
    /// Frames written that were not driver's silence.
    pub frames: AtomicU64,
    /// The thread was late: sound was there, the ring ran dry.
    pub xruns: AtomicU64,
    /// The network was late: an answer went on after a silence that was not in it.
    pub starved: AtomicU64,
    /// A first sound or a flush came so late that the DAC had passed the place meant for it.
    pub late: AtomicU64,
    /// Times the thread woke up.
    pub wakes: AtomicU64,
    /// 24 kHz samples taken from the queue, played or discarded.
    pub taken_samples: AtomicU64,
    /// 24 kHz samples dropped because the queue was full, or of a turn that was cut before they came.
    pub dropped_samples: AtomicU64,
}
