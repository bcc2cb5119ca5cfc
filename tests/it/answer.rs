//! What the speaker played against what was sent: no gap, no repeat, and nothing stale after a flush.

use std::ops::Range;

use fake_gemini::{Event, Fault, Script, Stall, Turn, What};
use pressel_world::card::{CardOptions, StreamOptions};
use tests::measure::{Stretch, alike, find, first_sound, last_sound, place};
use tests::stage::Setting;

use crate::scene::{SPK_MS, Scene, WAIT, setting};

/// From a press, or the message that asks for it, to silence, on a machine that does other things as well.
const SILENCE_NS: u64 = 150_000_000;
/// A fade of 5 ms, and the rounding of its ends.
const FADE: usize = 5 * SPK_MS as usize + 2;

/// A server that says this, and then short noises.
fn script(turns: Vec<Turn>) -> Script {
    Script { turns, rest: Turn::noise(700, 99), ..Script::default() }
}

/// How far two sounds are the same.
fn same(a: &[i16], b: &[i16]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Where the speaker played a turn: whole, once, and silent on both sides. Not before `from`.
#[track_caller]
pub fn played_whole(played: &[i16], sent: &[i16], from: usize) -> Range<usize> {
    assert!(!sent.is_empty(), "nothing was sent");
    let begin = find(played, &sent[..480], from).expect("the answer is heard");
    let length = same(&played[begin..], sent);
    assert_eq!(length, sent.len(), "after so many samples something else was heard");
    assert!(last_sound(&played[from..begin]).is_none(), "something was heard before it");
    begin..begin + length
}

/// Where the speaker began to play a turn, and how many samples of it are the server's.
#[track_caller]
fn played_part(played: &[i16], sent: &[i16], from: usize) -> Range<usize> {
    let begin = find(played, &sent[..480], from).expect("the answer is heard");
    begin..begin + same(&played[begin..], sent)
}

#[test]
fn an_answer_is_heard_whole_and_once() {
    let scene = Scene::of("hold", "", script(vec![Turn::noise(3000, 1)]));
    for turn in 1..=2 {
        let mark = scene.remote.mark();
        scene.ask("question-time");
        scene.answered(mark);
        let record = scene.server.events();
        let played = scene.played(0);
        let first = played_whole(&played, &record.spoken(1), 0);
        if turn == 2 {
            let second = played_whole(&played, &record.spoken(2), first.end);
            assert_eq!(first_sound(&played[second.end..]), None);
        }
    }
    assert_eq!(scene.counter("answer_dropped_samples"), 0);
    scene.end();
}

#[test]
fn twenty_seconds_sent_at_once_are_heard_whole() {
    let turn = Turn { pace: Some(0.0), ..Turn::noise(20_000, 2) };
    let scene = Scene::of("hold", "", script(vec![turn]));
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let played = scene.played(0);
    let answer = played_whole(&played, &scene.server.events().spoken(1), 0);
    assert_eq!(answer.len() as u64, 20_000 * SPK_MS);
    assert_eq!(first_sound(&played[answer.end..]), None);
    scene.end();
}

#[test]
fn an_answer_beyond_the_bound_loses_its_end_and_says_so() {
    let turn = Turn { pace: Some(0.0), ..Turn::noise(14_000, 3) };
    let mut setting = setting("hold", "", script(vec![turn]));
    setting.playback = "queue_max_s = 10".into();
    let scene = Scene::set(setting);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let (played, sent) = (scene.played(0), scene.server.events().spoken(1));
    let part = played_part(&played, &sent, 0);
    assert!(part.len() as u64 >= 10_000 * SPK_MS - 240 * SPK_MS, "only {} samples were kept", part.len());
    let heard = played[part.start..].iter().filter(|sample| **sample != 0).count();
    let silent = sent.iter().filter(|sample| **sample == 0).count();
    let dropped = scene.counter("answer_dropped_samples") as usize;
    assert!(dropped > 0 && (heard + dropped).abs_diff(sent.len()) <= silent, "{heard} {dropped} {silent}");
    assert_eq!(scene.log().matches("queue_max_s").count(), 1);
    scene.end();
}

#[test]
fn an_answer_that_comes_too_slowly_has_pauses_and_loses_nothing() {
    let turn = Turn { pace: Some(0.5), ..Turn::noise(2000, 4) };
    let mut setting = setting("hold", "", script(vec![turn]));
    setting.playback = "jitter_max_ms = 0".into();
    let scene = Scene::set(setting);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let (played, sent) = (scene.played(0), scene.server.events().spoken(1));
    let begin = first_sound(&played).unwrap();
    let end = last_sound(&played).unwrap() + 1;
    // Between two parts there is a silence; the noise itself has no run of zeros as long.
    let pieces = runs(&played[begin..end], 24);
    assert!(pieces.len() > 4, "there are pauses in it: {}", pieces.len());
    let placed = place(&sent, 0, pieces.into_iter().map(|samples| Stretch { at_ns: 0, samples }));
    // A zero at the edge of a part is silence, too.
    assert_eq!((placed.repeated, placed.foreign), (0, 0));
    assert!(placed.lost <= placed.placed.len(), "{} samples lost", placed.lost);
    scene.end();
}

/// A server that says this, and stops for a moment in the middle.
fn stalling(seed: u64) -> Turn {
    Turn { pace: Some(2.0), stalls: vec![Stall { at_ms: 600, ms: 500 }], ..Turn::noise(1500, seed) }
}

#[test]
fn a_link_that_stalls_breaks_up_one_answer_and_the_next_ones_wait_for_it() {
    let scene = Scene::of("hold", "", script((20..24).map(stalling).collect()));
    let mut broken = Vec::new();
    for turn in 1..=4 {
        let mark = scene.remote.mark();
        scene.ask("question-time");
        scene.answered(mark);
        let (played, sent) = (scene.played(0), scene.server.events().spoken(turn));
        let part = played_part(&played, &sent, 0);
        broken.push(part.len() < sent.len());
    }
    // A busy machine may stall on its own.
    assert!(scene.counter("answer_gaps") > 0 && (100..=400).contains(&scene.counter("jitter_ms")));
    let again = broken[1..].iter().filter(|broken| **broken).count();
    assert!(broken[0] && again <= 1, "{broken:?}");
    scene.end();
}

#[test]
fn an_answer_that_breaks_off_fades_out_and_in_again() {
    let mut setting = setting("hold", "", script(vec![stalling(30)]));
    setting.playback = "conceal = true\njitter_max_ms = 0".into();
    let scene = Scene::set(setting);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let (played, sent) = (scene.played(0), scene.server.events().spoken(1));
    let part = played_part(&played, &sent, 0);
    assert!(part.len() < sent.len(), "it did not break off");
    let made_up = runs(&played[part.end..], 24)[0].len();
    assert!((100..=40 * SPK_MS as usize).contains(&made_up), "{made_up} samples were made up");
    // After the fade in every sample is the server's.
    let back = find(&played, &sent[part.len() + FADE..][..480], part.end).expect("it goes on");
    assert!(back > part.end + made_up + 100 * SPK_MS as usize, "there was a pause");
    assert_eq!(same(&played[back..], &sent[part.len() + FADE..]), sent.len() - part.len() - FADE);
    scene.end();
}

/// Stretches of sound with at least `gap` zeros between them.
fn runs(samples: &[i16], gap: usize) -> Vec<&[i16]> {
    let mut found = Vec::new();
    let (mut begin, mut zeros) = (0, 0);
    for (n, sample) in samples.iter().enumerate() {
        if *sample == 0 {
            zeros += 1;
            continue;
        }
        if zeros >= gap {
            found.push(&samples[begin..n - zeros]);
            begin = n;
        }
        zeros = 0;
    }
    found.push(&samples[begin..]);
    found
}

#[test]
fn on_a_stereo_speaker_at_48_khz_both_channels_play_all_of_it_in_time() {
    let setting = Setting {
        card: CardOptions {
            microphone: StreamOptions::new(16_000, 1),
            speaker: StreamOptions::new(48_000, 2),
        },
        ..setting("hold", "", script(vec![Turn::noise(3000, 5)]))
    };
    let scene = Scene::set(setting);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    let (left, right) = (scene.played(0), scene.played(1));
    let both = left.len().min(right.len()); // one was read a moment later
    assert!(left[..both] == right[..both]);
    let sent = scene.server.events().spoken(1);
    // Of two samples one lies where the server's lay.
    let half = |phase: usize| -> Vec<i16> { left.iter().skip(phase).step_by(2).copied().collect() };
    let alike = alike(&sent, &half(0), 2400).max(alike(&sent, &half(1), 2400));
    assert!(alike > 0.9, "{alike:.3} alike");
    let (first, last) = (first_sound(&left).unwrap(), last_sound(&left).unwrap());
    assert!((last - first).abs_diff(2 * sent.len()) < 100);
    scene.end();
}

/// The answer to the first question was cut at this time: its beginning as sent, a fade, then silence up to the next
/// answer, which is whole.
#[track_caller]
pub fn check_cut(scene: &Scene, cut_ns: u64, next_turn: u32) {
    let record = scene.server.events();
    let (played, first) = (scene.played(0), record.spoken(1));
    let part = played_part(&played, &first, 0);
    let second = played_whole_after_cut(&played, &record.spoken(next_turn), part.end);
    let end = part.end + last_sound(&played[part.end..second.start]).map_or(0, |last| last + 1);
    let cut = scene.spk_at(cut_ns) as usize;
    // From the first suspicion that somebody speaks over it, it is the answer turned down.
    let events = scene.remote.events();
    let ducked = events.iter().find(|e| e.name == "duck" && e.at_ns < cut_ns);
    let soft = ducked.map_or(0, |e| cut - scene.spk_at(e.at_ns) as usize);
    assert!(end - part.end <= FADE + soft, "{} samples that are neither answer nor silence", end - part.end);
    assert!(part.end + FADE + soft > cut, "silent {} samples before it was asked for", cut - part.end);
    let late = end.saturating_sub(cut) as u64 * 1_000_000 / SPK_MS;
    assert!(late <= SILENCE_NS, "silent only after {} ms", late / 1_000_000);
    assert_eq!(first_sound(&played[second.end..]), None, "something stale was heard after the next answer");
}

#[track_caller]
fn played_whole_after_cut(played: &[i16], sent: &[i16], from: usize) -> Range<usize> {
    let begin = find(played, &sent[..480], from).expect("the next answer is heard");
    assert_eq!(same(&played[begin..], sent), sent.len(), "the next answer is not whole");
    begin..begin + sent.len()
}

/// Sound of the first turn that was sent after a time.
fn stale(events: &[Event], after_ns: u64) -> usize {
    let is_stale = |e: &&Event| e.at_ns > after_ns && matches!(e.what, What::SentAudio { turn: 1, .. });
    events.iter().filter(is_stale).count()
}

#[test]
fn a_press_silences_the_answer_and_nothing_of_it_comes_back() {
    let mut script = script(vec![Turn { pace: Some(1.3), ..Turn::noise(8000, 6) }]);
    script.service.stale_parts = 3;
    script.service.interrupted_with_audio = true;
    script.service.cut_ms = 400;
    let scene = Scene::of("hold", "", script);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.phase(mark, "speaking");
    scene.pass(1200);
    let mark = scene.remote.mark();
    let asked = scene.ask("stop");
    scene.answered(mark);
    check_cut(&scene, asked.pressed.start, 2);
    assert!(stale(&scene.server.events(), asked.pressed.end) >= 4, "the server sent nothing stale");
    assert!(scene.counter("answer_dropped_samples") > 0);
    scene.end();
}

#[test]
fn a_burst_that_is_all_here_already_is_silenced_just_as_well() {
    let scene = Scene::of("hold", "", script(vec![Turn { pace: Some(0.0), ..Turn::noise(30_000, 7) }]));
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.phase(mark, "speaking");
    scene.pass(800);
    let mark = scene.remote.mark();
    let asked = scene.ask("stop");
    scene.answered(mark);
    check_cut(&scene, asked.pressed.start, 2);
    scene.end();
}

/// When the server said `interrupted` first.
#[track_caller]
fn interrupted_at(events: &[Event]) -> u64 {
    let said = |event: &&Event| match &event.what {
        What::Sent { message, .. } | What::SentAudio { message, .. } => {
            message["serverContent"]["interrupted"] == true
        }
        _ => false,
    };
    events.iter().find(said).expect("it was interrupted").at_ns
}

#[test]
fn speaking_over_the_answer_in_open_mode_silences_it() {
    let mut script = script(vec![Turn { pace: Some(1.5), ..Turn::noise(8000, 8) }]);
    script.service.stale_parts = 2;
    script.service.interrupted_with_audio = true;
    script.service.cut_ms = 300;
    let scene = Scene::of("open", "", script);
    let mark = scene.remote.mark();
    scene.press();
    scene.speak("question-time");
    scene.phase(mark, "speaking");
    scene.pass(700);
    let mark = scene.remote.mark();
    scene.speak("stop");
    let again = scene.phase(mark, "speaking").at_ns;
    scene.remote.wait(mark, WAIT, |e| e.at_ns > again && e.is_phase("listening")).unwrap();
    let record = scene.server.events();
    check_cut(&scene, interrupted_at(&record), 2);
    assert!(stale(&record, interrupted_at(&record)) >= 2);
    assert_eq!(scene.counter("interruptions"), 1);
    scene.end();
}

#[test]
fn an_answer_right_after_an_interruption_is_heard_whole() {
    let mut script = script(vec![Turn { pace: Some(0.0), ..Turn::noise(20_000, 9) }]);
    script.service.cut_ms = 0;
    let scene = Scene::of("hold", "", script);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.phase(mark, "speaking");
    scene.pass(500);
    let mark = scene.remote.mark();
    let next = Turn { think_ms: Some(0), ..Turn::noise(1500, 10) };
    assert!(scene.server.strike(Fault::Interrupted) && scene.server.strike(Fault::Speak(Box::new(next))));
    scene.answered(mark);
    check_cut(&scene, interrupted_at(&scene.server.events()), 2);
    scene.end();
}

#[test]
fn a_second_answer_waits_until_the_first_was_heard() {
    let turn =
        |ms, seed| Turn { pace: Some(0.0), bundled: true, think_ms: Some(10), ..Turn::noise(ms, seed) };
    let scene = Scene::of("hold", "", script(vec![turn(2000, 11)]));
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.phase(mark, "speaking");
    assert!(scene.server.strike(Fault::Speak(Box::new(turn(1500, 12)))));
    scene.answered(mark);
    let (played, record) = (scene.played(0), scene.server.events());
    let first = played_whole(&played, &record.spoken(1), 0);
    let second = played_whole(&played, &record.spoken(2), first.end);
    assert_eq!(first_sound(&played[second.end..]), None);
    scene.end();
}

#[test]
fn at_volume_0_nothing_is_heard_and_the_talk_goes_on() {
    let mut setting = setting("hold", "", script(vec![Turn::noise(800, 13)]));
    setting.playback = "volume_percent = 0".into();
    let scene = Scene::set(setting);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
    assert_eq!(first_sound(&scene.played(0)), None);
    scene.end();
}
