//! What will happen in a run: by a seed, or by hand.

use std::time::Duration;

/// What the network or the service is like for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// Nobody listens where the server was; links are reset.
    Refused,
    /// Names are not found; links that there are stay.
    NoName,
    /// What is sent vanishes, and nobody is told; dials take their time to fail.
    Silent,
    /// The device has no address and knows it; the link is silent.
    Gone,
    /// The server takes everything and does nothing.
    Hung,
    /// Dials are answered with this status; links that there are stay.
    Status(u16),
    /// Somebody else answers for the server.
    Captive,
}

/// A time in which no talk can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Since the beginning.
    pub from: Duration,
    /// Since the beginning.
    pub to: Duration,
    /// What it is like.
    pub away: Away,
}

/// Something that happens at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blow {
    /// The link ends without a close frame.
    Cut,
    /// It ends with one.
    Close(u16, String),
    /// The server wants the link gone in so long, and ends it then.
    GoAway(Duration),
    /// The other end of the link is gone and nobody says so.
    Strand,
    /// The same, and the device knows that it has another address.
    NewAddress,
    /// So many bytes that are no message.
    Garbage(usize),
    /// All sessions are forgotten.
    Forget,
    /// The wall clock is set, by an hour or so.
    Clock,
}

/// Somebody presses, speaks and lets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    /// Not before this; a person waits until an answer is over.
    pub at: Duration,
    /// How long they speak.
    pub speech: Duration,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Decides what is not written here.
    pub seed: u64,
    /// Settings as a talk has them, a line each.
    pub header: String,
    /// Round trip.
    pub rtt: Duration,
    /// From a ping to its pong.
    pub pong: Duration,
    /// From the end of an utterance to the answer, at most.
    pub think: Duration,
    /// In order, apart from each other.
    pub outages: Vec<Outage>,
    /// In order.
    pub blows: Vec<(Duration, Blow)>,
    /// In order.
    pub presses: Vec<Press>,
    /// Of 100 questions, so many need a tool.
    pub tools: u32,
    /// Every setup is answered with this close.
    pub refuses: Option<(u16, String)>,
    /// How long it takes.
    pub length: Duration,
    /// Everything that happens is written down.
    pub told: bool,
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Plan {
    /// A quiet network and nobody there.
    pub fn quiet(seed: u64, header: &str, length: Duration) -> Self {
        Plan {
            seed,
            header: header.to_owned(),
            rtt: Duration::from_millis(60),
            pong: Duration::from_millis(60),
            think: s(1),
            outages: Vec::new(),
            blows: Vec::new(),
            presses: Vec::new(),
            tools: 0,
            refuses: None,
            length,
            told: false,
        }
    }

    /// Everything that may happen, as this seed has it.
    pub fn of_seed(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let modes = ["mode hold", "mode hold", "mode tap", "mode hold\nquiet_close 5s"];
        let header = format!("{}\ntools lamp", modes[random.usize(..modes.len())]);
        let length = s(600);
        let mut plan = Plan::quiet(seed, &header, length);
        plan.rtt = Duration::from_millis(random.u64(5..600));
        // Those of the service take 8 to 30 s at times; such links are another row's.
        plan.pong = plan.rtt + Duration::from_millis(random.u64(0..1400));
        plan.think = Duration::from_millis(random.u64(300..4000));
        plan.tools = if random.bool() { 30 } else { 0 };
        let mut at = s(random.u64(1..30));
        while at < length - s(120) {
            let away = match random.u32(..8) {
                0 => Away::Refused,
                1 => Away::NoName,
                2 => Away::Silent,
                3 => Away::Gone,
                4 => Away::Hung,
                5 => Away::Status(503),
                6 => Away::Status(429),
                _ => Away::Captive,
            };
            let lasts = if random.u32(..4) == 0 { s(random.u64(20..60)) } else { s(random.u64(1..12)) };
            if random.u32(..3) > 0 {
                plan.outages.push(Outage { from: at, to: at + lasts, away });
            }
            at += lasts + s(random.u64(5..120));
        }
        for _ in 0..random.usize(0..12) {
            let at = Duration::from_millis(random.u64(500..(length - s(60)).as_millis() as u64));
            plan.blows.push((at, Blow::of(&mut random)));
        }
        plan.blows.sort_by_key(|(at, _)| *at);
        let mut at = Duration::from_millis(random.u64(600..5000));
        while at < length - s(60) {
            let speech = Duration::from_millis(random.u64(300..7000));
            plan.presses.push(Press { at, speech });
            at += speech + Duration::from_millis(random.u64(1000..45_000));
        }
        plan
    }
}

/// How links end that are to be dialled again.
const ENDS: [(u16, &str); 9] = [
    (1000, "The operation was cancelled."),
    (1001, ""),
    (1012, ""),
    (1013, "try again later"),
    (1008, "The operation was aborted."),
    (1008, "Operation is not implemented, or supported, or enabled."),
    (1011, "Internal error encountered."),
    (1011, "Deadline expired before operation could complete."),
    (1011, "The service is currently unavailable."),
];

impl Blow {
    /// Takes a link at once, so that another one has to be made.
    pub(super) fn takes(&self) -> bool {
        match self {
            Blow::Cut | Blow::Close(..) | Blow::Strand | Blow::NewAddress => true,
            Blow::Forget | Blow::GoAway(_) | Blow::Garbage(_) | Blow::Clock => false,
        }
    }

    fn of(random: &mut fastrand::Rng) -> Blow {
        match random.u32(..12) {
            0..2 => Blow::Cut,
            2..5 => {
                let (code, reason) = ENDS[random.usize(..ENDS.len())];
                Blow::Close(code, reason.to_owned())
            }
            5..7 => Blow::GoAway(s(random.u64(1..50))),
            7 => Blow::Strand,
            8 => Blow::NewAddress,
            9 => Blow::Garbage(random.usize(0..70_000)),
            10 => Blow::Forget,
            _ => Blow::Clock,
        }
    }
}
