//! The microphone's thread, sample by sample, on a card whose time is turned by hand.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use heapless::spsc::{Consumer, Producer, Queue};
use pressel_dsp::{BLOCK, BargeIn, NearEndSettings, from_i16, to_i16};
use pressel_hal::Wake;
use pressel_live::event::Listen;

use super::SoundSettings;
use super::capture::{COMMANDS, Capture};
use super::crank::CrankMicrophone;
use super::facts::Facts;
use super::far;
use super::outlet::{Captured, QUEUE};
use super::reference::Reference;
use super::stream::Stream;
use super::trouble::Trouble;

const RATE: u64 = 16_000;
/// A block in frames of the card.
const TEN_MS: u64 = RATE / 100;

struct Rig {
    settings: SoundSettings,
    card: CrankMicrophone,
    capture: Capture,
    stream: Stream,
    commands: Producer<'static, Listen, COMMANDS>,
    queue: Consumer<'static, Captured, QUEUE>,
    facts: Arc<Facts>,
}

/// Samples of one listening, where they begin in the card's time, and what was told between them.
#[derive(Debug, Default)]
struct Heard {
    samples: Vec<i16>,
    chunk_ends: Vec<usize>,
    gaps: Vec<(usize, u64)>,
    marks: Vec<&'static str>,
    speech: usize,
    last_at: Option<Instant>,
}

/// Different at every frame for a second and a half.
fn ramp(frame: u64) -> f32 {
    from_i16((frame % 24_001) as i16 + 1)
}

impl Rig {
    fn new(sound: fn(u64) -> f32) -> Rig {
        Rig::with(NearEndSettings::OFF, sound)
    }

    fn with(near_end: NearEndSettings, sound: fn(u64) -> f32) -> Rig {
        let mut settings = SoundSettings { pre_roll_ms: 300, near_end, ..SoundSettings::bare() };
        settings.capture.chunk_ms = 20;
        settings.capture.rest_ms = 60;
        let card = CrankMicrophone::new(RATE as u32, sound);
        let facts = Arc::new(Facts::default());
        let (commands, for_capture) = Box::leak(Box::new(Queue::new())).split();
        let (outlet, queue) = Box::leak(Box::new(Queue::new())).split();
        let open = Box::new(|| unreachable!("the test opens the card"));
        let stream = Stream::new(Box::new(card.clone()), &settings).unwrap();
        let capture = Capture::new(
            open,
            settings.clone(),
            facts.clone(),
            Reference::new(far::mirror().1, Arc::default()),
            for_capture,
            outlet,
        );
        Rig { settings, card, capture, stream, commands, queue, facts }
    }

    /// The card hears, then the thread takes it.
    fn pass(&mut self, frames: u64) {
        self.card.hear(frames);
        self.capture.fetch(&mut self.stream, &Wake::new()).unwrap();
    }

    fn listen(&mut self, listen: Listen) {
        self.commands.enqueue(listen).unwrap();
    }

    /// What was delivered since.
    fn heard(&mut self, number: u32) -> Heard {
        let mut heard = Heard::default();
        while let Some(item) = self.queue.dequeue() {
            match item {
                Captured::Sound { listen, samples, speech, at, ends_chunk } if listen == number => {
                    heard.samples.extend(samples);
                    heard.speech += usize::from(speech);
                    heard.last_at = Some(at);
                    if ends_chunk {
                        heard.chunk_ends.push(heard.samples.len());
                    }
                }
                Captured::Sound { .. } => {}
                Captured::Gap { samples, .. } => heard.gaps.push((heard.samples.len(), samples)),
                Captured::Opened { .. } => heard.marks.push("opened"),
                Captured::Closed { .. } => heard.marks.push("closed"),
                Captured::BargeIn { said, .. } => heard.marks.push(match said {
                    BargeIn::Suspected => "suspected",
                    BargeIn::Confirmed => "confirmed",
                    BargeIn::Dismissed => "dismissed",
                }),
                Captured::Lost => heard.marks.push("lost"),
                Captured::Back => heard.marks.push("back"),
            }
        }
        heard
    }
}

fn meant(frames: std::ops::Range<u64>) -> Vec<i16> {
    frames.map(|frame| to_i16(ramp(frame))).collect()
}

