//! What the scenes have in common: talk, wait, and find the sound again.

use std::io;
use std::time::Duration;

use fake_gemini::{Event, What};
use pressel_world::card::Direction;
use tests::measure::{Placement, Stretch, find, last_sound, place};
use tests::stage::{Stage, Usage};

/// Longer than anything here takes.
pub const WAIT: Duration = Duration::from_secs(30);
/// Pre-roll and kept speech have arrived this long after the first chunk of an utterance.
const BURST_NS: u64 = 60_000_000;

/// Nanoseconds to milliseconds.
pub fn ms(ns: f64) -> f64 {
    ns / 1e6
}

/// Presses, says something over the room's noise, releases; returns once the server has the whole utterance.
pub fn say(stage: &Stage, length: Duration) -> io::Result<()> {
    let mark = stage.remote.mark();
    stage.remote.press()?;
    let at = stage.card.now_sample(Direction::Capture) + length.as_millis() as u64 * 16;
    stage.card.sleep_until(Direction::Capture, at);
    stage.remote.release()?;
    stage.remote.wait(mark, WAIT, |e| e.name == "utterance_ended").map(|_| ())
}

/// Waits for the answer to begin, then for its end.
pub fn hear(stage: &Stage, mark: usize) -> io::Result<()> {
    stage.remote.wait_phase(mark, "speaking", WAIT)?;
    let mark = stage.remote.mark();
    stage.remote.wait_phase(mark, "idle", WAIT).map(|_| ())
}

/// Every utterance's chunks, found again in what the microphone heard.
pub fn uplink(stage: &Stage) -> io::Result<Vec<Placement>> {
    let heard = stage.card.now_sample(Direction::Capture);
    let microphone = stage.card.channel(Direction::Capture, 0, 0..heard)?;
    let record = stage.server.events();
    let mut utterances: Vec<Vec<Stretch<'_>>> = Vec::new();
    for event in &record.0 {
        match &event.what {
            What::Received { name, .. } if name == "activityStart" => utterances.push(Vec::new()),
            What::Audio { samples, .. } => {
                if let Some(utterance) = utterances.last_mut() {
                    utterance.push(Stretch { at_ns: event.at_ns, samples });
                }
            }
            _ => {}
        }
    }
    Ok(utterances.into_iter().map(|stretches| place(&microphone, 0, stretches)).collect())
}

/// Ages in ms of the chunks that were sent as they came: means, and oldest samples.
pub fn ages(stage: &Stage, utterances: &[Placement]) -> (Vec<f64>, Vec<f64>) {
    let (mut means, mut oldest) = (Vec::new(), Vec::new());
    for utterance in utterances {
        let burst_ends = utterance.placed.first().map_or(0, |first| first.at_ns + BURST_NS);
        for chunk in utterance.placed.iter().filter(|chunk| chunk.at_ns > burst_ends) {
            let age = |sample: usize| ms(chunk.at_ns as f64 - stage.heard_at(sample as u64) as f64);
            means.push((age(chunk.range.start) + age(chunk.range.end - 1)) / 2.0);
            oldest.push(age(chunk.range.start));
        }
    }
    (means, oldest)
}

/// One answer as the server sent it and as the loudspeaker played it.
pub struct Answer {
    /// From its first message to its first sample, in ms.
    pub first_sound_ms: f64,
    /// Samples that were not heard, or heard elsewhere than in their place.
    pub wrong: usize,
}

/// All answers that were heard to their end.
pub fn answers(stage: &Stage) -> io::Result<Vec<Answer>> {
    let now = stage.card.now_sample(Direction::Playback);
    let played = stage.card.channel(Direction::Playback, 0, 0..now)?;
    let record = stage.server.events();
    let mut turns: Vec<(u32, u64, Vec<i16>)> = Vec::new();
    for Event { what, .. } in &record.0 {
        if let What::SentAudio { turn, samples, done_ns, .. } = what {
            match turns.iter_mut().find(|(number, ..)| number == turn) {
                Some((.., sound)) => sound.extend_from_slice(samples),
                None => turns.push((*turn, *done_ns, samples.to_vec())),
            }
        }
    }
    turns
        .into_iter()
        .map(|(turn, sent_ns, sound)| {
            let from = stage.card.sample_at(Direction::Playback, sent_ns) as usize;
            let start = find(&played, &sound[..240.min(sound.len())], from)
                .ok_or_else(|| io::Error::other(format!("answer {turn} was not heard")))?;
            let heard = &played[start..(start + sound.len()).min(played.len())];
            let same = heard.iter().zip(&sound).filter(|(a, b)| a == b).count();
            let first = stage.card.time_of(Direction::Playback, start as u64);
            Ok(Answer { first_sound_ms: ms(first as f64 - sent_ns as f64), wrong: sound.len() - same })
        })
        .collect()
}

/// From a moment to the last sound the loudspeaker made in the half second after it, in ms; 0 when it was silent.
pub fn silence_after(stage: &Stage, at_ns: u64) -> io::Result<f64> {
    let rate = u64::from(stage.card.stream(Direction::Playback).rate_hz);
    let from = stage.card.sample_at(Direction::Playback, at_ns);
    stage.card.sleep_until(Direction::Playback, from + rate / 2);
    let played = stage.card.channel(Direction::Playback, 0, from..from + rate / 2)?;
    Ok(last_sound(&played).map_or(0.0, |last| {
        ms(stage.card.time_of(Direction::Playback, from + last as u64 + 1) as f64 - at_ns as f64)
    }))
}

/// Share of a core and wake-ups per second over a stretch of time.
pub fn cost(stage: &Stage, length: Duration) -> io::Result<(f64, f64)> {
    let before = stage.daemon.usage()?;
    stage.card.sleep_until(
        Direction::Capture,
        stage.card.now_sample(Direction::Capture) + length.as_millis() as u64 * 16,
    );
    let after = stage.daemon.usage()?;
    let share = (after.cpu - before.cpu).as_secs_f64() / length.as_secs_f64() * 100.0;
    Ok((share, (after.wakes - before.wakes) as f64 / length.as_secs_f64()))
}

/// What the process uses now.
pub fn usage(stage: &Stage) -> io::Result<Usage> {
    stage.daemon.usage()
}
