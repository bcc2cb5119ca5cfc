//! `pressel calibrate` over a card whose microphone hears its speaker, and `pressel process` over a file.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use pressel_world::card::{Card, CardOptions, Echo, StreamOptions};
use pressel_world::wav::Wav;
use serde_json::Value;
use tempfile::TempDir;
use tests::stage::program;

/// Runs pressel with a configuration file of this text.
fn pressel(folder: &Path, config: &str, card: Option<&Card>, arguments: &[&str]) -> Output {
    let path = folder.join("config.toml");
    std::fs::write(&path, config).unwrap();
    let mut command = Command::new(program("pressel").unwrap());
    command.current_dir(folder).arg("--config").arg(path).args(arguments);
    if let Some(card) = card {
        let (name, conf) = card.env();
        command.env(name, conf);
    }
    command.output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_sweep_finds_delay_gain_and_channels() {
    let folder = TempDir::new().unwrap();
    let options =
        CardOptions { microphone: StreamOptions::new(48_000, 2), speaker: StreamOptions::new(48_000, 1) };
    let card = Card::create(&folder.path().join("card"), options).unwrap();
    card.set_echo(Some(Echo { delay: Duration::from_millis(35), gain: 0.25 }));
    let config = "[capture]\ndevice = \"pressel_mic\"\nrate_hz = 48000\nchannels = 2\n\
                  [playback]\ndevice = \"pressel_speaker\"\n";
    let found = json(&pressel(folder.path(), config, Some(&card), &["calibrate", "--json"]));
    assert!(found["delay_ms"].is_f64(), "{found:#}");
    let delay_ms = found["delay_ms"].as_f64().unwrap();
    assert!((delay_ms - 35.0).abs() < 1.5, "{found:#}");
    let gain_db = found["echo_gain_db"].as_f64().unwrap();
    assert!((gain_db + 12.04).abs() < 0.5, "{found:#}");
    assert_eq!(found["channels"].as_array().unwrap().len(), 2, "{found:#}");
    let fragment = std::fs::read_to_string(folder.path().join("calibration.toml")).unwrap();
    assert!(fragment.contains("[echo]\ntail_ms = 100\n"), "{fragment}");
    let recorded =
        pressel(folder.path(), config, Some(&card), &["record", "--stages", "all", "--seconds", "1"]);
    assert!(recorded.status.success(), "{}", String::from_utf8_lossy(&recorded.stderr));
    let wav = |name: &str| Wav::read(&folder.path().join("all").join(name)).unwrap();
    assert_eq!((wav("card.wav").channels, wav("card.wav").samples.len()), (2, 96_000));
    for stage in ["far.wav", "microphone.wav", "cancelled.wav", "quieted.wav", "out.wav"] {
        assert!((16_000..=17_600).contains(&wav(stage).samples.len()), "{stage}");
    }
    // The fragment is itself a configuration.
    assert!(pressel(folder.path(), &fragment, None, &["config", "check"]).status.success(), "{fragment}");
}

#[test]
fn a_recording_goes_through_the_capture_path_without_daemon_and_card() {
    let folder = TempDir::new().unwrap();
    let samples: Vec<i16> = (0..2 * 44_100).map(|n| (n * 7_919 % 2_000) as i16 - 1_000).collect();
    let wav = Wav { rate_hz: 44_100, channels: 1, samples };
    wav.write(&folder.path().join("in.wav")).unwrap();
    let run = |arguments: &[&str]| pressel(folder.path(), "", None, arguments);
    let report = json(&run(&["process", "--mic", "in.wav", "--out", "out.wav", "--json"]));
    for key in ["erle_db", "delay_ms", "drift_ppm", "gate", "duck"] {
        assert!(report.get(key).is_some(), "{report:#}");
    }
    let out = Wav::read(&folder.path().join("out.wav")).unwrap();
    assert_eq!((out.rate_hz, out.channels, out.samples.len()), (44_100, 1, wav.samples.len()));
    std::fs::write(folder.path().join("song.mp3"), b"ID3 and more").unwrap();
    let refused = run(&["process", "--mic", "song.mp3", "--out", "out.wav"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    let allowed = "song.mp3\": not a WAV file; allowed are WAV files of 8, 16, 24 or 32-bit integers or 32 or 64-bit float";
    assert!(said.contains(allowed), "{said}");
    let refused = run(&["process", "--mic", "in.wav", "--out", "in.wav"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("would be overwritten"));
}