#[test]
fn at_rest_nothing_is_delivered_and_the_card_may_sleep() {
    let mut rig = Rig::new(ramp);
    assert_eq!(rig.stream.frames_for(rig.capture.blocks_wanted()), 6 * TEN_MS as usize);
    for _ in 0..100 {
        rig.pass(6 * TEN_MS);
    }
    assert!(rig.heard(0).samples.is_empty());
}

#[test]
fn a_press_brings_the_pre_roll_the_ring_and_then_every_sample() {
    // Pressed at any moment of the card's sleep, and handled at once or late.
    for (sleep, late) in [(0, 0), (1, 0), (333, 0), (959, 0), (500, 160), (77, 1_600), (960, 5_000)] {
        let mut rig = Rig::new(ramp);
        rig.pass(12_800);
        rig.card.hear(sleep);
        let pressed = 12_800 + sleep;
        rig.listen(Listen::All { number: 1, since: rig.card.at(pressed) });
        rig.pass(late);
        for _ in 0..40 {
            rig.pass(777);
        }
        let heard = rig.heard(1);
        // The block in which the pre-roll begins is delivered whole.
        let first = (pressed - 3 * RATE / 10) / TEN_MS * TEN_MS;
        let end = (pressed + late + 40 * 777) / TEN_MS * TEN_MS;
        assert_eq!(heard.samples, meant(first..end), "pressed {sleep} into a sleep, {late} late");
        assert!(heard.gaps.is_empty());
        assert_eq!(heard.last_at, Some(rig.card.at(end)));
    }
}

#[test]
fn chunks_end_with_the_block_that_completes_them_and_no_wake_up_is_wasted() {
    let mut rig = Rig::new(ramp);
    rig.pass(12_800);
    rig.listen(Listen::All { number: 1, since: rig.card.at(12_800) });
    rig.pass(0);
    let backlog = rig.heard(1);
    assert_eq!(backlog.samples.len() as u64, 30 * TEN_MS);
    for _ in 0..20 {
        let wanted = rig.stream.frames_for(rig.capture.blocks_wanted()) as u64;
        assert_eq!(wanted, 2 * TEN_MS);
        rig.pass(wanted);
        let heard = rig.heard(1);
        assert_eq!((heard.samples.len(), heard.chunk_ends), (2 * BLOCK, vec![2 * BLOCK]));
    }
    // Woken in between, it asks for what is missing.
    rig.pass(TEN_MS + 50);
    assert_eq!(rig.stream.frames_for(rig.capture.blocks_wanted()) as u64, TEN_MS - 50);
}

#[test]
fn nothing_is_delivered_twice_however_often_one_presses() {
    let mut rig = Rig::new(ramp);
    rig.pass(8_000);
    let mut end = 0;
    let mut now = 8_000;
    for number in 1..20 {
        rig.listen(Listen::All { number, since: rig.card.at(now) });
        for step in [0, 1_234, 3_210] {
            rig.pass(step);
            now += step;
        }
        rig.listen(Listen::Rest);
        rig.pass(u64::from(number) * 97);
        now += u64::from(number) * 97;
        let samples = rig.heard(number).samples;
        let value = |sample: i16| sample as u64 - 1;
        let first = value(samples[0]);
        assert!(samples.windows(2).all(|pair| value(pair[1]) == (value(pair[0]) + 1) % 24_001));
        assert!((first + 24_001 - end) % 24_001 < 12_000, "{number} begins at {first}, before {end}");
        end = (value(samples[samples.len() - 1]) + 1) % 24_001;
    }
}

#[test]
fn an_overrun_is_a_gap_of_its_length_and_blocks_stay_whole() {
    let mut rig = Rig::new(ramp);
    rig.pass(8_000);
    rig.listen(Listen::All { number: 1, since: rig.card.at(8_000) });
    rig.pass(1_650);
    rig.heard(1);
    // 50 frames of a block were read; they and 2 000 more are gone.
    rig.card.overrun(2_000);
    rig.pass(3_200);
    let heard = rig.heard(1);
    assert_eq!(heard.gaps, [(0, 2_050)]);
    assert_eq!(heard.samples, meant(11_650..14_850));
    assert_eq!(rig.facts.capture.xruns.load(Relaxed), 1);
    assert_eq!(rig.facts.capture.lost_frames.load(Relaxed), 2_050);
}

