//! From raw input events to presses and releases.

use std::time::{Duration, Instant};

use crate::clean::Clean;
use crate::{Button, Edge, Error, ErrorKind, Wait, Wake};

const EV_SYN: u16 = 0;
const EV_KEY: u16 = 1;
const EV_SW: u16 = 5;
/// The device's own microphone is off (linux/input-event-codes.h).
const SW_MUTE_DEVICE: u16 = 0x0e;
const SYN_REPORT: u16 = 0;
const SYN_DROPPED: u16 = 3;
const REPEATED: i32 = 2;

/// A code of a device: a key's, or that of a switch which stays where it is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Key(u16),
    Switch(u16),
}

impl Code {
    fn is_of(self, event: &RawEvent) -> bool {
        match self {
            Code::Key(code) => (event.kind, event.code) == (EV_KEY, code),
            Code::Switch(code) => (event.kind, event.code) == (EV_SW, code),
        }
    }

    /// Whether it is down when it is set. `SW_MUTE_DEVICE` is set while the microphone is off, and down is on.
    pub(super) fn is_down(self, set: bool) -> bool {
        set != (self == Code::Switch(SW_MUTE_DEVICE))
    }
}

/// One event as the kernel tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawEvent {
    pub(super) kind: u16,
    pub(super) code: u16,
    pub(super) value: i32,
    pub(super) at: Instant,
}

/// Where events come from: the seam between the button and the kernel.
pub(super) trait KeySource: Send {
    /// Waits until [`KeySource::read`] has something to give.
    fn wait(&mut self, wake: &Wake, timeout: Duration) -> Result<Wait, Error>;
    /// Appends what is there, without waiting.
    fn read(&mut self, events: &mut Vec<RawEvent>) -> Result<(), Error>;
    /// Reads whether the key is down now.
    fn is_down(&mut self) -> Result<bool, Error>;
}

/// A key as button; see the module. A device pulled out while the key is down releases it before it fails.
pub struct EvdevButton {
    source: Box<dyn KeySource>,
    code: Code,
    clean: Clean,
    events: Vec<RawEvent>,
    taken: usize,
    /// The kernel's queue ran over: what comes up to the next report is worth nothing.
    dropping: bool,
    failure: Option<Error>,
    switch: bool,
    description: String,
}

impl EvdevButton {
    pub(super) fn new(
        mut source: Box<dyn KeySource>,
        code: Code,
        switch: bool,
        description: String,
    ) -> Result<Self, Error> {
        let clean = if switch { Clean::switch } else { Clean::new };
        let clean = clean(Duration::ZERO, source.is_down()?, Instant::now());
        let events = Vec::new();
        Ok(EvdevButton {
            source,
            code,
            clean,
            events,
            taken: 0,
            dropping: false,
            failure: None,
            switch,
            description,
        })
    }

    /// Whether the key has been down since it was opened.
    pub fn is_held_since_open(&self) -> bool {
        self.clean.held_at_open()
    }

    /// Goes through events already read until one of them is a change.
    fn next_of_batch(&mut self) -> Result<Option<Edge>, Error> {
        while let Some(event) = self.events.get(self.taken).copied() {
            self.taken += 1;
            let edge = match (event.kind, event.code) {
                (EV_SYN, SYN_DROPPED) => {
                    self.dropping = true;
                    None
                }
                (EV_SYN, SYN_REPORT) if self.dropping => {
                    self.dropping = false;
                    let down = self.source.is_down()?;
                    self.clean.look(down, Instant::now())
                }
                _ if self.code.is_of(&event) && !self.dropping && event.value != REPEATED => {
                    self.clean.edge(self.code.is_down(event.value != 0), event.at)
                }
                _ => None,
            };
            if edge.is_some() {
                return Ok(edge);
            }
        }
        self.events.clear();
        self.taken = 0;
        Ok(None)
    }

    /// `None` when the wait is over without an edge.
    fn step(&mut self, wake: &Wake, deadline: Option<Instant>) -> Result<Option<Edge>, Error> {
        loop {
            if let Some(edge) = self.next_of_batch()? {
                return Ok(Some(edge));
            }
            let look = self.clean.due().filter(|_| self.switch);
            let until = [deadline, look].into_iter().flatten().min();
            let left = until.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            match self.source.wait(wake, left)? {
                Wait::Ready => self.source.read(&mut self.events)?,
                Wait::TimedOut if look.is_some_and(|at| deadline.is_none_or(|deadline| at <= deadline)) => {
                    let down = self.source.is_down()?;
                    let edge = self.clean.look(down, Instant::now());
                    if edge.is_some() {
                        return Ok(edge);
                    }
                }
                Wait::Woken | Wait::TimedOut => return Ok(None),
            }
        }
    }
}

