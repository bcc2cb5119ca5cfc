use super::*;
use crate::level::{db, rms};

const LEN: usize = 30 * 16_000;

#[test]
fn it_has_the_level_and_the_pauses_of_speech() {
    for (seed, voice) in [(1, Voice::MAN), (2, Voice::WOMAN)] {
        let said = speech(seed, voice, LEN);
        assert!(said.iter().all(|s| s.is_finite() && s.abs() < 30.0));
        assert!(db(rms(&said)).abs() < 1.5, "{}", db(rms(&said)));
        let quiet =
            said.chunks(160).filter(|chunk| db(rms(chunk)) < -25.0).count() as f32 / (LEN / 160) as f32;
        assert!((0.1..0.5).contains(&quiet), "{quiet} of the time quiet");
    }
}

/// The pitch is where the spectrum of the wave's own likeness peaks.
#[test]
fn a_woman_speaks_higher_than_a_man() {
    let pitch_hz = |voice: Voice| {
        let said = speech(4, voice, LEN);
        let like = |lag: usize| -> f32 { said.iter().zip(&said[lag..]).map(|(a, b)| a * b).sum() };
        16_000.0 / (50..200).max_by(|&a, &b| like(a).total_cmp(&like(b))).unwrap() as f32
    };
    let (man, woman) = (pitch_hz(Voice::MAN), pitch_hz(Voice::WOMAN));
    assert!((85.0..130.0).contains(&man), "{man} Hz");
    assert!((165.0..240.0).contains(&woman), "{woman} Hz");
}

#[test]
fn every_seed_says_something_else() {
    let (a, b) = (speech(1, Voice::MAN, LEN), speech(2, Voice::MAN, LEN));
    let likeness = a.iter().zip(&b).map(|(a, b)| a * b).sum::<f32>() / LEN as f32;
    assert!(likeness.abs() < 0.1, "{likeness}");
}
