use super::*;

const DOUBLE: Duration = Duration::from_millis(300);

fn grammar(text: &str, lines: &str, at_once: bool) -> Grammar {
    let lines = super::lines(lines).unwrap();
    Grammar::new(&bindings(text, &lines).unwrap(), DOUBLE, at_once)
}

/// Everything made, as words with the ms at which it was told: `down@0 up@80 stop@500`.
struct Bench {
    grammar: Grammar,
    start: Instant,
    told: Vec<String>,
}

impl Bench {
    fn new(grammar: Grammar) -> Bench {
        Bench { grammar, start: Instant::now(), told: Vec::new() }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    /// Serves time up to a moment, as a loop does that is always in time.
    fn until(&mut self, ms: u64) {
        while let Some(due) = self.grammar.due().filter(|due| *due <= self.at(ms)) {
            self.grammar.tick(due);
            self.take(due);
        }
    }

    fn take(&mut self, now: Instant) {
        while let Some((gesture, _)) = self.grammar.poll() {
            let word = match gesture {
                Gesture::Down => "down",
                Gesture::Up => "up",
                Gesture::TakeBack => "back",
                Gesture::Act(act) => act.word(),
                Gesture::Agree { .. } => "consent",
            };
            self.told.push(format!("{word}@{}", (now - self.start).as_millis()));
        }
    }

    fn edge(&mut self, line: usize, pressed: bool, ms: u64) {
        self.until(ms);
        let at = self.at(ms);
        self.grammar.edge(line, pressed, at);
        self.take(at);
    }
}

/// Edges of line 0 as times in ms, pressed first.
#[track_caller]
fn check(text: &str, at_once: bool, edges: &[u64], expected: &str) {
    let mut bench = Bench::new(grammar(text, "", at_once));
    for (n, ms) in edges.iter().enumerate() {
        bench.edge(0, n % 2 == 0, *ms);
    }
    bench.until(60_000);
    assert_eq!(bench.told.join(" "), expected, "{text}: {edges:?}");
    assert_eq!(bench.grammar.due(), None);
}

const FULL: &str = "press talk, double new-talk, long 2 status, long 8 shutdown";

#[test]
fn a_button_that_only_talks_is_told_at_once() {
    for at_once in [true, false] {
        check("press talk", at_once, &[0, 80, 200, 5000], "down@0 up@80 down@200 up@5000");
    }
}

#[test]
fn in_hold_mode_no_press_to_talk_waits_for_a_second_one() {
    let text = "press talk, double new-talk";
    check(text, true, &[0, 5000], "down@0 up@5000");
    check(text, true, &[0, 100], "down@0 up@100");
    check(text, true, &[0, 100, 300, 400], "down@0 up@100 back@300 new-talk@300");
    check(text, true, &[0, 100, 401, 500], "down@0 up@100 down@401 up@500");
    check(text, true, &[0, 1000, 1100, 1200], "down@0 up@1000 down@1100 up@1200"); // the first was talk
    let three = "down@0 up@100 back@200 new-talk@200 down@400 up@500";
    check(text, true, &[0, 100, 200, 300, 400, 500], three);
}

#[test]
fn where_a_press_may_become_more_it_is_told_when_that_is_decided() {
    check(FULL, false, &[0, 100], "down@400 up@400");
    check(FULL, false, &[0, 100, 250, 350], "new-talk@250");
    check(FULL, false, &[0, 1000], "down@1000 up@1000"); // too long to be the first of two
    check(FULL, false, &[0, 2000], "status@2000");
    check(FULL, false, &[0, 7999], "status@7999");
    check(FULL, false, &[0, 9000], "shutdown@8000"); // while it is still down
    check("press talk, double stop", false, &[0, 1000], "down@300 up@1000");
    check("double stop", false, &[0, 100, 700, 800, 900, 1000], "stop@900");
    check("long 1 stop", false, &[0, 100, 500, 2000], "stop@1500");
}

#[test]
fn volume_repeats_while_it_is_held_and_nothing_else_does() {
    let mut bench = Bench::new(grammar("press talk, up press volume-up", "up GPIO5", true));
    bench.edge(1, true, 0);
    bench.until(900);
    bench.edge(1, false, 900);
    bench.until(9000);
    assert_eq!(bench.told.join(" "), "volume-up@0 volume-up@500 volume-up@650 volume-up@800");
    check("press stop", false, &[0, 5000], "stop@0");
}

#[test]
fn lines_do_not_disturb_each_other() {
    let mut bench = Bench::new(grammar("press talk, ok double stop, ok press status", "ok GPIO5", true));
    for (line, pressed, ms) in
        [(1, true, 0), (0, true, 50), (1, false, 90), (1, true, 200), (0, false, 220), (1, false, 300)]
    {
        bench.edge(line, pressed, ms);
    }
    bench.until(5000);
    assert_eq!(bench.told.join(" "), "down@50 stop@200 up@220");
}

#[test]
fn consent_counts_only_while_it_is_asked_for() {
    use Agree::{Button, Hold};
    for (text, agree, edges, consents) in [
        ("press talk, double consent", Button, &[0, 100, 200, 300][..], "consent@200"),
        ("press talk, long 2 consent", Hold, &[0, 2500], "consent@2000"),
    ] {
        let mut unasked = Bench::new(grammar(text, "", true));
        let mut asked = Bench::new(grammar(text, "", true));
        asked.grammar.ask(Some(agree), asked.start);
        for (n, ms) in edges.iter().enumerate() {
            unasked.edge(0, n % 2 == 0, *ms);
            asked.edge(0, n % 2 == 0, *ms);
        }
        assert_eq!(asked.told.join(" "), consents);
        let plain: Vec<String> =
            edges.iter().enumerate().map(|(n, ms)| format!("{}@{ms}", ["down", "up"][n % 2])).collect();
        assert_eq!(unasked.told, plain);
        // A plain press is talk, and so refuses; it is told once it can be nothing else.
        let mut refuses = Bench::new(grammar(text, "", true));
        refuses.grammar.ask(Some(agree), refuses.start);
        refuses.edge(0, true, 0);
        refuses.edge(0, false, 100);
        refuses.until(5000);
        assert!(refuses.told[0].starts_with("down@") && refuses.told.len() == 2, "{:?}", refuses.told);
    }
    let mut own = Bench::new(grammar("press talk, ok press consent", "ok GPIO5", true));
    own.grammar.ask(Some(Button), own.start);
    own.edge(1, true, 0);
    own.edge(0, true, 50);
    assert_eq!(own.told.join(" "), "consent@0 down@50", "another line costs talk nothing");
}

/// What is told by edges of line 0 (and 1, where a time is odd), asked for from a time on.
#[track_caller]
fn asked(text: &str, at_once: bool, asked: (Agree, u64), edges: &[u64], expected: &str) {
    let mut bench = Bench::new(grammar(text, "ok GPIO5", at_once));
    let mut down = [false; 2];
    let mut told = false;
    for ms in edges.iter().chain(&[60_000]) {
        if *ms >= asked.1 && !std::mem::replace(&mut told, true) {
            bench.until(asked.1);
            let at = bench.at(asked.1);
            bench.grammar.ask(Some(asked.0), at);
        }
        let line = usize::from(ms % 2 == 1);
        if *ms < 60_000 {
            down[line] = !down[line];
            bench.edge(line, down[line], *ms);
        }
    }
    bench.until(60_000);
    assert_eq!(bench.told.join(" "), expected, "{text}: {edges:?}");
}

#[test]
fn a_gesture_of_consent_begins_after_the_question_and_is_the_one_asked_for() {
    use Agree::{Button, Hold};
    let both = "press talk, double consent, long 2 consent, ok press consent";
    asked(both, true, (Button, 0), &[0, 100, 200, 300], "consent@200");
    asked(both, false, (Hold, 0), &[0, 2500], "consent@2000");
    asked(both, true, (Button, 0), &[1, 101], "consent@1");
    // Not the one that is asked for: talk, or nothing.
    asked(both, true, (Hold, 0), &[0, 100, 200, 300], "down@100 up@100 down@300 up@300");
    asked(both, true, (Hold, 0), &[1, 101], "");
    asked(both, true, (Button, 0), &[0, 2500], "down@300 up@2500");
    // Begun before it was asked.
    asked(both, true, (Button, 150), &[0, 100, 200, 300], "down@0 up@100 down@600 up@600");
    asked(both, false, (Hold, 500), &[0, 4000], "down@0 up@4000");
    asked(both, true, (Button, 50), &[1, 101], "");
    asked(
        "press talk, long 8 status, double consent, ok press stop",
        false,
        (Button, 50),
        &[0, 100, 200, 300],
        "down@100 up@100 down@600 up@600",
    );
    // Not long enough to be a decision.
    asked("press talk, long 1 consent, ok press stop", true, (Hold, 0), &[0, 3000], "down@0 up@3000");
}

#[test]
fn a_program_agrees_to_nothing() {
    for (text, agree, edges) in [
        ("press talk, double consent", Agree::Button, &[0, 100, 200, 300][..]),
        ("press talk, long 2 consent", Agree::Hold, &[0, 2500]),
    ] {
        let mut bench = Bench::new(grammar(text, "", true));
        bench.grammar.ask(Some(agree), bench.start);
        for (n, ms) in edges.iter().enumerate() {
            bench.until(*ms);
            let at = bench.at(*ms);
            bench.grammar.edge_by_program(0, n % 2 == 0, at);
            bench.take(at);
        }
        bench.until(60_000);
        assert!(bench.told[0] == "down@0" && !bench.told.contains(&"consent".to_owned()), "{:?}", bench.told);
    }
    let mut mixed = Bench::new(grammar("press talk, double consent", "", true));
    mixed.grammar.ask(Some(Agree::Button), mixed.start);
    mixed.edge(0, true, 0);
    mixed.edge(0, false, 100);
    let at = mixed.at(200);
    mixed.grammar.edge_by_program(0, true, at);
    mixed.until(60_000);
    assert!(mixed.told.iter().all(|told| !told.starts_with("consent")), "{:?}", mixed.told);
}

#[test]
fn what_can_be_agreed_by_is_known() {
    let of = |text: &str, lines: &str, agree| {
        agrees(&bindings(text, &super::lines(lines).unwrap()).unwrap(), agree)
    };
    let ok = "ok GPIO5";
    assert_eq!(of("press talk", "", Agree::Button), None);
    assert_eq!(of("press talk, double consent", "", Agree::Button), Some(AgreeBy::Double));
    assert_eq!(of("press talk, double consent, ok press consent", ok, Agree::Button), Some(AgreeBy::Line));
    assert_eq!(of("press talk, double consent", "", Agree::Hold), None);
    assert_eq!(of("press talk, long 1 consent", "", Agree::Hold), None, "too short to be meant");
    assert_eq!(of("press talk, long 2 consent", "", Agree::Hold), Some(AgreeBy::Hold));
}

#[test]
fn a_line_that_is_torn_off_means_nothing_but_lets_go() {
    for held_ms in [100, 2500, 7000] {
        let mut bench = Bench::new(grammar(FULL, "", false));
        bench.edge(0, true, 0);
        let at = bench.at(held_ms);
        bench.grammar.lost(0, at);
        bench.until(60_000);
        assert_eq!(bench.told, [""; 0], "torn off after {held_ms} ms");
    }
    let mut talk = Bench::new(grammar("press talk", "", true));
    talk.edge(0, true, 0);
    let at = talk.at(700);
    talk.grammar.lost(0, at);
    talk.take(at);
    assert_eq!(talk.told.join(" "), "down@0 up@700");
}

/// Any edges on any grammar: talk alternates, every press leads to one thing at most, what is told does not depend on
/// when the loop looks, and time is never asked for that has passed.
#[test]
fn whatever_is_pressed() {
    const TEXTS: [(&str, &str); 6] = [
        ("press talk", ""),
        ("press talk, double new-talk", ""),
        (FULL, ""),
        ("press talk, double consent, up press volume-up, up double status", "up GPIO5"),
        ("press talk, up press volume-up, up long 2 doctor", "up GPIO5"),
        ("double stop, long 1 status", ""),
    ];
    for seed in 0..3000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (text, lines) = TEXTS[random.usize(..TEXTS.len())];
        let at_once = random.bool();
        let asked = [None, Some(Agree::Button), Some(Agree::Hold)][random.usize(..3)];
        let (mut prompt, mut lazy) =
            (Bench::new(grammar(text, lines, at_once)), Bench::new(grammar(text, lines, at_once)));
        lazy.start = prompt.start;
        prompt.grammar.ask(asked, prompt.start);
        lazy.grammar.ask(asked, prompt.start);
        let (mut ms, mut level, mut presses) = (0, [false; 2], 0);
        for _ in 0..random.usize(2..40) {
            ms += [random.u64(1..200), random.u64(1..700), random.u64(1..10_000)][random.usize(..3)];
            let line = random.usize(..2);
            level[line] = !level[line];
            presses += usize::from(level[line]);
            prompt.edge(line, level[line], ms);
            assert!(
                prompt.grammar.due().is_none_or(|due| due > prompt.at(ms)),
                "seed {seed}: time that has passed"
            );
            let at = lazy.at(ms);
            lazy.grammar.edge(line, level[line], at);
            lazy.take(at);
        }
        for bench in [&mut prompt, &mut lazy] {
            for (line, down) in level.into_iter().enumerate() {
                if down {
                    bench.edge(line, false, ms + 1);
                }
            }
            bench.until(ms + 60_000);
            bench.grammar.tick(bench.start + Duration::from_millis(ms + 60_000));
            bench.take(bench.start + Duration::from_millis(ms + 60_000));
        }
        let words = |bench: &Bench| -> Vec<String> {
            bench.told.iter().map(|told| told.split('@').next().unwrap().to_owned()).collect()
        };
        let (prompt, lazy) = (words(&prompt), words(&lazy));
        let talk: Vec<&String> =
            prompt.iter().filter(|word| ["down", "up"].contains(&word.as_str())).collect();
        assert!(
            talk.iter().enumerate().all(|(n, word)| *word == ["down", "up"][n % 2]),
            "seed {seed}: {prompt:?}"
        );
        assert_eq!(talk.len() % 2, 0, "seed {seed}: let go in the end");
        let once = |words: &[String]| {
            let done = words.iter().filter(|word| !["up", "back", "volume-up"].contains(&word.as_str()));
            done.count()
        };
        assert!(once(&prompt) <= presses, "seed {seed}: {presses} presses, {prompt:?}");
        // Repeats depend on when it is looked, by design; nothing else does. One line at a time, since the order of two
        // lines' timers is the loop's.
        if lines.is_empty() {
            assert_eq!(prompt, lazy, "seed {seed}");
        }
    }
}
