//! Plays a talk step by step in any [`World`] and compares what is seen with what is expected.

use std::fmt;
use std::time::Duration;

use pressel_live::event::Phase;

use super::parse::phase_word;
use super::script::{Count, Deed, Event, Expect, Sight, Talk, What};

/// Where a talk takes place: the conversation alone in virtual time, or the whole daemon.
pub trait World {
    /// Time since the talk began.
    fn now(&self) -> Duration;
    /// Lets time pass until something happens, at most until then.
    fn step(&mut self, until: Duration);
    /// Does something, and returns when it is done with the time at which it began.
    ///
    /// # Errors
    /// Why it cannot be done.
    fn act(&mut self, deed: &Deed) -> Result<Duration, String>;
    /// Everything seen so far, in order.
    fn journal(&self) -> &[Entry];
    /// What the light shows.
    fn phase(&self) -> Phase;
    /// Length of the newest utterance on the newest link as the server has it, and how much of it is speech.
    fn utterance(&self) -> (Duration, Duration);
    /// Silence that was sent in the place of sound since the last sound, or since the stream paused.
    fn hush(&self) -> Duration;
    /// How much of the newest answer has been heard in the room.
    fn heard(&self) -> Duration;
    /// Kinds of messages sent on the newest link, repetitions once.
    fn order(&self) -> Vec<String>;
    /// How long something may take when the talk does not say it.
    fn patience(&self) -> Duration;
    /// How exact a length must be.
    fn exactness(&self) -> Duration {
        Duration::from_millis(20)
    }
    /// Everything is let go and much time passes; tells what must always hold and did not.
    fn finish(&mut self) -> Vec<String>;
}

/// Something seen.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Since the beginning.
    pub at: Duration,
    /// What.
    pub seen: Seen,
}

/// What can be seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// The light changed.
    Phase(Phase),
    /// A dial.
    Dial,
    /// A ping.
    Ping,
    /// The person was told this.
    Told(&'static str),
    /// We closed a link.
    Close,
    /// A message of this kind; its text is empty where it is sound.
    Sent(String, String),
    /// Answer sound was queued.
    Play,
    /// An answer was silenced.
    Flush,
    /// The answer was turned down, or came back.
    Duck(bool),
    /// The microphone was told `rest`, `all`, `gated` or `watched`.
    Listen(&'static str),
    /// A note.
    Note(String),
    /// A tool was called.
    Call(String),
    /// Tools were stopped.
    CancelTools,
}

impl Event {
    fn fits(&self, seen: &Seen) -> bool {
        match (self, seen) {
            (Event::Dial, Seen::Dial)
            | (Event::Ping, Seen::Ping)
            | (Event::Close, Seen::Close)
            | (Event::Play, Seen::Play)
            | (Event::Flush, Seen::Flush)
            | (Event::CancelTools, Seen::CancelTools) => true,
            (Event::Sent(kind, text), Seen::Sent(sent, message)) => {
                kind == sent && text.as_ref().is_none_or(|text| message.contains(text))
            }
            (Event::Duck(down), Seen::Duck(ducked)) => down == ducked,
            (Event::Listen(word), Seen::Listen(told)) | (Event::Told(word), Seen::Told(told)) => word == told,
            (Event::Note(words), Seen::Note(note)) => note.starts_with(words),
            (Event::Call(name), Seen::Call(called)) => name == called,
            _ => false,
        }
    }
}

/// What did not go as the talk says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its line; `None` where no line says it, but every talk promises it.
    pub line: Option<usize>,
    /// What happened instead.
    pub text: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// What was seen since a deed began.
#[derive(Clone, Copy, Default)]
struct Window {
    began: Duration,
    /// Entries of the journal before it.
    before: usize,
}

impl Window {
    fn act(&mut self, deed: &Deed, world: &mut dyn World) -> Result<(), String> {
        let before = world.journal().len();
        let began = world.act(deed)?;
        *self = Window { began, before };
        Ok(())
    }

    fn seen(self, world: &dyn World) -> impl Iterator<Item = &Entry> {
        world.journal().iter().skip(self.before).filter(move |entry| entry.at >= self.began)
    }
}

/// Plays a talk to its end, whatever fails on the way.
pub fn play(talk: &Talk, world: &mut dyn World) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut deed = Window::default();
    for step in &talk.steps {
        let outcome = match &step.what {
            What::Do(what) => deed.act(what, world),
            What::Expect(expect) => meets(expect, deed, world),
        };
        if let Err(text) = outcome {
            failures.push(Failure { line: Some(step.line), text });
        }
    }
    failures.extend(world.finish().into_iter().map(|text| Failure { line: None, text }));
    failures
}

