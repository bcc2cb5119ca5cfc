//! One talk: left alone and looked at sample by sample, or torn.

use std::io;
use std::time::{Duration, Instant};

use ::tests::measure::{Placement, Stretch, find, percentile, place};
use ::tests::stage::Stage;
use fake_gemini::audio::recording;
use fake_gemini::{Event, What};
use pressel_world::card::Direction;

use crate::Ground;
use crate::fault::Fault;

/// Longer than anything here takes on a busy machine.
const WAIT: Duration = Duration::from_secs(30);
/// After a fault everything is well again by then: a stranded link takes 9 s to be noticed, and an answer that is owed
/// is waited for.
const MENDED: Duration = Duration::from_secs(60);
/// Pre-roll and kept speech have arrived this long after the first chunk.
const BURST_NS: u64 = 60_000_000;
const QUESTIONS: [&str; 3] = ["question-time", "question-rain", "question-moon"];

/// From the microphone to the wire.
pub struct Lag {
    /// Age of a chunk's last sample when the server had it: the tenth part of the chunks was there faster. A queue that
    /// grows makes all of them older, a machine that is busy only most.
    pub ms: f64,
    /// Samples that went this way.
    pub samples: u64,
}

/// A talk of which every sample must arrive, and every sample of the answer be heard. `None`: this machine was too busy
/// to speak in time, or to bring the answer in time, which the daemon has counted.
pub fn whole(ground: &Ground) -> io::Result<Option<Lag>> {
    let stage = &ground.stage;
    stage.server.take_events();
    let late = late(stage)?;
    let from = stage.card.now_sample(Direction::Capture).saturating_sub(16_000);
    let heard_from = stage.card.now_sample(Direction::Playback);
    let mark = stage.remote.mark();
    if !ask(stage, QUESTIONS[mark % QUESTIONS.len()])? {
        mended(stage)?;
        return Ok(None);
    }
    let speaking = stage.remote.wait_phase(mark, "speaking", WAIT)?.at_ns;
    stage.remote.wait(mark, WAIT, |event| event.at_ns > speaking && event.is_phase("idle"))?;
    let record = stage.server.take_events();
    let until = stage.card.now_sample(Direction::Capture);
    let microphone = stage.card.channel(Direction::Capture, 0, from..until)?;
    let placement = place(&microphone, 0, stretches(&record));
    if !placement.is_whole() && self::late(stage)? != late {
        return Ok(None);
    }
    if !placement.is_whole() {
        let Placement { lost, repeated, foreign, .. } = placement;
        return Err(io::Error::other(format!("{lost} samples lost, {repeated} repeated, {foreign} foreign")));
    }
    let played =
        stage.card.channel(Direction::Playback, 0, heard_from..stage.card.now_sample(Direction::Playback))?;
    let sent: Vec<i16> = record.iter().filter_map(sound_sent).flatten().copied().collect();
    if sent.is_empty() || find(&played, &sent, 0).is_none() {
        if self::late(stage)? != late {
            return Ok(None);
        }
        return Err(io::Error::other(format!("the answer of {} samples was not heard whole", sent.len())));
    }
    let begun = placement.placed.first().map_or(0, |first| first.at_ns + BURST_NS);
    let steady = placement.placed.iter().filter(|chunk| chunk.at_ns > begun);
    let mut ages: Vec<f64> = steady
        .map(|chunk| (chunk.at_ns as f64 - stage.heard_at(from + chunk.range.end as u64 - 1) as f64) / 1e6)
        .collect();
    let samples = placement.placed.iter().map(|chunk| chunk.range.len() as u64).sum();
    Ok(Some(Lag { ms: percentile(&mut ages, 0.1), samples }))
}

/// What the daemon has counted of sound that came too late: answers that starved, underruns, overruns.
fn late(stage: &Stage) -> io::Result<[u64; 3]> {
    let status = stage.remote.status()?;
    let number = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
    Ok([
        number(&status["counters"]["answer_gaps"]),
        number(&status["speaker"]["xruns"]),
        number(&status["microphone"]["xruns"]),
    ])
}

/// A talk in which something happens, wherever it happens to; all must be well again soon after.
pub fn torn(ground: &Ground, fault: Fault, random: &mut fastrand::Rng) -> io::Result<()> {
    let stage = &ground.stage;
    let mark = stage.remote.mark();
    match random.u32(0..3) {
        0 => {
            fault.strike(ground, random)?;
            ask(stage, "question-time")?;
        }
        1 => {
            stage.remote.press()?;
            let words = recording("question-rain").ok_or_else(unknown)?.samples;
            // Spoken too late by a busy machine, it is another sound, and torn all the same.
            let _ = stage.say(Duration::from_millis(300), &words);
            std::thread::sleep(Duration::from_millis(random.u64(200..1_200))); // in the middle of a word
            fault.strike(ground, random)?;
            stage.remote.release()?;
        }
        _ => {
            ask(stage, "question-time")?;
            // It may never speak, if the fault before is not mended yet.
            let _ = stage.remote.wait_phase(mark, "speaking", Duration::from_secs(3));
            fault.strike(ground, random)?;
        }
    }
    stage.remote.release()?;
    stage.server.take_events();
    mended(stage)
}

/// Waits until the daemon is at rest again, with both cards.
fn mended(stage: &Stage) -> io::Result<()> {
    let deadline = Instant::now() + MENDED;
    let mut rest = 0;
    while rest < 5 {
        let status = stage.remote.status()?;
        let well = status["phase"] == "idle"
            && !status["microphone"]["format"].is_null()
            && !status["speaker"]["format"].is_null();
        rest = if well { rest + 1 } else { 0 };
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("not mended: {status}")));
        }
        std::thread::sleep(Duration::from_millis(100)); // asked for, not told
    }
    Ok(())
}

/// Holds the button and speaks; false where it was spoken too late, so that what was heard is not what the file says.
fn ask(stage: &Stage, name: &str) -> io::Result<bool> {
    let words = recording(name).ok_or_else(unknown)?.samples;
    stage.remote.press()?;
    let said = stage.say(Duration::from_millis(300), &words);
    if let Ok(at) = said {
        stage.card.sleep_until(Direction::Capture, at + words.len() as u64);
    }
    stage.remote.release()?;
    Ok(said.is_ok())
}

fn stretches(record: &[Event]) -> Vec<Stretch<'_>> {
    record
        .iter()
        .filter_map(|event| match &event.what {
            What::Audio { samples, .. } => Some(Stretch { at_ns: event.at_ns, samples }),
            _ => None,
        })
        .collect()
}

fn sound_sent(event: &Event) -> Option<&[i16]> {
    match &event.what {
        What::SentAudio { samples, .. } => Some(samples),
        _ => None,
    }
}

fn unknown() -> io::Error {
    io::Error::other("there is no such recording")
}
