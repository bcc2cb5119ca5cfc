use super::beam::{Beam, Look, azimuth_deg};
use super::direction::Direction;
use super::scene::{diffuse, plane_wave};
use super::*;
use crate::synth::{at_level, pink, rms, speech, to_db, white};
use crate::{BLOCK, Block, FrontEnd, FrontEndSettings, HighPass};

const SECOND: usize = 16_000;

/// Speech from a direction after two seconds of diffuse pink noise, each as the microphones hear it.
struct Scene {
    near: Vec<Vec<f32>>,
    noise: Vec<Vec<f32>>,
}

impl Scene {
    fn new(seed: u64, geometry: &Geometry, azimuth: f64, ratio_db: f64) -> Self {
        let positions = geometry.positions_m();
        let said = [vec![0.0; 2 * SECOND], at_level(speech(seed, 3 * SECOND), -26.0)].concat();
        let mut near = plane_wave(&said, &positions, azimuth, 0.0);
        let mut noise = diffuse(seed, said.len(), &positions, pink);
        near.iter_mut().chain(&mut noise).for_each(|c| HighPass::new(80.0, 16_000).process(c));
        let factor = rms(&near[0][2 * SECOND..]) / rms(&noise[0]) / 10f64.powf(ratio_db / 20.0);
        noise.iter_mut().flatten().for_each(|s| *s *= factor as f32);
        Self { near, noise }
    }

    fn mixed(&self) -> Vec<Vec<f32>> {
        let add = |(a, b): (&f32, &f32)| a + b;
        self.near.iter().zip(&self.noise).map(|(a, b)| a.iter().zip(b).map(add).collect()).collect()
    }
}

/// Blocks of each microphone, one after the other.
fn blocks(channels: &[Vec<f32>]) -> Vec<Vec<Block>> {
    let block = |n: usize, channel: &Vec<f32>| channel[n * BLOCK..][..BLOCK].try_into().unwrap();
    (0..channels[0].len() / BLOCK).map(|n| channels.iter().map(|c| block(n, c)).collect()).collect()
}

/// Interleaved frames of channels.
fn frames(channels: &[Vec<f32>]) -> Vec<f32> {
    (0..channels[0].len()).flat_map(|n| channels.iter().map(move |c| c[n])).collect()
}

/// Runs a front end and returns its sound and what its array said of each block.
fn run(settings: FrontEndSettings, frames: &[f32], far: &[f32]) -> (Vec<f32>, Vec<ArrayReading>, FrontEnd) {
    let width = settings.channels as usize;
    let mut front_end = FrontEnd::new(settings).unwrap();
    let (mut sound, mut readings) = (Vec::new(), Vec::new());
    let mut block = [0.0; BLOCK];
    for (n, frames) in frames.chunks_exact(front_end.frames_per_block() * width).enumerate() {
        let mut played = [0.0; BLOCK];
        if let Some(far) = far.get(n * BLOCK..(n + 1) * BLOCK) {
            played.copy_from_slice(far);
        }
        front_end.process(frames, &played, &mut block);
        sound.extend_from_slice(&block);
        readings.push(front_end.array());
    }
    (sound, readings, front_end)
}

fn watched(channels: u32, geometry: Geometry) -> FrontEndSettings {
    let array = ArraySettings { geometry, ..ArraySettings::default() };
    FrontEndSettings { array, ..FrontEndSettings::bare(16_000, channels) }
}

