use super::*;
use crate::synth::Random;

/// A card that runs `ppm` fast, seen every 10 ms with what `jitter` adds to the time, in µs.
struct Card {
    ppm: f64,
    now_s: f64,
    start: f64,
}

const BASE_NS: u64 = 7_777_000_000_000;

impl Card {
    fn new(ppm: f64) -> Self {
        Self { ppm, now_s: 0.0, start: 123_456.0 }
    }

    fn position(&self, time_s: f64) -> f64 {
        self.start + time_s * 48_000.0 * (1.0 + self.ppm * 1e-6)
    }

    fn run(&mut self, clock: &mut ClockModel, seconds: f64, mut jitter_us: impl FnMut() -> f64) {
        for _ in 0..(seconds * 100.0) as usize {
            self.now_s += 0.01;
            let position = self.position(self.now_s) as u64;
            let exact_s = (position as f64 - self.start) / 48_000.0 / (1.0 + self.ppm * 1e-6);
            clock.observe(position, BASE_NS + ((exact_s + jitter_us() * 1e-6).max(0.0) * 1e9) as u64);
        }
    }

    /// How far the model is from the truth, in µs.
    fn off_us(&self, clock: &ClockModel, time_s: f64) -> f64 {
        let position = clock.position_at(BASE_NS + (time_s * 1e9) as u64).unwrap();
        (position - self.position(time_s)) / 48_000.0 * 1e6
    }
}

/// What a converter steered by the model would still drift by over the next second, in ppm.
fn left_ppm(clock: &ClockModel, card: &Card) -> f64 {
    card.off_us(clock, card.now_s + 1.0) - card.off_us(clock, card.now_s)
}

#[test]
fn exact_stamps_give_the_rate_within_two_seconds() {
    for (seed, ppm) in [-300.0, -41.0, 0.0, 3.0, 300.0].into_iter().enumerate() {
        let (mut clock, mut card) = (ClockModel::new(48_000), Card::new(ppm));
        let mut random = Random::new(seed as u64);
        card.run(&mut clock, 2.0, || random.between(-2.0, 2.0));
        assert!((clock.rate_ppm() - ppm).abs() < 2.0, "{ppm}: {}", clock.rate_ppm());
        card.run(&mut clock, 8.0, || random.between(-2.0, 2.0));
        assert!((clock.rate_ppm() - ppm).abs() < 0.2, "{ppm}: {}", clock.rate_ppm());
        assert!(left_ppm(&clock, &card).abs() < 3.0, "{ppm}: {}", left_ppm(&clock, &card));
        assert!(card.off_us(&clock, card.now_s).abs() < 50.0);
    }
}

#[test]
fn fill_levels_that_are_milliseconds_wrong_leave_3_ppm_after_20_seconds() {
    type Jitter = fn(&mut Random) -> f64;
    let kinds: [(&str, Jitter); 4] = [
        ("even within 3 ms", |random| random.between(-3_000.0, 3_000.0)),
        ("late by 1 ms on average", |random| -1_000.0 * random.even().max(1e-9).ln()),
        ("late, now and then by 15 ms", |random| {
            let late = if random.even() < 0.02 { 15_000.0 } else { 300.0 };
            -300.0 * random.even().max(1e-9).ln() + late * random.even()
        }),
        ("bell-shaped, 0.3 ms", |random| 300.0 * random.bell()),
    ];
    for (kind, jitter) in kinds {
        let mut worst = 0.0f64;
        for seed in 0..20 {
            let ppm = [-300.0, -30.0, 0.0, 100.0, 300.0][seed as usize % 5];
            let (mut clock, mut card) = (ClockModel::new(48_000), Card::new(ppm));
            let mut random = Random::new(900 + seed);
            card.run(&mut clock, 20.0, || jitter(&mut random));
            worst = worst.max((clock.rate_ppm() - ppm).abs());
            // and what is played by it stays so
            for _ in 0..10 {
                card.run(&mut clock, 4.0, || jitter(&mut random));
                assert!((clock.rate_ppm() - ppm).abs() < 3.0, "{kind}, {ppm} ppm: {}", clock.rate_ppm());
            }
        }
        assert!(worst < 3.0, "{kind}: {worst:.2} ppm");
    }
}

