//! Runs of the real daemon in which a seed decides what goes wrong and when: somebody asks, things happen, and once all
//! of it is over a last question has to be heard whole and answered.

use std::io;
use std::time::Duration;

use fake_gemini::{Fault, Script, Turn, What};
use pressel_world::table::Bar;
use tests::stage::proxy::Weather;

use crate::ground::{Dictation, Ground, MIC_MS, lost, missing, ms};
use crate::report::Figure;

/// Questions before the last one.
const QUESTIONS: usize = 3;
/// Somebody waits so long for an answer before they ask something else.
const PATIENCE: Duration = Duration::from_secs(12);
/// Nobody waits longer than this while there is a network.
const DEAF_S: f64 = 10.0;

/// What became of one run.
pub struct Found {
    seed: u64,
    /// From the last word until all of the last question was at the server.
    deaf_s: f64,
    /// Words that no server has, and that were not counted.
    silently: f64,
    complaints: usize,
    /// What went wrong in it.
    pub story: Vec<String>,
}

/// What can go wrong.
fn strike(ground: &Ground, random: &mut fastrand::Rng, fair: Weather) -> String {
    let short = Duration::from_millis(random.u64(500..4000));
    let server = &ground.stage.server;
    let (what, fault) = match random.u32(..20) {
        0 => {
            ground.proxy.reset();
            ("reset", None)
        }
        1 => {
            ground.proxy.strand(true);
            ("stranded, acknowledged", None)
        }
        2 => {
            ground.proxy.strand(false);
            ("stranded, not acknowledged", None)
        }
        3 => {
            ground.proxy.door(false);
            ground.proxy.reset();
            ground.pass(short);
            ground.proxy.door(true);
            ("refused for a while", None)
        }
        4 => {
            ground.proxy.weather(Weather { frozen: true, ..fair });
            ground.pass(short);
            ("frozen for a while", None)
        }
        5 => {
            ground.proxy.weather(Weather { hole: true, ..fair });
            ground.pass(short);
            ground.proxy.reset();
            ("everything swallowed for a while", None)
        }
        6 => {
            ground.proxy.weather(Weather { bytes_per_s: Some(8000), ..fair });
            ground.pass(short);
            ("a trickle for a while", None)
        }
        7 => {
            ground.stage.daemon.signal(libc::SIGSTOP);
            ground.pass(short);
            ground.stage.daemon.signal(libc::SIGCONT);
            ("stopped for a while", None)
        }
        8 => ("close 1011", Some(Fault::Close { code: 1011, reason: "Internal error encountered.".into() })),
        9 => ("close 1008", Some(Fault::Close { code: 1008, reason: "The operation was aborted.".into() })),
        10 => ("close 1001", Some(Fault::Close { code: 1001, reason: String::new() })),
        11 => ("cut", Some(Fault::Cut)),
        12 => ("garbage", Some(Fault::Garbage { bytes: 100_000 })),
        13 => ("3 MB", Some(Fault::Huge { bytes: 3 << 20 })),
        14 => ("half a message", Some(Fault::Truncated)),
        15 => ("a bad frame", Some(Fault::BadFrame)),
        16 => ("silent", Some(Fault::Stall { ms: None })),
        17 => ("goAway", Some(Fault::GoAway { left_ms: 3000 })),
        18 => ("sessions forgotten", Some(Fault::Forget)),
        _ => ("interrupted", Some(Fault::Interrupted)),
    };
    ground.proxy.weather(fair);
    let struck = fault.is_none_or(|fault| server.strike(fault));
    format!("{what}{}", if struck { "" } else { ", but there was no link" })
}

/// What the person saw and what the server got, line by line, and what the daemon said.
fn timeline(ground: &Ground) -> io::Result<Vec<String>> {
    let start = ground.stage.server.events().iter().next().map_or(0, |event| event.at_ns);
    let mut lines: Vec<(u64, String)> = Vec::new();
    for event in ground.stage.remote.events() {
        lines.push((event.at_ns, format!("device  {} {}", event.name, event.value)));
    }
    let mut sound: Option<(u32, u64, u64)> = None;
    for event in ground.stage.server.events().iter() {
        if let What::Audio { samples, .. } = &event.what {
            match &mut sound {
                Some((link, _, count)) if *link == event.link => *count += samples.len() as u64,
                _ => sound = Some((event.link, event.at_ns, samples.len() as u64)),
            }
            continue;
        }
        if let Some((link, at, count)) = sound.take() {
            lines.push((at, format!("server  {link}: {} ms of sound", count / MIC_MS)));
        }
        let what: String = format!("{:?}", event.what).chars().take(160).collect();
        lines.push((event.at_ns, format!("server  {}: {what}", event.link)));
    }
    lines.sort();
    let told = lines.into_iter().map(|(at, line)| format!("{:9.3} {line}", ms(start, at) / 1000.0));
    Ok(told.chain(ground.stage.log().lines().map(String::from)).collect())
}

