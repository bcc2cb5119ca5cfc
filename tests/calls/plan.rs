//! What will happen in a run in virtual time, by its seed: which model, which calls, what becomes of each, and everything
//! that a person, a network and a server do meanwhile.

use std::time::Duration;

use fake_gemini::{Call, Script, Turn};
use serde_json::json;

/// One model of each profile that takes tools, and one that nobody knows.
pub const MODELS: [&str; 5] = [
    "gemini-2.5-flash-native-audio-latest",
    "gemini-3.1-flash-live-preview",
    "gemini-3.8-live",
    "gemini-3.8-live-extended-thinking",
    NEW,
];
/// One of them where `behavior` is not known, so that it waits for no call.
pub const ON_VERTEX: &str = "projects/p/locations/global/publishers/google/models/gemini-3.8-live";
/// The one that nobody knows.
pub const NEW: &str = "gemini-4-live";
/// Those that take no tools.
pub const WITHOUT: [&str; 2] = ["gemini-3.5-live-translate-preview", "gemini-3.5-transcribe-live"];
/// Names of the tools; their files are in `tests/calls/tools.rs`.
pub const TOOLS: [&str; 3] = ["lamp", "valve", "report"];
/// Those that a person must agree to: by two presses, and by holding the button.
pub const ASKS: [&str; 2] = ["gate", "hoist"];
/// Ends by itself when nobody waits for it any more.
pub const FINISHES: &str = "valve";
/// A tool's time, as the daemon bounds it.
pub const TIMEOUT: Duration = Duration::from_secs(70);

/// What a call leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errand {
    /// How long it takes; beyond [`TIMEOUT`] it fails then.
    pub takes: Duration,
    /// Bytes of what it finds.
    pub finds: usize,
    /// It cannot do it.
    pub fails: bool,
    /// What somebody does who is asked for consent.
    pub person: Person,
}

/// Somebody who is asked for consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Makes the gesture so long after the light asks; more than 10 s are too long.
    Agrees(Duration),
    /// Makes it so long after the model was told to ask, whatever the light shows, and not again.
    Early(Duration),
    /// Makes it twice.
    AgreesTwice,
    /// Presses as for talk, and makes it then.
    Refuses,
    /// Makes the other gesture.
    Mistakes,
    /// A program makes it.
    Program,
    /// So long after the model was told to ask this happens; then somebody makes it whenever the light asks.
    Meanwhile(Meanwhile, Duration),
    /// This happens while the light asks, and somebody makes it then.
    After(Meanwhile),
    /// Does nothing.
    Nobody,
}

/// What happens to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// The link is lost.
    Cut,
    /// The server takes the call back.
    TakenBack,
    /// The stop gesture.
    Stop,
    /// A new talk.
    Forget,
    /// The daemon is started again.
    Restart,
    /// The microphone is switched off for a moment.
    Mute,
}

impl Person {
    fn of(random: &mut fastrand::Rng) -> Self {
        use Meanwhile::{Cut, Forget, Mute, Restart, Stop, TakenBack};
        let whatever = [Cut, Cut, Cut, TakenBack, TakenBack, Stop, Forget, Restart, Mute];
        let whatever = whatever[random.usize(..whatever.len())];
        match random.u32(..20) {
            0..6 => Person::Agrees(ms(random.u64(1..9500))),
            6 => Person::Agrees(ms(random.u64(9500..12_000))),
            7..9 => Person::Early(ms(random.u64(1..4000))),
            9 => Person::AgreesTwice,
            10 => Person::Refuses,
            11 => Person::Mistakes,
            12 => Person::Program,
            13..16 => Person::Meanwhile(whatever, ms(random.u64(1..4000))),
            16..19 => Person::After(whatever),
            _ => Person::Nobody,
        }
    }
}

