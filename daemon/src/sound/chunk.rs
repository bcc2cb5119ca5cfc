//! Blocks of the capture thread become the chunks of messages.

use std::time::Instant;

use pressel_live::event::MicrophoneInput;

/// Blocks on their way to becoming a chunk.
#[derive(Default)]
pub(super) struct Chunk {
    listen: u32,
    samples: Vec<i16>,
    speech: bool,
}

impl Chunk {
    /// Adds a block; the chunk, if it is complete.
    pub(super) fn add(
        &mut self,
        listen: u32,
        block: &[i16],
        speech: bool,
        at: Instant,
        ends: bool,
    ) -> Option<MicrophoneInput> {
        if listen != self.listen {
            *self = Chunk { listen, ..Chunk::default() };
        }
        self.samples.extend_from_slice(block);
        self.speech |= speech;
        if !ends {
            return None;
        }
        let Chunk { samples, speech, .. } = std::mem::replace(self, Chunk { listen, ..Chunk::default() });
        Some(MicrophoneInput::Chunk { listen, samples, speech, at })
    }
}
