//! The rows that are measured with the real daemon, each on a ground of its own.

use std::io;
use std::time::Duration;

use fake_gemini::{Event, Fault, Options, Rule, Script, Turn, What, When};
use pressel_world::card::{Direction, monotonic_ns};
use pressel_world::table::Bar;
use tests::measure::find;
use tests::stage::Setting;
use tests::stage::proxy::Weather;

use crate::ground::{Ground, dials, lost, ms, struck};
use crate::report::Figure;

/// One measurement: its figures, or why there are none.
pub type Row = fn(&Extent) -> io::Result<Vec<Figure>>;

/// How much is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// By hand, for minutes, instead of for every commit.
    pub long: bool,
}

impl Extent {
    fn or<T>(self, quick: T, long: T) -> T {
        if self.long { long } else { quick }
    }
}

/// Words of a dictation.
const WORDS: usize = 16;
/// What of it is said when the link is hit.
const HIT_MS: u64 = 2000;

/// Rows in which milliseconds count: each has the machine for itself, and is measured so often.
pub const ALONE: [(&str, Row); 2] = [("reset", reset), ("closed", closed)];
pub const ROUNDS: usize = 3;

/// Rows in which seconds count, the longest first.
pub const TOGETHER: [(&str, Row); 13] = [
    ("pongs", slow_pongs),
    ("refused dials", memory),
    ("silent", silent),
    ("unplugged", unplugged),
    ("outage", outage),
    ("asleep", asleep),
    ("statuses", statuses),
    ("swallowed", swallowed),
    ("rotation", rotation),
    ("rotation in an answer", rotation_in_answer),
    ("fatal", fatal),
    ("cold boot", cold_boot),
    ("restart", restart),
];

/// Nothing to measure: names what is no row of its own.
pub fn none(_: &Extent) -> io::Result<Vec<Figure>> {
    Ok(Vec::new())
}

fn script() -> Script {
    Script { rest: Turn::noise(300, 1), ..Script::default() }
}

fn tear(fault: Fault) -> Script {
    script().fault(Rule::new(When::Heard { ms: HIT_MS }, fault).on_link(1))
}

fn is_setup(event: &Event) -> bool {
    matches!(&event.what, What::Received { name, .. } if name == "setup")
}

/// The link is hit in mid-sentence; until `setup` is at the server again, and what is lost.
fn torn(name: &str, fault: Fault) -> io::Result<Vec<Figure>> {
    let ground = Ground::set("hold", "", tear(fault), true)?;
    let dictation = ground.ask(WORDS)?;
    let record = ground.stage.server.events();
    let hit = struck(&record)?;
    let again = record.iter().find(|event| event.at_ns > hit && event.link > 1 && is_setup(event));
    let again = again.ok_or_else(|| io::Error::other("no setup came again"))?.at_ns;
    let (words, _) = lost(&ground.heard()?, &dictation.words);
    Ok(vec![
        Figure::new(
            format!("{name} in mid-sentence: setup again after"),
            ms(hit, again),
            "ms",
            Bar::AtMost(20.0),
        ),
        Figure::new(format!("{name} in mid-sentence: words lost of {WORDS}"), words, "", Bar::Exactly(0.0)),
    ])
}

fn reset(_: &Extent) -> io::Result<Vec<Figure>> {
    torn("TCP reset", Fault::Reset)
}

fn closed(_: &Extent) -> io::Result<Vec<Figure>> {
    torn("close 1011", Fault::Close { code: 1011, reason: "Internal error encountered.".into() })
}

fn statuses(_: &Extent) -> io::Result<Vec<Figure>> {
    let mut script = tear(Fault::Reset);
    for (link, status) in [(2, 503), (3, 429), (4, 503)] {
        script = script.fault(Rule::new(When::Request, Fault::Http { status }).on_link(link));
    }
    let ground = Ground::set("hold", "", script, true)?;
    let mark = ground.stage.remote.mark();
    let dictation = ground.begin(WORDS)?;
    ground.end(&dictation)?;
    ground.server_until("a reset", |events| struck(events).is_ok())?;
    let hit = struck(&ground.stage.server.events())?;
    let back = ground.ready_after(hit)?;
    ground.answered(mark)?;
    let (words, _) = lost(&ground.heard()?, &dictation.words);
    Ok(vec![
        Figure::new(
            "503, 429, 503 on the way back: back after",
            ms(hit, back) / 1000.0,
            "s",
            Bar::AtMost(4.0),
        ),
        Figure::new(
            format!("503, 429, 503 on the way back: words lost of {WORDS}"),
            words,
            "",
            Bar::Exactly(0.0),
        ),
    ])
}

fn swallowed(_: &Extent) -> io::Result<Vec<Figure>> {
    let ground = Ground::set("hold", "", script(), true)?;
    let mark = ground.stage.remote.mark();
    let dictation = ground.begin(WORDS)?;
    ground.pass(Duration::from_millis(HIT_MS));
    ground.proxy.strand(true);
    ground.pass(Duration::from_secs(3));
    ground.proxy.reset();
    ground.end(&dictation)?;
    ground.answered(mark)?;
    let (_, gone_ms) = lost(&ground.heard()?, &dictation.words);
    Ok(vec![Figure::new("3 s swallowed, then a reset: speech lost", gone_ms, "ms", Bar::AtMost(300.0))])
}

