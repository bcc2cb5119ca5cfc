use serde_json::json;

use super::*;

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

/// A question and its whole answer.
fn exchange(memory: &mut Memory, heard: &str, said: &str) {
    memory.begin(false);
    memory.heard(heard);
    memory.said(said);
    memory.received(ms(1000), true);
    memory.whole();
    memory.settle(false);
}

fn args() -> Args {
    let serde_json::Value::Object(args) = json!({ "on": true }) else { panic!("an object") };
    args
}

#[test]
fn a_handle_holds_what_was_settled_before_it_and_nothing_else() {
    let mut memory = Memory::default();
    exchange(&mut memory, "one", "first");
    memory.begin(false);
    memory.heard("two");
    memory.covered();
    let since: Vec<&str> = memory.since().map(|exchange| exchange.heard.text()).collect();
    assert_eq!(since, ["two"], "it was being asked when the handle came");
    assert_eq!(memory.all().count(), 2, "what is safe stays for a recap");
    memory.said("second");
    memory.settle(false);
    memory.said(", and more");
    memory.covered();
    assert_eq!(memory.since().count(), 1, "the answer went on after its turn");
}

#[test]
fn what_is_asked_before_an_answer_is_one_exchange() {
    let mut memory = Memory::default();
    memory.begin(false);
    memory.begin(false);
    assert_eq!(memory.since().count(), 1);
    memory.said("yes");
    memory.begin(false);
    assert_eq!(memory.since().count(), 2);
    assert!(memory.since().next().is_some_and(|first| first.over));
    memory.begin(true);
    assert_eq!(memory.since().count(), 3, "typed is never joined with spoken");
}

#[test]
fn of_a_cut_answer_what_was_heard_counts() {
    let now = Instant::now();
    let heard = |cut_at_ms: u64| {
        let mut memory = Memory::default();
        memory.begin(false);
        memory.said("one two three four five six seven eight");
        memory.received(ms(3000), true);
        memory.started(now);
        memory.received(ms(1000), false);
        memory.cut(now + ms(cut_at_ms));
        memory.last().map(|exchange| exchange.said_and_heard().to_owned()).unwrap_or_default()
    };
    assert_eq!(heard(0), "");
    assert_eq!(heard(2000), "one two three four");
    assert_eq!(heard(4000), "one two three four five six seven eight");
    assert_eq!(heard(9000), "one two three four five six seven eight", "it was all there is");
}

#[test]
fn an_answer_is_owed_only_where_its_link_was_lost_in_it() {
    let mut memory = Memory::default();
    memory.begin(false);
    memory.heard("how far?");
    memory.lose();
    let owed = |memory: &Memory| memory.last().is_some_and(Exchange::is_owed);
    assert!(!owed(&memory), "nothing has come of it: it is asked again");
    memory.said("about");
    assert!(owed(&memory));
    memory.whole();
    assert!(!owed(&memory), "it is all there");
    memory.call("id-1", "lamp", &args(), |_| false);
    assert!(owed(&memory));
    memory.cut(Instant::now());
    assert!(!owed(&memory), "the person cut it");
}

#[test]
fn a_call_of_a_lost_link_is_known_and_one_of_this_link_is_believed() {
    let mut memory = Memory::default();
    memory.begin(false);
    let first = memory.call("id-1", "lamp", &args(), |_| false);
    assert_eq!(first, "id-1");
    assert!(memory.repeated("id-1", "lamp", &args(), false).is_none());
    memory.lose();
    assert!(memory.repeated("id-9", "lamp", &args(), false).is_none(), "nobody asked again");
    assert!(memory.repeated("id-1", "lamp", &args(), false).is_some(), "told again under its id");
    memory.current().expect("it is in hand").asked_again(0);
    assert!(memory.repeated("id-9", "lamp", &Args::new(), false).is_none(), "another call");
    assert!(memory.repeated("id-9", "lamp", &args(), false).is_some_and(|tool| tool.outcome.is_none()));
    let second = memory.call("id-1", "lamp", &Args::new(), |_| false);
    assert_eq!(second, "id-1#2", "the first one runs under its id");
    assert!(memory.finished("id-1", &Ok(Args::new())).is_some_and(|tool| tool.wire.is_none()));
    assert!(memory.finished("id-1", &Ok(Args::new())).is_none(), "told twice");
    let mut taken_back = |id: &str| memory.cancelled(id, |_| false).is_some();
    assert!(taken_back(&second) && !taken_back(&second));
    assert!(memory.abandon(|_| false).is_empty(), "nothing runs any more");
}

#[test]
fn however_long_the_talk_is_little_is_kept_of_it() {
    let mut memory = Memory::default();
    for number in 0..200 {
        let text = format!("{number} {}", "word ".repeat(3000));
        memory.begin(false);
        memory.heard(&text);
        memory.said(&text);
        let id = memory.call(&format!("id-{number}"), "lamp", &args(), |_| false);
        let long = Args::from_iter([("output".to_owned(), text.into())]);
        let _ = memory.finished(&id, &Ok(long));
    }
    let bytes: usize = memory.all().map(|e| e.heard.text().len() + e.said.text().len()).sum();
    assert_eq!(memory.all().count(), SINCE_MAX + HISTORY_MAX);
    assert!(bytes <= 8000 * (SINCE_MAX + HISTORY_MAX), "{bytes}");
    let results =
        |e: &Exchange| e.tools.iter().map(|tool| format!("{:?}", tool.outcome).len()).sum::<usize>();
    let old: Vec<usize> = memory.all().take(HISTORY_MAX).map(results).collect();
    assert!(old.iter().all(|bytes| *bytes < 1000), "{old:?}");
}
