//! What anybody may know about the sound threads at any time: counters and levels, read without stopping them.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

/// A number that one thread sets and anybody reads; unknown until it is set.
#[derive(Debug)]
pub struct Figure(AtomicU32);

impl Default for Figure {
    fn default() -> Self {
        Figure(AtomicU32::new(f32::NAN.to_bits()))
    }
}

impl Figure {
    /// The number, if it is known.
    pub fn value(&self) -> Option<f32> {
        Some(f32::from_bits(self.0.load(Relaxed))).filter(|value| value.is_finite())
    }

    pub(super) fn set(&self, value: impl Into<Option<f32>>) {
        self.0.store(value.into().unwrap_or(f32::NAN).to_bits(), Relaxed);
    }
}

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
    /// The thread tries to open the card, or has it open.
    pub opening: AtomicBool,
    /// The microphone is switched off: the thread throws away what it reads. Set by the switch's own thread.
    pub muted: AtomicBool,
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
    /// RMS of the last block in dBFS, after the front end and before its gain.
    pub level_dbfs: Figure,
    /// Noise floor in dBFS.
    pub floor_dbfs: Figure,
    /// Level of speech lately in dBFS.
    pub speech_dbfs: Figure,
    /// Somebody speaks, or did within the hangover.
    pub gate_open: AtomicBool,
    /// Samples at full scale as the card delivered them.
    pub clipped_samples: AtomicU64,
    /// What the automatic gain adds, in dB.
    pub gain_db: Figure,
    /// The speaker sounds, or its echo may still be heard.
    pub far_end: AtomicBool,
    /// Echo removed, in dB.
    pub erle_db: Figure,
    /// From the DAC's clock to the echo in the microphone, in ms.
    pub echo_delay_ms: Figure,
    /// How much faster than the microphone the speaker runs, in ppm.
    pub drift_ppm: Figure,
    /// Where speech comes from, in degrees.
    pub direction_deg: Figure,
    /// Channels that are dead, stuck or otherwise broken, a bit each.
    pub dead_channels: AtomicU32,
    /// What is wrong with what the card delivers, a bit for each [`Trouble`](super::Trouble).
    pub troubles: AtomicU32,
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
    /// The thread tries to open the card, or has it open.
    pub opening: AtomicBool,
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
    /// The wait of the next answer's beginning, in ms: grown when one starved.
    pub jitter_ms: AtomicU32,
    /// A first sound or a flush came so late that the DAC had passed the place meant for it.
    pub late: AtomicU64,
    /// Times the thread woke up.
    pub wakes: AtomicU64,
    /// 24 kHz samples taken from the queue, played or discarded.
    pub taken_samples: AtomicU64,
    /// 24 kHz samples dropped because the queue was full, or of a turn that was cut before they came.
    pub dropped_samples: AtomicU64,
}
