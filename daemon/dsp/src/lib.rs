//! The sound path in blocks: 10 ms, 16 kHz, mono. Nothing here allocates once built, blocks, or can fail.

/// Samples of a block.
pub const BLOCK: usize = 160;
/// Rate of a block in Hz.
pub const BLOCK_RATE: u32 = 16_000;
/// 10 ms, 16 kHz, mono, full scale ±1.0.
pub type Block = [f32; BLOCK];
