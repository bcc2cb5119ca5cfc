//! Due consent, by what was seen from outside the device: what a server was told to ask, what of its speech the loudspeaker
//! played to the end, when the light asked, and what a finger did to the button's line.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// From the question's end on.
const WITHIN: Duration = Duration::from_secs(10);
/// Two presses that are one gesture are no further apart, and the first is no longer.
const DOUBLE: Duration = Duration::from_millis(300);
/// Who holds the button so long agrees.
const HELD: Duration = Duration::from_secs(2);

/// A stretch of speech without a break: of a model, or a line of the device's own.
#[derive(Debug, Default)]
struct Speech {
    /// What its speaker had been told to ask when it began.
    about: BTreeSet<usize>,
    sent: u32,
    delivered: u32,
    /// All of it was sent.
    whole: bool,
    /// Some of it is never heard.
    torn: bool,
    /// The device's numbers for it.
    turns: BTreeSet<u32>,
    /// When the loudspeaker has played what it has of it.
    ends: Duration,
}

/// A link, as its server knows it.
#[derive(Debug, Default)]
struct Talk {
    /// What it was told to ask.
    told: BTreeSet<usize>,
    /// The speech it is in the middle of.
    speech: Option<usize>,
    /// Whose parts are on their way, in order.
    coming: VecDeque<usize>,
}

#[derive(Debug)]
struct Question {
    opened: Duration,
    closed: Option<(Duration, &'static str)>,
}

/// What was done to the button's line.
#[derive(Clone, Copy, Debug)]
struct Edge {
    pressed: bool,
    at: Duration,
    by_program: bool,
}

/// Everything seen of questions, by the number of their call.
#[derive(Debug, Default)]
pub struct Law {
    speeches: Vec<Speech>,
    talks: BTreeMap<u32, Talk>,
    questions: BTreeMap<usize, Question>,
    edges: Vec<Edge>,
    newest: Option<usize>,
    /// Since when the light asks.
    asking: Option<Duration>,
    /// First presses of gestures that something was run for.
    used: BTreeSet<Duration>,
}

impl Law {
    /// The question that was opened last, if nothing has ended it.
    pub fn open(&self) -> Option<usize> {
        self.newest.filter(|number| self.questions.get(number).is_some_and(|asked| asked.closed.is_none()))
    }

    /// How many there were.
    pub fn asked(&self) -> usize {
        self.questions.len()
    }

    /// The device has answered a call with a question.
    pub fn opened(&mut self, now: Duration, number: usize) {
        let asked = self.questions.entry(number).or_insert(Question { opened: now, closed: None });
        // A model may be told the same once more; after a press that was no part of a gesture it is another question.
        let over = |edge: &Edge| edge.at + DOUBLE < now;
        let mut presses = self.edges.windows(2).filter(|edges| edges[0].pressed && over(&edges[1]));
        let refused = presses.any(|edges| edges[0].at > asked.opened);
        if asked.closed.is_some() || refused {
            *asked = Question { opened: now, closed: None };
        }
        self.newest = Some(number);
    }

    /// Nobody is asked about this any more.
    pub fn close(&mut self, now: Duration, number: usize, why: &'static str) {
        if let Some(asked) = self.questions.get_mut(&number) {
            asked.closed.get_or_insert((now, why));
        }
    }

    /// Nobody is asked anything any more.
    pub fn close_all(&mut self, now: Duration, why: &'static str) {
        for asked in self.questions.values_mut() {
            asked.closed.get_or_insert((now, why));
        }
    }

    /// The light shows something else.
    pub fn shows(&mut self, now: Duration, asking: bool) {
        self.asking = asking.then_some(now);
    }

    /// Words that a server has now.
    pub fn told(&mut self, link: u32, text: &str) {
        let numbers = text.split("may-").skip(1).filter_map(|rest| rest.split('-').next()?.parse().ok());
        let talk = self.talks.entry(link).or_default();
        for number in numbers {
            if talk.told.insert(number) {
                talk.speech = None; // what is said from here on may be the question
            }
        }
    }

