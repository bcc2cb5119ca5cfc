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