#[test]
fn a_beam_finds_the_speaker_in_diffuse_noise_and_gains_on_one_channel() {
    for (geometry, azimuth, ratio_db, least_db) in [
        (Geometry::ReSpeakerUsb4, 60.0, 5.0, 4.5),
        (Geometry::ReSpeakerUsb4, 233.0, 0.0, 4.5),
        (Geometry::ReSpeakerSquare4, 60.0, 5.0, 4.8),
        (Geometry::ReSpeakerCircular6, 318.0, 5.0, 6.0),
        (Geometry::Linear2, 60.0, 5.0, 1.8),
    ] {
        let scene = Scene::new(3, &geometry, azimuth, ratio_db);
        let positions = geometry.positions_m();
        let all = (1 << positions.len()) - 1;
        let mut direction = Direction::new(&positions);
        // The same beam over each part alone tells what it does to it.
        let mut beams = [Beam::new(&positions), Beam::new(&positions)];
        let (mut near, mut noise, mut found) = (Vec::new(), Vec::new(), None);
        let mut out = [0.0; BLOCK];
        let parts = blocks(&scene.near).into_iter().zip(blocks(&scene.noise));
        for (n, (mixed, (near_in, noise_in))) in blocks(&scene.mixed()).iter().zip(parts).enumerate() {
            let held = direction.process(mixed, all, false);
            assert!(n >= 200 || held.is_none(), "{geometry:?}: noise has no direction");
            found = found.or(held.map(|_| n));
            let look = held.map_or(Look::Around, Look::At);
            beams[0].process(&near_in, look, all, &mut out);
            near.extend_from_slice(&out);
            beams[1].process(&noise_in, look, all, &mut out);
            noise.extend_from_slice(&out);
        }
        // half a second after the first word
        assert!(found.is_some_and(|n| n < 250), "{geometry:?}: {found:?}");
        let held = f64::from(azimuth_deg(direction.process(&blocks(&scene.mixed())[0], all, false).unwrap()));
        let off = (held - azimuth).abs();
        assert!(off <= 10.0, "{geometry:?}, {azimuth}°: {held}°");
        let from = 5 * SECOND / 2;
        let ratio = |near: &[f32], noise: &[f32]| to_db(rms(&near[from..]) / rms(&noise[from..]));
        let gain_db = ratio(&near, &noise) - ratio(&scene.near[0], &scene.noise[0]);
        assert!(gain_db > least_db, "{geometry:?}, {azimuth}°: {gain_db:.2} dB");
    }
}

#[test]
fn unequal_microphones_leave_most_of_the_gain() {
    // ±1 dB, the tolerance of common MEMS microphones
    let geometry = Geometry::ReSpeakerUsb4;
    let mut scene = Scene::new(4, &geometry, 60.0, 5.0);
    for (m, gain) in [1.12f32, 0.89, 1.0, 1.06].into_iter().enumerate() {
        scene.near[m].iter_mut().chain(&mut scene.noise[m]).for_each(|s| *s *= gain);
    }
    let mut beams = [Beam::new(&geometry.positions_m()), Beam::new(&geometry.positions_m())];
    let mut out = [0.0; BLOCK];
    let (mut near, mut noise) = (Vec::new(), Vec::new());
    for (near_in, noise_in) in blocks(&scene.near).into_iter().zip(blocks(&scene.noise)) {
        beams[0].process(&near_in, Look::At(6), 15, &mut out);
        near.extend_from_slice(&out);
        beams[1].process(&noise_in, Look::At(6), 15, &mut out);
        noise.extend_from_slice(&out);
    }
    let ratio = |near: &[f32], noise: &[f32]| to_db(rms(&near[2 * SECOND..]) / rms(&noise[2 * SECOND..]));
    let gain_db = ratio(&near, &noise) - ratio(&scene.near[0], &scene.noise[0]);
    assert!(gain_db > 3.5, "{gain_db:.2} dB");
}

#[test]
fn the_direction_is_held_while_the_device_plays_and_between_words() {
    let geometry = Geometry::ReSpeakerUsb4;
    let positions = geometry.positions_m();
    let near = Scene::new(5, &geometry, 60.0, 15.0).mixed();
    // The loudspeaker stands elsewhere and is louder.
    let played = at_level(speech(9, 2 * SECOND), -20.0);
    let echo = plane_wave(&played, &positions, 200.0, 0.0);
    let channels: Vec<Vec<f32>> =
        near.iter().zip(&echo).map(|(a, b)| [&a[..], b, &vec![0.0; SECOND]].concat()).collect();
    let far = [vec![0.0; 5 * SECOND], played, vec![0.0; SECOND]].concat();
    let (_, readings, _) = run(watched(4, geometry), &frames(&channels), &far);
    let held: Vec<f32> = readings[300..].iter().filter_map(|r| r.direction_deg).collect();
    assert_eq!(held.len(), readings.len() - 300);
    assert!(held.iter().all(|deg| (deg - 60.0).abs() <= 10.0), "{held:?}");
    assert!(readings.iter().filter(|r| r.moved).count() <= 2);
}

#[test]
fn somebody_else_who_speaks_is_turned_to_within_half_a_second() {
    let geometry = Geometry::ReSpeakerUsb4;
    let first = Scene::new(6, &geometry, 60.0, 15.0).mixed();
    let said = at_level(speech(7, 2 * SECOND), -26.0);
    let second = plane_wave(&said, &geometry.positions_m(), 200.0, 0.0);
    let channels: Vec<Vec<f32>> = first
        .iter()
        .zip(&second)
        .map(|(a, b)| {
            let noise = a[..2 * SECOND].iter().zip(b).map(|(noise, said)| noise + said);
            [&a[..], &a[..SECOND], &noise.collect::<Vec<f32>>()].concat()
        })
        .collect();
    let (_, readings, _) = run(watched(4, geometry), &frames(&channels), &[]);
    assert!((readings[599].direction_deg.unwrap() - 60.0).abs() <= 10.0);
    let turned = readings[600..].iter().position(|r| (r.direction_deg.unwrap() - 200.0).abs() <= 10.0);
    assert!(turned.is_some_and(|n| n < 55), "{turned:?}");
    assert!((readings[799].direction_deg.unwrap() - 200.0).abs() <= 10.0);
}