#[test]
fn what_comes_out_never_jumps_by_itself() {
    for seed in 0..10 {
        let (mut clock, mut card) = (ClockModel::new(48_000), Card::new(-250.0));
        let mut random = Random::new(seed);
        card.run(&mut clock, 0.5, || random.between(-3_000.0, 3_000.0));
        let mut before: Option<f64> = None;
        for _ in 0..6_000 {
            card.run(&mut clock, 0.01, || random.between(-3_000.0, 3_000.0));
            let now = clock.position_at(BASE_NS + (card.now_s * 1e9) as u64).unwrap();
            if let Some(before) = before {
                let ppm = ((now - before) / 480.0 - 1.0) * 1e6;
                assert!(ppm.abs() < 1_000.0, "{ppm} ppm at {} s", card.now_s);
            }
            before = Some(now);
        }
        assert!(card.off_us(&clock, card.now_s).abs() < 1_500.0, "{}", card.off_us(&clock, card.now_s));
        assert_eq!(clock.jumps(), 0);
    }
}

#[test]
fn a_jump_that_is_told_is_followed_at_once_and_keeps_the_rate() {
    let (mut clock, mut card) = (ClockModel::new(48_000), Card::new(120.0));
    let mut random = Random::new(3);
    card.run(&mut clock, 30.0, || random.between(-2.0, 2.0));
    card.start += 7_000.0;
    clock.jump();
    card.run(&mut clock, 0.02, || random.between(-2.0, 2.0));
    assert!(card.off_us(&clock, card.now_s).abs() < 30.0, "{}", card.off_us(&clock, card.now_s));
    assert!((clock.rate_ppm() - 120.0).abs() < 0.3, "{}", clock.rate_ppm());
    assert_eq!(clock.jumps(), 1);
    card.run(&mut clock, 3.0, || random.between(-2.0, 2.0));
    assert!((clock.rate_ppm() - 120.0).abs() < 0.5, "{}", clock.rate_ppm());
    assert!(left_ppm(&clock, &card).abs() < 3.0);
}

#[test]
fn a_jump_that_nobody_tells_is_found_within_100_ms() {
    for jump in [-40_000.0, -2_000.0, 2_000.0, 480_000.0] {
        let (mut clock, mut card) = (ClockModel::new(48_000), Card::new(-80.0));
        let mut random = Random::new(4);
        card.run(&mut clock, 20.0, || random.between(-1_000.0, 1_000.0));
        card.start += jump;
        card.run(&mut clock, 0.1, || random.between(-1_000.0, 1_000.0));
        assert_eq!(clock.jumps(), 1, "{jump}");
        assert!(card.off_us(&clock, card.now_s).abs() < 3_000.0, "{jump}");
        assert!((clock.rate_ppm() + 80.0).abs() < 4.0, "{jump}: {}", clock.rate_ppm());
    }
}

#[test]
fn single_absurd_stamps_change_nothing() {
    let (mut clock, mut card) = (ClockModel::new(48_000), Card::new(50.0));
    let (mut plain, mut same) = (ClockModel::new(48_000), Card::new(50.0));
    let mut random = Random::new(5);
    for n in 0..300u64 {
        card.run(&mut clock, 0.1, || 0.0);
        same.run(&mut plain, 0.1, || 0.0);
        let (position, now) = (card.position(card.now_s) as u64, BASE_NS + (card.now_s * 1e9) as u64);
        match n % 6 {
            0 => clock.observe(0, now + 1),
            1 => clock.observe(u64::MAX, now + 1),
            2 => clock.observe(position + 100_000, now + 1_000),
            3 => clock.observe(position, now - 500_000_000),
            4 => clock.observe(position + 1, now - 2_000_000),
            _ => clock.observe((random.even() * 1e12) as u64, now + 1),
        };
    }
    assert_eq!(clock.jumps(), 0);
    assert!((clock.rate_ppm() - plain.rate_ppm()).abs() < 0.05, "{} {}", clock.rate_ppm(), plain.rate_ppm());
    let apart = card.off_us(&clock, card.now_s) - same.off_us(&plain, same.now_s);
    assert!(apart.abs() < 5.0, "{apart} µs");
}

