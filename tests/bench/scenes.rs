//! What is measured: one function per scene, each on a stage of its own.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use fake_gemini::{Options, Script, Service, Turn, What, audio::recording};
use pressel_world::card::{Direction, TakeBack, monotonic_ns};
use pressel_world::table::{Bar, Table};
use tests::measure::{Placement, percentile};
use tests::stage::{Setting, Stage, program};

use crate::load::Load;
use crate::run::{WAIT, ages, answers, cost, hear, ms, say, silence_after, uplink, usage};

type Scene = fn(&Path, &mut Table) -> io::Result<()>;

/// All scenes by name, in order.
pub const ALL: [(&str, Scene); 11] = [
    ("start", start),
    ("dial", dial),
    ("talk", talk),
    ("answer", answer),
    ("idle", idle),
    ("open", open),
    ("stages", crate::stages::stages),
    ("duck", crate::duck::duck),
    ("tools", crate::tools::tools),
    ("load", load),
    ("size", size),
];

/// A server whose times are exact also when both cores are busy.
pub fn timed(script: Script) -> Options {
    Options { realtime: true, ..Options::script(script) }
}

pub fn noise_turns(count: u64, ms: u64) -> Script {
    Script { turns: (0..count).map(|seed| Turn::noise(ms, seed + 1)).collect(), ..Script::default() }
}

/// Start of the program to ready, and to setup on the wire with TLS.
fn start(folder: &Path, table: &mut Table) -> io::Result<()> {
    for run in 0..5 {
        let folder = folder.join(run.to_string());
        std::fs::create_dir_all(&folder)?;
        let socket = folder.join("notify");
        let manager = UnixDatagram::bind(&socket)?;
        manager.set_read_timeout(Some(WAIT))?;
        let mut setting = Setting {
            server: timed(Script::default()),
            ..Setting::mode("open", "[open]\nstart = \"always\"")
        };
        setting.env.push(("NOTIFY_SOCKET", socket));
        let listening = std::thread::spawn(move || {
            let mut buffer = [0; 512];
            loop {
                let length = manager.recv(&mut buffer)?;
                if buffer[..length].windows(7).any(|w| w == b"READY=1") {
                    return io::Result::Ok(monotonic_ns());
                }
            }
        });
        let stage = Stage::set(&folder, setting)?;
        let ready = listening.join().map_err(|_| io::Error::other("the listener panicked"))??;
        let setup = |events: &[fake_gemini::Event]| {
            events.iter().any(|e| matches!(&e.what, What::Received { name, .. } if name == "setup"))
        };
        stage.server.wait_blocking(WAIT, setup);
        let record = stage.server.events();
        let sent = record
            .time_of(|what| matches!(what, What::Received { name, .. } if name == "setup"))
            .ok_or_else(|| io::Error::other("no setup came"))?;
        let began = monotonic_ns() - stage.daemon.started.elapsed().as_nanos() as u64;
        table.put("start → ready", ms((ready - began) as f64), "ms", Bar::AtMost(150.0));
        table.put("start → setup sent, with TLS", ms((sent - began) as f64), "ms", Bar::AtMost(60.0));
    }
    Ok(())
}

