//! Programs that know nothing of the card find it by ALSA_CONFIG_PATH.

use std::process::{Command, Output};
use std::time::Duration;

use pressel_world::card::{CardOptions, Direction};
use pressel_world::wav::Wav;

use crate::bench;
use crate::pcm::Pcm;
use crate::playback::{noise, silent};

/// `None` where alsa-utils are not installed.
fn run(bench: &crate::Bench, program: &str, arguments: &[&str]) -> Option<Output> {
    let (name, value) = bench.env();
    match Command::new(program).args(arguments).env(name, value).env("LC_ALL", "C").output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("skipped: {program}: {error} (apt install alsa-utils)");
            None
        }
    }
}

#[test]
fn arecord_hears_the_microphone_and_aplay_reaches_the_speaker() {
    let bench = bench(CardOptions::default());
    bench.fill_noise(1, 3000).unwrap();
    let path = bench.directory().join("heard.wav");
    let heard = path.to_str().unwrap();
    let record = ["-q", "-D", "pressel_mic", "-f", "S16_LE", "-r", "48000", "-c", "1", "-s", "9600", heard];
    let Some(output) = run(&bench, "arecord", &record) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let start = bench.report(Direction::Capture).start;
    let heard = Wav::read(&path).unwrap();
    assert_eq!(heard.samples, bench.mic_slice(start..start + 9600).unwrap());

    let sound = noise(2, 9600);
    Wav { rate_hz: 48_000, channels: 2, samples: sound.clone() }.write(&path).unwrap();
    let output = run(&bench, "aplay", &["-q", "-D", "pressel", path.to_str().unwrap()]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let start = bench.report(Direction::Playback).start;
    assert_eq!(bench.speaker_slice(start..start + 9600).unwrap(), sound);
    let copy = bench.directory().join("played.wav");
    bench.write_wav(&copy, Direction::Playback, start..start + 9600).unwrap();
    assert_eq!(Wav::read(&copy).unwrap().samples, sound);
}

#[test]
fn the_plug_plugin_converts_what_the_card_does_not_have() {
    let bench = bench(CardOptions::default());
    let path = bench.directory().join("mono.wav");
    let mono: Vec<i16> = noise(3, 4800).into_iter().step_by(2).collect();
    Wav { rate_hz: 48_000, channels: 1, samples: mono.clone() }.write(&path).unwrap();
    let Some(output) = run(&bench, "aplay", &["-q", "-D", "plug:pressel_speaker", path.to_str().unwrap()])
    else {
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let start = bench.report(Direction::Playback).start;
    for channel in [0, 1] {
        assert_eq!(bench.channel(Direction::Playback, channel, start..start + 4800).unwrap(), mono);
    }
}

#[test]
fn the_plug_plugin_reads_the_cards_memory() {
    let bench = bench(CardOptions::default());
    bench.fill_noise(4, 3000).unwrap();
    let path = bench.directory().join("heard.wav");
    let heard = path.to_str().unwrap();
    let record =
        ["-q", "-D", "plug:pressel_mic", "-f", "S16_LE", "-r", "48000", "-c", "2", "-s", "9600", heard];
    let Some(output) = run(&bench, "arecord", &record) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let start = bench.report(Direction::Capture).start;
    let there = bench.mic_slice(start..start + 9600).unwrap();
    let heard = Wav::read(&path).unwrap();
    assert_eq!((heard.channel(0), heard.channel(1)), (there.clone(), there));
}

#[test]
fn a_player_that_is_killed_is_silent() {
    let bench = bench(CardOptions::default());
    let path = bench.directory().join("long.wav");
    Wav { rate_hz: 48_000, channels: 2, samples: noise(5, 96_000) }.write(&path).unwrap();
    let (name, value) = bench.env();
    let spawned = Command::new("aplay")
        .args(["-q", "-D", "pressel_speaker", "--buffer-size=48000", path.to_str().unwrap()])
        .env(name, value)
        .spawn();
    let Ok(mut player) = spawned else { return };
    let running = bench.wait_for(Direction::Playback, Duration::from_secs(10), |report| report.starts == 1);
    player.kill().unwrap();
    player.wait().unwrap();
    assert!(running.is_some());
    let now = bench.now_sample(Direction::Playback);
    assert!(!silent(&bench.speaker_slice(now + 480..now + 48_000).unwrap()), "the ring was not full");
    drop(Pcm::open(&bench, "pressel_speaker", Direction::Playback).unwrap());
    let now = bench.now_sample(Direction::Playback);
    assert!(silent(&bench.speaker_slice(now..now + 96_000).unwrap()));
}

#[test]
fn the_card_is_on_the_list() {
    let bench = bench(CardOptions::default());
    let Some(output) = run(&bench, "arecord", &["-L"]) else { return };
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(list.lines().any(|line| line == "pressel_mic"), "{list}");
}
