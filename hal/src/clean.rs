//! Makes presses and releases of what a line or key says: contacts bounce, kernels lose edges, and some sources tell
//! the same level twice. Pure: time and levels are arguments.

use std::time::{Duration, Instant};

use crate::Edge;

/// While pressed, the level is read this often: an edge the kernel lost must not hold a talk open.
const CHECK_PRESSED: Duration = Duration::from_millis(100);
/// And a switch's whatever it says: an edge the kernel lost must not leave it in the wrong position.
const CHECK_SWITCH: Duration = Duration::from_millis(250);

/// Strictly alternating edges out of whatever comes in.
#[derive(Debug)]
pub(crate) struct Clean {
    /// How long a level has to last; zero where the kernel has seen to that.
    settle: Duration,
    /// What the line said last, and since when.
    level: bool,
    since: Instant,
    /// What was handed out last.
    pressed: bool,
    /// The button was down when it was opened: that is no press, and its end no release.
    held_at_open: bool,
    checked: Instant,
    /// It stays where it is put: where it stands at open is told.
    switch: bool,
}

impl Clean {
    /// Starts with the level read at open.
    pub(crate) fn new(settle: Duration, level: bool, now: Instant) -> Self {
        Clean { settle, level, since: now, pressed: level, held_at_open: level, checked: now, switch: false }
    }

    /// The same for a switch: its first edge is where it stands.
    pub(crate) fn switch(settle: Duration, level: bool, now: Instant) -> Self {
        Clean { pressed: !level, held_at_open: false, switch: true, ..Clean::new(settle, level, now) }
    }

    /// Whether it has been down since it was opened.
    pub(crate) fn held_at_open(&self) -> bool {
        self.held_at_open
    }

    /// Whether a press was handed out whose release was not.
    pub(crate) fn owes_release(&self) -> bool {
        self.pressed && !self.held_at_open
    }

    /// Takes an edge of the line and returns the change it proves, if any.
    pub(crate) fn edge(&mut self, level: bool, at: Instant) -> Option<Edge> {
        // The level before this edge may have lasted long enough while nobody looked.
        let lasted = self.settled(at);
        if level && self.held_at_open {
            // Down again: so it was up meanwhile, and that edge was lost.
            (self.pressed, self.held_at_open) = (false, false);
        }
        (self.level, self.since) = (level, at);
        lasted.or_else(|| self.settled(at))
    }

    /// Takes a level that was read, which may differ from what the edges told, and returns the change it proves.
    pub(crate) fn look(&mut self, level: bool, now: Instant) -> Option<Edge> {
        self.checked = now;
        let lasted = self.settled(now);
        if level != self.level {
            (self.level, self.since) = (level, now); // an edge was lost; this one has to settle like any other
        }
        lasted.or_else(|| self.settled(now))
    }

