use super::*;

fn opened(rate_hz: u32) -> (FarWriter, FarReader) {
    let (mut writer, reader) = mirror();
    writer.open(rate_hz);
    writer.stamp(at(0));
    (writer, reader)
}

fn at(played: u64) -> Playhead {
    Playhead { played, written: played, at: Instant::now(), timing: Timing::Driver }
}

fn heard(reader: &FarReader, position: u64, frames: usize) -> Vec<f32> {
    let mut out = vec![9.0; frames];
    let generation = reader.clock().unwrap().generation;
    assert!(reader.read(generation, position, &mut out));
    out
}

#[test]
fn what_was_written_is_read_at_its_place_and_all_else_is_silent() {
    let (mut writer, reader) = opened(16_000);
    writer.write(100, &[1.0, 2.0, 3.0]);
    assert_eq!(heard(&reader, 98, 7), [0.0, 0.0, 1.0, 2.0, 3.0, 0.0, 0.0]);
    assert_eq!(reader.end(), 103);
}

#[test]
fn what_is_written_again_replaces_what_was_there_and_no_more() {
    let (mut writer, reader) = opened(16_000);
    writer.write(0, &[1.0; 8]);
    writer.write(3, &[2.0; 2]);
    assert_eq!(heard(&reader, 0, 9), [1.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 0.0]);
}

#[test]
fn what_is_skipped_is_silent_however_long_it_is() {
    for gap in [1_u64, 20_000, 32_760, 32_768, 40_000, 1 << 40] {
        let (mut writer, reader) = opened(16_000);
        writer.write(0, &vec![1.0; 32_768]);
        writer.write(32_768 + gap, &[2.0; 8]);
        let before = gap.min(20_000) as usize;
        let out = heard(&reader, 32_768 + gap - before as u64, before + 8);
        assert_eq!((&out[..before], &out[before..]), (&vec![0.0; before][..], &[2.0; 8][..]), "{gap}");
    }
}

#[test]
fn more_than_a_second_is_remembered_at_every_rate_and_what_is_older_is_silent() {
    for rate_hz in [8_000, 16_000, 24_000, 44_100, 48_000, 96_000, 192_000] {
        let (mut writer, reader) = opened(rate_hz);
        let total = 3 * u64::from(rate_hz);
        for at in (0..total).step_by(1_000) {
            writer.write(at, &[0.5; 1_000]);
        }
        let end = reader.end();
        let second = heard(&reader, end - u64::from(rate_hz), rate_hz as usize);
        assert!(second.iter().all(|&sample| sample == 0.5), "{rate_hz}");
        assert_eq!(heard(&reader, 0, 100), [0.0; 100], "{rate_hz}");
    }
}

#[test]
fn what_the_card_has_lost_is_silent() {
    let (mut writer, reader) = opened(16_000);
    writer.write(0, &[1.0; 10]);
    writer.lose(4);
    assert_eq!(heard(&reader, 0, 6), [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
    writer.write(6, &[2.0; 2]);
    assert_eq!(heard(&reader, 3, 6), [1.0, 0.0, 0.0, 2.0, 2.0, 0.0]);
}

#[test]
fn another_opening_of_the_card_is_another_generation() {
    let (mut writer, reader) = opened(48_000);
    writer.write(0, &[1.0; 10]);
    let first = reader.clock().unwrap();
    writer.close();
    assert_eq!(reader.clock(), None, "no card");
    let mut out = [9.0; 4];
    assert!(!reader.read(first.generation, 0, &mut out));
    assert_eq!(out, [0.0; 4]);
    writer.open(44_100);
    assert_eq!(reader.clock(), None, "nobody has asked it where it stands");
    writer.stamp(at(7));
    let second = reader.clock().unwrap();
    assert!(second.generation != first.generation);
    assert_eq!((second.rate_hz, second.position), (44_100, 7));
    assert!(!reader.read(first.generation, 0, &mut out), "positions of another card");
    assert_eq!(heard(&reader, 0, 10), [0.0; 10], "and nothing is left of its sound");
}

#[test]
fn the_newest_pair_is_told() {
    let (mut writer, reader) = opened(48_000);
    for played in 1..20 {
        let playhead = at(played);
        writer.stamp(playhead);
        let clock = reader.clock().unwrap();
        assert_eq!(clock.position, played);
        // The epoch is subtracted and added again.
        assert_eq!((clock.at, clock.timing), (playhead.at, Timing::Driver));
    }
}

/// A writer that seeks back and forth as fast as it can, and a reader beside it: no sample is ever seen at
/// another position than its own, and no position with another one's time.
#[test]
fn reading_while_it_is_written_shows_each_sample_at_its_place() {
    // Exact in an f32: the position within a megaframe, and how often it was written.
    let sample = |at: u64, version: u64| ((at % (1 << 20)) * 8 + version % 7 + 1) as f32;
    let position_of = |sample: f32| (sample as u64) / 8;
    let (mut writer, reader) = mirror();
    writer.open(48_000);
    writer.stamp(Playhead { played: 0, written: 0, at: writer.mirror.epoch, timing: Timing::Clock });
    let done = std::sync::atomic::AtomicBool::new(false);
    let (mut seen, mut clocks) = (0_u64, 0_u64);
    std::thread::scope(|scope| {
        let done = &done;
        scope.spawn(move || {
            let mut random = fastrand::Rng::with_seed(1);
            let (mut written, mut dac) = (0_u64, 0_u64);
            for version in 0..40_000 {
                let n = random.u64(1..600);
                let piece: Vec<f32> = (written..written + n).map(|at| sample(at, version)).collect();
                writer.write(written, &piece);
                written += n;
                dac = written.saturating_sub(9_600).max(dac);
                let at = writer.mirror.epoch + Duration::from_nanos(dac * 1_000);
                writer.stamp(Playhead { played: dac, written, at, timing: Timing::Clock });
                if random.u8(..) < 20 {
                    written = written.min(dac + 96).max(dac); // taken back
                } else if random.u8(..) < 5 {
                    written += random.u64(..5_000); // a silence
                }
            }
            done.store(true, Release);
        });
        let mut random = fastrand::Rng::with_seed(2);
        let mut out = [0.0; 480];
        while !done.load(Acquire) {
            let Some(clock) = reader.clock() else { continue };
            clocks += 1;
            let ns = clock.at.duration_since(reader.0.epoch).as_nanos() as u64;
            assert_eq!(ns, clock.position * 1_000, "a position with another one's time");
            let from = clock.position.saturating_sub(random.u64(..70_000));
            assert!(reader.read(clock.generation, from, &mut out));
            for (at, &heard) in (from..).zip(&out).filter(|(_, heard)| **heard != 0.0) {
                assert_eq!(position_of(heard), at % (1 << 20));
                seen += 1;
            }
        }
    });
    assert!(seen > 10_000 && clocks > 100, "{seen} samples and {clocks} pairs seen");
}
