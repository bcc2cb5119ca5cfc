//! Anything in any order at any time: no panic, no stuck phase, no timer that goes round and round, bounded memory.

#[path = "../rig/mod.rs"]
mod rig;
mod server;
mod step;

use std::time::Duration;

use pressel_live::event::{Action, Input, LinkInput};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use crate::rig::{Rig, settings};
use crate::server::payloads;
use crate::step::{Step, modes, policies, steps, take};

fn config(cases: u32) -> ProptestConfig {
    // PROPTEST_CASES still decides where it is set.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(cases);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(256))]

    /// The surroundings do what they like.
    #[test]
    fn anything_in_any_order(
        mode in modes(),
        tools in any::<bool>(),
        policy in policies(),
        steps in vec(steps(), 0..80),
        stop in proptest::bool::weighted(0.2),
    ) {
        let mut settings = settings(mode);
        settings.barge_in = policy;
        if tools {
            settings.tools = vec![json!({ "functionDeclarations": [{ "name": "lamp" }] })];
        }
        let mut rig = Rig::new(settings, false);
        for step in steps {
            take(&mut rig, step);
        }
        if stop {
            rig.done.clear();
            rig.input(Input::Shutdown);
            rig.done.clear();
            take(&mut rig, Step::Press);
            rig.pass(Duration::from_secs(600));
            prop_assert!(rig.done.is_empty(), "{:?} after the end", rig.done);
        } else {
            rig.let_go();
        }
    }

    /// The surroundings answer as they should, the server and the person do what they like.
    #[test]
    fn any_talk_on_a_link_that_works(mode in modes(), policy in policies(), steps in vec(steps(), 0..60)) {
        let mut settings = settings(mode);
        settings.barge_in = policy;
        let mut rig = Rig::new(settings, true);
        for step in steps {
            take(&mut rig, step);
        }
        rig.let_go();
    }

    /// Any JSON while an answer is awaited, and while one is heard.
    #[test]
    fn any_message_at_any_moment(payloads in vec(payloads(), 1..20), speaking in any::<bool>()) {
        let mut rig = Rig::new(settings(rig::hold()), true);
        take(&mut rig, Step::Press);
        rig.chunk(true);
        take(&mut rig, Step::Release);
        rig.pass(Duration::from_secs(1));
        if speaking {
            let data = "AQAB".repeat(6000);
            let parts = json!([{ "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": data } }]);
            rig.says(&json!({ "serverContent": { "modelTurn": { "parts": parts } } }));
        }
        for payload in payloads {
            rig.input(Input::Link(rig.link, LinkInput::Message(payload)));
        }
        rig.let_go();
    }

    /// However much is said without a link: no more than the bound is kept, and the newest of it.
    #[test]
    fn what_is_kept_has_a_bound(
        chunks in vec((0..2500usize, any::<bool>()), 1..200),
        bound_ms in 100..2000u64,
    ) {
        let mut settings = settings(rig::hold());
        settings.utterance_max = Duration::from_millis(bound_ms);
        let mut rig = Rig::new(settings, false);
        take(&mut rig, Step::Press);
        for (len, speech) in &chunks {
            take(&mut rig, Step::Chunk { old: false, len: *len, speech: *speech, late_ms: 0 });
        }
        rig.obliging = true;
        rig.input(Input::Link(rig.link, LinkInput::Opened));
        let sent: usize = rig.done.iter().filter_map(|action| match action {
            Action::Send { message, .. } if rig::kind(message) == "audio" => Some(rig::samples(message)),
            _ => None,
        }).sum();
        let said: usize = chunks.iter().map(|(len, _)| len).sum();
        let bound = bound_ms as usize * 16;
        let longest = chunks.iter().map(|(len, _)| *len).max().unwrap_or(0);
        prop_assert!(sent <= bound.max(longest), "{sent} of {said} kept, the bound is {bound}");
        prop_assert!(sent + longest > said.min(bound), "{sent} of {said} kept, the bound is {bound}");
    }
}
