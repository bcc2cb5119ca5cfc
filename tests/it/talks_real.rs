//! Every file of tests/talks once more, through the real daemon: its process, libasound with the virtual card, TLS and
//! WebSocket on loopback, control socket. Time is real, so what takes too long of it is left to virtual time alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use fake_gemini::Authority;
use pressel_world::talk::script::{Count, Deed, Event, Expect, Server, Sight, What};
use pressel_world::talk::{Failure, Talk, play};
use tempfile::TempDir;
use tests::stage::world::RealWorld;

use crate::talks::files;

/// Stages at a time: most of the time everybody waits.
const STAGES: usize = 6;
/// A talk that failed while this process was kept from its work is played again, so often.
const TRIES: u32 = 4;
/// Talks that take longer than this are left to virtual time.
const LONGEST: Duration = Duration::from_secs(18);
/// So much later than a talk says may be what it expects: the way through TLS and a card, and whoever else uses the
/// processor.
const SLACK: Duration = Duration::from_millis(300);

/// Why a talk is not played through the daemon. Each reason is checked: one that does not hold any more fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It takes longer than [`LONGEST`].
    Long,
    /// When a call ends, and with what, such a talk tells the conversation; a program would have to be told, and by which
    /// call it was started. Programs, services and pins go through the daemon in tests/it/tools.rs and its neighbours, and
    /// by the hundred in tests/calls.
    Tools,
    /// The key of a running daemon cannot be changed.
    Key,
    /// The mode of a running daemon cannot be changed.
    Mode,
    /// In a real room it is the detector's to suspect.
    Suspicion,
    /// Network, clock, pings and what becomes of dials by themselves are nobody's to set around a daemon.
    Around,
    /// Nobody types at a daemon that runs, or tells it to forget, but through its control socket.
    Typed,
    /// What the simulated world does and the real one does not.
    Virtual(&'static str),
}

