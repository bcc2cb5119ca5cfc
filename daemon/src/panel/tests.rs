use std::sync::{Arc, Mutex};

use pressel_hal::ErrorKind;

use super::*;

/// Remembers what it showed, as the brightest component of its first pixel.
struct Probe {
    seen: Arc<Mutex<Vec<f32>>>,
    dims: bool,
    gone: Arc<Mutex<bool>>,
}

impl Indicator for Probe {
    fn set(&mut self, brightness: f32) -> Result<(), Error> {
        if *self.gone.lock().unwrap() {
            return Err(Error::new(ErrorKind::Lost, "unplugged"));
        }
        self.seen.lock().unwrap().push(brightness);
        Ok(())
    }
    fn dims(&self) -> bool {
        self.dims
    }
    fn describe(&self) -> String {
        "probe".into()
    }
}

struct Bench {
    panel: Panel,
    seen: Arc<Mutex<Vec<f32>>>,
    gone: Arc<Mutex<bool>>,
    start: Instant,
}

fn bench(dims: bool, settings: config::Light) -> Bench {
    let (seen, gone) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(false)));
    let (theirs, absent) = (seen.clone(), gone.clone());
    let open: OpenLight = Box::new(move || match *absent.lock().unwrap() {
        true => Err(Error::new(ErrorKind::NotFound, "not there")),
        false => Ok(Box::new(Probe { seen: theirs.clone(), dims, gone: absent.clone() })),
    });
    Bench { panel: Panel::new(Some(open), &settings), seen, gone, start: Instant::now() }
}

impl Bench {
    fn ms(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    /// Serves what is due for so long; how often that was.
    fn run(&mut self, ms: u64) -> usize {
        let (until, mut wakes) = (self.ms(ms), 0);
        while let Some(due) = self.panel.next_change().filter(|due| *due <= until) {
            self.panel.tick(due);
            wakes += 1;
            assert!(self.panel.next_change().is_none_or(|next| next > due), "it goes round and round");
        }
        wakes
    }

    fn seen(&self) -> Vec<f32> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

#[test]
fn a_steady_phase_asks_for_no_wake_ups_and_a_blinking_one_keeps_its_rhythm() {
    let mut bench = bench(false, config::Light::default());
    bench.panel.show(Phase::Listening, bench.start);
    assert_eq!(bench.panel.next_change(), None);
    bench.panel.show(Phase::Thinking, bench.start);
    assert_eq!(bench.run(999), 3);
    assert_eq!(bench.panel.next_change(), Some(bench.ms(1000)));
    assert_eq!(bench.seen(), [0.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
}

#[test]
fn after_a_long_absence_it_does_not_replay_missed_blinks() {
    let mut bench = bench(false, config::Light::default());
    bench.panel.show(Phase::Fault, bench.start);
    bench.seen();
    let later = bench.start + Duration::from_secs(3600);
    bench.panel.tick(later);
    assert!(bench.seen().len() <= 1);
    assert!(bench.panel.next_change().unwrap() > later);
}

#[test]
fn a_light_that_can_be_dimmed_breathes_with_25_frames_a_second_and_no_more() {
    let patterns = "thinking breathe 2000".to_owned();
    let mut bench = bench(true, config::Light { patterns, ..config::Light::default() });
    bench.panel.show(Phase::Thinking, bench.start);
    bench.seen();
    let wakes = bench.run(2000);
    assert!((45..=51).contains(&wakes), "{wakes} wake-ups in 2 s");
    let seen = bench.seen();
    let brightest = seen.iter().copied().fold(0.0, f32::max);
    assert!(brightest > 0.98 && seen.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 0.12), "{seen:?}");
}

#[test]
fn brightness_follows_the_configuration_and_the_hour() {
    let settings = config::Light {
        brightness_percent: 50,
        night: "22-7".into(),
        night_percent: 10,
        ..config::Light::default()
    };
    let mut bench = bench(true, settings);
    bench.panel.see_hour(12, bench.start);
    bench.panel.show(Phase::Listening, bench.start);
    for hour in [12, 21, 22, 23, 6, 7] {
        bench.panel.see_hour(hour, bench.start);
    }
    let seen: Vec<f32> = bench.seen().into_iter().filter(|level| *level > 0.0).collect();
    let expected = [0.25, 0.01, 0.25];
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.001), "{seen:?}");
    let look = bench.panel.next_change().unwrap();
    assert!(look <= Instant::now() + LOOK, "the hour is looked at again");
    // At 0 it is dark at night, also where it can only be on or off.
    let dark = config::Light { night: "22-7".into(), night_percent: 0, ..config::Light::default() };
    let mut plain = super::tests::bench(false, dark);
    plain.panel.see_hour(12, plain.start);
    plain.panel.show(Phase::Listening, plain.start);
    plain.panel.see_hour(23, plain.start);
    assert_eq!(plain.seen(), [0.0, 1.0, 0.0]);
}

#[test]
fn flashes_are_shown_once_and_a_phase_ends_them() {
    let mut bench = bench(false, config::Light::default());
    bench.panel.show(Phase::Listening, bench.start);
    bench.seen();
    bench.panel.flash(3, bench.start);
    bench.run(10_000);
    assert_eq!(bench.seen(), [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0], "three flashes, then the phase");
    assert_eq!(bench.panel.next_change(), None);
    bench.panel.flash(3, bench.ms(10_000));
    bench.panel.show(Phase::Listening, bench.ms(10_500));
    assert_eq!((bench.panel.next_change(), bench.seen().last().copied()), (None, Some(1.0)));
}

#[test]
fn a_light_that_goes_away_is_looked_for_and_shows_the_phase_of_then() {
    let mut bench = bench(false, config::Light::default());
    *bench.gone.lock().unwrap() = true;
    bench.panel.show(Phase::Listening, bench.start);
    assert_eq!(bench.panel.describe(), None);
    assert_eq!(bench.run(5_500), 5, "once a second");
    bench.panel.show(Phase::Idle, bench.ms(5_600));
    bench.panel.show(Phase::Listening, bench.ms(5_700));
    bench.seen();
    *bench.gone.lock().unwrap() = false;
    bench.run(6_500);
    assert_eq!((bench.seen(), bench.panel.describe()), (vec![1.0], Some("probe".into())));
}
