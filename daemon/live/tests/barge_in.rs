//! Speech over an answer with every sample known: what goes up is in order, once, whole, and silence in its place is as
//! long as it was.

mod rig;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pressel_live::event::{Action, ButtonInput, Input, LinkInput, MicrophoneInput, SpeakerInput};
use pressel_live::settings::{BargeIn, OpenStart, TalkMode};
use proptest::collection::vec;
use proptest::prelude::*;
use rig::{Rig, settings};
use serde_json::{Value, json};

const MS: fn(u64) -> Duration = Duration::from_millis;
/// Samples of a chunk, of 20 ms.
const CHUNK: usize = 320;
/// More than the longest suspicion with its pre-roll, in chunks.
const HELD_MAX: usize = 4 * 50;

/// A person and a microphone: chunk n consists of the value n.
struct Room {
    rig: Rig,
    /// The next chunk.
    next: i16,
    gate_open: bool,
    /// Chunks that came while an answer was heard.
    over: usize,
    /// Values on the wire by link, and chunks of silence.
    sent: Vec<(u32, Vec<i16>)>,
    silence: usize,
}

fn open() -> TalkMode {
    TalkMode::Open { start: OpenStart::Press, idle: None }
}

fn samples(message: &str) -> Vec<i16> {
    let message: Value = serde_json::from_str(message).expect("a client message is JSON");
    let Some(data) = message["realtimeInput"]["audio"]["data"].as_str() else { return Vec::new() };
    let bytes = STANDARD.decode(data).expect("base64");
    bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect()
}

impl Room {
    fn new(talk: TalkMode, policy: BargeIn) -> Self {
        let mut settings = settings(talk);
        settings.barge_in = policy;
        let mut room = Room {
            rig: Rig::new(settings, true),
            next: 1,
            gate_open: false,
            over: 0,
            sent: Vec::new(),
            silence: 0,
        };
        room.input(Input::Button(ButtonInput::Press));
        room
    }

    fn input(&mut self, input: Input) {
        self.rig.input(input);
        self.look();
    }

    fn look(&mut self) {
        for action in std::mem::take(&mut self.rig.done) {
            let Action::Send { link, message } = action else { continue };
            let samples = samples(&message);
            // What closes a segment, and what keeps a link, comes in longer messages.
            let hush = samples.len() == CHUNK;
            for chunk in samples.chunks(CHUNK) {
                assert!(chunk.iter().all(|sample| *sample == chunk[0]), "not a whole chunk");
                if chunk[0] == 0 {
                    self.silence += usize::from(hush);
                    continue;
                }
                if self.sent.last().is_none_or(|(of, _)| *of != link) {
                    self.sent.push((link, Vec::new()));
                }
                self.sent.last_mut().expect("it was pushed").1.push(chunk[0]);
            }
        }
    }

    fn speaking(&self) -> bool {
        self.rig.conversation.state_names().1 == "Speaking"
    }

    fn tell(&mut self, event: fn(u32) -> MicrophoneInput) {
        let listen = self.rig.listen;
        self.input(Input::Microphone(event(listen)));
    }

    /// 20 ms, delivered if the gate is open.
    fn chunk(&mut self) {
        self.rig.pass(MS(20));
        self.look();
        if !self.gate_open {
            return;
        }
        self.over += usize::from(self.speaking());
        let (listen, at) = (self.rig.listen, self.rig.now);
        let samples = vec![self.next; CHUNK];
        self.next += 1;
        self.input(Input::Microphone(MicrophoneInput::Chunk { listen, samples, speech: true, at }));
    }

    fn gate(&mut self, opens: bool) {
        if std::mem::replace(&mut self.gate_open, opens) != opens {
            self.tell(if opens {
                |listen| MicrophoneInput::Opened { listen }
            } else {
                |listen| MicrophoneInput::Closed { listen }
            });
        }
    }

    fn says(&mut self, content: Value) {
        self.rig.says(&json!({ "serverContent": content }));
        self.look();
    }