/// Talks that are not played through the daemon.
const LEFT_OUT: &[(&str, Why)] = &[
    ("answer-never-starts", Why::Long),
    ("ask", Why::Typed),
    ("ask-link-lost", Why::Typed),
    ("ask-realtime-text", Why::Typed),
    ("barge-in-both", Why::Suspicion),
    ("barge-in-cards-lost", Why::Suspicion),
    ("barge-in-cough", Why::Suspicion),
    ("barge-in-cough-server", Why::Suspicion),
    ("barge-in-end-of-answer", Why::Suspicion),
    ("barge-in-hold", Why::Suspicion),
    ("barge-in-interrupted-first", Why::Suspicion),
    ("barge-in-late-parts", Why::Suspicion),
    ("barge-in-late-parts-end", Why::Suspicion),
    ("barge-in-link-lost", Why::Suspicion),
    ("barge-in-local", Why::Suspicion),
    ("barge-in-mode-change", Why::Suspicion),
    ("barge-in-no-interruption", Why::Suspicion),
    ("barge-in-off", Why::Suspicion),
    ("barge-in-press", Why::Suspicion),
    ("barge-in-server", Why::Suspicion),
    ("barge-in-server-deaf", Why::Suspicion),
    ("barge-in-speaks-on", Why::Suspicion),
    ("barge-in-tap", Why::Suspicion),
    ("barge-in-tap-cough", Why::Suspicion),
    ("barge-in-tap-last-word", Why::Suspicion),
    ("barge-in-tap-server", Why::Suspicion),
    ("barge-in-two-words", Why::Suspicion),
    ("barge-in-unresolved", Why::Suspicion),
    ("boot-without-network", Why::Around),
    ("budget-low", Why::Around),
    ("budget-open-always", Why::Around),
    ("budget-open-speech", Why::Around),
    ("budget-over", Why::Around),
    ("budget-spent", Why::Around),
    ("budget-spent-answer", Why::Around),
    ("budget-spent-speaking", Why::Around),
    ("captive-portal", Why::Around),
    ("clock-is-set", Why::Around),
    ("clock-not-set", Why::Around),
    ("day-idle-hold", Why::Long),
    ("day-idle-tap", Why::Long),
    ("dead-handle", Why::Long),
    ("dead-handle-after", Why::Long),
    ("dead-handle-no-recap", Why::Long),
    ("dead-handle-recap", Why::Long),
    ("drop-is-not-offline", Why::Long),
    ("forgotten", Why::Long),
    ("goaway-pause", Why::Long),
    ("handle-worn", Why::Long),
    ("hang-up", Why::Typed),
    ("hang-up-open", Why::Typed),
    ("hold-dead-microphone", Why::Virtual("a card that stands still has delivered what was before it did")),
    ("hung-asked-again", Why::Long),
    ("hung-server", Why::Around),
    ("hung-server-at-first", Why::Long),
    ("hung-server-open", Why::Around),
    ("key-replaced", Why::Long),
    ("late-messages", Why::Tools),
    ("microphone-gap", Why::Virtual("how much an overrun loses is not in anybody's hand")),
    ("mode-change", Why::Mode),
    ("mode-change-speaking", Why::Mode),
    ("mode-same", Why::Mode),
    ("needs-setup", Why::Key),
    ("network-changes-in-dial", Why::Around),
    ("offline-for-long", Why::Long),
    ("offline-pressed-often", Why::Virtual("10 ms decide in it, which a real dial takes by itself")),
    ("open-always", Why::Long),
    ("open-forgets", Why::Long),
    ("open-idle-din", Why::Long),
    ("open-idle-noise", Why::Long),
    ("open-idle-resume", Why::Long),
    ("open-noise-in-answer", Why::Long),
    ("outage-long", Why::Around),
    ("outage-minute", Why::Around),
    ("outage-network-back", Why::Around),
    ("outage-pressed", Why::Around),
    ("pong-is-life", Why::Around),
    ("press-without-key", Why::Key),
    ("quiet-close", Why::Long),
    ("quiet-close-long-answer", Why::Long),
    ("quota", Why::Long),
    ("refused-key", Why::Long),
    ("refused-pressed", Why::Long),
    ("shutdown-thinking", Why::Tools),
    ("shutdown-waiting", Why::Long),
    ("slow-pongs", Why::Around),
    ("speaker-blink", Why::Virtual("a card that was lost is opened again after a second, which is no blink")),
    ("speaker-stuck", Why::Long),
    ("talk-max", Why::Long),
    ("talk-max-open", Why::Long),
    ("token-refused", Why::Long),
    ("token-source", Why::Around),
    ("tool-again", Why::Tools),
    ("tool-again-running", Why::Tools),
    ("tool-answered", Why::Tools),
    ("tool-called-again", Why::Tools),
    ("tool-cancelled", Why::Tools),
    ("tool-closes", Why::Tools),
    ("tool-errand", Why::Long),
    ("tool-late", Why::Tools),
    ("tool-link-lost", Why::Tools),
    ("tool-mid-sentence", Why::Tools),
    ("tool-never", Why::Long),
    ("tool-open-blocked", Why::Tools),
    ("tool-press-blocked", Why::Tools),
    ("tool-reminded", Why::Tools),
    (
        "tool-refused",
        Why::Virtual("that a call is refused is told to the log of calls, and to nobody who listens"),
    ),
    ("tool-slow", Why::Long),
    ("tool-slow-silent", Why::Tools),
    ("tool-unasked", Why::Tools),
    ("warm", Why::Around),
    ("warm-offline", Why::Around),
];

/// How long a talk takes.
fn length(talk: &Talk) -> Duration {
    let deed = |deed: &Deed| match deed {
        Deed::Room { time, .. } | Deed::Wait(time) | Deed::Server(Server::Audio { time, live: true }) => {
            *time
        }
        _ => Duration::ZERO,
    };
    // What is not to be seen is watched for to the end; what is to be seen mostly comes at the end, too.
    talk.steps
        .iter()
        .map(|step| match &step.what {
            What::Do(what) => deed(what),
            What::Expect(expect) => expect.within.unwrap_or_default(),
        })
        .sum()
}

fn does(talk: &Talk, fits: impl Fn(&Deed) -> bool) -> bool {
    talk.steps.iter().any(|step| matches!(&step.what, What::Do(deed) if fits(deed)))
}

/// Whether something of it can be done or seen in virtual time alone.
fn is_around(talk: &Talk) -> bool {
    does(talk, |deed| matches!(deed, Deed::Around(_) | Deed::Server(Server::Fails(_))))
        || talk.steps.iter().any(|step| match &step.what {
            What::Expect(expect) => matches!(&expect.sight, Sight::Event(Event::Ping)),
            What::Do(_) => false,
        })
}

impl Why {
    fn holds(self, talk: &Talk) -> bool {
        match self {
            Why::Long => length(talk) > LONGEST,
            Why::Tools => !talk.settings.tools.is_empty(),
            Why::Key => does(talk, |deed| matches!(deed, Deed::Key(_))),
            Why::Mode => does(talk, |deed| matches!(deed, Deed::Mode(_))),
            Why::Suspicion => does(talk, |deed| matches!(deed, Deed::Suspicion(_))),
            Why::Around => is_around(talk),
            Why::Typed => does(talk, |deed| matches!(deed, Deed::Ask(_) | Deed::Forget | Deed::HangUp)),
            Why::Virtual(reason) => !reason.is_empty(),
        }
    }
}

