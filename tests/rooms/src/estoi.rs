//! Extended short-time objective intelligibility (J. Jensen and C. H. Taal, IEEE/ACM TASLP 24, 2016).
//!
//! How much of the spectral and temporal modulation of clean speech is left in a processed copy: 1 is all of it,
//! near 0 is unintelligible. Level and slow equalisation do not count.

use realfft::RealFftPlanner;

/// Rate the measure is defined at, in Hz.
const RATE: f32 = 10_000.0;
const FRAME: usize = 256;
const HOP: usize = FRAME / 2;
const FFT: usize = 512;
const BANDS: usize = 15;
/// Frames of a segment: 384 ms.
const SEGMENT: usize = 30;
/// Frames this far below the loudest are silence, in dB.
const RANGE_DB: f32 = 40.0;

/// Third-octave amplitudes of one frame.
type Bands = [f32; BANDS];

/// ESTOI of `processed` against `clean`, both 16 kHz mono, of the same length and in step to the sample.
/// `None` when less than a segment (384 ms) of speech is left once pauses are taken out.
pub fn estoi(clean: &[f32], processed: &[f32]) -> Option<f32> {
    assert_eq!(clean.len(), processed.len(), "the copies are not in step");
    let (clean, processed) = without_silence(&to_10_khz(clean), &to_10_khz(processed));
    let (clean, processed) = (bands(&clean), bands(&processed));
    let segments = clean.len().checked_sub(SEGMENT - 1).filter(|&n| n > 0)?;
    let sum: f32 = (0..segments)
        .map(|n| {
            let (x, y) = (normalised(&clean[n..n + SEGMENT]), normalised(&processed[n..n + SEGMENT]));
            x.iter().flatten().zip(y.iter().flatten()).map(|(x, y)| x * y).sum::<f32>() / SEGMENT as f32
        })
        .sum();
    Some(sum / segments as f32)
}

/// 16 to 10 kHz: five phases of a windowed sinc.
fn to_10_khz(samples: &[f32]) -> Vec<f32> {
    const HALF: isize = 48;
    let taps: Vec<Vec<f32>> = (0..5)
        .map(|phase| {
            let place = (phase as f32 * 1.6).fract();
            (-HALF + 1..=HALF)
                .map(|k| {
                    let t = k as f32 - place;
                    let window = (std::f32::consts::FRAC_PI_2 * t / (HALF as f32 + 1.0)).cos().powi(2);
                    0.6 * crate::room::sinc(0.6 * t) * window
                })
                .collect()
        })
        .collect();
    (0..samples.len() * 5 / 8)
        .map(|n| {
            let start = (n * 8 / 5) as isize;
            taps[n % 5]
                .iter()
                .zip(start - HALF + 1..)
                .map(|(tap, at)| {
                    let sample = usize::try_from(at).ok().and_then(|at| samples.get(at));
                    tap * sample.copied().unwrap_or(0.0)
                })
                .sum()
        })
        .collect()
}

/// Hann without its zeros, as the authors' code has it.
fn window() -> [f32; FRAME] {
    std::array::from_fn(|n| {
        0.5 - 0.5 * (std::f32::consts::TAU * (n as f32 + 1.0) / (FRAME as f32 + 1.0)).cos()
    })
}

/// Both without the frames in which the clean one is silent.
fn without_silence(clean: &[f32], processed: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let window = window();
    let frames = (clean.len() + HOP).saturating_sub(FRAME) / HOP;
    let weighted = |samples: &[f32], n: usize| -> [f32; FRAME] {
        std::array::from_fn(|k| samples.get(n * HOP + k).copied().unwrap_or(0.0) * window[k])
    };
    let levels: Vec<f32> = (0..frames)
        .map(|n| crate::level::db(weighted(clean, n).iter().map(|s| s * s).sum::<f32>().sqrt()))
        .collect();
    let loudest = levels.iter().copied().fold(f32::MIN, f32::max);
    let kept: Vec<usize> = (0..frames).filter(|&n| levels[n] > loudest - RANGE_DB).collect();
    let join = |samples: &[f32]| {
        let mut out = vec![0.0; if kept.is_empty() { 0 } else { (kept.len() - 1) * HOP + FRAME }];
        for (place, &n) in kept.iter().enumerate() {
            for (sum, sample) in out[place * HOP..].iter_mut().zip(weighted(samples, n)) {
                *sum += sample;
            }
        }
        out
    };
    (join(clean), join(processed))
}

fn bands(samples: &[f32]) -> Vec<Bands> {
    let window = window();
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(FFT);
    let (mut frame, mut spectrum) = (fft.make_input_vec(), fft.make_output_vec());
    let edge = |thirds: f32| (150.0 * 2f32.powf(thirds / 6.0) * FFT as f32 / RATE).round() as usize;
    let frames = (samples.len() + HOP).saturating_sub(FRAME) / HOP;
    (0..frames)
        .map(|n| {
            frame.fill(0.0);
            for k in 0..FRAME {
                frame[k] = samples[n * HOP + k] * window[k];
            }
            fft.process(&mut frame, &mut spectrum).expect("the buffers are the plan's own");
            std::array::from_fn(|band| {
                let bins = edge(2.0 * band as f32 - 1.0)..edge(2.0 * band as f32 + 1.0);
                spectrum[bins].iter().map(|bin| bin.norm_sqr()).sum::<f32>().sqrt()
            })
        })
        .collect()
}

/// A segment with each band, then each frame, at mean 0 and norm 1.
fn normalised(segment: &[Bands]) -> Vec<Bands> {
    let mut out = segment.to_vec();
    for band in 0..BANDS {
        let mean = out.iter().map(|frame| frame[band]).sum::<f32>() / SEGMENT as f32;
        let norm = out.iter().map(|frame| (frame[band] - mean).powi(2)).sum::<f32>().sqrt().max(1e-12);
        out.iter_mut().for_each(|frame| frame[band] = (frame[band] - mean) / norm);
    }
    for frame in &mut out {
        let mean = frame.iter().sum::<f32>() / BANDS as f32;
        let norm = frame.iter().map(|value| (value - mean).powi(2)).sum::<f32>().sqrt().max(1e-12);
        frame.iter_mut().for_each(|value| *value = (*value - mean) / norm);
    }
    out
}

#[cfg(test)]
mod tests;
