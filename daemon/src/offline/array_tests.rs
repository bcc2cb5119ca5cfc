//! What the configuration says of an array holds for its recordings, too; what an option says holds more.

use super::tests::{bare, room, wav};
use super::*;
use crate::config::ArrayGeometry;

fn of_array(geometry: ArrayGeometry, use_channels: &[u32], playback_loop: &str) -> Config {
    let mut config = bare();
    config.array.geometry = geometry;
    config.capture.use_channels = use_channels.to_vec();
    config.array.playback_loop = playback_loop.to_owned();
    config
}

#[test]
fn a_recording_of_the_array_becomes_a_beam_as_on_the_device() {
    let (far, mic) = room();
    let six = [mic.clone(), mic.clone(), mic.clone(), mic.clone(), mic.clone(), far];
    let recording = wav(16_000, &six);
    let usb = |channels: &[u32]| of_array(ArrayGeometry::ReSpeakerUsb4, channels, "auto");
    let used = |config: &Config, chosen: &[u32], geometry| {
        let (_, report) = run(&recording, None, chosen, geometry, config).unwrap();
        (report.channels, report.playback_loop, report.direction_deg.is_some())
    };
    assert_eq!(used(&usb(&[]), &[], None), (vec![1, 2, 3, 4], Some(5), true));
    assert_eq!(used(&usb(&[0, 1, 2, 3]), &[], None), (vec![0, 1, 2, 3], Some(5), true));
    // An option wins, and takes with it what does not fit.
    assert_eq!(used(&usb(&[]), &[0], None), (vec![0], Some(5), false));
    let (channels, _, beam) = used(&usb(&[]), &[], Some(Geometry::Unknown));
    assert!(!beam && channels.len() > 1, "{channels:?}");
    assert_eq!(used(&usb(&[0, 1, 2, 3]), &[], Some(Geometry::Linear2)).0, [0, 1]);
    // The loop is where the configuration says, or nowhere.
    let none = of_array(ArrayGeometry::None, &[0], "none");
    assert_eq!(used(&none, &[], None), (vec![0], None, false));
    let third = of_array(ArrayGeometry::None, &[0], "2");
    assert_eq!(used(&third, &[], None), (vec![0], Some(2), false));
}

#[test]
fn the_stages_of_a_bug_report_are_those_of_the_beam_and_one_file_each() {
    let (far, mic) = room();
    let late = |samples: usize| [vec![0.0; samples], mic[..mic.len() - samples].to_vec()].concat();
    // From the right: the third microphone first.
    let four = wav(16_000, &[late(3), late(1), mic.clone(), late(2)]);
    let far = wav(16_000, &[far]);
    let mut config = Config::default();
    let average = stages(&four, Some(&far), &config).unwrap();
    config.array.geometry = ArrayGeometry::ReSpeakerUsb4;
    let beam = stages(&four, Some(&far), &config).unwrap();
    let names: Vec<&str> = beam.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["far", "microphone", "cancelled", "quieted", "out"]);
    assert!(average[1].1 != beam[1].1, "the microphone is that of an average");
    let power = |stage: usize| beam[stage].1.iter().map(|s| f64::from(s * s)).sum::<f64>();
    assert!(power(2) < power(1), "the echo is taken out");
    assert!(power(3) < power(2), "the noise is taken out");
}
