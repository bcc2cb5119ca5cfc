//! A button pressed at set times.

use std::time::{Duration, Instant};

use super::null::rest;
use crate::{Button, Edge, Error, Wake};

/// Presses and releases at set times after it was made; afterwards it rests.
#[derive(Debug)]
pub struct ScriptButton {
    start: Instant,
    steps: Vec<(Duration, bool)>,
    next: usize,
}

impl ScriptButton {
    /// Steps are (time after now, pressed), in order; the same level twice is told once.
    pub fn new(steps: impl IntoIterator<Item = (Duration, bool)>) -> Self {
        let mut level = false;
        let changes = |step: &(Duration, bool)| std::mem::replace(&mut level, step.1) != step.1;
        let mut steps: Vec<(Duration, bool)> = steps.into_iter().filter(changes).collect();
        if let Some(&(last, true)) = steps.last() {
            steps.push((last, false)); // a press is always followed by its release
        }
        ScriptButton { start: Instant::now(), steps, next: 0 }
    }

    /// Holds: (when, how long) in ms.
    pub fn holds(holds: &[(u64, u64)]) -> Self {
        let ms = Duration::from_millis;
        Self::new(holds.iter().flat_map(|&(at, long)| [(ms(at), true), (ms(at + long), false)]))
    }
}

impl Button for ScriptButton {
    fn next(&mut self, wake: &Wake, timeout: Duration) -> Result<Option<Edge>, Error> {
        let deadline = Instant::now().checked_add(timeout);
        let step =
            self.steps.get(self.next).map(|&(after, pressed)| Edge { pressed, at: self.start + after });
        let due = step.filter(|step| deadline.is_none_or(|deadline| step.at <= deadline));
        if rest(wake, due.map(|step| step.at).or(deadline))? {
            return Ok(None);
        }
        self.next += usize::from(due.is_some());
        Ok(due)
    }

    fn describe(&self) -> String {
        format!("script of {} edges", self.steps.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edge_comes_at_its_time_and_not_before() {
        let mut button = ScriptButton::holds(&[(20, 30), (70, 5)]);
        let wake = Wake::new();
        assert_eq!(button.next(&wake, Duration::from_millis(1)).unwrap(), None, "too early");
        for (ms, pressed) in [(20, true), (50, false), (70, true), (75, false)] {
            let edge = button.next(&wake, Duration::from_secs(5)).unwrap().unwrap();
            assert_eq!((edge.pressed, edge.at), (pressed, button.start + Duration::from_millis(ms)));
            assert!(Instant::now() >= edge.at);
        }
        assert_eq!(button.next(&wake, Duration::from_millis(1)).unwrap(), None, "over");
    }

    #[test]
    fn a_script_that_forgets_to_let_go_is_completed() {
        let ms = Duration::from_millis;
        let button = ScriptButton::new([(ms(0), false), (ms(1), true), (ms(2), true)]);
        assert_eq!(button.steps, [(ms(1), true), (ms(1), false)]);
    }

    #[test]
    fn a_wake_does_not_skip_a_step() {
        let mut button = ScriptButton::holds(&[(5, 5)]);
        let wake = Wake::new();
        wake.signal();
        assert_eq!(button.next(&wake, Duration::from_secs(5)).unwrap(), None);
        assert!(button.next(&wake, Duration::from_secs(5)).unwrap().unwrap().pressed);
    }
}