/// Press to setup on the wire where no link is up: with a new TLS session, and with the one of the link before.
fn dial(folder: &Path, table: &mut Table) -> io::Result<()> {
    let setups = |events: &[fake_gemini::Event]| -> Vec<u64> {
        let setup = |what: &What| matches!(what, What::Received { name, .. } if name == "setup");
        events.iter().filter(|event| setup(&event.what)).map(|event| event.at_ns).collect()
    };
    let closed = |events: &[fake_gemini::Event]| {
        events.iter().filter(|event| matches!(event.what, What::Closed { .. })).count()
    };
    let (mut cold, mut resumed) = (Vec::new(), Vec::new());
    for run in 0..5 {
        let setting =
            Setting { server: timed(noise_turns(2, 200)), ..Setting::mode("hold", "quiet_close_s = 5") };
        let stage = Stage::set(&folder.join(run.to_string()), setting)?;
        stage.card.sleep_until(Direction::Capture, 8000);
        for (count, figures) in [(1, &mut cold), (2, &mut resumed)] {
            let mark = stage.remote.mark();
            let pressed = monotonic_ns();
            stage.remote.press()?;
            stage.server.wait_blocking(WAIT, |events| setups(events).len() >= count);
            let sent = setups(&stage.server.events()).get(count - 1).copied();
            let sent = sent.ok_or_else(|| io::Error::other("no setup came"))?;
            figures.push(ms(sent as f64 - pressed as f64));
            let status = stage.remote.status()?;
            if status["link"]["connection"]["tls_resumed"] != (count == 2) {
                return Err(io::Error::other(format!("link {count}: {}", status["link"])));
            }
            stage.remote.release()?;
            hear(&stage, mark)?;
            // An unused link is let go.
            stage.server.wait_blocking(WAIT, |events| closed(events) >= count);
        }
    }
    table.put(
        "press → setup sent, no link, new TLS session",
        percentile(&mut cold, 0.5),
        "ms",
        Bar::AtMost(30.0),
    );
    table.put(
        "press → setup sent, no link, TLS resumed",
        percentile(&mut resumed, 0.5),
        "ms",
        Bar::AtMost(20.0),
    );
    Ok(())
}

/// Hold mode, sound stages off: microphone to wire, message to sound, press to silence.
fn talk(folder: &Path, table: &mut Table) -> io::Result<()> {
    let stage =
        Stage::set(folder, Setting { server: timed(noise_turns(12, 1500)), ..Setting::mode("hold", "") })?;
    // The room has been heard for a while before the first press.
    stage.card.sleep_until(Direction::Capture, 8000);
    let mut kept = Vec::new();
    for _ in 0..10 {
        let mark = stage.remote.mark();
        let pressed = monotonic_ns();
        say(&stage, Duration::from_millis(1200))?;
        hear(&stage, mark)?;
        let utterances = uplink(&stage)?;
        if let Some(first) = utterances.last().and_then(|u| u.placed.first()) {
            kept.push(ms(pressed as f64 - stage.heard_at(first.range.start as u64) as f64));
        }
    }
    let utterances = uplink(&stage)?;
    put_uplink(table, &stage, &utterances, "");
    let heard = answers(&stage)?;
    let mut first: Vec<f64> = heard.iter().map(|a| a.first_sound_ms).collect();
    table.put("message → first sound, median", percentile(&mut first, 0.5), "ms", Bar::AtMost(3.0));
    table.put("message → first sound, worst", percentile(&mut first, 1.0), "ms", Bar::None);
    table.put(
        "answer samples wrong, quiet",
        heard.iter().map(|a| a.wrong as f64).sum::<f64>(),
        "",
        Bar::Exactly(0.0),
    );
    let status = stage.remote.status()?;
    let light = &status["latencies"]["press_to_light"];
    table.put("press → light, 95 %", light["p95_ms"].as_f64().unwrap_or(f64::NAN), "ms", Bar::AtMost(10.0));
    // Told as how much less than 300 ms was kept from before the press.
    let least = kept.iter().copied().fold(f64::MAX, f64::min);
    table.put(
        "sound kept from before the press, short of 300 ms",
        (300.0 - least).max(0.0),
        "ms",
        Bar::AtMost(1.0),
    );
    Ok(())
}