/// Plays only what a talk does, in its rhythm: what is expected is waited for and not missed. Tells what must always hold
/// and did not.
pub fn play_through(talk: &Talk, world: &mut dyn World) -> Vec<Failure> {
    let mut deed = Window::default();
    for step in &talk.steps {
        // What cannot be done under these circumstances is left out.
        let _ = match &step.what {
            What::Do(what) => deed.act(what, world),
            What::Expect(expect) => meets(expect, deed, world),
        };
    }
    world.finish().into_iter().map(|text| Failure { line: None, text }).collect()
}

/// Steps until this is so, at most until then.
fn until(world: &mut dyn World, limit: Duration, mut so: impl FnMut(&dyn World) -> bool) -> bool {
    loop {
        if so(world) {
            return true;
        }
        if world.now() >= limit {
            return false;
        }
        world.step(limit);
    }
}

fn pass(world: &mut dyn World, limit: Duration) {
    until(world, limit, |_| false);
}

/// Waits for what is expected since the last deed began.
fn meets(expect: &Expect, deed: Window, world: &mut dyn World) -> Result<(), String> {
    let since = if expect.in_all { Window::default() } else { deed };
    let within = expect.within.map(|within| deed.began + within);
    let limit = within.unwrap_or(world.now() + world.patience());
    match &expect.sight {
        Sight::Event(event) => {
            let count = |world: &dyn World| times(event, since, within, world);
            let met = match expect.count {
                Count::Some => until(world, limit, |world| count(world) > 0),
                Count::Exactly(exactly) => {
                    if within.is_some() {
                        pass(world, limit);
                    } else {
                        until(world, limit, |world| count(world) >= exactly);
                    }
                    count(world) == exactly
                }
                Count::AtMost(most) => {
                    pass(world, limit);
                    count(world) <= most
                }
            };
            let seen = count(world);
            if met { Ok(()) } else { Err(format!("{event:?} {seen} times; {}", story(since, world))) }
        }
        Sight::Phase(phase) if expect.count == Count::Some => {
            let met = until(world, limit, |world| world.phase() == *phase);
            if met {
                Ok(())
            } else {
                Err(format!("the light shows {}; {}", word(world), story(since, world)))
            }
        }
        Sight::Phase(phase) => {
            if within.is_some() {
                pass(world, limit);
            }
            let shown = Seen::Phase(*phase);
            let was = since.seen(world).any(|entry| entry.seen == shown);
            let is = world.phase() == *phase;
            if was || is { Err(format!("the light showed it; {}", story(since, world))) } else { Ok(()) }
        }
        Sight::HeardByServer(time) => exactly(world, limit, *time, |world| world.utterance().1),
        Sight::Utterance(time) => exactly(world, limit, *time, |world| world.utterance().0),
        Sight::Hush(time) => exactly(world, limit, *time, |world| world.hush()),
        Sight::Heard(time) => exactly(world, limit, *time, |world| world.heard()),
        Sight::Order(kinds) => {
            let met = until(world, limit, |world| world.order() == *kinds);
            if met { Ok(()) } else { Err(format!("sent {}", world.order().join(" "))) }
        }
    }
}

fn word(world: &dyn World) -> &'static str {
    phase_word(world.phase())
}

fn times(event: &Event, since: Window, until: Option<Duration>, world: &dyn World) -> usize {
    let in_time = |entry: &&Entry| until.is_none_or(|until| entry.at <= until);
    since.seen(world).filter(in_time).filter(|entry| event.fits(&entry.seen)).count()
}

/// A length, as exact as the world is.
fn exactly(
    world: &mut dyn World,
    limit: Duration,
    time: Duration,
    value: impl Fn(&dyn World) -> Duration,
) -> Result<(), String> {
    let met = until(world, limit, |world| value(world).abs_diff(time) <= world.exactness());
    if met { Ok(()) } else { Err(format!("it is {} ms", value(world).as_millis())) }
}

/// The last things seen, for a message.
fn story(since: Window, world: &dyn World) -> String {
    let told: Vec<String> = since
        .seen(world)
        .map(|entry| format!("{} ms {:.60}", entry.at.as_millis(), format!("{:?}", entry.seen)))
        .collect();
    let mut short: Vec<String> = Vec::new();
    for line in told {
        let what = |line: &str| line.split_once(" ms ").map(|(_, what)| what.to_owned());
        if short.last().is_none_or(|last| what(last) != what(&line)) {
            short.push(line);
        }
    }
    let from = short.len().saturating_sub(12);
    format!("seen: {}", short[from..].join(", "))
}
