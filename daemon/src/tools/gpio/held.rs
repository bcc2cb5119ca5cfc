//! One line, and what may be done with it when. Time is an argument.

use std::time::{Duration, Instant};

use pressel_hal::{Error, Pin};
use tracing::{info, warn};

use super::{Action, Wiring};

/// A line that is away is looked for so often.
const AGAIN: Duration = Duration::from_secs(5);

/// Opens a line.
pub(super) type Opener<'a> = dyn Fn(&Wiring) -> Result<Box<dyn Pin>, Error> + 'a;

/// What became of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// The state it is in.
    pub(super) on: bool,
    /// It switches off by itself after this.
    pub(super) off_after: Option<Duration>,
}

/// A line of ours.
pub(super) struct Held {
    pub(super) wiring: Wiring,
    pin: Option<Box<dyn Pin>>,
    /// Why it is away.
    problem: Option<String>,
    on: bool,
    changed: Option<Instant>,
    /// When it is switched off.
    off_at: Option<Instant>,
    /// When it is looked for again.
    look_at: Option<Instant>,
}

impl Held {
    /// Opens it: safe from the first moment on.
    pub(super) fn open(wiring: Wiring, now: Instant, open: &Opener<'_>) -> Self {
        let on = wiring.pin.safe == Some(true);
        let mut held =
            Held { wiring, pin: None, problem: None, on, changed: None, off_at: None, look_at: None };
        held.look(now, open);
        held
    }