/// What a talk expects on a real machine: the same, and a little later where it says when.
fn on_a_real_machine(mut talk: Talk) -> Talk {
    for step in &mut talk.steps {
        if let What::Expect(Expect { count, within: Some(within), .. }) = &mut step.what {
            if *count != Count::Exactly(0) {
                *within += SLACK;
            }
        }
    }
    talk
}

/// What went wrong with a talk, with everything that helps to find out why.
struct Trouble {
    report: String,
    /// This machine was too busy to say everything in time.
    late: bool,
}

/// Plays one talk.
fn trouble(name: &str, talk: &Talk, authority: &Authority) -> Option<Trouble> {
    let folder = TempDir::new().expect("a folder");
    let mut world = match RealWorld::set(talk, folder.path(), authority) {
        Ok(world) => world,
        Err(error) => return Some(Trouble { report: format!("{name}: {error}\n"), late: false }),
    };
    let failures: Vec<String> = play(talk, &mut world).iter().map(Failure::to_string).collect();
    if failures.is_empty() {
        return None;
    }
    let mut report = String::new();
    for failure in &failures {
        let _ = writeln!(report, "{name}: {failure}");
    }
    let _ = write!(report, "--- seen\n{}--- the daemon's log\n{}", world.story(), world.log());
    Some(Trouble { report, late: world.was_late() })
}

/// Plays these talks on so many stages at a time; those that went wrong.
fn play_all(
    talks: Vec<(String, Talk)>,
    stages: usize,
    authority: &Authority,
) -> Vec<(String, Talk, Trouble)> {
    let (queue, troubles) = (Mutex::new(talks), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..stages {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("nobody panics with it").pop();
                    let Some((name, talk)) = next else { return };
                    if let Some(trouble) = trouble(&name, &talk, authority) {
                        troubles.lock().expect("nobody panics with it").push((name, talk, trouble));
                    }
                }
            });
        }
    });
    troubles.into_inner().expect("nobody panics with it")
}

#[test]
fn every_talk_goes_through_the_daemon_as_it_is_written() {
    let only = std::env::var("PRESSEL_TALK").ok();
    let mut talks: Vec<(String, Talk)> = files()
        .into_iter()
        .map(|(name, text)| (name.trim_end_matches(".talk").to_owned(), text))
        .map(|(name, text)| match Talk::parse(&text) {
            Ok(talk) => (name, talk),
            Err(mistake) => panic!("{name}: {mistake}"),
        })
        .collect();
    let names: BTreeSet<&str> = talks.iter().map(|(name, _)| name.as_str()).collect();
    for (name, why) in LEFT_OUT {
        assert!(names.contains(name), "{name} is left out and there is no such talk");
        let (_, talk) = talks.iter().find(|(of, _)| of == name).expect("it was found above");
        assert!(why.holds(talk), "{name} is left out because of {why:?}, which does not hold");
    }
    for (name, talk) in talks.iter().filter(|(name, _)| LEFT_OUT.iter().all(|(of, _)| of != name)) {
        let why = [Why::Long, Why::Tools, Why::Key, Why::Mode, Why::Suspicion, Why::Around, Why::Typed]
            .into_iter()
            .find(|why| why.holds(talk));
        assert_eq!(why, None, "{name} cannot be played through the daemon: put it into LEFT_OUT");
    }
    let left_out = |name: &str| LEFT_OUT.iter().any(|(of, _)| *of == name);
    talks
        .retain(|(name, _)| only.as_ref().map_or(!left_out(name), |only| only.split(',').any(|o| o == name)));
    // The longest first, so that nobody waits for one at the end.
    talks.sort_by_key(|(_, talk)| length(talk));

    let authority = Authority::new().expect("an authority");
    let count = talks.len();
    let talks = talks.into_iter().map(|(name, talk)| (name, on_a_real_machine(talk))).collect();
    let mut troubles = play_all(talks, STAGES, &authority);
    // What was late says nothing of the daemon: it is played again, alone.
    for _ in 1..TRIES {
        let (late, wrong): (Vec<_>, Vec<_>) = troubles.into_iter().partition(|(_, _, trouble)| trouble.late);
        troubles = play_all(late.into_iter().map(|(name, talk, _)| (name, talk)).collect(), 1, &authority);
        troubles.extend(wrong);
    }
    let reports: Vec<String> = troubles.into_iter().map(|(_, _, trouble)| trouble.report).collect();
    assert!(reports.is_empty(), "{} of {count} talks\n{}", reports.len(), reports.join("\n"));
}
