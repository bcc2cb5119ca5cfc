//! The columns of the table: what a canceller made of a scene.

use std::fmt;
use std::ops::Range;

use pressel_dsp::{BLOCK, Block};

use crate::estoi::estoi;
use crate::level::{db, rms};
use crate::scene::{RATE, Scene, Speaking};

/// Figures of one pass over a scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Echo and noise taken off while only the far end speaks, in dB: mean of three stretches.
    pub erle_db: f32,
    /// From the first sound of the far end until 10 dB stay off, in s; infinite if never.
    pub converged_s: f32,
    /// Intelligibility of the person while both speak.
    pub estoi_double: f32,
    /// Intelligibility of the person alone.
    pub estoi_alone: f32,
    /// How much later the person comes out, in ms.
    pub delay_ms: f32,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ERLE {:5.1} dB  10 dB after {:4.1} s  ESTOI double talk {:.3} alone {:.3}  delay {:.1} ms",
            self.erle_db, self.converged_s, self.estoi_double, self.estoi_alone, self.delay_ms
        )
    }
}

/// Runs `process(far, mic, out)` over a scene, block by block.
pub fn run(scene: &Scene, mut process: impl FnMut(&Block, &Block, &mut Block)) -> Vec<f32> {
    let mut out = vec![0.0; scene.mic.len()];
    let blocks = scene.far.chunks_exact(BLOCK).zip(scene.mic.chunks_exact(BLOCK));
    for ((far, mic), out) in blocks.zip(out.chunks_exact_mut(BLOCK)) {
        let far: &Block = far.try_into().expect("chunks of a block");
        let mic: &Block = mic.try_into().expect("chunks of a block");
        process(far, mic, out.try_into().expect("chunks of a block"));
    }
    out
}

/// Measures what came out of a scene.
pub fn judge(scene: &Scene, out: &[f32]) -> Row {
    let alone = scene.parts_of(Speaking::Near).next().expect("a part in which the person is alone");
    let both = scene.parts_of(Speaking::Both).next().expect("a part in which both speak");
    let lag = lag(&scene.near[alone.clone()], &out[alone.clone()]);
    let intelligible = |range: Range<usize>| {
        let end = (range.end + lag).min(out.len());
        let clean = &scene.near[range.start..end - lag];
        estoi(clean, &out[range.start + lag..end]).unwrap_or(0.0)
    };
    // the room still sounds when the person begins
    let settled = alone.start + RATE / 2..alone.end;
    let stretches: Vec<f32> =
        scene.parts_of(Speaking::Far).skip(1).map(|range| erle_db(scene, out, range)).collect();
    Row {
        erle_db: stretches.iter().sum::<f32>() / stretches.len() as f32,
        converged_s: converged_s(scene, out),
        estoi_double: intelligible(both),
        estoi_alone: intelligible(settled),
        delay_ms: lag as f32 * 1000.0 / RATE as f32,
    }
}

/// What is missing of the microphone's energy in a stretch, in dB.
pub fn erle_db(scene: &Scene, out: &[f32], range: Range<usize>) -> f32 {
    db(rms(&scene.mic[range.clone()])) - db(rms(&out[range]))
}

/// Samples by which `late` lags behind `early`, found where both fit best, up to 40 ms.
pub fn lag(early: &[f32], late: &[f32]) -> usize {
    let fit = |lag: usize| -> f32 { early.iter().zip(&late[lag..]).map(|(a, b)| a * b).sum() };
    (0..RATE / 25).max_by(|&a, &b| fit(a).total_cmp(&fit(b))).expect("there are lags to try")
}

/// Seconds from the far end's first sound until 10 dB are off over the next half second.
fn converged_s(scene: &Scene, out: &[f32]) -> f32 {
    const HOP: usize = RATE / 20;
    let Some(first) = scene.echo.iter().position(|s| s.abs() > 1e-3) else { return f32::INFINITY };
    let end = scene.parts[0].range.end;
    (first..end.saturating_sub(10 * HOP))
        .step_by(HOP)
        .find(|&start| erle_db(scene, out, start..start + 10 * HOP) >= 10.0)
        .map_or(f32::INFINITY, |start| (start - first) as f32 / RATE as f32)
}

#[cfg(test)]
mod tests;
