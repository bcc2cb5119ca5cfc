//! A button on any kind of line.

use std::time::{Duration, Instant};

use crate::clean::Clean;
use crate::{Button, Edge, Error, ErrorKind, Wait, Wake};

/// One change as the source tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawEdge {
    /// Pressed, with active-low taken into account.
    pub(crate) active: bool,
    pub(crate) at: Instant,
    /// Number of this edge; a gap means that some were lost. 0 where the source does not count.
    pub(crate) count: u32,
}

/// Edges read at once; more wait in the kernel.
pub(crate) const BATCH: usize = 16;

/// A line that is watched: the seam between buttons and the kernel.
pub(crate) trait InputLine: Send {
    /// Waits until [`InputLine::read`] has something to give.
    fn wait(&mut self, wake: &Wake, timeout: Duration) -> Result<Wait, Error>;
    /// Reads what is there without waiting; returns how many edges.
    fn read(&mut self, edges: &mut [RawEdge; BATCH]) -> Result<usize, Error>;
    /// Reads the level: true is pressed.
    fn level(&mut self) -> Result<bool, Error>;
    /// The present; simulated lines have their own.
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// A button on a GPIO line; opened by [`super::cdev::open_button`] or [`super::rppal::open_button`].
///
/// A press is always followed by its release: one that the kernel lost is found by reading the level, and when the
/// line itself goes away the release comes before the error.
pub struct LineButton {
    line: Box<dyn InputLine>,
    clean: Clean,
    edges: [RawEdge; BATCH],
    read: usize,
    taken: usize,
    count: u32,
    suspicious: bool,
    failure: Option<Error>,
    description: String,
}

impl LineButton {
    /// `settle` is zero where the kernel takes bounces out by itself.
    pub(crate) fn new(
        mut line: Box<dyn InputLine>,
        settle: Duration,
        switch: bool,
        description: String,
    ) -> Result<Self, Error> {
        let now = line.now();
        let clean = if switch { Clean::switch } else { Clean::new }(settle, line.level()?, now);
        let edges = [RawEdge { active: false, at: now, count: 0 }; BATCH];
        let button = LineButton {
            line,
            clean,
            edges,
            read: 0,
            taken: 0,
            count: 0,
            suspicious: false,
            failure: None,
            description,
        };
        Ok(button)
    }

    /// Whether it has been down since it was opened: stuck, or wired the other way round (`active_low`).
    pub fn is_held_since_open(&self) -> bool {
        self.clean.held_at_open()
    }

    /// Goes through edges already read until one of them is a change.
    fn next_of_batch(&mut self) -> Option<Edge> {
        while self.taken < self.read {
            let raw = self.edges[self.taken];
            self.taken += 1;
            if raw.count != 0 && raw.count != self.count.wrapping_add(1) {
                self.suspicious = true; // the kernel's queue ran over: ask for the level once it is empty
            }
            self.count = raw.count;
            if let Some(edge) = self.clean.edge(raw.active, raw.at) {
                return Some(edge);
            }
        }
        None
    }

