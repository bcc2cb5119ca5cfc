use super::*;

fn side(format: Option<&str>, problem: Option<&str>) -> DeviceStatus {
    DeviceStatus {
        device: "default".into(),
        format: format.map(str::to_owned),
        problem: problem.map(str::to_owned),
        ..DeviceStatus::default()
    }
}

#[test]
fn the_daemon_s_words_about_its_card_are_taken() {
    assert_eq!(from_daemon(&side(Some("16000 Hz"), None), || None).class, Class::Ok);
    assert_eq!(from_daemon(&side(None, None), || None).class, Class::Skip);
    let busy = side(None, Some("busy (held by pid 7)"));
    let found = from_daemon(&busy, || None);
    assert!(found.class == Class::Fail && found.text.ends_with("busy (held by pid 7)"), "{found:?}");
    let found = from_daemon(&busy, || Some(Holder { pid: 7, command: "aplay".into() }));
    assert_eq!(found.hint.as_deref(), Some("end what holds it (pid 7, aplay), or choose another"));
}

#[test]
fn dead_channels_spoil_only_what_is_fine() {
    let fine = Finding::ok("hw:1");
    assert_eq!(without_dead_channels(fine.clone(), &[]), fine);
    let found = without_dead_channels(fine, &[1, 3]);
    assert!(found.class == Class::Warn && found.text.ends_with("channels: 1, 3"), "{found:?}");
    let broken = Finding::fail("gone", "plug it in");
    assert_eq!(without_dead_channels(broken.clone(), &[1]), broken);
}

#[test]
fn what_the_daemon_has_heard_is_told_and_what_is_wrong_with_it_is_a_warning() {
    let fine = Finding::ok("hw:1, level -50 dBFS, noise floor -62 dBFS");
    let heard = Levels { speech_dbfs: Some(-28.4), clipped_samples: 7, ..Levels::default() };
    let mut side = side(Some("16000 Hz"), None);
    let found = heard_by_daemon(fine.clone(), &side, &heard);
    let text =
        "hw:1, level -50 dBFS, noise floor -62 dBFS, speech -28 dBFS, 7 samples clipped since the start";
    assert_eq!(found, Finding::ok(text));
    assert_eq!(heard_by_daemon(fine.clone(), &side, &Levels::default()), fine);
    for (trouble, code) in [(Trouble::FullScale, "clipped"), (Trouble::Zeros, "silence")] {
        side.troubles = vec![trouble.word().to_owned()];
        let found = heard_by_daemon(fine.clone(), &side, &heard);
        assert_eq!((found.class, found.code), (Class::Warn, Some(code)));
    }
    let broken = Finding::fail("gone", "plug it in");
    assert_eq!(heard_by_daemon(broken.clone(), &side, &heard), broken);
}