/// One run. `told_whole`: with all that happened in it. An error says what this machine, or the daemon, could not do.
pub fn run(seed: u64, told_whole: bool) -> io::Result<Found> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut script = Script { rest: Turn::noise(random.u64(300..2500), seed), ..Script::default() };
    script.service.first_handle_ms = 20;
    let ground = Ground::set("hold", "", script, true)?;
    let rtt = Duration::from_millis([0, 100, 300, 600][random.usize(..4)]);
    let fair = Weather { rtt, loss: [0.0, 0.05][random.usize(..2)], ..Weather::default() };
    ground.proxy.weather(fair);
    let mut story = vec![format!("round trip {rtt:?}, loss {}", fair.loss)];
    let mut said: Vec<Dictation> = Vec::new();
    for _ in 0..QUESTIONS {
        let mark = ground.stage.remote.mark();
        let words = random.usize(2..6);
        let dictation = ground.begin(words)?;
        let length = 500 + 430 * words as u64;
        ground.pass(Duration::from_millis(random.u64(0..length + 1500).min(length - 300)));
        story.push(format!("{words} words; {}", strike(&ground, &mut random, fair)));
        ground.end(&dictation)?;
        said.push(dictation);
        // An answer may never come: somebody loses patience.
        let speaking = ground.stage.remote.wait_phase(mark, "speaking", PATIENCE);
        if let Ok(speaking) = speaking {
            let _ = ground
                .stage
                .remote
                .wait(mark, PATIENCE, |e| e.at_ns > speaking.at_ns && !e.is_phase("speaking"));
        }
    }
    ground.pass(Duration::from_millis(2500)); // cards that were stopped are open again
    let mark = ground.stage.remote.mark();
    let last = ground.begin(3)?;
    let done = ground.end(&last)?;
    ground.answered(mark)?;
    let heard = ground.heard()?;
    let arrived = heard
        .iter()
        .filter(|heard| missing(std::slice::from_ref(heard), &last.words).iter().all(|n| *n == 0));
    let arrived = arrived.filter_map(|heard| heard.ended_ns).min();
    let deaf_s = arrived.map_or(f64::INFINITY, |at| (ms(done, at) / 1000.0).max(0.0));
    let words: Vec<_> = said.iter().flat_map(|dictation| dictation.words.clone()).collect();
    let (gone, _) = lost(&heard, &words);
    let status = ground.stage.remote.status()?;
    let counters = &status["counters"];
    let counted = ["speech_dropped_samples", "microphone_xruns", "speech_gaps"];
    let told = counted.iter().any(|name| counters[*name].as_u64().unwrap_or(0) > 0);
    let stopped = story.iter().any(|line| line.contains("stopped"));
    let silently = if told || stopped { 0.0 } else { gone };
    story.push(format!("last question heard after {deaf_s:.2} s; {gone} words missing, told: {told}"));
    let record = ground.stage.server.events();
    let complaints: Vec<String> = record.complaints().iter().map(ToString::to_string).collect();
    story.extend(complaints.iter().cloned());
    if told_whole {
        story.extend(timeline(&ground)?);
    }
    Ok(Found { seed, deaf_s, silently, complaints: complaints.len(), story })
}

/// The figures of so many runs; those that failed are told.
pub fn figures(found: &[Found]) -> Vec<Figure> {
    let count = |so: fn(&Found) -> bool| found.iter().filter(|found| so(found)).count() as f64;
    for found in found.iter().filter(|f| f.deaf_s > DEAF_S || f.silently > 0.0 || f.complaints > 0) {
        eprintln!("real daemon, --run {}:", found.seed);
        for line in &found.story {
            eprintln!("  {line}");
        }
    }
    let worst = found.iter().map(|found| found.deaf_s).fold(0.0, f64::max);
    vec![
        Figure::new(
            format!("of {} runs of the daemon: deaf for more than 10 s", found.len()),
            count(|found| found.deaf_s > DEAF_S),
            "",
            Bar::Exactly(0.0),
        ),
        Figure::new("  longest wait to be heard whole", worst, "s", Bar::None),
        Figure::new("  with words lost and not counted", count(|f| f.silently > 0.0), "", Bar::Exactly(0.0)),
        Figure::new("  in which the server complained", count(|f| f.complaints > 0), "", Bar::Exactly(0.0)),
    ]
}