    /// Why it cannot be used.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn look(&mut self, now: Instant, open: &Opener<'_>) {
        self.look_at = None;
        match open(&self.wiring) {
            Ok(pin) => {
                info!(line = pin.describe(), "a tool's line");
                (self.on, self.off_at, self.changed) = (self.wiring.pin.safe == Some(true), None, Some(now));
                (self.pin, self.problem) = (Some(pin), None);
            }
            Err(error) => self.lost(now, &error),
        }
    }

    fn lost(&mut self, now: Instant, error: &Error) {
        let problem = error.to_string();
        if self.problem.as_ref() != Some(&problem) {
            warn!(line = self.wiring.pin.line, problem, "a tool's line cannot be used"); // once, until it is another one
        }
        // Dropped, it is driven to its safe state, if it can be.
        (self.pin, self.problem, self.off_at) = (None, Some(problem), None);
        self.look_at = Some(now + AGAIN);
    }

    /// Does it, or says why not in a sentence for the model.
    pub(super) fn act(
        &mut self,
        now: Instant,
        action: Action,
        pulse: Duration,
        open: &Opener<'_>,
    ) -> Result<Done, String> {
        // A line whose chip went away and came back since tells nobody: it is opened anew before anything is said of it.
        if self.with(now, |pin| pin.read()).is_err() {
            self.look(now, open);
        }
        match action {
            Action::Read => {
                let on = self.with(now, |pin| pin.read())?;
                Ok(Done { on, off_after: self.left(now) })
            }
            Action::Off => {
                self.switch(now, false)?;
                Ok(Done { on: false, off_after: None })
            }
            // On already, it stays on no longer than it would have.
            Action::On | Action::Pulse if self.on && self.pin.is_some() => {
                Ok(Done { on: true, off_after: self.left(now) })
            }
            Action::On | Action::Pulse => {
                let length = if action == Action::Pulse { Some(pulse) } else { self.wiring.on_max };
                self.rested(now)?;
                self.switch(now, true)?;
                self.off_at = length.map(|length| now + length);
                Ok(Done { on: true, off_after: length })
            }
        }
    }

    /// It may be left alone for a while between two switchings.
    fn rested(&self, now: Instant) -> Result<(), String> {
        let rest = self.wiring.interval_min;
        let since = self.changed.map_or(rest, |at| now.saturating_duration_since(at));
        if since >= rest {
            return Ok(());
        }
        let (rest, left) = (rest.as_secs(), (rest - since).as_secs() + 1);
        Err(format!("not done: it must rest for {rest} s after it was switched; try again in {left} s"))
    }

    fn switch(&mut self, now: Instant, on: bool) -> Result<(), String> {
        self.with(now, |pin| pin.set(on))?;
        if self.on != on {
            self.changed = Some(now);
        }
        (self.on, self.off_at) = (on, None);
        Ok(())
    }

    fn with<T>(
        &mut self,
        now: Instant,
        work: impl FnOnce(&mut dyn Pin) -> Result<T, Error>,
    ) -> Result<T, String> {
        let away = || "failed: the line is not there".to_owned();
        let pin = self.pin.as_mut().ok_or_else(away)?;
        work(pin.as_mut()).map_err(|error| {
            self.lost(now, &error);
            away()
        })
    }

    fn left(&self, now: Instant) -> Option<Duration> {
        self.off_at.map(|at| at.saturating_duration_since(now))
    }

    /// Ends a pulse before its time.
    pub(super) fn end(&mut self, now: Instant) {
        if self.off_at.is_some() {
            self.off(now);
        }
    }

    /// When [`Held::tick`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.off_at.into_iter().chain(self.look_at).min()
    }

    /// What time has brought.
    pub(super) fn tick(&mut self, now: Instant, open: &Opener<'_>) {
        if self.off_at.is_some_and(|at| at <= now) {
            self.off(now);
        }
        if self.look_at.is_some_and(|at| at <= now) {
            self.look(now, open);
        }
    }

    fn off(&mut self, now: Instant) {
        if self.switch(now, false).is_ok() {
            info!(line = self.wiring.pin.line, "switched off by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};

    use pressel_hal::ErrorKind;
    use pressel_hal::gpio::{Bias, PinSettings};

    use super::*;

    /// A line in memory: every level that was driven, and whether it is there.
    #[derive(Clone, Default)]
    struct Wire(Arc<Mutex<(Vec<bool>, bool)>>);

    impl Wire {
        fn driven(&self) -> Vec<bool> {
            self.0.lock().unwrap().0.clone()
        }

        fn gone(&self, gone: bool) {
            self.0.lock().unwrap().1 = gone;
        }

        fn open(&self, wiring: &Wiring) -> Result<Box<dyn Pin>, Error> {
            let mut wire = self.clone();
            if let Some(safe) = wiring.pin.safe {
                wire.set(safe)?;
            }
            Ok(Box::new(wire))
        }
    }

    impl Pin for Wire {
        fn set(&mut self, on: bool) -> Result<(), Error> {
            let mut wire = self.0.lock().unwrap();
            if wire.1 {
                return Err(Error::new(ErrorKind::Lost, "gone"));
            }
            wire.0.push(on);
            Ok(())
        }

        fn read(&mut self) -> Result<bool, Error> {
            let wire = self.0.lock().unwrap();
            if wire.1 { Err(Error::new(ErrorKind::Lost, "gone")) } else { Ok(wire.0.last() == Some(&true)) }
        }

        fn describe(&self) -> String {
            "wire".into()
        }
    }

    fn wiring(on_max_s: u64, interval_min_s: u64) -> Wiring {
        Wiring {
            rppal: false,
            pin: PinSettings {
                line: "GPIO22".into(),
                active_low: false,
                bias: Bias::None,
                safe: Some(false),
            },
            on_max: (on_max_s > 0).then(|| Duration::from_secs(on_max_s)),
            interval_min: Duration::from_secs(interval_min_s),
        }
    }

    struct Bench {
        wire: Wire,
        held: Held,
        start: Instant,
    }

    impl Bench {
        fn new(wiring: Wiring) -> Self {
            let (wire, start) = (Wire::default(), Instant::now());
            let held = Held::open(wiring, start, &|wiring| wire.open(wiring));
            Bench { wire, held, start }
        }

        /// After every tick that is due until then.
        fn at(&mut self, ms: u64) -> Instant {
            let now = self.start + Duration::from_millis(ms);
            let wire = self.wire.clone();
            while let Some(due) = self.held.due().filter(|due| *due <= now) {
                self.held.tick(due, &|wiring| wire.open(wiring));
            }
            now
        }

        fn act(&mut self, ms: u64, action: Action) -> Result<Done, String> {
            let (now, wire) = (self.at(ms), self.wire.clone());
            self.held.act(now, action, Duration::from_millis(300), &|wiring| wire.open(wiring))
        }
    }

    fn on(ms: u64) -> Result<Done, String> {
        Ok(Done { on: true, off_after: Some(Duration::from_millis(ms)) })
    }

    #[test]
    fn a_pulse_ends_by_itself_and_is_not_made_longer() {
        let mut bench = Bench::new(wiring(0, 0));
        assert_eq!(bench.act(0, Action::Pulse), on(300));
        assert_eq!(bench.act(200, Action::Pulse), on(100));
        assert_eq!(bench.act(299, Action::Read), on(1));
        assert_eq!(bench.act(300, Action::Read), Ok(Done { on: false, off_after: None }));
        assert_eq!(bench.wire.driven(), [false, true, false]);
    }

    #[test]
    fn nothing_is_on_for_longer_than_allowed_however_often_it_is_asked_for() {
        let mut bench = Bench::new(wiring(10, 0));
        assert_eq!(bench.act(0, Action::On), on(10_000));
        assert_eq!(bench.act(9_000, Action::On), on(1_000));
        assert!(!bench.act(10_000, Action::Read).unwrap().on);
        assert_eq!(bench.act(11_000, Action::On), on(10_000));
        assert_eq!(bench.act(12_000, Action::Off), Ok(Done { on: false, off_after: None }));
        assert_eq!(bench.held.due(), None);
        assert_eq!(bench.wire.driven(), [false, true, false, true, false]);
    }

    #[test]
    fn it_rests_between_two_switchings_and_may_always_be_switched_off() {
        let mut bench = Bench::new(wiring(0, 5));
        let told = bench.act(1_000, Action::On).unwrap_err();
        assert!(told.ends_with("try again in 5 s"), "the start counts: {told}");
        assert!(bench.act(5_000, Action::On).unwrap().on);
        assert!(!bench.act(5_100, Action::Off).unwrap().on);
        assert!(bench.act(10_000, Action::On).is_err());
        assert!(bench.act(10_100, Action::On).unwrap().on);
    }

    #[test]
    fn a_line_that_goes_away_is_safe_when_it_is_back() {
        let mut bench = Bench::new(wiring(0, 0));
        assert!(bench.act(0, Action::On).unwrap().on);
        bench.wire.gone(true);
        assert_eq!(bench.act(100, Action::Read), Err("failed: the line is not there".into()));
        assert!(bench.held.problem().is_some());
        bench.wire.gone(false);
        bench.at(6_000);
        assert_eq!((bench.held.problem(), bench.wire.driven()), (None, vec![false, true, false]));
        // A call does not wait for the next look.
        bench.wire.gone(true);
        assert!(bench.act(6_100, Action::On).is_err());
        bench.wire.gone(false);
        assert!(bench.act(6_200, Action::On).unwrap().on);
    }

    /// A line of a chip that can be pulled out: then it says so whenever it is asked.
    struct Sim {
        gone: Arc<AtomicBool>,
        on: bool,
    }

    impl Sim {
        fn there(&self) -> Result<(), Error> {
            let gone = self.gone.load(Ordering::Relaxed);
            if gone { Err(Error::new(ErrorKind::Lost, "no such device")) } else { Ok(()) }
        }
    }

    impl Pin for Sim {
        fn set(&mut self, on: bool) -> Result<(), Error> {
            self.on = on;
            self.there()
        }

        fn read(&mut self) -> Result<bool, Error> {
            self.there().map(|()| self.on)
        }

        fn describe(&self) -> String {
            "a line of a test".into()
        }
    }

    #[test]
    fn a_line_whose_chip_went_and_came_back_is_switched_on_again_and_not_believed_to_be_on() {
        let now = Instant::now();
        let opened = RefCell::new(Vec::<Arc<AtomicBool>>::new());
        let open = |_: &Wiring| -> Result<Box<dyn Pin>, Error> {
            let gone = Arc::<AtomicBool>::default();
            opened.borrow_mut().push(gone.clone());
            Ok(Box::new(Sim { gone, on: false }))
        };
        let mut held = Held::open(wiring(0, 0), now, &open);
        let mut on = || held.act(now, Action::On, Duration::ZERO, &open).map(|done| done.on);
        assert_eq!((on(), on(), opened.borrow().len()), (Ok(true), Ok(true), 1));
        opened.borrow()[0].store(true, Ordering::Relaxed);
        assert_eq!((on(), opened.borrow().len()), (Ok(true), 2));
        let read = held.act(now, Action::Read, Duration::ZERO, &open);
        assert_eq!(read.map(|done| done.on), Ok(true), "the new line is driven");
    }
}
