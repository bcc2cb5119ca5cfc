use serde_json::json;

use super::*;

fn keys(change: impl FnOnce(&mut Gpio)) -> Gpio {
    let mut keys = Gpio { line: "22".into(), action: "on".into(), ..Gpio::default() };
    change(&mut keys);
    keys
}

fn by_word(words: &[&str]) -> Schema {
    let json = json!({
        "required": ["state"],
        "properties": { "state": { "type": "string", "enum": words }, "note": { "type": "string" } }
    });
    Schema::read(&json).unwrap()
}

#[test]
fn keys_that_do_not_go_together_are_told() {
    let check = |change: &dyn Fn(&mut Gpio), key: &str, expected: &str| {
        let told = Contact::new(keys(change), false, &by_word(&["on", "pulse"])).unwrap_err();
        assert!(told.0 == key && told.1.contains(expected), "{told:?}");
    };
    check(&|k| k.line.clear(), "line", "is missing");
    check(&|k| k.action.clear(), "action", "is missing; allowed: \"on\", \"off\"");
    check(&|k| k.action = "toggle".into(), "action", "\"toggle\" is none of the actions");
    check(&|k| k.action = "{what}".into(), "action", "{what}, which must be a required parameter");
    check(&|k| k.action = "{note}".into(), "action", "{note}, which must be a required parameter");
    check(&|k| k.direction = Direction::In, "action", "switches a line that is read");
    check(
        &|k| {
            (k.direction, k.safe) = (Direction::In, State::On);
            k.action = "read".into();
        },
        "direction",
        "for lines that are switched",
    );
    check(&|k| k.bias = Bias::PullUp, "bias", "for lines that are read");
    check(&|k| (k.safe, k.on_max_s) = (State::On, 5), "safe", "end with off");
    check(&|k| (k.safe, k.action) = (State::On, "{state}".into()), "safe", "end with off");
    check(
        &|k| {
            k.action = "pulse".into();
            (k.pulse_ms, k.on_max_s) = (5001, 5);
        },
        "pulse_ms",
        "longer than on_max_s, 5 s",
    );
    let told = Contact::new(keys(|k| k.action = "{state}".into()), false, &by_word(&["on", "dim"]));
    assert!(told.unwrap_err().1.contains("may be \"dim\""));
}

#[test]
fn an_argument_chooses_among_its_words() {
    let contact =
        Contact::new(keys(|k| k.action = "{state}".into()), false, &by_word(&["on", "read"])).unwrap();
    let asked = |word: &str| contact.asked(&Map::from_iter([("state".to_owned(), json!(word))]));
    assert_eq!((asked("on"), asked("read")), (Ok(Action::On), Ok(Action::Read)));
    assert!(contact.asked(&Map::new()).is_err());
    assert_eq!(contact.line(), "GPIO22", "a number alone is the header's");
    let reads = Contact::new(
        keys(|k| {
            k.direction = Direction::In;
            k.action.clear();
        }),
        false,
        &Schema::nothing(),
    );
    let reads = reads.unwrap();
    assert_eq!((reads.asked(&Map::new()), reads.wiring().pin.safe), (Ok(Action::Read), None));
}
