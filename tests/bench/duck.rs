//! How soon an answer gives way to a person who speaks over it, as the loudspeaker plays it.

use std::io;
use std::path::Path;
use std::time::Duration;

use fake_gemini::{Event, Script, Turn, What, audio::recording};
use pressel_world::card::{CardOptions, Direction, Echo, StreamOptions};
use pressel_world::table::{Bar, Table};
use tests::measure::{find, percentile};
use tests::stage::{Setting, Stage};

use crate::run::{WAIT, ms};
use crate::scenes::timed;

/// Words over an answer; with so many the 95 % is the second worst.
const REPEATS: usize = 24;
/// Samples per ms of the loudspeaker.
const SPK_MS: usize = 24;
/// So far down is ducked: a sixteenth of the power.
const DUCKED: f64 = 0.063;
/// Not down at all.
const WHOLE: f64 = 0.7;
/// An answer has a level in a millisecond of at least this mean square: -46 dBFS.
const SOUNDS: f64 = 27_000.0;
/// An answer that has not given way after this does not.
const LATEST_MS: usize = 400;
/// Where an answer has a pause so long there is nothing to see of when it was turned down, in ms.
const PAUSE_MS: usize = 10;

/// Speech over an answer that comes back from the room as loud as the speech, every stage on.
pub fn duck(folder: &Path, table: &mut Table) -> io::Result<()> {
    let turns = (0..2 * REPEATS).map(|n| Turn::recording(["answer-story", "answer-rain"][n % 2])).collect();
    let setting = Setting {
        card: CardOptions {
            microphone: StreamOptions { seconds: 600, ..StreamOptions::new(16_000, 1) },
            speaker: StreamOptions { seconds: 600, ..StreamOptions::new(24_000, 1) },
        },
        server: timed(Script { turns, ..Script::default() }),
        capture: String::new(),
        stages: String::new(),
        prepare: |card| card.set_echo(Some(Echo { delay: Duration::from_millis(35), gain: 0.5 })),
        ..Setting::mode("open", "")
    };
    let stage = Stage::set(folder, setting)?;
    stage.card.sleep_until(Direction::Capture, 16_000);
    stage.remote.press()?;
    let words: Vec<(Vec<i16>, u64)> = ["question-time", "question-rain", "question-lamp", "question-story"]
        .iter()
        .map(|name| said(name).ok_or_else(|| io::Error::other(format!("no recording {name}"))))
        .collect::<Result<_, _>>()?;
    let (mut after, mut missed) = (Vec::new(), 0);
    let mut mark = stage.remote.mark();
    stage.say(Duration::from_millis(300), &words[0].0)?;
    for repeat in 0.. {
        stage.remote.wait_phase(mark, "speaking", WAIT)?;
        if after.len() + missed == REPEATS {
            break;
        }
        // The first answer is heard for long enough to know the room.
        let ms = if repeat == 0 { 3_500 } else { 900 + 97 * (repeat as u64 % 11) };
        let now = stage.card.now_sample(Direction::Capture);
        stage.card.sleep_until(Direction::Capture, now + ms * 16);
        let (sound, loud) = &words[repeat % words.len()];
        mark = stage.remote.mark();
        let at = stage.say(Duration::from_millis(300), sound)?;
        stage.card.sleep_until(Direction::Capture, at + loud + (LATEST_MS as u64 + 100) * 16);
        match given_way(&stage, stage.heard_at(at + loud))? {
            Seen::After(ms) => after.push(ms),
            Seen::Never => missed += 1,
            Seen::Nothing => {}
        }
        if stage.remote.wait_phase(mark, "speaking", Duration::from_secs(8)).is_err() {
            mark = stage.remote.mark();
            stage.say(Duration::from_millis(300), &words[0].0)?;
        }
    }
    let median = percentile(&mut after, 0.5);
    table.put("speech over an answer → played 12 dB down, median", median, "ms", Bar::AtMost(60.0));
    let most = percentile(&mut after, 0.95);
    table.put("speech over an answer → played 12 dB down, 95 %", most, "ms", Bar::AtMost(120.0));
    table.put(
        "speech over an answer → played 12 dB down, worst",
        percentile(&mut after, 1.0),
        "ms",
        Bar::None,
    );
    table.put("  of so many, not turned down", missed as f64, "", Bar::None);
    Ok(())
}