/// Something that somebody does, or that befalls the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Presses, says something for so long, lets go. In open mode: speaks.
    Ask(Duration),
    /// Types a question.
    Type,
    /// The stop gesture.
    Stop,
    /// A new talk begins.
    Forget,
    /// The daemon is ended and started again.
    Restart,
    /// The link ends without a close frame.
    Cut,
    /// It ends with one.
    Close(u16, &'static str),
    /// The server wants it gone in so long.
    GoAway(Duration),
    /// All sessions are forgotten, and the link is cut.
    Lose,
    /// The next calls are told twice.
    Twice,
    /// The microphone is switched off for a moment.
    Mute,
    /// There is no network for so long.
    Away(Duration),
}

/// A run.
pub struct Plan {
    /// Decides what is not written here.
    pub seed: u64,
    /// Which model.
    pub model: &'static str,
    /// Settings as a talk has them, a line each.
    pub header: String,
    /// Round trip.
    pub rtt: Duration,
    /// What the server does.
    pub script: Script,
    /// What comes of the calls, by number.
    pub errands: Vec<Errand>,
    /// In order.
    pub deeds: Vec<(Duration, Deed)>,
    /// How long it takes.
    pub length: Duration,
    /// The device has sounds to ask with by itself.
    pub phrases: bool,
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Turns of a run.
const TURNS: usize = 24;
/// By then every tool has ended.
const LATER: Duration = Duration::from_secs(120);
/// And everything that was begun in this.
const REST: Duration = Duration::from_secs(200);

impl Errand {
    fn of(random: &mut fastrand::Rng) -> Self {
        let takes = match random.u32(..20) {
            0..4 => Duration::ZERO,
            4..13 => ms(random.u64(1..1500)),
            13..17 => ms(random.u64(1500..15_000)),
            17 => ms(random.u64(15_000..58_000)),
            18 => Duration::from_secs(60),
            _ => TIMEOUT + ms(random.u64(1..30_000)),
        };
        let finds = match random.u32(..20) {
            0..3 => 0,
            3..16 => random.usize(1..400),
            16..19 => random.usize(400..20_000),
            _ => 1024 * 1024,
        };
        Errand { takes, finds, fails: random.u32(..8) == 0, person: Person::Nobody }
    }
}

impl Plan {
    /// As this seed has it.
    pub fn of_seed(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let modes = [
            "mode hold",
            "mode hold",
            "mode hold\nquiet_close 5s",
            "mode tap",
            "mode open\nbarge_in server",
            "mode open\nbarge_in off\nidle never",
        ];
        let header = modes[random.usize(..modes.len())].to_owned();
        let mut errands = Vec::new();
        let mut script = Script::default();
        for turn in 0..TURNS {
            script.turns.push(turn_of(&mut random, turn as u64, &mut errands));
        }
        script.rest = Turn { think_ms: Some(100), ..Turn::noise(200, 1) };
        let rtt = ms(random.u64(5..500));
        let service = &mut script.service;
        service.in_flight_ms = rtt.as_millis() as u64 + 20;
        service.pace = 0.0;
        service.stale_parts = random.usize(..3);
        service.handle_ms = random.u64(20..2000);
        let deeds = deeds(&mut random);
        if (seed + 1) % 7 < 3 {
            call_again(seed, &mut script);
        }
        if seed % 2 == 1 {
            ask(seed, &mut script, &mut errands);
        }
        let mut model = MODELS[seed as usize % MODELS.len()];
        if model == MODELS[2] && seed % 7 == 6 {
            model = ON_VERTEX;
        }
        let length = deeds.last().map_or(Duration::ZERO, |(at, _)| *at) + REST;
        Plan { seed, model, header, rtt, script, errands, deeds, length, phrases: seed % 8 > 0 }
    }
}

/// In three runs of seven: a model that makes some of its calls again when they are taken back.
fn call_again(seed: u64, script: &mut Script) {
    let mut random = fastrand::Rng::with_seed(seed.rotate_left(32));
    for turn in &mut script.turns {
        turn.calls_again = random.u32(..3) > 0;
        if random.u32(..3) == 0 {
            turn.cancel_tools_after_ms = Some(random.u64(1..4000));
        }
    }
}

/// In every second run: puts tools that a person must agree to in the place of some.
fn ask(seed: u64, script: &mut Script, errands: &mut [Errand]) {
    let mut random = fastrand::Rng::with_seed(!seed);
    for turn in &mut script.turns {
        for call in turn.tools.iter_mut().chain(&mut turn.then_tools) {
            if random.u32(..5) > 2 {
                continue;
            }
            call.name = ASKS[random.usize(..ASKS.len())].to_owned();
            let errand = call.args["n"].as_u64().and_then(|number| errands.get_mut(number as usize));
            errand.into_iter().for_each(|errand| errand.person = Person::of(&mut random));
        }
        // A model that calls and says nothing has the device ask.
        turn.audio = random.u32(..6) > 0;
    }
}

/// A turn of the model: what it calls, and what it says then.
fn turn_of(random: &mut fastrand::Rng, number: u64, errands: &mut Vec<Errand>) -> Turn {
    let mut turn =
        Turn { think_ms: Some(random.u64(20..1200)), ..Turn::noise(random.u64(200..1500), number) };
    turn.hear = (random.u32(..4) > 0).then(|| format!("Question {number}."));
    turn.words = Some(format!("Answer {number}."));
    if random.u32(..10) == 0 {
        return turn;
    }
    let mut call = || {
        let name = TOOLS[random.usize(..TOOLS.len())].to_owned();
        let pad = match random.u32(..10) {
            0..7 => random.usize(..200),
            7..9 => random.usize(..20_000),
            _ => 63 * 1024,
        };
        let args = json!({ "n": errands.len(), "note": "ä".repeat(pad / 2) });
        errands.push(Errand::of(random));
        let args = args.as_object().cloned().unwrap_or_default();
        Call { name, args }
    };
    let count = [1, 1, 1, 1, 2, 3, 4, 9];
    let first = count[number as usize * 5 % count.len()];
    turn.tools = (0..first).map(|_| call()).collect();
    if number % 5 == 0 {
        turn.then_tools = vec![call()];
    }
    turn.filler = random.bool();
    turn.cancel_tools_after_ms = (random.u32(..6) == 0).then(|| random.u64(1..4000));
    turn
}

fn deeds(random: &mut fastrand::Rng) -> Vec<(Duration, Deed)> {
    let mut deeds = Vec::new();
    let mut at = ms(random.u64(600..3000));
    for _ in 0..TURNS {
        deeds.push((at, Deed::Ask(ms(random.u64(300..2500)))));
        // Most people wait for an answer, and some do not.
        let until =
            at + ms(if random.u32(..3) == 0 { random.u64(500..6000) } else { random.u64(6000..80_000) });
        if random.u32(..3) == 0 {
            let when = at + ms(random.u64(300..15_000));
            deeds.push((when, Deed::of(random)));
        }
        at = until;
    }
    deeds.sort_by_key(|(at, _)| *at);
    // Somebody comes back, and is told what was found meanwhile.
    let last = deeds.last().map_or(Duration::ZERO, |(at, _)| *at);
    deeds.push((last.max(at) + LATER, Deed::Ask(ms(900))));
    deeds
}

impl Deed {
    fn of(random: &mut fastrand::Rng) -> Deed {
        match random.u32(..24) {
            0..4 => Deed::Cut,
            4..7 => {
                let ends = [
                    (1000, "The operation was cancelled."),
                    (1001, ""),
                    (1008, "The operation was aborted."),
                    (1011, "Internal error encountered."),
                    (1011, "The service is currently unavailable."),
                ];
                let (code, reason) = ends[random.usize(..ends.len())];
                Deed::Close(code, reason)
            }
            7..10 => Deed::GoAway(ms(random.u64(200..20_000))),
            10 => Deed::Lose,
            11..13 => Deed::Away(ms(random.u64(500..30_000))),
            13..16 => Deed::Stop,
            16 => Deed::Forget,
            17 => Deed::Restart,
            18..20 => Deed::Type,
            20..22 => Deed::Mute,
            _ => Deed::Twice,
        }
    }
}
