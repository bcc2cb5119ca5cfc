use super::*;
use crate::Kind;

#[test]
fn a_canceller_that_leaves_a_tenth_has_twenty_db_at_once_and_harms_nobody() {
    let scene = Scene::new(Kind::Clean40, 1);
    let out: Vec<f32> = scene.near.iter().zip(&scene.echo).map(|(near, echo)| near + 0.1 * echo).collect();
    let row = judge(&scene, &out);
    assert!((row.erle_db - 20.0).abs() < 0.1, "{row}");
    assert!(row.converged_s == 0.0 && row.delay_ms == 0.0, "{row}");
    assert!(row.estoi_alone > 0.99 && row.estoi_double > 0.9, "{row}");
    assert!(judge(&scene, &scene.mic).estoi_double < row.estoi_double - 0.3);
}

#[test]
fn one_that_learns_late_converges_late() {
    let scene = Scene::new(Kind::Clean40, 2);
    let learnt = 4 * RATE;
    let out: Vec<f32> =
        scene.mic.iter().enumerate().map(|(n, mic)| if n < learnt { *mic } else { 0.05 * mic }).collect();
    let converged_s = judge(&scene, &out).converged_s;
    assert!((3.0..4.2).contains(&converged_s), "{converged_s}");
}

#[test]
fn sound_that_comes_ten_ms_late_is_found_and_understood() {
    let scene = Scene::new(Kind::Clean40, 3);
    let mut out = vec![0.0; 160];
    out.extend_from_slice(&scene.near[..scene.near.len() - 160]);
    let row = judge(&scene, &out);
    assert_eq!(row.delay_ms, 10.0);
    assert!(row.estoi_double > 0.999, "{row}");
}

#[test]
fn every_block_of_a_scene_comes_once_and_in_order() {
    let scene = Scene::new(Kind::Room40, 1);
    let mut far = Vec::new();
    let out = run(&scene, |block, mic, out| {
        far.extend_from_slice(block);
        *out = *mic;
    });
    assert_eq!((far, out), (scene.far, scene.mic));
}