    fn sound(&mut self) {
        let part =
            json!({ "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": "AQAB".repeat(6400) } });
        self.says(json!({ "modelTurn": { "parts": [part] } }));
    }

    fn on_the_wire(&self) -> Vec<i16> {
        self.sent.last().map(|(_, values)| values.clone()).unwrap_or_default()
    }

    /// A talk in which the answer to ten chunks is being heard.
    fn answering(policy: BargeIn) -> Self {
        let mut room = Room::new(open(), policy);
        room.gate(true);
        for _ in 0..10 {
            room.chunk();
        }
        room.gate(false);
        room.sound();
        assert!(room.speaking());
        room
    }
}

#[test]
fn a_burst_begins_300_ms_before_the_suspicion_and_follows_silence_of_the_same_length() {
    for policy in [BargeIn::Both, BargeIn::Local] {
        let mut room = Room::answering(policy);
        room.gate(true);
        let before = room.silence;
        for _ in 0..40 {
            room.chunk(); // 11 to 50
        }
        assert_eq!(room.silence - before, 40);
        room.tell(|listen| MicrophoneInput::Suspected { listen });
        for _ in 0..10 {
            room.chunk(); // 51 to 60
        }
        assert_eq!((room.silence - before, room.on_the_wire().len()), (50, 10));
        room.tell(|listen| MicrophoneInput::Confirmed { listen });
        let sent: Vec<i16> = (1..=10).chain(36..=60).collect();
        assert_eq!(room.on_the_wire(), sent, "{policy:?}");
        room.chunk();
        assert_eq!(room.on_the_wire().last(), Some(&61));
        assert_eq!(room.silence - before, 50);
    }
}

#[test]
fn what_is_dismissed_is_gone_and_what_follows_begins_after_it() {
    let mut room = Room::answering(BargeIn::Both);
    room.gate(true);
    for _ in 0..20 {
        room.chunk(); // 11 to 30
    }
    room.tell(|listen| MicrophoneInput::Suspected { listen });
    for _ in 0..10 {
        room.chunk();
    }
    room.tell(|listen| MicrophoneInput::Dismissed { listen });
    for _ in 0..50 {
        room.chunk(); // 41 to 90: a second
    }
    room.tell(|listen| MicrophoneInput::Suspected { listen });
    room.chunk();
    room.tell(|listen| MicrophoneInput::Confirmed { listen });
    assert_eq!(room.on_the_wire(), (1..=10).chain(76..=91).collect::<Vec<i16>>());
}

#[test]
fn a_word_that_was_dismissed_arrives_with_the_next_one_that_is_not() {
    let mut room = Room::answering(BargeIn::Both);
    room.gate(true);
    for _ in 0..20 {
        room.chunk(); // 11 to 30
    }
    room.tell(|listen| MicrophoneInput::Suspected { listen });
    for _ in 0..10 {
        room.chunk();
    }
    room.tell(|listen| MicrophoneInput::Dismissed { listen });
    for _ in 0..40 {
        room.chunk(); // 41 to 80
    }
    room.tell(|listen| MicrophoneInput::Suspected { listen });
    for _ in 0..10 {
        room.chunk();
    }
    room.tell(|listen| MicrophoneInput::Confirmed { listen });
    assert_eq!(room.on_the_wire(), (1..=10).chain(16..=90).collect::<Vec<i16>>());
}

#[test]
fn a_word_that_was_dismissed_is_not_sent_for_the_answer_s_end() {
    let mut room = Room::answering(BargeIn::Both);
    room.gate(true);
    for _ in 0..20 {
        room.chunk(); // 11 to 30
    }
    room.tell(|listen| MicrophoneInput::Suspected { listen });
    room.tell(|listen| MicrophoneInput::Dismissed { listen });
    for _ in 0..20 {
        room.chunk(); // 31 to 50
    }
    room.says(json!({ "generationComplete": true, "turnComplete": true }));
    assert!(!room.speaking());
    assert_eq!(room.on_the_wire(), (1..=10).chain(36..=50).collect::<Vec<i16>>());
}

