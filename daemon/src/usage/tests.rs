use std::path::Path;

use pressel_live::wire::client::audio;

use super::count::Tokens;
use super::*;

fn config(folder: &Path) -> Config {
    let mut config = Config::default();
    config.usage.ledger_folder = folder.to_str().unwrap().to_owned();
    config
}

fn answer(usage: &mut Usage, seconds: usize) {
    usage.note(&Note::TalkBegan);
    usage.sends(&audio(&[0; 16_000]));
    usage.plays(24_000 * seconds, 24_000);
    usage.note(&Note::TurnComplete);
}

#[test]
fn what_was_used_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let mut usage = Usage::open(&config);
    answer(&mut usage, 10);
    let running = usage.report();
    usage.stop();
    drop(usage);
    let report = Usage::open(&config).report();
    assert_eq!((report.today, &report.problem), (running.today, &None));
    assert_eq!((report.today.sent_ms, report.today.received_ms, report.today.talks), (1000, 10_000, 1));
    assert_eq!(report.today.tokens, Tokens { text_in: 50, audio_in: 25, audio_out: 250, text_out: 0 });
    assert_eq!(report.today.money, Money(3_113), "37.5 + 75 + 3000 millionths, rounded up");
    assert_eq!(look(&config).unwrap().today, report.today);
}

#[test]
fn a_daemon_that_is_killed_has_counted_what_it_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.budget.day = 1.0;
    let mut usage = Usage::open(&config);
    answer(&mut usage, 10);
    usage.book.close();
    std::mem::forget(usage); // killed: nothing more is written
    let report = look(&config).unwrap();
    assert!((3_113..3_113 + 20_000).contains(&report.today.money.0), "{:?}", report.today);
    assert_eq!((report.budgets.len(), report.budget.as_str()), (1, "fine"));
}

#[test]
fn it_is_said_once_that_little_is_left_and_not_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.budget.day = 0.01;
    let now = Instant::now();
    let mut usage = Usage::open(&config);
    assert_eq!(usage.at_start(now), None);
    answer(&mut usage, 27);
    assert_eq!(usage.changed(now), Some(Budget::Low));
    assert_eq!(usage.changed(now), None);
    assert_eq!(usage.next_look(), Some(now + LOOK));
    usage.stop();
    drop(usage);
    let mut usage = Usage::open(&config);
    assert_eq!(usage.at_start(now), None, "the run before has warned");
    answer(&mut usage, 10);
    assert!(matches!(usage.changed(now), Some(Budget::Spent | Budget::Over)));
    usage.stop();
    drop(usage);
    assert!(matches!(Usage::open(&config).at_start(now), Some(Budget::Spent | Budget::Over)));
}

#[test]
fn without_a_place_it_counts_in_memory_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut usage = Usage::open(&config(&file));
    answer(&mut usage, 1);
    let report = usage.report();
    assert!(
        report.problem.as_ref().is_some_and(|p| p.contains("usage.ledger") && p.contains("in memory only"))
    );
    assert_eq!((report.today.talks, report.ledger), (1, None));
    let nowhere = Usage::open(&config(Path::new(""))).report();
    assert_eq!((nowhere.problem, nowhere.ledger), (None, None));
    assert!(look(&config(&folder.path().join("none"))).unwrap().problem.unwrap().contains("not there"));
}

#[test]
fn prices_are_the_owner_s() {
    let mut config = Config::default();
    assert_eq!(prices(&config), Prices::listed("gemini-3.8-live"));
    config.price.audio_out = 0.33;
    assert_eq!(prices(&config).audio_out, 330);
}