impl Button for EvdevButton {
    fn next(&mut self, wake: &Wake, timeout: Duration) -> Result<Option<Edge>, Error> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let deadline = Instant::now().checked_add(timeout);
        self.step(wake, deadline).or_else(|mut error| {
            // Whatever a device that worked says, it is lost to us; opening it again tells more.
            error.kind = ErrorKind::Lost;
            let Some(release) = self.clean.let_go(Instant::now()) else { return Err(error) };
            self.failure = Some(error);
            Ok(Some(release))
        })
    }

    fn describe(&self) -> String {
        self.description.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: u16 = 57;

    /// Batches of events; then the device is gone.
    struct Fake {
        batches: Vec<Vec<(u16, u16, i32)>>,
        start: Instant,
        down: bool,
    }

    impl KeySource for Fake {
        fn wait(&mut self, wake: &Wake, _: Duration) -> Result<Wait, Error> {
            match (wake.take(), self.batches.is_empty()) {
                (true, _) => Ok(Wait::Woken),
                (_, true) => Err(Error::new(ErrorKind::Other, "no such device")),
                _ => Ok(Wait::Ready),
            }
        }
        fn read(&mut self, events: &mut Vec<RawEvent>) -> Result<(), Error> {
            for (n, (kind, code, value)) in self.batches.remove(0).into_iter().enumerate() {
                events.push(RawEvent { kind, code, value, at: self.start + Duration::from_millis(n as u64) });
            }
            Ok(())
        }
        fn is_down(&mut self) -> Result<bool, Error> {
            Ok(self.down)
        }
    }

    fn open(batches: &[&[(u16, u16, i32)]], down: bool) -> EvdevButton {
        let batches = batches.iter().map(|batch| batch.to_vec()).collect();
        EvdevButton::new(
            Box::new(Fake { batches, start: Instant::now(), down }),
            Code::Key(KEY),
            false,
            "fake".into(),
        )
        .unwrap()
    }

    const DOWN: (u16, u16, i32) = (EV_KEY, KEY, 1);
    const UP: (u16, u16, i32) = (EV_KEY, KEY, 0);
    const REPEAT: (u16, u16, i32) = (EV_KEY, KEY, 2);
    const REPORT: (u16, u16, i32) = (EV_SYN, SYN_REPORT, 0);
    const DROPPED: (u16, u16, i32) = (EV_SYN, SYN_DROPPED, 0);

    /// Everything until the device goes: `+` pressed, `-` released.
    fn check(batches: &[&[(u16, u16, i32)]], down_when_asked: bool, expected: &str) {
        let mut button = open(batches, false);
        button.source = Box::new(Fake {
            batches: batches.iter().map(|batch| batch.to_vec()).collect(),
            start: Instant::now(),
            down: down_when_asked,
        });
        let (wake, mut out) = (Wake::new(), String::new());
        loop {
            match button.next(&wake, Duration::from_secs(1)) {
                Ok(Some(edge)) => out.push(if edge.pressed { '+' } else { '-' }),
                Ok(None) => panic!("nobody woke it"),
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::Lost);
                    break;
                }
            }
        }
        assert_eq!(out, expected, "{batches:?}");
    }

    #[test]
    fn a_key_presses_and_releases_and_repeats_are_ignored() {
        check(&[&[DOWN, REPORT], &[REPEAT, REPORT, REPEAT, REPORT], &[UP, REPORT]], false, "+-");
        check(&[&[DOWN, REPORT, UP, REPORT, DOWN, REPORT, UP, REPORT]], false, "+-+-");
    }

    #[test]
    fn a_microphone_s_own_switch_is_down_while_it_is_on() {
        let code = Code::Switch(SW_MUTE_DEVICE);
        assert!(code.is_down(false) && !code.is_down(true), "it is set while the microphone is off");
        assert!(Code::Switch(0).is_down(true) && Code::Key(SW_MUTE_DEVICE).is_down(true));
        let event = |kind| RawEvent { kind, code: SW_MUTE_DEVICE, value: 1, at: Instant::now() };
        assert!(code.is_of(&event(EV_SW)) && !code.is_of(&event(EV_KEY)));
    }

    #[test]
    fn other_keys_and_other_events_are_not_ours() {
        check(&[&[(EV_KEY, 30, 1), (4, 4, 458_756), (2, KEY, 1), REPORT]], false, "");
    }

    #[test]
    fn after_an_overrun_the_state_is_read_and_the_rubble_skipped() {
        check(&[&[DOWN, REPORT], &[DROPPED, DOWN, UP, DOWN, REPORT]], false, "+-");
        check(&[&[DROPPED, UP], &[REPORT]], true, "+-"); // the report comes with the next read; gone at the end
        check(&[&[DOWN, REPORT], &[DROPPED, UP, DOWN, UP, REPORT], &[UP, REPORT]], true, "+-");
    }

    #[test]
    fn a_device_pulled_out_while_down_releases_first() {
        check(&[&[DOWN, REPORT]], true, "+-");
    }

    #[test]
    fn a_key_down_at_open_is_no_press_and_its_end_no_release() {
        let start = Instant::now();
        let batches = vec![vec![REPEAT, REPORT, UP, REPORT, DOWN, REPORT]];
        let mut button = EvdevButton::new(
            Box::new(Fake { batches, start, down: true }),
            Code::Key(KEY),
            false,
            "fake".into(),
        )
        .unwrap();
        assert!(button.is_held_since_open());
        let edge = button.next(&Wake::new(), Duration::from_secs(1)).unwrap().unwrap();
        assert!(edge.pressed && !button.is_held_since_open());
        assert_eq!((edge.at - start).as_millis(), 4, "the new press, not the repetition of the old one");
    }

    #[test]
    fn a_wake_ends_the_wait_and_loses_nothing() {
        let mut button = open(&[&[DOWN, REPORT]], false);
        let wake = Wake::new();
        wake.signal();
        assert_eq!(button.next(&wake, Duration::MAX).unwrap(), None);
        assert!(button.next(&wake, Duration::MAX).unwrap().unwrap().pressed);
    }

    #[test]
    fn edges_carry_the_kernels_time() {
        let start = Instant::now();
        let batches = vec![vec![REPORT, DOWN, REPORT, UP, REPORT]];
        let mut button = EvdevButton::new(
            Box::new(Fake { batches, start, down: false }),
            Code::Key(KEY),
            false,
            "fake".into(),
        )
        .unwrap();
        let wake = Wake::new();
        let mut at = || (button.next(&wake, Duration::MAX).unwrap().unwrap().at - start).as_millis();
        assert_eq!((at(), at()), (1, 3));
    }
}
