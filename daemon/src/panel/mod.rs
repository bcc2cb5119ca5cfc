//! The light: phase in, blink pattern out. What each phase looks like is one table.

use std::time::{Duration, Instant};

use pressel_hal::Indicator;
use pressel_live::event::Phase;
use tracing::warn;

/// Brightness and how long it is held, repeated; a single step is held for ever.
type Pattern = &'static [(f32, u64)];

/// What a person sees. A steady light means "I hear you"; the more urgent, the faster the blinking.
fn pattern(phase: Phase) -> Pattern {
    match phase {
        Phase::Idle => &[(0.0, 0)],
        Phase::Listening => &[(1.0, 0)],
        Phase::Connecting => &[(1.0, 100), (0.0, 100)],
        Phase::Thinking => &[(1.0, 250), (0.0, 250)],
        Phase::Speaking => &[(1.0, 900), (0.0, 100)],
        Phase::Offline => &[(1.0, 80), (0.0, 160), (1.0, 80), (0.0, 1680)],
        Phase::NoDevice => &[(1.0, 80), (0.0, 160), (1.0, 80), (0.0, 160), (1.0, 80), (0.0, 1440)],
        Phase::ClockNotSet => {
            &[(1.0, 80), (0.0, 160), (1.0, 80), (0.0, 160), (1.0, 80), (0.0, 160), (1.0, 80), (0.0, 1200)]
        }
        Phase::Muted => &[(1.0, 1400), (0.0, 120), (1.0, 120), (0.0, 120)],
        Phase::Spent => &[(1.0, 80), (0.0, 3920)],
        Phase::NeedsSetup => &[(1.0, 1000), (0.0, 1000)],
        Phase::Fault => &[(1.0, 60), (0.0, 60)],
    }
}

/// Shows phases on a light, and keeps it blinking.
pub struct Panel {
    light: Option<Box<dyn Indicator>>,
    pattern: Pattern,
    step: usize,
    until: Option<Instant>,
    failed: bool,
}

impl Panel {
    /// Starts with the light off.
    pub fn new(light: Option<Box<dyn Indicator>>) -> Self {
        let mut panel = Panel { light, pattern: pattern(Phase::Idle), step: 0, until: None, failed: false };
        panel.set();
        panel
    }

    /// What the light is, if there is one.
    pub fn describe(&self) -> Option<String> {
        self.light.as_ref().map(|light| light.describe())
    }

    /// Starts the pattern of a phase at once.
    pub fn show(&mut self, phase: Phase, now: Instant) {
        self.pattern = pattern(phase);
        self.step = 0;
        self.until = None;
        self.set();
        self.schedule(now);
    }

    /// When [`Panel::tick`] wants to be called; `None` while the light is steady or absent.
    pub fn next_change(&self) -> Option<Instant> {
        self.until
    }

    /// Takes the steps of the pattern that are due.
    pub fn tick(&mut self, now: Instant) {
        while let Some(until) = self.until {
            if until > now {
                break;
            }
            self.step = (self.step + 1) % self.pattern.len();
            self.set();
            // A loop that was away for long starts the step now instead of catching up on blinks.
            self.schedule(if now > until + Duration::from_secs(1) { now } else { until });
        }
    }

    fn schedule(&mut self, from: Instant) {
        let steady = self.light.is_none() || self.pattern.len() == 1;
        self.until = (!steady).then(|| from + Duration::from_millis(self.pattern[self.step].1));
    }

    fn set(&mut self) {
        let Some(light) = &mut self.light else { return };
        let result = light.set(self.pattern[self.step].0);
        match result {
            Ok(()) => self.failed = false,
            Err(error) if !self.failed => {
                self.failed = true; // said once until it works again
                warn!(%error, "light does not answer");
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    struct Probe(Arc<Mutex<Vec<f32>>>);

    impl Indicator for Probe {
        fn set(&mut self, brightness: f32) -> Result<(), pressel_hal::Error> {
            self.0.lock().unwrap().push(brightness);
            Ok(())
        }
        fn describe(&self) -> String {
            "probe".into()
        }
    }

    #[test]
    fn a_steady_phase_asks_for_no_wake_ups_and_a_blinking_one_keeps_its_rhythm() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut panel = Panel::new(Some(Box::new(Probe(seen.clone()))));
        let start = Instant::now();
        panel.show(Phase::Listening, start);
        assert_eq!(panel.next_change(), None);
        panel.show(Phase::Thinking, start);
        for _ in 0..3 {
            let due = panel.next_change().unwrap();
            panel.tick(due);
        }
        assert_eq!(panel.next_change(), Some(start + Duration::from_secs(1)));
        assert_eq!(*seen.lock().unwrap(), [0.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn after_a_long_absence_it_does_not_replay_missed_blinks() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut panel = Panel::new(Some(Box::new(Probe(seen.clone()))));
        let start = Instant::now();
        panel.show(Phase::Fault, start);
        panel.tick(start + Duration::from_secs(3600));
        assert_eq!(seen.lock().unwrap().len(), 3);
    }

    #[test]
    fn no_two_phases_look_alike() {
        let all = [
            Phase::NeedsSetup,
            Phase::Fault,
            Phase::ClockNotSet,
            Phase::Spent,
            Phase::NoDevice,
            Phase::Offline,
            Phase::Idle,
            Phase::Connecting,
            Phase::Listening,
            Phase::Thinking,
            Phase::Speaking,
        ];
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert_ne!(pattern(*a), pattern(*b), "{a:?} and {b:?}");
            }
        }
    }
}