fn put_uplink(table: &mut Table, stage: &Stage, utterances: &[Placement], when: &'static str) {
    let (mut means, mut oldest) = ages(stage, utterances);
    let wrong: usize = utterances.iter().map(|u| u.lost + u.repeated + u.foreign).sum();
    let mean = means.iter().sum::<f64>() / means.len().max(1) as f64;
    means.clear();
    if when.is_empty() {
        table.put("microphone → wire, mean age of a sample", mean, "ms", Bar::AtMost(11.0));
        table.put(
            "microphone → wire, oldest sample, 99 %",
            percentile(&mut oldest, 0.99),
            "ms",
            Bar::AtMost(22.0),
        );
        table.put("speech samples lost, repeated, reordered, quiet", wrong as f64, "", Bar::Exactly(0.0));
    } else {
        table.put(
            "microphone → wire under load, oldest, 99 %",
            percentile(&mut oldest, 0.99),
            "ms",
            Bar::None,
        );
        table.put("speech samples lost, repeated, reordered, loaded", wrong as f64, "", Bar::Exactly(0.0));
    }
}

/// A 60 s answer: processor, memory; then cut by a press.
fn answer(folder: &Path, table: &mut Table) -> io::Result<()> {
    let stage =
        Stage::set(folder, Setting { server: timed(noise_turns(2, 60_000)), ..Setting::mode("hold", "") })?;
    stage.card.sleep_until(Direction::Capture, 8000);
    let mark = stage.remote.mark();
    say(&stage, Duration::from_millis(800))?;
    stage.remote.wait_phase(mark, "speaking", WAIT)?;
    let mut peak = 0;
    // Four times faster than real time: after 15 s all of it has come; memory is highest about then.
    let (share, wakes) = cost(&stage, Duration::from_secs(10))?;
    for _ in 0..10 {
        peak = peak.max(usage(&stage)?.rss_kb);
        cost(&stage, Duration::from_millis(1000))?;
    }
    table.put("CPU while answering (first 10 s: all of it arrives)", share, "%", Bar::AtMost(3.0));
    table.put("wake-ups while answering", wakes, "/s", Bar::None);
    let (share, _) = cost(&stage, Duration::from_secs(8))?;
    table.put("CPU while answering (the rest: only playing)", share, "%", Bar::AtMost(3.0));
    table.put("memory in a 60 s answer, peak", peak as f64 / 1024.0, "MB", Bar::AtMost(12.0));
    let pressed = monotonic_ns();
    stage.remote.press()?;
    table.put("press over the answer → silence", silence_after(&stage, pressed)?, "ms", Bar::AtMost(8.0));
    stage.remote.release()?;
    Ok(())
}

/// Nobody talks: processor and bytes in hold and tap mode, link up and link closed.
fn idle(folder: &Path, table: &mut Table) -> io::Result<()> {
    for (mode, name, wakes_name) in
        [("hold", "CPU idle, hold", "wake-ups idle, hold"), ("tap", "CPU idle, tap", "wake-ups idle, tap")]
    {
        let script = noise_turns(1, 300);
        let stage =
            Stage::set(&folder.join(mode), Setting { server: timed(script), ..Setting::mode(mode, "") })?;
        stage.card.sleep_until(Direction::Capture, 8000);
        if mode == "hold" {
            let mark = stage.remote.mark();
            say(&stage, Duration::from_millis(600))?;
            hear(&stage, mark)?;
        }
        let before = stage.remote.status()?["counters"]["bytes_up"].as_u64().unwrap_or_default();
        let (share, wakes) = cost(&stage, Duration::from_secs(15))?;
        let after = stage.remote.status()?["counters"]["bytes_up"].as_u64().unwrap_or_default();
        table.put(name, share, "%", Bar::AtMost(1.0));
        table.put(wakes_name, wakes, "/s", Bar::None);
        if mode == "hold" {
            table.put("bytes sent between talks, link up", (after - before) as f64, "B", Bar::Exactly(0.0));
        }
    }
    Ok(())
}

