//! The grammar of buttons: edges and time in, gestures out. Pure: no clock, no thread, no device.
//!
//! A press that can only mean one thing is told at once, and so is every press to talk in hold mode: where it turns out
//! to be the first of a double press, what it began is taken back. Only where a press may still become something else
//! (tap and open mode, with more than talk on the same line) is it told when that is decided.

mod act;
mod text;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pressel_live::event::{Agree, AgreeBy};

pub use act::{Act, Binding, HELD, Kind, agrees};
pub use text::{LineSpec, bindings, lines};

/// A volume step is repeated while its button is held: after this, and then every [`REPEAT`].
const REPEAT_AFTER: Duration = Duration::from_millis(500);
const REPEAT: Duration = Duration::from_millis(150);

/// What comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gesture {
    /// The person presses to talk.
    Down,
    /// And lets go.
    Up,
    /// The press before was not meant to talk: what it began leads to nothing. An act follows.
    TakeBack,
    /// This is to be done.
    Act(Act),
    /// A person agrees to what is asked.
    Agree {
        /// How.
        by: AgreeBy,
        /// When the first press of it began.
        since: Instant,
    },
}

/// A gesture, and when the edge was that made it.
pub type Made = (Gesture, Instant);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Up,
    /// `spent`: it has led to something already. `passed`: to [`Gesture::Down`].
    Down { since: Instant, spent: bool, passed: bool },
    /// Let go after a short press; another one may follow.
    Between { since: Instant, until: Instant },
}

#[derive(Debug, Default)]
struct Line {
    press: Option<Act>,
    double: Option<Act>,
    /// By length.
    long: Vec<(Duration, Act)>,
    state: State,
    /// When the act of a held button is due again.
    repeat: Option<Instant>,
    /// When a short press to talk ended that a second may follow.
    short: Option<Instant>,
    /// The press in hand is a program's, which stands in for a person everywhere but in agreeing.
    by_program: bool,
}

/// What is asked for, and since when.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Asked {
    agree: Agree,
    since: Instant,
}

/// The grammar of all lines.
#[derive(Debug)]
pub struct Grammar {
    lines: Vec<Line>,
    /// Between two presses of a double one, and longest first press.
    double: Duration,
    /// A press to talk is told at once whatever may follow.
    at_once: bool,
    asked: Option<Asked>,
    made: VecDeque<Made>,
}

impl Grammar {
    /// `double`: how long after a short press another one makes it a double one; `at_once`: presses to talk wait for
    /// nothing (hold mode).
    pub fn new(bindings: &[Binding], double: Duration, at_once: bool) -> Self {
        let count = bindings.iter().map(|binding| binding.line + 1).max().unwrap_or(1);
        let mut lines: Vec<Line> = (0..count).map(|_| Line::default()).collect();
        for Binding { line, kind, act } in bindings {
            let line = &mut lines[*line];
            match kind {
                Kind::Press => line.press = Some(*act),
                Kind::Double => line.double = Some(*act),
                Kind::Long(length) => line.long.push((*length, *act)),
            }
        }
        for line in &mut lines {
            line.long.sort_by_key(|(length, _)| *length);
        }
        Grammar { lines, double, at_once, asked: None, made: VecDeque::new() }
    }

    /// From now on the device asks for consent, or asks no more: only a gesture that is begun meanwhile is one, and a press
    /// to talk on the same line waits until it is none.
    pub fn ask(&mut self, agree: Option<Agree>, now: Instant) {
        self.asked = agree.map(|agree| Asked { agree, since: now });
    }

    /// Takes an edge. Edges of one line come in the order of their times; the same level twice is one.
    pub fn edge(&mut self, line: usize, pressed: bool, at: Instant) {
        self.take(line, pressed, at, false);
    }

    /// Takes what a program does in the place of an edge. It never agrees to anything.
    pub fn edge_by_program(&mut self, line: usize, pressed: bool, at: Instant) {
        self.take(line, pressed, at, true);
    }

    fn take(&mut self, line: usize, pressed: bool, at: Instant, by_program: bool) {
        if line >= self.lines.len() {
            return;
        }
        self.advance(line, at);
        if pressed {
            self.lines[line].by_program = by_program;
        }
        if pressed { self.press(line, at) } else { self.release(line, at) }
    }

    /// The line is gone: what it was about to say is not said, and a talk it holds is let go.
    pub fn lost(&mut self, line: usize, at: Instant) {
        let Some(lost) = self.lines.get_mut(line) else { return };
        (lost.repeat, lost.short) = (None, None);
        if let State::Down { passed: true, .. } = std::mem::take(&mut lost.state) {
            self.made.push_back((Gesture::Up, at));
        }
    }

    /// Time has come so far.
    pub fn tick(&mut self, now: Instant) {
        for line in 0..self.lines.len() {
            self.advance(line, now);
        }
    }

    /// When [`Grammar::tick`] is due; `None` while nothing is decided by time.
    pub fn due(&self) -> Option<Instant> {
        (0..self.lines.len()).filter_map(|line| self.line_due(line)).min()
    }

    /// The next gesture, in order.
    pub fn poll(&mut self) -> Option<Made> {
        self.made.pop_front()
    }

    /// The act of a double press whose first began then.
    fn double_of(&self, line: usize, since: Instant) -> Option<Act> {
        self.lines[line].double.filter(|act| self.counts(*act, line, Kind::Double, since))
    }

    /// Whether a gesture that began then may lead to this.
    fn counts(&self, act: Act, line: usize, kind: Kind, since: Instant) -> bool {
        let agrees = |agree| match kind {
            Kind::Press | Kind::Double => agree == Agree::Button,
            Kind::Long(length) => agree == Agree::Hold && length >= HELD,
        };
        let asked = self.asked.filter(|asked| asked.since <= since && !self.lines[line].by_program);
        act != Act::Consent || asked.is_some_and(|asked| agrees(asked.agree))
    }