    /// A server sends a part of its speech.
    pub fn speaks(&mut self, link: u32) {
        let talk = self.talks.entry(link).or_default();
        let speech = *talk.speech.get_or_insert_with(|| {
            self.speeches.push(Speech { about: talk.told.clone(), ..Speech::default() });
            self.speeches.len() - 1
        });
        talk.coming.push_back(speech);
        self.speeches[speech].sent += 1;
    }

    /// A server has said all of it; or it was `cut`.
    pub fn spoke(&mut self, link: u32, cut: bool) {
        let Some(speech) = self.talks.get_mut(&link).and_then(|talk| talk.speech.take()) else { return };
        self.speeches[speech].whole = !cut;
        self.speeches[speech].torn |= cut;
    }

    /// A part has come to the device; `turn`, and when the loudspeaker will have played it.
    pub fn came(&mut self, link: u32, played: Option<(u32, Duration)>) {
        let Some(speech) = self.talks.get_mut(&link).and_then(|talk| talk.coming.pop_front()) else { return };
        let speech = &mut self.speeches[speech];
        speech.delivered += 1;
        match played {
            Some((turn, ends)) => {
                speech.turns.insert(turn);
                speech.ends = ends;
            }
            None => speech.torn = true,
        }
    }

    /// The device asks by itself.
    pub fn says(&mut self, turn: u32, ends: Duration) {
        let (about, turns) = (self.open().into_iter().collect(), BTreeSet::from([turn]));
        self.speeches.push(Speech { about, turns, ends, whole: true, ..Speech::default() });
    }

    /// What is not heard yet of turns up to this one never is.
    pub fn flushed(&mut self, now: Duration, turn: u32) {
        let of_it = |speech: &&mut Speech| speech.ends > now && speech.turns.iter().any(|of| *of <= turn);
        self.speeches.iter_mut().filter(of_it).for_each(|speech| speech.torn = true);
    }

    /// A finger, or a program in its place, on the button's line.
    pub fn edge(&mut self, at: Duration, pressed: bool, by_program: bool) {
        if self.edges.last().is_some_and(|last| last.pressed) != pressed {
            self.edges.push(Edge { pressed, at, by_program });
        }
    }

    /// What was run now, had it due consent; and if not, why. A consent is for one run.
    pub fn runs(&mut self, now: Duration, number: usize, hold: bool) -> Result<(), String> {
        let began = self.due(now, number, hold)?;
        self.close(now, number, "it was agreed to");
        if self.used.insert(began) { Ok(()) } else { Err("the gesture was for something else".to_owned()) }
    }

    /// When the gesture began that is due consent to this and was completed now.
    pub fn due(&self, now: Duration, number: usize, hold: bool) -> Result<Duration, String> {
        let asked = self.questions.get(&number).ok_or("nobody was asked")?;
        if let Some((at, why)) = asked.closed {
            return Err(format!("{why} at {} ms", at.as_millis()));
        }
        let presses = if hold { 1 } else { 2 };
        let gesture = self.gesture(now, presses).ok_or("there was no such gesture")?;
        let (before, own) = self.edges.split_at(gesture);
        if own.iter().any(|edge| edge.by_program) {
            return Err("a program pressed".to_owned());
        }
        let began = own[0].at;
        if before.iter().any(|edge| edge.pressed && edge.at > asked.opened) {
            return Err("a press before that was a no".to_owned());
        }
        if self.asking.is_none_or(|since| since > began) {
            return Err("the light did not ask".to_owned());
        }
        let heard = |speech: &&Speech| {
            let all = speech.whole && !speech.torn && speech.delivered == speech.sent;
            all && speech.about.contains(&number) && speech.ends > asked.opened && speech.ends <= began
        };
        let heard = self.speeches.iter().filter(heard).map(|speech| speech.ends).max();
        match heard {
            None => Err("the question was not heard to its end".to_owned()),
            Some(heard) if now > heard + WITHIN => Err("it was too late".to_owned()),
            Some(_) => Ok(began),
        }
    }