/// Open mode: bytes in silence, and `interrupted` to silence on cards that take sound back and on others.
fn open(folder: &Path, table: &mut Table) -> io::Result<()> {
    let question = recording("question-lamp").ok_or_else(|| io::Error::other("no recording"))?;
    for (take_back, name) in [
        (TakeBack::Yes, "interrupted → silence, median"),
        (TakeBack::Refused, "interrupted → silence, card takes nothing back"),
    ] {
        let mut script = noise_turns(6, 8000);
        script.service = Service { cut_ms: 30, ..Service::default() };
        let mut setting = Setting { server: timed(script), ..Setting::mode("open", "") };
        setting.card.speaker.take_back = take_back;
        let stage = Stage::set(&folder.join(format!("{take_back:?}")), setting)?;
        stage.card.sleep_until(Direction::Capture, 16_000);
        stage.remote.press()?;
        let mut cuts = Vec::new();
        let mark = stage.remote.mark();
        let mut said = 0;
        for round in 0..5 {
            let mark = if round == 0 { mark } else { stage.remote.mark() };
            said = stage.say(Duration::from_millis(300), &question.samples)?;
            if round == 0 {
                stage.remote.wait_phase(mark, "speaking", WAIT)?;
                continue;
            }
            stage.remote.wait(mark, WAIT, |e| e.name == "interrupted")?;
            let record = stage.server.events();
            let at = record.0.iter().rev().find_map(|e| match &e.what {
                What::Sent { message, done_ns, .. } if message["serverContent"]["interrupted"] == true => {
                    Some(*done_ns)
                }
                _ => None,
            });
            cuts.push(silence_after(
                &stage,
                at.ok_or_else(|| io::Error::other("no interruption was sent"))?,
            )?);
            stage.remote.wait_phase(mark, "speaking", WAIT)?;
        }
        let bar = if take_back == TakeBack::Yes { Bar::AtMost(8.0) } else { Bar::None };
        table.put(name, percentile(&mut cuts, 0.5), "ms", bar);
        if take_back == TakeBack::Yes {
            quiet_bytes(&stage, table, said, question.samples.len())?;
        }
    }
    Ok(())
}

/// Bytes per second of silence in a talk, as a share of those of speech.
fn quiet_bytes(stage: &Stage, table: &mut Table, said: u64, length: usize) -> io::Result<()> {
    // The answer to the last question is still being heard; nobody speaks for a while.
    stage.card.sleep_until(Direction::Capture, said + length as u64 + 5 * 16_000);
    let before = stage.server.events().bytes_received();
    stage.card.sleep_until(Direction::Capture, said + length as u64 + 20 * 16_000);
    let after = stage.server.events().bytes_received();
    let per_second = (after - before) as f64 / 15.0;
    table.put("bytes per second of silence in open mode", per_second, "B/s", Bar::None);
    // 16 kHz of 16 bits in base64 with its envelope, in messages of 20 ms.
    table.put("  of those of speech", per_second / 46_000.0 * 100.0, "%", Bar::AtMost(5.0));
    Ok(())
}

/// Both cores saturated: nothing lost either way.
fn load(folder: &Path, table: &mut Table) -> io::Result<()> {
    let stage =
        Stage::set(folder, Setting { server: timed(noise_turns(6, 4000)), ..Setting::mode("hold", "") })?;
    stage.card.sleep_until(Direction::Capture, 8000);
    let busy = Load::start();
    for _ in 0..4 {
        let mark = stage.remote.mark();
        say(&stage, Duration::from_millis(2000))?;
        hear(&stage, mark)?;
    }
    drop(busy);
    put_uplink(table, &stage, &uplink(&stage)?, "loaded");
    let wrong: f64 = answers(&stage)?.iter().map(|a| a.wrong as f64).sum();
    table.put("answer samples wrong, loaded", wrong, "", Bar::Exactly(0.0));
    Ok(())
}

/// The program's size.
fn size(_: &Path, table: &mut Table) -> io::Result<()> {
    let bytes = std::fs::metadata(program("pressel")?)?.len();
    table.put("release binary", bytes as f64 / 1e6, "MB", Bar::AtMost(6.0));
    Ok(())
}
