//! An open microphone: its frames go through the front end and come out as blocks.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use pressel_dsp::{BLOCK, BLOCK_RATE, Block, FrontEnd, FrontEndSettings, Reading};
use pressel_hal::{Error, ErrorKind, Microphone};

use super::SoundSettings;
use super::facts::Facts;
use super::outlet::Stamp;

/// An open microphone and what its frames go through.
pub(super) struct Stream {
    pub(super) microphone: Box<dyn Microphone>,
    front_end: FrontEnd,
    channels: usize,
    rate_hz: u32,
    /// How late the front end's blocks are.
    delay: Duration,
    /// Frames of the block that is being read.
    frames: Box<[f32]>,
    filled: usize,
    /// Where the next frame should be.
    expected: u64,
    /// 16 kHz samples lost since the last block.
    lost: u64,
}

impl Stream {
    pub(super) fn new(microphone: Box<dyn Microphone>, settings: &SoundSettings) -> Result<Self, Error> {
        let format = microphone.format();
        let front_end = FrontEnd::new(FrontEndSettings {
            use_channels: settings.capture.use_channels.clone(),
            high_pass_hz: settings.capture.high_pass_hz as f32,
            echo: settings.echo,
            gate: settings.gate,
            near_end: settings.near_end,
            gain: settings.gain,
            ..FrontEndSettings::bare(format.rate_hz, format.channels)
        })
        .map_err(|error| Error::new(ErrorKind::Unsupported, error.to_string()))?;
        let channels = format.channels as usize;
        Ok(Stream {
            delay: Duration::from_secs_f32(front_end.delay_ms() / 1000.0),
            frames: vec![0.0; front_end.frames_per_block() * channels].into(),
            front_end,
            channels,
            rate_hz: format.rate_hz,
            filled: 0,
            expected: 0,
            lost: 0,
            microphone,
        })
    }

    /// Whether an answer is heard, over which somebody might speak.
    pub(super) fn watch(&mut self, watched: bool) {
        self.front_end.set_answering(watched);
    }

    /// Frames still missing for so many blocks.
    pub(super) fn frames_for(&self, blocks: usize) -> usize {
        blocks * self.front_end.frames_per_block() - self.filled
    }

    /// Reads until a block is complete; `None` when the card holds no more.
    pub(super) fn next_block(
        &mut self,
        out: &mut Block,
        facts: &Facts,
    ) -> Result<Option<(Stamp, Reading)>, Error> {
        loop {
            let start = self.filled * self.channels;
            let captured = self.microphone.read(&mut self.frames[start..])?;
            if captured.frames == 0 {
                return Ok(None);
            }
            facts.capture.frames.fetch_add(captured.frames as u64, Relaxed);
            if captured.xrun || captured.position != self.expected {
                // The frames before the break make no whole block any more.
                let broken = captured.position.saturating_sub(self.expected) + self.filled as u64;
                facts.capture.xruns.fetch_add(u64::from(captured.xrun), Relaxed);
                facts.capture.lost_frames.fetch_add(broken, Relaxed);
                self.lost += broken * u64::from(BLOCK_RATE) / u64::from(self.rate_hz);
                self.frames.copy_within(start..start + captured.frames * self.channels, 0);
                self.filled = 0;
                self.front_end.reset();
            }
            self.expected = captured.position + captured.frames as u64;
            self.filled += captured.frames;
            if self.filled == self.front_end.frames_per_block() {
                self.filled = 0;
                let reading = self.front_end.process(&self.frames, &[0.0; BLOCK], out);
                let lost = std::mem::take(&mut self.lost);
                let stamp = Stamp { at: captured.at - self.delay, speech: reading.speech, lost };
                return Ok(Some((stamp, reading)));
            }
        }
    }
}