#[test]
fn a_lost_link_gets_the_same_words_again_on_the_next_one() {
    let mut room = Room::answering(BargeIn::Both);
    room.gate(true);
    room.chunk();
    room.tell(|listen| MicrophoneInput::Suspected { listen });
    room.chunk();
    let link = room.rig.link;
    room.input(Input::Link(link, LinkInput::Closed { code: 1006, reason: String::new() }));
    let before = room.silence;
    room.rig.obliging = false; // the next one does not come up yet
    room.chunk();
    room.tell(|listen| MicrophoneInput::Confirmed { listen });
    room.chunk();
    room.rig.obliging = true;
    let link = room.rig.link;
    room.input(Input::Link(link, LinkInput::Closed { code: 1006, reason: String::new() }));
    room.rig.pass(Duration::from_secs(2));
    room.look();
    assert_eq!(room.on_the_wire(), [11, 12, 13, 14]);
    assert!(room.silence <= before + 2, "silence where nobody could hear it");
}

/// Something that happens in a room with an answer in it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Chunks(u8),
    Gate(bool),
    Suspected,
    Confirmed,
    Dismissed,
    Sound,
    Interrupted,
    TurnComplete,
    Heard,
    Press,
    Cut,
    Wait(u16),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..40u8).prop_map(Step::Chunks),
        4 => any::<bool>().prop_map(Step::Gate),
        5 => Just(Step::Suspected),
        4 => Just(Step::Confirmed),
        2 => Just(Step::Dismissed),
        6 => Just(Step::Sound),
        1 => Just(Step::Interrupted),
        1 => Just(Step::TurnComplete),
        1 => Just(Step::Heard),
        1 => Just(Step::Press),
        1 => Just(Step::Cut),
        1 => (0..4000u16).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: every chunk at most once on a link and in order, silence for no more than what came over an
    /// answer, no more held than the bound, nothing turned down at the end.
    #[test]
    fn order_and_bounds_hold_whatever_happens(
        policy in proptest::sample::select(vec![BargeIn::Server, BargeIn::Local, BargeIn::Both, BargeIn::Off]),
        steps in vec(steps(), 0..120),
    ) {
        let mut room = Room::answering(policy);
        let before = room.silence;
        for step in steps {
            let wire: usize = room.sent.iter().map(|(_, values)| values.len()).sum();
            match step {
                Step::Chunks(count) => (0..count).for_each(|_| room.chunk()),
                Step::Gate(opens) => room.gate(opens),
                Step::Suspected => {
                    room.gate(true);
                    room.tell(|listen| MicrophoneInput::Suspected { listen });
                }
                Step::Confirmed => {
                    room.tell(|listen| MicrophoneInput::Confirmed { listen });
                    let burst: usize = room.sent.iter().map(|(_, values)| values.len()).sum::<usize>() - wire;
                    prop_assert!(burst <= HELD_MAX, "{burst} chunks were held");
                }
                Step::Dismissed => room.tell(|listen| MicrophoneInput::Dismissed { listen }),
                Step::Sound => room.sound(),
                Step::Interrupted => room.says(json!({ "interrupted": true })),
                Step::TurnComplete => room.says(json!({ "generationComplete": true, "turnComplete": true })),
                Step::Heard => {
                    let turn = 1; // of another answer it is late
                    room.input(Input::Speaker(SpeakerInput::Drained { turn }));
                }
                Step::Press => {
                    room.input(Input::Button(ButtonInput::Press));
                    room.gate_open = false; // of the talk that this ended or began
                    let listen = room.rig.listen;
                    room.input(Input::Microphone(MicrophoneInput::Closed { listen }));
                }
                Step::Cut => {
                    let link = room.rig.link;
                    room.input(Input::Link(link, LinkInput::Closed { code: 1006, reason: String::new() }));
                }
                Step::Wait(ms) => {
                    room.rig.pass(MS(u64::from(ms)));
                    room.look();
                }
            }
            for (link, values) in &room.sent {
                prop_assert!(values.windows(2).all(|two| two[0] < two[1]), "link {link}: {values:?}");
            }
            prop_assert!(room.silence - before <= room.over, "{} of {}", room.silence - before, room.over);
            prop_assert!(policy != BargeIn::Off || !room.rig.ducked);
        }
        room.gate(false);
        room.rig.let_go();
        prop_assert!(!room.rig.ducked);
    }
}