#[test]
fn a_card_that_stands_still_and_goes_on_is_a_jump_and_not_a_rate() {
    for stand_s in [0.3, 5.0, 3_600.0] {
        let (mut clock, mut card) = (ClockModel::new(48_000), Card::new(200.0));
        card.run(&mut clock, 20.0, || 0.0);
        let still = card.position(card.now_s) as u64;
        for n in 1..20 {
            clock.observe(still, BASE_NS + ((card.now_s + stand_s * f64::from(n) / 20.0) * 1e9) as u64);
        }
        card.start -= stand_s * 48_000.0 * (1.0 + 200e-6);
        card.now_s += stand_s;
        card.run(&mut clock, 0.2, || 0.0);
        assert_eq!(clock.jumps(), 1, "{stand_s} s");
        assert!((clock.rate_ppm() - 200.0).abs() < 0.5, "{stand_s} s: {}", clock.rate_ppm());
        assert!(card.off_us(&clock, card.now_s).abs() < 100.0, "{stand_s} s");
    }
}

#[test]
fn hours_without_stamps_end_where_the_rate_says() {
    let (mut clock, mut card) = (ClockModel::new(48_000), Card::new(77.0));
    let mut random = Random::new(6);
    card.run(&mut clock, 60.0, || random.between(-2.0, 2.0));
    card.now_s += 3.0 * 3_600.0;
    // 0.1 ppm for three hours are a millisecond
    assert!(card.off_us(&clock, card.now_s).abs() < 1_500.0, "{}", card.off_us(&clock, card.now_s));
    card.run(&mut clock, 10.0, || random.between(-2.0, 2.0));
    assert_eq!(clock.jumps(), 0);
    assert!((clock.rate_ppm() - 77.0).abs() < 1.0, "{}", clock.rate_ppm());
}

#[test]
fn time_and_position_undo_each_other() {
    let (mut clock, mut card) = (ClockModel::new(48_000), Card::new(-123.0));
    assert_eq!((clock.position_at(5), clock.time_at(5.0)), (None, None));
    card.run(&mut clock, 12.3, || 0.0);
    for after_ns in [0, 1_000_000, 15_000_000_000u64] {
        let position = clock.position_at(BASE_NS + after_ns).unwrap();
        let back = clock.time_at(position).unwrap();
        assert!(back.abs_diff(BASE_NS + after_ns) < 100, "{after_ns}: {back}");
    }
}

#[test]
fn whatever_is_observed_the_position_stays_finite_and_the_rate_possible() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut clock = ClockModel::new([16_000, 48_000, 0][seed as usize % 3]);
        let (mut position, mut time) = (1u64 << 40, 1u64 << 50);
        for _ in 0..400 {
            let wild = |value: u64, random: &mut Random| match (random.even() * 12.0) as u32 {
                0 => value.wrapping_add((random.even() * 1e15) as u64),
                1 => value.wrapping_sub((random.even() * 1e15) as u64),
                2 => [0, u64::MAX, 1][(random.even() * 3.0) as usize],
                3 => value,
                _ => value.wrapping_add((random.even() * 1e7) as u64),
            };
            (position, time) = (wild(position, &mut random), wild(time, &mut random));
            clock.observe(position, time);
            if random.even() < 0.02 {
                clock.jump();
            }
            assert!(clock.rate_ppm().abs() <= 1_000.0, "seed {seed}: {}", clock.rate_ppm());
            assert!(clock.uncertainty_ppm().is_finite(), "seed {seed}");
            assert!(clock.position_at(time).unwrap().is_finite(), "seed {seed}");
            assert!(clock.time_at(position as f64).is_some(), "seed {seed}");
        }
        // And it recovers: a sane card is followed within a second.
        let mut card = Card::new(20.0);
        if seed % 3 == 1 {
            clock.jump();
            card.run(&mut clock, 1.0, || 0.0);
            let off_us = card.off_us(&clock, card.now_s);
            assert!(off_us.abs() < 21_000.0, "seed {seed}: {off_us} µs");
        }
    }
}