/// The other end falls silent in mid-sentence and nobody says so. The link's pongs are known from a question before.
fn unnoticed(name: &str, hit: impl Fn(&Ground)) -> io::Result<Vec<Figure>> {
    let ground = Ground::set("hold", "", script(), true)?;
    ground.ask(2)?;
    let mark = ground.stage.remote.mark();
    let dictation = ground.begin(WORDS)?;
    ground.pass(Duration::from_millis(HIT_MS));
    let before = ground.proxy.dials().len();
    hit(&ground);
    let done = ground.end(&dictation)?;
    ground.server_until("another dial", |_| ground.proxy.dials().len() > before)?;
    let noticed = ground.proxy.dials()[before];
    ground.answered(mark)?;
    let (words, _) = lost(&ground.heard()?, &dictation.words);
    let after_s = (ms(done, noticed) / 1000.0).max(0.0);
    Ok(vec![
        Figure::new(format!("{name}: noticed after the last word"), after_s, "s", Bar::AtMost(10.0)),
        Figure::new(format!("{name}: words lost of {WORDS}"), words, "", Bar::Exactly(0.0)),
    ])
}

fn silent(_: &Extent) -> io::Result<Vec<Figure>> {
    unnoticed("silent TCP", |ground| {
        ground.stage.server.strike(Fault::Stall { ms: None });
    })
}

fn unplugged(_: &Extent) -> io::Result<Vec<Figure>> {
    unnoticed("address gone, nothing acknowledged", |ground| {
        ground.proxy.strand(false);
    })
}

fn slow_pongs(extent: &Extent) -> io::Result<Vec<Figure>> {
    let mut killed = 0;
    for delay_ms in extent.or(vec![8000], vec![8000, 15_000, 30_000]) {
        let slow = Rule::new(When::Open, Fault::Pong { delay_ms: Some(delay_ms) }).times(0);
        let mut script = script().fault(slow);
        // Nothing comes for longer than a dead link is waited for, and it is no dead link.
        script.rest.think_ms = Some(12_000);
        let ground = Ground::set("hold", "", script, true)?;
        for _ in 0..2 {
            ground.ask(2)?;
        }
        killed += dials(&ground.stage.server.events()) - 1;
    }
    Ok(vec![Figure::new(
        "healthy links with slow pongs that were given up",
        killed as f64,
        "",
        Bar::Exactly(0.0),
    )])
}

/// A talk is wanted all the time, and the network is away for a while.
fn outage(extent: &Extent) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for outage_s in extent.or(vec![5], vec![5, 60]) {
        let ground = Ground::set("open", "[open]\nstart = \"always\"", script(), true)?;
        ground.ready_after(0)?;
        ground.proxy.door(false);
        ground.proxy.reset();
        ground.pass(Duration::from_secs(outage_s));
        let over = monotonic_ns();
        ground.proxy.door(true);
        let ready = ground.ready_after(over)?;
        let name = format!("ready again after an outage of {outage_s} s");
        figures.push(Figure::new(name, ms(over, ready) / 1000.0, "s", Bar::AtMost(1.5)));
    }
    Ok(figures)
}

fn cold_boot(extent: &Extent) -> io::Result<Vec<Figure>> {
    let ground = Ground::set("open", "[open]\nstart = \"always\"", script(), false)?;
    ground.pass(Duration::from_secs(extent.or(3, 45)));
    let up = monotonic_ns();
    ground.proxy.door(true);
    let ready = ground.ready_after(up)?;
    Ok(vec![Figure::new(
        "booted without a network: ready after it is there",
        ms(up, ready) / 1000.0,
        "s",
        Bar::AtMost(2.0),
    )])
}

/// goAway in mid-sentence, and so soon that it cannot be waited out.
fn rotation(_: &Extent) -> io::Result<Vec<Figure>> {
    let script = tear(Fault::GoAway { left_ms: 3000 });
    let ground = Ground::set("hold", "", script, true)?;
    ground.proxy.weather(Weather { rtt: Duration::from_millis(100), ..Weather::default() });
    let dictation = ground.ask(WORDS)?;
    let heard = ground.heard()?;
    let links: Vec<_> = heard.iter().filter_map(|heard| Some((heard.link, heard.arrived_ns?))).collect();
    let first = links.iter().filter(|(link, _)| *link == 1).map(|(_, (_, last))| *last).max();
    let next = links.iter().filter(|(link, _)| *link > 1).map(|(_, (first, _))| *first).min();
    let (Some(first), Some(next)) = (first, next) else {
        return Err(io::Error::other("the link was not changed"));
    };
    let (_, gone_ms) = lost(&heard, &dictation.words);
    Ok(vec![
        Figure::new(
            "goAway, 100 ms round trip: gap in what is sent",
            ms(first, next),
            "ms",
            Bar::AtMost(700.0),
        ),
        Figure::new("goAway, 100 ms round trip: speech lost", gone_ms, "ms", Bar::Exactly(0.0)),
    ])
}