    /// When the level should be looked at next, if no edge comes.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.level != self.pressed {
            return Some(self.since + self.settle);
        }
        if self.switch {
            return Some(self.checked.max(self.since) + CHECK_SWITCH);
        }
        self.owes_release().then(|| self.checked.max(self.since) + CHECK_PRESSED)
    }

    /// The release still owed when the line itself is gone.
    pub(crate) fn let_go(&mut self, now: Instant) -> Option<Edge> {
        let owed = self.owes_release();
        (self.pressed, self.held_at_open, self.level) = (false, false, false);
        owed.then_some(Edge { pressed: false, at: now })
    }

    fn settled(&mut self, now: Instant) -> Option<Edge> {
        if self.level == self.pressed || now.saturating_duration_since(self.since) < self.settle {
            return None;
        }
        self.pressed = self.level;
        if self.held_at_open {
            self.held_at_open = false;
            return None;
        }
        Some(Edge { pressed: self.pressed, at: self.since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Edges as (ms, level); `look` as (ms, level) too. Returns what came out as (ms, pressed).
    fn check(settle_ms: u64, at_open: bool, steps: &[(char, u64, bool)], expected: &[(u64, bool)]) -> Clean {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut clean = Clean::new(ms(settle_ms), at_open, start);
        let mut out = Vec::new();
        for &(what, at, level) in steps {
            let at = start + ms(at);
            let edge = if what == 'e' { clean.edge(level, at) } else { clean.look(level, at) };
            out.extend(edge.map(|edge| ((edge.at - start).as_millis() as u64, edge.pressed)));
        }
        assert_eq!(out, expected);
        clean
    }

    #[test]
    fn a_clean_line_passes_at_once() {
        check(0, false, &[('e', 5, true), ('e', 90, false)], &[(5, true), (90, false)]);
    }

    #[test]
    fn the_same_level_twice_is_told_once() {
        let steps = [('e', 5, true), ('e', 6, true), ('e', 90, false), ('e', 91, false)];
        check(0, false, &steps, &[(5, true), (90, false)]);
    }

    #[test]
    fn bounces_shorter_than_the_period_vanish_and_the_press_keeps_its_time() {
        let bounce = [('e', 0, true), ('e', 1, false), ('e', 2, true), ('e', 3, false), ('e', 4, true)];
        let clean = check(10, false, &bounce, &[]);
        assert!(!clean.owes_release());
        let settled = [&bounce[..], &[('l', 14, true)]].concat();
        check(10, false, &settled, &[(4, true)]);
    }

    #[test]
    fn a_spike_shorter_than_the_period_is_no_press() {
        check(10, false, &[('e', 0, true), ('e', 1, false), ('l', 11, false), ('l', 50, false)], &[]);
    }

    #[test]
    fn a_press_that_lasted_is_not_forgotten_when_its_release_is_read_late() {
        let steps = [('e', 0, true), ('e', 50, false), ('l', 60, false)];
        check(10, false, &steps, &[(0, true), (50, false)]);
    }

    #[test]
    fn a_release_the_kernel_lost_is_found_by_looking() {
        let mut clean = check(0, false, &[('e', 5, true)], &[(5, true)]);
        assert!(clean.due().is_some(), "a pressed button is looked at");
        let later = clean.due().unwrap();
        assert_eq!(clean.look(true, later), None);
        assert!(clean.due().unwrap() > later, "and again");
        let edge = clean.look(false, later + Duration::from_millis(100)).unwrap();
        assert!(!edge.pressed);
        assert_eq!(clean.due(), None, "a released one costs no wake-ups");
    }

    #[test]
    fn a_button_held_at_open_is_neither_press_nor_release() {
        let clean = check(0, true, &[('l', 100, true), ('e', 200, false), ('e', 300, true)], &[(300, true)]);
        assert!(!clean.held_at_open());
        let held = check(10, true, &[], &[]);
        assert_eq!((held.due(), held.owes_release()), (None, false), "held for ever costs no wake-ups");
        check(
            10,
            true,
            &[('e', 200, false), ('l', 210, false), ('e', 300, true), ('l', 310, true)],
            &[(300, true)],
        );
    }

    #[test]
    fn held_at_open_with_its_release_lost_still_presses() {
        check(0, true, &[('e', 300, true), ('e', 400, false)], &[(300, true), (400, false)]);
    }

    #[test]
    fn a_switch_tells_where_it_stands_and_is_looked_at_for_ever() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        for level in [true, false] {
            let mut clean = Clean::switch(ms(10), level, start);
            assert_eq!(clean.due(), Some(start + ms(10)));
            let edge = clean.look(level, start + ms(10)).unwrap();
            assert_eq!(edge.pressed, level);
            assert_eq!(clean.due(), Some(start + ms(260)), "and then it is looked at again");
            // The edge to the other position was lost.
            assert_eq!(clean.look(!level, start + ms(260)), None, "not before it has settled");
            assert_eq!(clean.look(!level, start + ms(270)).map(|edge| edge.pressed), Some(!level));
            assert_eq!(clean.let_go(start + ms(300)).is_some(), !level, "gone is released");
        }
    }

    #[test]
    fn a_line_that_goes_away_lets_go_once() {
        let mut clean = check(0, false, &[('e', 5, true)], &[(5, true)]);
        assert!(clean.let_go(Instant::now()).is_some());
        assert!(clean.let_go(Instant::now()).is_none());
        assert!(check(0, true, &[], &[]).let_go(Instant::now()).is_none());
    }
}