#[test]
fn a_turning_beam_does_not_click() {
    let positions = Geometry::ReSpeakerUsb4.positions_m();
    let tone = crate::synth::tone(16_000, 300.0, 0.3, 2 * SECOND);
    let waves = plane_wave(&tone, &positions, 30.0, 0.0);
    let mut beam = Beam::new(&positions);
    let (mut out, mut before, mut steepest) = ([0.0; BLOCK], 0.0, 0.0f32);
    for (n, block) in blocks(&waves).iter().enumerate() {
        let look = if n < 50 { Look::Around } else { Look::At(n / 10 % 36) };
        let present = if n % 25 < 12 { 15 } else { 13 };
        beam.process(block, look, present, &mut out);
        for &sample in &out {
            if n > 2 {
                steepest = steepest.max((sample - before).abs());
            }
            before = sample;
        }
    }
    // The tone itself rises by 0.035 from sample to sample; another direction may make it 2 dB louder.
    assert!(steepest < 0.05, "{steepest}");
}

#[test]
fn a_broken_microphone_is_noticed_left_out_and_taken_back() {
    let geometry = Geometry::ReSpeakerUsb4;
    let whole = Scene::new(8, &geometry, 60.0, 20.0).mixed();
    let whole: Vec<Vec<f32>> = whole.iter().map(|c| c.repeat(2).iter().map(|s| 0.25 * s).collect()).collect();
    type Break = fn(usize, f32) -> f32;
    let breaks: [(Fault, Break); 6] = [
        (Fault::Dead, |_, _| 0.0),
        (Fault::Stuck, |_, _| 0.25),
        (Fault::Clipped, |n, _| if n % 40 < 20 { 1.0 } else { -1.0 }),
        (Fault::Quiet, |_, s| s * 0.05),
        (Fault::Loud, |n, s| s + 0.9 * ((n * 7_919 % 1_000) as f32 / 1_000.0 - 0.5)),
        (Fault::Nonsense, |n, s| if n % 999 == 0 { f32::NAN } else { s }),
    ];
    for (fault, break_it) in breaks {
        let mut channels = whole.clone();
        // broken from 2 s to 5 s
        for (n, sample) in channels[2].iter_mut().enumerate().take(5 * SECOND).skip(2 * SECOND) {
            *sample = break_it(n, *sample);
        }
        for geometry in [geometry.clone(), Geometry::Unknown] {
            let (sound, readings, _) = run(watched(4, geometry.clone()), &frames(&channels), &[]);
            let out: Vec<usize> = (0..readings.len()).filter(|&n| readings[n].present == 0b1011).collect();
            let (first, last) = (out[0], out[out.len() - 1]);
            assert!((200..390).contains(&first), "{fault:?}, {geometry:?}: left out at {first}");
            assert!((590..720).contains(&last), "{fault:?}, {geometry:?}: taken back at {last}");
            assert!(out.len() == last - first + 1, "{fault:?}, {geometry:?}: flickers");
            assert!(sound.iter().all(|s| s.is_finite() && s.abs() < 2.0));
            let (before, during) = (rms(&sound[SECOND..2 * SECOND]), rms(&sound[4 * SECOND..5 * SECOND]));
            let apart_db = to_db(during / rms(&whole[0][4 * SECOND..5 * SECOND]));
            assert!(apart_db.abs() < 4.0 && before > 0.0, "{fault:?}, {geometry:?}: {apart_db:.1} dB");
        }
        let (_, _, front_end) = run(watched(4, geometry.clone()), &frames(&channels)[..18 * SECOND], &[]);
        assert_eq!(front_end.fault(2), fault);
        assert_eq!(front_end.fault(1), Fault::None);
    }
}

#[test]
fn a_muted_card_and_a_shout_condemn_no_channel() {
    let muted = vec![0.0; 4 * 2 * SECOND];
    let (_, readings, _) = run(watched(4, Geometry::Unknown), &muted, &[]);
    assert!(readings.iter().all(|r| r.present == 0b1111));
    let shout: Vec<Vec<f32>> = (0..4).map(|c| at_level(white(c, 2 * SECOND), 3.0)).collect();
    let shout: Vec<f32> = frames(&shout).iter().map(|s| s.clamp(-1.0, 1.0)).collect();
    let (_, readings, _) = run(watched(4, Geometry::Unknown), &shout, &[]);
    assert!(readings.iter().all(|r| r.present == 0b1111));
}