fn rotation_in_answer(_: &Extent) -> io::Result<Vec<Figure>> {
    let leave = Rule::new(When::Answer { ms: 400 }, Fault::GoAway { left_ms: 50_000 }).on_link(1);
    let ground = Ground::set("hold", "", script().turn(Turn::noise(4000, 4)).fault(leave), true)?;
    ground.proxy.weather(Weather { rtt: Duration::from_millis(100), ..Weather::default() });
    ground.ask(2)?;
    let now = ground.stage.card.now_sample(Direction::Playback);
    let played = ground.stage.card.channel(Direction::Playback, 0, 0..now)?;
    let sent = ground.stage.server.events().spoken(1);
    let begin = find(&played, &sent[..240.min(sent.len())], 0).unwrap_or(played.len());
    let same = played[begin..].iter().zip(&sent).take_while(|(heard, sent)| heard == sent).count();
    // In the pause that follows the link is changed, once the handle that holds the answer is there.
    ground.server_until("the old link's end", |events| {
        events.iter().any(|e| matches!(e.what, What::Closed { .. }))
    })?;
    ground.ask(2)?;
    let record = ground.stage.server.events();
    let resumed = record.iter().any(|event| matches!(event.what, What::Ready { resumed: true, .. }));
    if !resumed {
        return Err(io::Error::other(format!("the session did not go on\n{}", ground.stage.log())));
    }
    let gone_ms = (sent.len() - same) as f64 / 24.0;
    Ok(vec![Figure::new("goAway, 100 ms round trip: answer lost", gone_ms, "ms", Bar::Exactly(0.0))])
}

/// Nobody is there, and somebody presses all the time: each press is a dial.
fn memory(extent: &Extent) -> io::Result<Vec<Figure>> {
    let ground = Ground::set("hold", "", script(), false)?;
    let press = |times: usize| -> io::Result<()> {
        for _ in 0..times {
            ground.stage.remote.press()?;
            ground.pass(Duration::from_millis(130));
            ground.stage.remote.release()?;
            ground.pass(Duration::from_millis(130));
        }
        Ok(())
    };
    press(30)?;
    let before = ground.rss_mb()?;
    press(extent.or(60, 1500))?;
    let drift = ground.rss_mb()? - before;
    Ok(vec![Figure::new("memory after many refused dials", drift.abs(), "MB", Bar::AtMost(1.0))])
}

fn fatal(_: &Extent) -> io::Result<Vec<Figure>> {
    let server = Options { key: Some("another key".into()), ..Options::script(script()) };
    let setting = Setting { server, ..Setting::mode("open", "[open]\nstart = \"always\"") };
    let ground = Ground::with(setting, true)?;
    ground.server_until("a refusal", |events| dials(events) > 0)?;
    ground.pass(Duration::from_secs(4));
    let first = ground.proxy.dials().len();
    ground.stage.remote.press()?;
    ground.pass(Duration::from_secs(4));
    let pressed = ground.proxy.dials().len() - first;
    Ok(vec![
        Figure::new("dials after a fatal refusal", first as f64, "", Bar::Exactly(1.0)),
        Figure::new("dials when somebody presses then", pressed as f64, "", Bar::Exactly(1.0)),
    ])
}

/// The daemon is stopped in mid-talk, as by a suspended machine, and goes on.
fn asleep(extent: &Extent) -> io::Result<Vec<Figure>> {
    let ground = Ground::set("hold", "", script(), true)?;
    ground.ask(2)?;
    let dictation = ground.begin(2)?;
    ground.stage.daemon.signal(libc::SIGSTOP);
    ground.pass(Duration::from_secs(extent.or(5, 30)));
    ground.stage.daemon.signal(libc::SIGCONT);
    let back = monotonic_ns();
    ground.end(&dictation)?;
    ground.pass(Duration::from_secs(2)); // the cards are opened again
    ground.ask(2)?;
    Ok(vec![Figure::new(
        "stopped and gone on: a whole talk after",
        ms(back, monotonic_ns()) / 1000.0,
        "s",
        Bar::AtMost(10.0),
    )])
}

fn restart(_: &Extent) -> io::Result<Vec<Figure>> {
    let mut ground = Ground::set("hold", "", script(), true)?;
    ground.begin(2)?;
    ground.pass(Duration::from_millis(500));
    ground.restart()?;
    ground.pass(Duration::from_millis(600));
    let back = monotonic_ns();
    ground.ask(2)?;
    ground.stage.daemon.stop()?;
    let complaints = ground.stage.server.events().complaints().len();
    Ok(vec![
        Figure::new(
            "restarted in mid-talk: a whole talk after",
            ms(back, monotonic_ns()) / 1000.0,
            "s",
            Bar::AtMost(10.0),
        ),
        Figure::new("  complaints of the server", complaints as f64, "", Bar::Exactly(0.0)),
    ])
}
