//! The table at the end: every time is taken from the card's own sample clock or from the server's socket.

use std::io;
use std::time::Duration;

use fake_gemini::{Event, What};
use pressel_world::card::Direction;
use serde_json::Value;
use tests::measure::{Placement, Stretch, last_sound, percentile, place};
use tests::stage::{Gaps, Stage, Usage};

/// The model's own thinking time on this server.
const THINK_MS: f64 = 250.0;
/// Pre-roll and kept speech have arrived this long after the first chunk.
const BURST_NS: u64 = 60_000_000;

fn ms(ns: f64) -> String {
    format!("{:.1} ms", ns / 1e6)
}

/// Chunks that arrived, found again in what the microphone heard.
pub fn uplink(stage: &Stage, events: &[Event]) -> io::Result<(Vec<i16>, Vec<Placement>)> {
    let heard = stage.card.now_sample(Direction::Capture);
    let microphone = stage.card.channel(Direction::Capture, 0, 0..heard)?;
    let mut utterances: Vec<Vec<Stretch<'_>>> = Vec::new();
    for event in events {
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
    let placed = utterances.into_iter().map(|stretches| place(&microphone, 0, stretches)).collect();
    Ok((microphone, placed))
}

/// Rows of name and value. What is measured against a loopback card's sound is "about": its clock is the kernel's tick.
pub fn of(
    stage: &Stage,
    status: &Value,
    usage: Usage,
    code: Option<i32>,
    stopping: Duration,
) -> io::Result<Vec<(String, String)>> {
    let record = stage.server.events();
    let events = &record.0;
    let (_, utterances) = uplink(stage, events)?;
    let mut ages = Vec::new();
    let mut oldest = Vec::new();
    for utterance in &utterances {
        // What was captured before the press, or before there was a link, is old by nature: it comes in one burst.
        let burst_ends = utterance.placed.first().map_or(0, |first| first.at_ns + BURST_NS);
        for chunk in utterance.placed.iter().filter(|chunk| chunk.at_ns > burst_ends) {
            let age = |sample: usize| chunk.at_ns as f64 - stage.heard_at(sample as u64) as f64;
            ages.push((age(chunk.range.start) + age(chunk.range.end - 1)) / 2.0);
            oldest.push(age(chunk.range.start));
        }
    }
    let mean = ages.iter().sum::<f64>() / ages.len().max(1) as f64;
    let whole = utterances.iter().all(Placement::is_whole);
    let latency = |name: &str| status["latencies"][name]["p50_ms"].as_f64().unwrap_or(f64::NAN);
    let bytes = |name: &str| status["counters"][name].as_u64().unwrap_or_default();
    let seconds = stage.daemon.started.elapsed().as_secs_f64();
    let response = latency("utterance_to_sound");
    let about = |text: String| if stage.bridge.is_some() { format!("about {text}") } else { text };
    let mut rows = vec![
        ("press → light".into(), format!("{:.2} ms", latency("press_to_light"))),
        ("speech → wire, mean age of a sample".into(), about(ms(mean))),
        ("speech → wire, oldest sample, 99 %".into(), about(ms(percentile(&mut oldest, 0.99)))),
        ("message → first sound".into(), about(format!("{:.1} ms", latency("message_to_sound")))),
        ("end of utterance → first sound".into(), format!("{response:.0} ms")),
        ("  of these not the model's thinking".into(), format!("{:.1} ms", response - THINK_MS)),
        (
            "press over the answer → silence".into(),
            barge_in(stage)?.map_or("none".into(), |ns| about(ms(ns))),
        ),
        ("speech arrived sample for sample".into(), if whole { "yes" } else { "NO" }.into()),
        ("bytes up, down".into(), format!("{}, {}", bytes("bytes_up"), bytes("bytes_down"))),
        (
            "CPU, memory".into(),
            format!(
                "{:.1} % of a core, {:.1} MB",
                usage.cpu.as_secs_f64() / seconds * 100.0,
                usage.rss_kb as f64 / 1024.0
            ),
        ),
        (
            "SIGTERM → end, exit code".into(),
            format!("{:.0} ms, {}", stopping.as_secs_f64() * 1e3, code.unwrap_or(-1)),
        ),
    ];
    if let Some(bridge) = &stage.bridge {
        let Gaps { microphone, speaker } = bridge.gaps()?;
        rows.push(("gaps made by the demo itself, in, out".into(), format!("{microphone}, {speaker}")));
    }
    Ok(rows)
}

/// From the press that cut the answer to the last sample of it.
fn barge_in(stage: &Stage) -> io::Result<Option<f64>> {
    let events = stage.remote.events();
    let mut speaking = false;
    let mut cut = None;
    for event in &events {
        if speaking && event.is_phase("listening") {
            cut = Some(event.at_ns);
        }
        if event.name == "phase" {
            speaking = event.is_phase("speaking");
        }
    }
    let Some(pressed) = cut else { return Ok(None) };
    let from = stage.card.sample_at(Direction::Playback, pressed);
    let played = stage.card.channel(Direction::Playback, 0, from..from + 12_000)?;
    Ok(last_sound(&played)
        .map(|last| stage.card.time_of(Direction::Playback, from + last as u64 + 1) as f64 - pressed as f64))
}