/// A recording at half its level, and where its first word begins: a tenth of its loudest sample.
fn said(name: &str) -> Option<(Vec<i16>, u64)> {
    let sound: Vec<i16> = recording(name)?.samples.iter().map(|sample| sample / 2).collect();
    let most = sound.iter().map(|sample| sample.unsigned_abs()).max()?;
    let loud = sound.iter().position(|sample| sample.unsigned_abs() > most / 10)?;
    Some((sound, loud as u64))
}

/// What could be seen of an answer.
enum Seen {
    /// It was 12 dB down so many ms after the first word.
    After(f64),
    /// It went on.
    Never,
    /// It had a pause, or was down before.
    Nothing,
}

/// Compares what was played around a time with what the server sent.
fn given_way(stage: &Stage, at_ns: u64) -> io::Result<Seen> {
    let record = stage.server.events();
    let sent = newest_answer(&record.0, at_ns);
    let Some(loud) = sent.iter().position(|sample| sample.unsigned_abs() > 3_000) else {
        return Err(io::Error::other("no answer was sent"));
    };
    let word = &sent[loud..(loud + 480).min(sent.len())];
    let at = stage.card.sample_at(Direction::Playback, at_ns) as usize;
    let since = at.saturating_sub(8_000 * SPK_MS);
    let played =
        stage.card.channel(Direction::Playback, 0, since as u64..(at + LATEST_MS * SPK_MS) as u64)?;
    let place = last(&played, word).ok_or_else(|| io::Error::other("the answer was not heard"))?;
    let Some(first) = (at - since + loud).checked_sub(place) else { return Ok(Seen::Nothing) };
    // The share of its power that is left, a millisecond at a time; none in a pause.
    let left = |n: usize| {
        let sent = power(sent.get(n..n + SPK_MS)?);
        let played = power(played.get(n + place - loud..n + place - loud + SPK_MS)?);
        (sent > SOUNDS).then_some(played / sent)
    };
    let before = (0..50).filter_map(|n| left(first.checked_sub((n + 1) * SPK_MS)?)).next();
    if before.is_none_or(|share| share < WHOLE) {
        return Ok(Seen::Nothing);
    }
    let mut up = 0;
    for n in 0..LATEST_MS - 1 {
        match left(first + n * SPK_MS) {
            Some(share) if share <= DUCKED => {
                if n - up > PAUSE_MS {
                    return Ok(Seen::Nothing);
                }
                let at = since + place - loud + first + (n + 1) * SPK_MS;
                let down_ns = stage.card.time_of(Direction::Playback, at as u64);
                return Ok(Seen::After(ms(down_ns as f64 - at_ns as f64)));
            }
            Some(_) => up = n,
            None => {}
        }
    }
    Ok(if up > LATEST_MS / 2 { Seen::Never } else { Seen::Nothing })
}

/// What the server had sent before a time of the answer that it sent last.
fn newest_answer(events: &[Event], before_ns: u64) -> Vec<i16> {
    let mut newest: (u32, Vec<i16>) = (0, Vec::new());
    for Event { what, at_ns, .. } in events {
        if let What::SentAudio { turn, samples, .. } = what {
            if *at_ns > before_ns {
                continue;
            }
            if *turn != newest.0 {
                newest = (*turn, Vec::new());
            }
            newest.1.extend_from_slice(samples);
        }
    }
    newest.1
}

/// Where this was heard for the last time.
fn last(played: &[i16], word: &[i16]) -> Option<usize> {
    let (mut found, mut from) = (None, 0);
    while let Some(at) = find(played, word, from) {
        (found, from) = (Some(at), at + 1);
    }
    found
}

fn power(samples: &[i16]) -> f64 {
    samples.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum::<f64>() / samples.len() as f64
}