    /// The presses of a line that may follow one that began then, the longest first.
    fn longs(&self, line: usize, since: Instant) -> impl Iterator<Item = (Duration, Act)> {
        let long = self.lines[line].long.iter().rev().copied();
        long.filter(move |(length, act)| self.counts(*act, line, Kind::Long(*length), since))
    }

    /// The act of the longest press that `held` reaches.
    fn long_of(&self, line: usize, since: Instant, held: Duration) -> Option<Act> {
        self.longs(line, since).find(|(length, _)| *length <= held).map(|(_, act)| act)
    }

    /// When no longer press can follow, and so the longest one is told while the button is still down.
    fn longest(&self, line: usize, since: Instant) -> Option<Duration> {
        self.longs(line, since).map(|(length, _)| length).next()
    }

    fn tell(&mut self, act: Act, by: AgreeBy, since: Instant, at: Instant) {
        let gesture = if act == Act::Consent { Gesture::Agree { by, since } } else { Gesture::Act(act) };
        self.made.push_back((gesture, at));
    }

    fn line_due(&self, line: usize) -> Option<Instant> {
        match self.lines[line].state {
            State::Up => None,
            State::Between { until, .. } => Some(until),
            State::Down { spent: true, .. } => self.lines[line].repeat,
            State::Down { passed: true, .. } => None,
            State::Down { since, .. } => match self.longest(line, since) {
                Some(longest) => Some(since + longest),
                None => Some(since + self.double), // too long for the first of a double press
            },
        }
    }

    /// What time alone decides up to `now`.
    fn advance(&mut self, line: usize, now: Instant) {
        let Some(due) = self.line_due(line).filter(|due| *due <= now) else { return };
        match self.lines[line].state {
            State::Up => {}
            State::Between { since, .. } => {
                self.lines[line].state = State::Up;
                self.single(line, since, due, false);
            }
            State::Down { spent: true, .. } => {
                if let Some(act) = self.lines[line].press {
                    self.made.push_back((Gesture::Act(act), due));
                }
                // A loop that was away does not make up for it all at once.
                self.lines[line].repeat = Some(due.max(now) + REPEAT);
            }
            State::Down { since, .. } => {
                let act = self.longs(line, since).next();
                self.lines[line].state = State::Down { since, spent: true, passed: false };
                match act {
                    Some((_, act)) => self.tell(act, AgreeBy::Hold, since, due),
                    None => self.single(line, since, due, true),
                }
            }
        }
    }

    /// It was one press and no more; `held`: and it still is one.
    fn single(&mut self, line: usize, since: Instant, at: Instant, held: bool) {
        match self.lines[line].press {
            Some(Act::Talk) => {
                self.made.push_back((Gesture::Down, since));
                if held {
                    self.lines[line].state = State::Down { since, spent: true, passed: true };
                } else {
                    self.made.push_back((Gesture::Up, at));
                }
            }
            Some(act) if self.counts(act, line, Kind::Press, since) => {
                self.tell(act, AgreeBy::Line, since, since)
            }
            _ => {}
        }
    }

    fn press(&mut self, line: usize, at: Instant) {
        let first = match self.lines[line].state {
            State::Between { since, .. } => since,
            _ => at,
        };
        let second = self.double_of(line, first);
        let (double, longest) = (self.double_of(line, at), self.longest(line, at));
        let consent = [double, longest.and_then(|longest| self.long_of(line, at, longest))];
        let consent = consent.contains(&Some(Act::Consent));
        let spent = State::Down { since: at, spent: true, passed: false };
        let state = self.lines[line].state;
        let short = self.lines[line].short.take().is_some_and(|short| at <= short + self.double);
        match (state, second, double) {
            (State::Down { .. }, ..) => {}
            (State::Between { since, .. }, Some(act), _) => {
                self.lines[line].state = spent;
                self.tell(act, AgreeBy::Double, since, at);
            }
            // The first press of it was told to be talk, and so agrees to nothing.
            (_, _, Some(act)) if short && act != Act::Consent => {
                self.lines[line].state = spent;
                self.made.push_back((Gesture::TakeBack, at));
                self.made.push_back((Gesture::Act(act), at));
            }
            _ => {
                let alone = double.is_none() && longest.is_none();
                let press = self.lines[line].press.filter(|act| self.counts(*act, line, Kind::Press, at));
                let passed = press == Some(Act::Talk) && (alone || self.at_once && !consent);
                match press {
                    Some(_) if passed => self.made.push_back((Gesture::Down, at)),
                    Some(act) if alone => self.tell(act, AgreeBy::Line, at, at),
                    _ => {}
                }
                let line = &mut self.lines[line];
                line.state = State::Down { since: at, spent: alone && !passed, passed };
                line.repeat = press.filter(|act| alone && act.repeats()).map(|_| at + REPEAT_AFTER);
            }
        }
    }

    fn release(&mut self, line: usize, at: Instant) {
        let State::Down { since, spent, passed } = std::mem::take(&mut self.lines[line].state) else {
            return;
        };
        self.lines[line].repeat = None;
        let held = at.saturating_duration_since(since);
        let double = self.double_of(line, since).is_some();
        if passed {
            self.made.push_back((Gesture::Up, at));
            if !spent && double && held <= self.double {
                self.lines[line].short = Some(at);
            }
        } else if spent {
            // Told already.
        } else if let Some(act) = self.long_of(line, since, held) {
            self.tell(act, AgreeBy::Hold, since, at);
        } else if double && held <= self.double {
            self.lines[line].state = State::Between { since, until: at + self.double };
        } else {
            self.single(line, since, at, false);
        }
    }
}