#[test]
fn what_was_lost_before_the_pre_roll_is_nobody_s_gap() {
    let mut rig = Rig::new(ramp);
    rig.pass(3_200);
    rig.card.overrun(1_600);
    rig.pass(1_600);
    rig.listen(Listen::All { number: 1, since: rig.card.at(6_400) });
    rig.pass(3_200);
    let heard = rig.heard(1);
    assert_eq!(heard.samples[..160], meant(1_600..1_760), "the pre-roll reaches over the gap");
    assert_eq!(heard.gaps, [(1_600, 1_600)]);

    let mut rig = Rig::new(ramp);
    rig.card.overrun(1_600);
    rig.pass(1_600);
    rig.listen(Listen::All { number: 1, since: rig.card.at(3_200) });
    rig.pass(1_600);
    assert!(rig.heard(1).gaps.is_empty());
}

#[test]
fn a_main_loop_that_does_not_fetch_gets_the_gap_told() {
    let mut rig = Rig::new(ramp);
    rig.pass(8_000);
    rig.listen(Listen::All { number: 1, since: rig.card.at(8_000) });
    for _ in 0..600 {
        rig.pass(TEN_MS);
    }
    let dropped = rig.facts.capture.dropped_samples.load(Relaxed);
    assert!(dropped > 0);
    let first = rig.heard(1);
    assert_eq!(first.samples.len(), (QUEUE - 1) * BLOCK);
    rig.pass(TEN_MS);
    let after = rig.heard(1);
    assert_eq!(after.gaps, [(0, dropped)]);
    let next = 8_000 - 4_800 + (QUEUE as u64 - 1) * TEN_MS + dropped;
    assert_eq!(after.samples, meant(next..next + TEN_MS));
}

#[test]
fn a_new_listening_owes_nothing_to_the_one_before() {
    let mut rig = Rig::new(ramp);
    rig.listen(Listen::All { number: 1, since: rig.card.at(0) });
    rig.pass(0);
    // An odd number of blocks, and more than the queue holds.
    for _ in 0..QUEUE + 20 {
        rig.pass(TEN_MS);
    }
    rig.listen(Listen::Rest);
    rig.pass(TEN_MS);
    rig.heard(1);
    rig.pass(4 * TEN_MS);
    rig.listen(Listen::All { number: 2, since: rig.card.at(1_000_000) });
    rig.pass(0);
    rig.pass(2 * TEN_MS);
    let heard = rig.heard(2);
    assert_eq!(heard.gaps, []);
    assert_eq!(heard.chunk_ends, [2 * BLOCK]);
}

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
    rig.card.hear(RATE);
    rig.stream = Stream::new(Box::new(rig.card.clone()), &rig.settings).unwrap();
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

#[test]
fn only_the_newest_command_counts() {
    let mut rig = Rig::new(ramp);
    rig.pass(8_000);
    rig.listen(Listen::All { number: 1, since: rig.card.at(8_000) });
    rig.listen(Listen::Rest);
    rig.listen(Listen::All { number: 2, since: rig.card.at(8_000) });
    rig.pass(1_600);
    assert_eq!(rig.heard(2).samples, meant(3_200..9_600));
    assert!(rig.heard(1).samples.is_empty());
}

#[test]
fn times_are_those_of_the_last_sample() {
    let mut rig = Rig::new(ramp);
    rig.listen(Listen::All { number: 1, since: rig.card.at(0) + Duration::from_secs(1) });
    rig.pass(0);
    for n in 1..20 {
        rig.pass(2 * TEN_MS);
        let at = rig.heard(1).last_at.unwrap();
        assert_eq!(at, rig.card.at(2 * n * TEN_MS));
    }
}

#[test]
fn what_a_card_does_wrong_is_a_fact_while_it_does_and_the_main_loop_is_woken_for_it_once() {
    // Two seconds of sound, one of nonsense, and sound again.
    let mut rig =
        Rig::new(|frame| if (2 * RATE..3 * RATE).contains(&frame) { f32::NAN } else { ramp(frame) });
    let main = Wake::new();
    let mut woken = Vec::new();
    for second in 0..10 {
        for _ in 0..100 {
            rig.card.hear(TEN_MS);
            rig.capture.fetch(&mut rig.stream, &main).unwrap();
            if main.take() {
                woken.push((second, rig.facts.capture.troubles.load(Relaxed)));
            }
        }
    }
    let nonsense = 1 << Trouble::Nonsense as u32;
    assert_eq!(woken, [(2, nonsense), (7, 0)]);
}