    /// Where the gesture begins that is complete now.
    fn gesture(&self, now: Duration, presses: usize) -> Option<usize> {
        let mut pressed = self.edges.iter().enumerate().rev().filter(|(_, edge)| edge.pressed);
        let (last, press) = pressed.next()?;
        if presses == 1 {
            let up = self.edges.get(last + 1).map_or(now, |edge| edge.at);
            return (up.min(now) >= press.at + HELD).then_some(last);
        }
        let (first, before) = pressed.next()?;
        let up = self.edges.get(first + 1)?.at;
        let quick = up <= before.at + DOUBLE && press.at <= up + DOUBLE && press.at == now;
        quick.then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// Call 7 is asked about, and its question heard by 1000 ms.
    fn heard() -> Law {
        let mut law = Law::default();
        law.opened(MS(100), 7);
        law.told(1, "may-7-");
        law.speaks(1);
        law.came(1, Some((3, MS(1000))));
        law.spoke(1, false);
        law.shows(MS(1000), true);
        law
    }

    fn press_twice(law: &mut Law, at: u64, by_program: bool) -> Duration {
        for (after, pressed) in [(0, true), (80, false), (200, true)] {
            law.edge(MS(at + after), pressed, by_program);
        }
        MS(at + 200)
    }

    #[test]
    fn two_presses_after_the_question_are_for_one_run() {
        let mut law = heard();
        let now = press_twice(&mut law, 2000, false);
        assert!(law.due(now, 7, true).is_err(), "it was to be held");
        assert_eq!(law.runs(now, 7, false), Ok(()));
        assert!(law.runs(now, 7, false).unwrap_err().contains("agreed to"));
    }

    #[test]
    fn each_that_is_missing_is_told() {
        let told = |change: &dyn Fn(&mut Law), at: u64, by_program: bool| {
            let mut law = heard();
            change(&mut law);
            let now = press_twice(&mut law, at, by_program);
            law.runs(now, 7, false).unwrap_err()
        };
        assert!(told(&|_| {}, 999, false).contains("light"));
        assert!(told(&|law| law.shows(MS(500), true), 999, false).contains("not heard"));
        assert!(told(&|_| {}, 10_900, false).contains("too late"));
        assert!(told(&|_| {}, 2000, true).contains("program"));
        assert!(told(&|law| law.close_all(MS(1500), "stop"), 2000, false).contains("stop at 1500"));
        assert!(told(&|law| law.flushed(MS(900), 3), 2000, false).contains("not heard"));
        assert!(told(&|law| law.edge(MS(300), true, false), 2000, false).contains("no such gesture"));
        let pressed = |law: &mut Law| {
            law.edge(MS(300), true, false);
            law.edge(MS(350), false, false);
        };
        assert!(told(&pressed, 2000, false).contains("was a no"));
        // What was said before the server knew is no question.
        let other = |law: &mut Law| law.speeches[0].about.clear();
        assert!(told(&other, 2000, false).contains("not heard"));
        // More of it was on its way when the link was lost.
        let more = |law: &mut Law| law.speeches[0].sent += 1;
        assert!(told(&more, 2000, false).contains("not heard"));
    }

    #[test]
    fn a_button_is_held_for_two_seconds() {
        let mut law = heard();
        law.edge(MS(1500), true, false);
        assert!(law.due(MS(3499), 7, true).is_err());
        assert_eq!(law.due(MS(3500), 7, true), Ok(MS(1500)));
        law.edge(MS(3000), false, false);
        assert!(law.due(MS(3500), 7, true).is_err());
    }
}
