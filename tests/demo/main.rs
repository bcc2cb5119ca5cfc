//! Press, speak, be answered: the real daemon on a virtual sound card (or, with `--aloop`, the kernel's loopback card)
//! against a server on loopback.
//!
//! Shows the light and the captions as they happen, then a table; leaves a WAV and a picture.

mod figures;
mod picture;
mod show;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use fake_gemini::audio::recording;
use fake_gemini::{Options, Script, Service, Turn};
use pressel_world::card::{Direction, monotonic_ns};
use tests::stage::{Loopback, Setting, Stage};

use show::Show;

const WAIT: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    match play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pressel-demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> io::Result<()> {
    let Arguments { out, loopback } = arguments()?;
    let script = Script {
        service: Service::default(),
        turns: vec![
            Turn::recording("answer-time").hear("What time is it?"),
            Turn {
                length_ms: Some(12_000),
                ..Turn::recording("answer-story").hear("Tell me a story about a lighthouse.")
            },
            Turn::recording("answer-rain").hear("Will it rain in Lisbon tomorrow?"),
        ],
        ..Script::default()
    };
    let card =
        if loopback.is_some() { "The kernel's loopback card (snd-aloop)" } else { "A virtual sound card" };
    println!("{card}, a Live server on loopback over TLS, and pressel between them.");
    let setting = Setting { server: Options::script(script), loopback, ..Setting::mode("hold", "") };
    println!("Push-to-talk: three questions; the third is asked over the answer to the second.\n");
    let mut stage = Stage::set(&out.join("run"), setting)?;
    let show = Show::start(&stage);

    // Somebody walks up: half a second of the room is heard before the first press.
    stage.card.sleep_until(Direction::Capture, stage.card.now_sample(Direction::Capture) + 8000);
    let mut button = vec![ask(&stage, "question-time")?];
    answered(&stage)?;
    button.push(ask(&stage, "question-story")?);
    let mark = stage.remote.mark();
    stage.remote.wait_phase(mark.saturating_sub(2), "speaking", WAIT)?;
    // Two and a half seconds of the answer are heard; then somebody talks over it.
    let heard = stage.card.now_sample(Direction::Playback) + 2 * 24_000 + 12_000;
    stage.card.sleep_until(Direction::Playback, heard);
    button.push(ask(&stage, "question-rain")?);
    answered(&stage)?;

    let status = stage.remote.status()?;
    let usage = stage.daemon.usage()?;
    let (code, stopping) = stage.daemon.stop()?;
    stage.catch_up()?;
    show.finish();
    let figures = figures::of(&stage, &status, usage, code, stopping)?;
    println!();
    for (name, value) in &figures {
        println!("  {name:<42} {value:>24}");
    }
    picture::leave(&stage, &out, show.began_ns, &button, figures)?;
    println!("\nWhat the loudspeaker played   {}", out.join("speaker.wav").display());
    println!("The whole talk as a picture   {}", out.join("timeline.html").display());
    println!("The daemon's log              {}", out.join("run/log").display());
    Ok(())
}

/// A worker presses, speaks, lets go: a hand is quicker than a mouth. Returns when the button went down and up.
fn ask(stage: &Stage, question: &str) -> io::Result<(u64, u64)> {
    let mark = stage.remote.mark();
    let words = recording(question).ok_or_else(|| io::Error::other(format!("no recording {question}")))?;
    let down = monotonic_ns();
    stage.remote.press()?;
    let at = stage.say(Duration::from_millis(120), &words.samples)?;
    stage.card.sleep_until(Direction::Capture, at + words.samples.len() as u64 + 1600);
    let up = monotonic_ns();
    stage.remote.release()?;
    stage.remote.wait_phase(mark, "thinking", WAIT).map(|_| (down, up))
}

fn answered(stage: &Stage) -> io::Result<()> {
    let mark = stage.remote.mark();
    stage.remote.wait_phase(mark.saturating_sub(1), "speaking", WAIT)?;
    stage.remote.wait_phase(mark, "idle", WAIT).map(|_| ())
}

struct Arguments {
    out: PathBuf,
    loopback: Option<Loopback>,
}

fn arguments() -> io::Result<Arguments> {
    let mut given = std::env::args().skip(1);
    let (mut out, mut loopback) = (PathBuf::from("out/demo"), None);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--out" => {
                out = given
                    .next()
                    .map(PathBuf::from)
                    .ok_or_else(|| io::Error::other("--out needs a folder"))?;
            }
            "--aloop" => loopback = Some(Loopback::find()?),
            other => {
                return Err(io::Error::other(format!(
                    "unknown argument {other}; there are --out DIR and --aloop"
                )));
            }
        }
    }
    std::fs::create_dir_all(&out)?;
    Ok(Arguments { out: out.canonicalize()?, loopback })
}