#[test]
fn healthy_channels_are_averaged_bit_for_bit_as_without_a_watch() {
    let channels: Vec<Vec<f32>> = (0..4).map(|seed| white(seed, 2 * SECOND)).collect();
    let frames = frames(&channels);
    let (watched, _, _) = run(watched(4, Geometry::Unknown), &frames, &[]);
    let (plain, _, _) = run(FrontEndSettings::bare(16_000, 4), &frames, &[]);
    assert_eq!(watched, plain);
}

/// Six channels as the USB boards deliver them, and what was played.
fn six_channels(seed: u64) -> (Vec<Vec<f32>>, Vec<f32>) {
    let positions = Geometry::ReSpeakerUsb4.positions_m();
    let near = Scene::new(seed, &Geometry::ReSpeakerUsb4, 60.0, 15.0).mixed();
    let played = at_level(speech(seed + 50, 4 * SECOND), -20.0);
    let played = [vec![0.0; SECOND / 2], played, vec![0.0; SECOND / 2]].concat();
    // 1 ms of air and converters
    let late = [vec![0.0; 16], played.clone()].concat();
    let echo = plane_wave(&late[..played.len()], &positions, 120.0, 0.0);
    let raw = near.iter().zip(&echo).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a + 0.5 * b).collect());
    let mut channels: Vec<Vec<f32>> = raw.collect();
    let processed = [vec![0.0; 400], near[0][..5 * SECOND - 400].to_vec()].concat();
    channels.insert(0, processed);
    channels.push(played.clone());
    (channels, played)
}

#[test]
fn the_loop_of_a_six_channel_board_is_found_by_listening() {
    for seed in [1, 2, 3] {
        let (channels, _) = six_channels(seed);
        let mut scout = Scout::new(6, 16_000);
        frames(&channels).chunks_exact(6 * BLOCK).for_each(|frames| scout.process(frames));
        assert_eq!(scout.finding(), (Some(5), 0b01_1110), "seed {seed}");
        // Without it there is none, however many microphones.
        let mut scout = Scout::new(4, 16_000);
        frames(&channels[1..5]).chunks_exact(4 * BLOCK).for_each(|frames| scout.process(frames));
        assert_eq!(scout.finding(), (None, 0b1111), "seed {seed}");
    }
}

#[test]
fn a_loop_takes_the_place_of_the_far_end() {
    let (channels, played) = six_channels(4);
    for geometry in [Geometry::ReSpeakerUsb4, Geometry::Unknown] {
        let settings = watched(6, geometry.clone());
        let channels: Vec<Vec<f32>> = channels.iter().map(|c| c.repeat(2)).collect();
        let (_, readings, _) = run(settings, &frames(&channels), &[]);
        let last = readings[readings.len() - 1];
        assert_eq!((last.playback_loop, last.present), (Some(5), 0b01_1110), "{geometry:?}");
    }
    // A loop that is not wired stays silent while the device plays.
    let mut silent = channels;
    silent[5].fill(0.0);
    let (_, readings, _) = run(watched(6, Geometry::ReSpeakerUsb4), &frames(&silent), &played);
    assert!(readings.iter().all(|r| r.playback_loop.is_none()));
}

#[test]
fn a_single_channel_in_the_beams_place_is_as_late_as_the_beam() {
    let geometry = Geometry::ReSpeakerUsb4;
    let settings = watched(4, geometry);
    let front_end = FrontEnd::new(settings.clone()).unwrap();
    assert!((front_end.delay_ms() - 2.0).abs() < 1e-3, "{}", front_end.delay_ms());
    let channels: Vec<Vec<f32>> = (0..4).map(|seed| white(seed, SECOND / 2)).collect();
    let (sound, _, _) = run(settings, &frames(&channels), &[]);
    assert_eq!(sound[32..SECOND / 2], channels[0][..SECOND / 2 - 32]);
}

#[test]
fn geometries_that_do_not_fit_the_card_are_refused() {
    let refused = |settings| FrontEnd::new(settings).unwrap_err().to_string();
    assert_eq!(refused(watched(2, Geometry::ReSpeakerUsb4)), "array: 4 microphones, but 2 channels");
    let custom = Geometry::Custom(vec![[0.0; 3]; 9]);
    assert_eq!(refused(watched(9, custom)), "array: 9 microphones, at most 8 are possible");
}
