use super::*;
use crate::{Speex, TUNE, judge, run};

#[test]
fn a_seed_always_gives_the_same_samples() {
    for script in [Script::Talk, Script::BargeIns, Script::Bangs, Script::Nods] {
        let (a, b) = (Scene::play(Kind::Hard, script, 7), Scene::play(Kind::Hard, script, 7));
        assert_eq!((a.mic, a.far), (b.mic, b.far));
    }
    assert_ne!(Scene::new(Kind::Room40, 7).mic, Scene::new(Kind::Room40, 8).mic);
}

#[test]
fn a_talk_has_its_parts_at_its_levels() {
    let scene = Scene::new(Kind::Room40, 1);
    assert_eq!(scene.mic.len(), 589 * RATE / 10);
    let alone = scene.parts_of(Speaking::Near).next().unwrap();
    let near_dbfs = crate::level::db(rms(&scene.near[alone]));
    assert!((near_dbfs - NEAR_DBFS).abs() < 2.0, "{near_dbfs}");
    for range in scene.parts_of(Speaking::Far) {
        assert_eq!(rms(&scene.near[range.clone()]), 0.0);
        let echo_dbfs = crate::level::db(rms(&scene.echo[range]));
        assert!((echo_dbfs - (NEAR_DBFS + 5.5)).abs() < 2.0, "{echo_dbfs}");
    }
}

#[test]
fn the_echo_comes_when_it_should() {
    for (kind, delay_ms, drift_ppm) in
        [(Kind::Room40, 40.0, 0.0), (Kind::Room120, 120.0, 0.0), (Kind::Hard, 90.0, 60.0)]
    {
        let scene = Scene::new(kind, 3);
        let last = scene.parts_of(Speaking::Far).last().unwrap();
        let fit = |lag: usize| -> f32 { last.clone().map(|n| scene.far[n - lag] * scene.echo[n]).sum() };
        let found = (0..3000).max_by(|&a, &b| fit(a).total_cmp(&fit(b))).unwrap() as f32;
        // the further into the scene, the further a faster speaker is ahead
        let ahead = (last.start + last.end) as f32 / 2.0 * drift_ppm * 1e-6;
        let expected = delay_ms * 16.0 - ahead;
        // the band-pass of the loudspeaker moves the peak by a few samples
        assert!((found - expected).abs() < 8.0, "{kind:?}: {found}, not {expected}");
    }
}

#[test]
fn lost_samples_are_lost_on_both_sides_and_every_place_moves_along() {
    let (whole, lost) = (Scene::new(Kind::DelayJump, 1), Scene::new(Kind::Xrun, 1));
    assert_eq!(lost.mic.len(), whole.mic.len() - 2 * 480);
    assert_eq!(lost.losses, [14 * RATE, 30 * RATE - 480]);
    let both = |scene: &Scene| {
        let range = scene.parts_of(Speaking::Both).next().unwrap();
        scene.near[range].to_vec()
    };
    assert_eq!(both(&whole), both(&lost));
}

#[test]
fn somebody_begins_over_the_answer_where_the_scene_says() {
    for (script, person) in [(Script::BargeIns, true), (Script::Bangs, false), (Script::Nods, false)] {
        let scene = Scene::play(Kind::Room40, script, 5);
        assert!(scene.onsets.len() >= 7, "{}", scene.onsets.len());
        for onset in &scene.onsets {
            assert_eq!(onset.person, person);
            let before = rms(&scene.near[onset.range.start - RATE / 2..onset.range.start]);
            let first = crate::level::db(rms(&scene.near[onset.range.start..onset.range.start + RATE / 20]));
            assert!(before == 0.0 && first > -50.0, "{first}");
        }
    }
}

/// The scenes are as hard as those they are a likeness of, or nothing measured in them counts.
#[test]
fn scenes_are_as_hard_as_they_should_be() {
    for kind in Kind::KNOWN {
        let known = kind.known().unwrap();
        let scenes = TUNE.map(|seed| Scene::new(kind, seed));
        let mean =
            |figure: &dyn Fn(&Scene) -> f32| scenes.iter().map(figure).sum::<f32>() / scenes.len() as f32;
        let raw = mean(&|scene| judge(scene, &scene.mic).estoi_double);
        assert!((raw - known.raw_estoi).abs() <= 0.03, "{kind:?}: raw {raw}, not {}", known.raw_estoi);
        if Speex::new(400).is_none() {
            eprintln!("SpeexDSP is not installed: skipped");
            continue;
        }
        let speex = |scene: &Scene| {
            let mut speex = Speex::new(400).unwrap();
            judge(scene, &run(scene, |far, mic, out| speex.process(far, mic, out)))
        };
        let (erle_db, estoi) = (mean(&|s| speex(s).erle_db), mean(&|s| speex(s).estoi_double));
        assert!((erle_db - known.speex_erle_db).abs() <= 3.0, "{kind:?}: {erle_db} dB");
        assert!((estoi - known.speex_estoi).abs() <= 0.04, "{kind:?}: {estoi}");
    }
}