    fn step(&mut self, wake: &Wake, deadline: Option<Instant>) -> Result<Step, Error> {
        let now = self.line.now();
        let due = if self.suspicious { Some(now) } else { self.clean.due() };
        let until = match (deadline, due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let timeout = until.map_or(Duration::MAX, |until| until.saturating_duration_since(now));
        match self.line.wait(wake, timeout)? {
            Wait::Woken => return Ok(Step::Nothing),
            Wait::Ready => {
                self.read = self.line.read(&mut self.edges)?;
                self.taken = 0;
                return Ok(Step::Again);
            }
            Wait::TimedOut => {}
        }
        let now = self.line.now();
        if due.is_some_and(|due| due <= now) {
            self.suspicious = false;
            let level = self.line.level()?;
            if let Some(edge) = self.clean.look(level, now) {
                return Ok(Step::Changed(edge));
            }
        }
        Ok(if deadline.is_some_and(|deadline| deadline <= now) { Step::Nothing } else { Step::Again })
    }
}

enum Step {
    Changed(Edge),
    Nothing,
    Again,
}

impl Button for LineButton {
    fn next(&mut self, wake: &Wake, timeout: Duration) -> Result<Option<Edge>, Error> {
        let deadline = self.line.now().checked_add(timeout);
        loop {
            if let Some(edge) = self.next_of_batch() {
                return Ok(Some(edge));
            }
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            match self.step(wake, deadline) {
                Ok(Step::Changed(edge)) => return Ok(Some(edge)),
                Ok(Step::Nothing) => return Ok(None),
                Ok(Step::Again) => {}
                Err(mut error) => {
                    // Whatever a line that worked says, it is lost to us; opening it again tells more.
                    error.kind = ErrorKind::Lost;
                    let Some(release) = self.clean.let_go(self.line.now()) else { return Err(error) };
                    self.failure = Some(error);
                    return Ok(Some(release));
                }
            }
        }
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A line in virtual time: waiting moves its clock.
    struct Fake {
        now: Arc<Mutex<Instant>>,
        /// (ms, level, count)
        edges: VecDeque<(Instant, bool, u32)>,
        /// The true level from each moment on, whatever the edges say.
        levels: Vec<(Instant, bool)>,
        gone_at: Option<Instant>,
        waits: Arc<Mutex<u32>>,
    }

    impl InputLine for Fake {
        fn wait(&mut self, wake: &Wake, timeout: Duration) -> Result<Wait, Error> {
            *self.waits.lock().unwrap() += 1;
            if wake.take() {
                return Ok(Wait::Woken);
            }
            let mut now = self.now.lock().unwrap();
            let until = *now + timeout.min(Duration::from_secs(3600));
            let edge_at = self.edges.front().map_or(until, |edge| edge.0);
            if let Some(gone) = self.gone_at.filter(|gone| *gone <= until.min(edge_at)) {
                *now = gone.max(*now);
                self.gone_at = None; // said once
                return Err(Error::new(ErrorKind::Other, "no such device"));
            }
            match self.edges.front().filter(|edge| edge.0 <= until) {
                Some(edge) => {
                    *now = edge.0.max(*now);
                    Ok(Wait::Ready)
                }
                None => {
                    *now = until;
                    Ok(Wait::TimedOut)
                }
            }
        }
        fn read(&mut self, edges: &mut [RawEdge; BATCH]) -> Result<usize, Error> {
            let mut n = 0;
            while n < BATCH && self.edges.front().is_some_and(|edge| edge.0 <= self.now()) {
                let (at, active, count) = self.edges.pop_front().unwrap();
                edges[n] = RawEdge { active, at, count };
                n += 1;
            }
            Ok(n)
        }
        fn level(&mut self) -> Result<bool, Error> {
            let now = self.now();
            Ok(self.levels.iter().rev().find(|level| level.0 <= now).is_some_and(|level| level.1))
        }
        fn now(&self) -> Instant {
            *self.now.lock().unwrap()
        }
    }

    struct Bench {
        button: LineButton,
        now: Arc<Mutex<Instant>>,
        waits: Arc<Mutex<u32>>,
        start: Instant,
    }

    /// Edges as (ms, level, count), true levels as (ms, level).
    fn bench(
        settle_ms: u64,
        edges: &[(u64, bool, u32)],
        levels: &[(u64, bool)],
        gone_ms: Option<u64>,
    ) -> Bench {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (now, waits) = (Arc::new(Mutex::new(start)), Arc::new(Mutex::new(0)));
        let fake = Fake {
            now: now.clone(),
            edges: edges.iter().map(|e| (at(e.0), e.1, e.2)).collect(),
            levels: levels.iter().map(|l| (at(l.0), l.1)).collect(),
            gone_at: gone_ms.map(at),
            waits: waits.clone(),
        };
        let button =
            LineButton::new(Box::new(fake), Duration::from_millis(settle_ms), false, "fake".into()).unwrap();
        Bench { button, now, waits, start }
    }

    impl Bench {
        /// Everything within `for_ms`, as text: `+5` pressed at 5 ms, `-90` released, `!` an error.
        fn run(&mut self, for_ms: u64) -> String {
            let end = self.start + Duration::from_millis(for_ms);
            let (wake, mut out) = (Wake::new(), Vec::new());
            loop {
                let left = end.saturating_duration_since(*self.now.lock().unwrap());
                match self.button.next(&wake, left) {
                    Ok(Some(edge)) => {
                        let sign = if edge.pressed { '+' } else { '-' };
                        out.push(format!("{sign}{}", (edge.at - self.start).as_millis()));
                    }
                    Ok(None) => return out.join(" "),
                    Err(error) => {
                        assert_eq!(error.kind, ErrorKind::Lost);
                        out.push("!".into());
                        return out.join(" ");
                    }
                }
            }
        }
    }

    #[test]
    fn presses_and_releases_carry_the_kernels_time() {
        let edges = [(5, true, 1), (90, false, 2), (200, true, 3), (210, false, 4)];
        assert_eq!(bench(0, &edges, &[(5, true), (90, false)], None).run(1000), "+5 -90 +200 -210");
    }

    #[test]
    fn many_edges_read_late_all_come_out_in_order() {
        let edges: Vec<_> = (0..40).map(|n| (u64::from(n), n % 2 == 0, n + 1)).collect();
        let mut bench = bench(0, &edges, &[], None);
        *bench.now.lock().unwrap() += Duration::from_millis(500); // nobody looked for half a second
        let out = bench.run(1000);
        assert_eq!(out.split(' ').count(), 40);
        assert!(out.starts_with("+0 -1 +2") && out.ends_with("+38 -39"), "{out}");
    }

    #[test]
    fn software_debounce_takes_the_bounces_out() {
        let edges =
            [(5, true, 1), (6, false, 2), (7, true, 3), (90, false, 4), (91, true, 5), (92, false, 6)];
        let levels = [(7, true), (92, false)];
        assert_eq!(bench(10, &edges, &levels, None).run(1000), "+7 -92");
    }

    #[test]
    fn a_gap_in_the_count_makes_it_read_the_level() {
        // Edge 2 (the release) never comes; edges 3 and 4 neither: the level says it is up.
        let edges = [(5, true, 1), (300, true, 5)];
        let levels = [(5, true), (20, false), (30, true), (290, false)];
        let out = bench(0, &edges, &levels, None).run(310);
        assert_eq!(out, "+5 -300");
    }

    #[test]
    fn a_lost_release_is_found_within_a_tenth_of_a_second() {
        assert_eq!(bench(0, &[(5, true, 1)], &[(5, true), (150, false)], None).run(5000), "+5 -205");
    }

    #[test]
    fn an_idle_button_is_not_looked_at() {
        let mut bench = bench(10, &[], &[], None);
        assert_eq!(bench.run(60_000), "");
        assert!(*bench.waits.lock().unwrap() <= 2);
    }

    #[test]
    fn a_line_that_goes_away_while_pressed_releases_before_it_fails() {
        assert_eq!(bench(0, &[(5, true, 1)], &[(5, true)], Some(50)).run(1000), "+5 -50 !");
        assert_eq!(bench(0, &[], &[], Some(50)).run(1000), "!");
    }

    #[test]
    fn a_wake_ends_the_wait_and_loses_nothing() {
        let mut bench = bench(0, &[(5, true, 1)], &[(5, true)], None);
        let wake = Wake::new();
        wake.signal();
        assert!(bench.button.next(&wake, Duration::from_secs(1)).unwrap().is_none());
        assert!(bench.button.next(&wake, Duration::from_secs(1)).unwrap().unwrap().pressed);
    }

    #[test]
    fn a_button_held_at_open_says_so_and_is_no_press() {
        let mut bench =
            bench(0, &[(500, false, 1), (600, true, 2)], &[(0, true), (500, false), (600, true)], None);
        assert!(bench.button.is_held_since_open());
        assert_eq!(bench.run(700), "+600");
    }
}
