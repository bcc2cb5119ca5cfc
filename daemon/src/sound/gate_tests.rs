//! The gate in the microphone's thread: what it lets through, from which sample to which, and what is told of it.

use pressel_dsp::{NearEndSettings, to_i16};
use pressel_live::event::Listen;

use super::capture_rig::{RATE, Rig, TEN_MS};
use super::stream::Stream;

/// Half a second of silence, then speech for 400 ms, and again every two seconds.
fn speech(frame: u64) -> f32 {
    let within = frame % (2 * RATE);
    let speaks = (RATE / 2..RATE * 9 / 10).contains(&within);
    let noise = ((frame * 7_919) % 2_001) as f32 / 1_000.0 - 1.0;
    if speaks { 0.2 * noise } else { 0.0002 * noise }
}

#[test]
fn the_gate_s_segments_begin_with_their_pre_roll_and_end_with_a_chunk() {
    let mut rig = Rig::new(speech);
    rig.listen(Listen::Gated { number: 9, watch: false });
    rig.pass(0);
    for _ in 0..150 {
        rig.pass(2 * TEN_MS);
    }
    let heard = rig.heard(9);
    assert_eq!(heard.marks, ["opened", "closed", "opened"]);
    assert_eq!(heard.speech, 80);
    let mut rig = Rig::new(speech);
    rig.listen(Listen::Gated { number: 9, watch: false });
    rig.pass(0);
    for _ in 0..100 {
        rig.pass(2 * TEN_MS);
    }
    let heard = rig.heard(9);
    // It opens with the sixth block of speech; 300 ms before that, and 700 ms after the last.
    let first = RATE / 2 + 5 * TEN_MS - 3 * RATE / 10;
    let end = RATE * 9 / 10 + RATE * 7 / 10;
    let meant: Vec<i16> = (first..end).map(|frame| to_i16(speech(frame))).collect();
    assert_eq!(heard.samples, meant);
    assert_eq!(heard.chunk_ends.last(), Some(&heard.samples.len()));
}

#[test]
fn speech_over_an_answer_is_told_within_a_block_and_its_beginning_is_delivered() {
    let mut rig = Rig::with(NearEndSettings::default(), speech);
    rig.pass(RATE * 4 / 10);
    rig.listen(Listen::Gated { number: 5, watch: true });
    rig.pass(0);
    let mut told = None;
    for block in 0..300 {
        assert_eq!(rig.stream.frames_for(rig.capture.blocks_wanted()), TEN_MS as usize);
        rig.pass(TEN_MS);
        if rig.queue.peek().is_some() {
            told = Some(block);
            break;
        }
    }
    // The word begins 100 ms after the listening.
    assert!((10..16).contains(&told.unwrap()), "told with block {told:?}");
    let heard = rig.heard(5);
    assert_eq!(heard.marks, ["opened", "suspected"]);
    assert!(heard.samples.len() as u64 > 29 * TEN_MS, "with what came before it");
    for _ in 0..150 {
        rig.pass(TEN_MS);
    }
    let heard = rig.heard(5);
    assert!(matches!(heard.marks[..], ["confirmed" | "dismissed", "closed"]), "{:?}", heard.marks);
    assert_eq!(heard.chunk_ends.last(), Some(&heard.samples.len()));
}

#[test]
fn nobody_is_told_of_speech_over_an_answer_who_does_not_ask() {
    let mut rig = Rig::with(NearEndSettings::default(), speech);
    rig.listen(Listen::Gated { number: 5, watch: false });
    rig.pass(0);
    for _ in 0..150 {
        rig.pass(2 * TEN_MS);
    }
    assert_eq!(rig.heard(5).marks, ["opened", "closed", "opened"]);
}

#[test]
fn somebody_who_speaks_already_is_heard_when_gated_listening_begins() {
    let mut rig = Rig::new(speech);
    rig.pass(RATE * 7 / 10);
    rig.listen(Listen::Gated { number: 2, watch: false });
    rig.pass(0);
    let heard = rig.heard(2);
    assert_eq!(heard.marks, ["opened"]);
    assert_eq!(heard.samples.len() as u64, 31 * TEN_MS);
}

#[test]
fn a_gated_listening_that_is_watched_or_goes_on_as_another_is_not_torn() {
    let mut rig = Rig::new(speech);
    rig.listen(Listen::Gated { number: 4, watch: false });
    rig.pass(0);
    rig.pass(RATE * 7 / 10 + TEN_MS); // in the middle of the word and of a chunk
    rig.listen(Listen::Gated { number: 4, watch: true });
    rig.pass(TEN_MS);
    rig.listen(Listen::All { number: 4, since: rig.card.at(RATE * 7 / 10) });
    for _ in 0..100 {
        rig.pass(2 * TEN_MS);
    }
    let heard = rig.heard(4);
    assert_eq!(heard.marks, ["opened"], "everything is heard: no gate closes it");
    let first = RATE / 2 + 5 * TEN_MS - 3 * RATE / 10;
    let meant: Vec<i16> = (first..RATE * 7 / 10 + 202 * TEN_MS).map(|frame| to_i16(speech(frame))).collect();
    assert_eq!(heard.samples, meant);
}

#[test]
fn what_follows_a_gate_that_has_closed_again_comes_without_a_gap() {
    let mut rig = Rig::new(speech);
    rig.listen(Listen::Gated { number: 6, watch: true });
    rig.pass(0);
    let tapped = RATE * 17 / 10 + 5 * TEN_MS; // 150 ms after it closed
    rig.pass(tapped);
    rig.listen(Listen::All { number: 6, since: rig.card.at(tapped) });
    rig.pass(0);
    rig.pass(2 * TEN_MS);
    let heard = rig.heard(6);
    assert_eq!(heard.marks, ["opened", "closed"]);
    let first = RATE / 2 + 5 * TEN_MS - 3 * RATE / 10;
    let meant: Vec<i16> = (first..RATE * 17 / 10 + 7 * TEN_MS).map(|frame| to_i16(speech(frame))).collect();
    assert!(heard.samples == meant, "{} of {} samples", heard.samples.len(), meant.len());
}

#[test]
fn a_card_that_goes_while_somebody_speaks_leaves_no_segment_open() {
    let mut rig = Rig::new(speech);
    rig.listen(Listen::Gated { number: 3, watch: false });
    rig.pass(0);
    rig.pass(RATE * 7 / 10);
    assert_eq!(rig.heard(3).marks, ["opened"]);
    assert!(rig.capture.lose_card() && !rig.capture.lose_card());
    // Opened again after the word, in silence: nobody hears that.
    rig.card.overrun(RATE);
    let open = |learnt| Stream::new(Box::new(rig.card.clone()), &rig.settings, learnt).unwrap();
    let before = std::mem::replace(&mut rig.stream, open(None));
    rig.stream = open(Some(before.close()));
    for _ in 0..5 {
        rig.pass(TEN_MS);
    }
    let heard = rig.heard(3);
    assert_eq!((heard.marks, heard.samples.len()), (vec!["lost"], 0));
    for _ in 0..60 {
        rig.pass(2 * TEN_MS);
    }
    let heard = rig.heard(3);
    assert_eq!(heard.marks, ["opened"], "the next word begins a segment of its own");
    assert!(heard.samples.len() as u64 > 30 * TEN_MS);
}
