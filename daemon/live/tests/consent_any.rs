//! Consent, whatever happens: calls, gestures, sound, lost links in any order.
#![allow(clippy::disallowed_methods)]

mod rig;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use pressel_live::event::{
    Action, Agree, AgreeBy, ButtonInput, ConsentInput, Decision, Input, LinkInput, Phase, SpeakerInput,
    ToolAsk, ToolResult,
};
use pressel_live::settings::{OpenStart, TalkMode};
use rig::{PROFILES, Rig, gated, hold, responses};
use serde_json::{Value, json};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// What may be run, kept apart from the machine: a question counts once its announcement was heard to the end.
#[derive(Default)]
struct Law {
    /// When the light last began to ask.
    asking: Option<Instant>,
    /// A gesture that is due was just made.
    due: bool,
    /// Runs that have not ended.
    running: BTreeSet<String>,
    ran: BTreeMap<String, u32>,
    /// An id may come again on another link.
    called: BTreeMap<String, u32>,
    responses: BTreeMap<(u32, String), u32>,
}

impl Law {
    fn take(&mut self, seed: u64, now: Instant, action: &Action) {
        match action {
            Action::Show(phase) => self.asking = (*phase == Phase::Asking).then_some(now),
            Action::CallTool { id, .. } => *self.called.entry(id.clone()).or_default() += 1,
            Action::Decide { id, decision: Decision::Given(_) } => {
                assert!(self.due, "seed {seed}: {id} is run without due consent");
                let times = self.ran.entry(id.clone()).or_default();
                *times += 1;
                let called = self.called.get(id).copied().unwrap_or_default();
                assert!(*times <= called, "seed {seed}: {id}, called {called} times, is run {times} times");
                self.running.insert(id.clone());
            }
            Action::Send { link, message } => {
                for response in responses(&[Action::Send { link: *link, message: message.clone() }]) {
                    let id = response["id"].as_str().unwrap_or_default().to_owned();
                    let count = self.responses.entry((*link, id.clone())).or_default();
                    *count += 1;
                    assert_eq!(*count, 1, "seed {seed}: two responses for {id}");
                }
            }
            _ => {}
        }
    }
}

/// Calls, gestures, sound that is played or not, cancels, lost links, in any order; half of what happens brings a question
/// on, so that there are some.
#[test]
fn nothing_is_run_without_due_consent_whatever_happens() {
    let seeds = std::env::var("PRESSEL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let (mut given, mut asked) = (0, 0);
    for seed in 0..seeds {
        let (g, a) = any_talk(seed);
        (given, asked) = (given + g, asked + a);
    }
    eprintln!("{seeds} seeds: asked {asked} times, agreed to {given}");
    assert!(given > seeds / 3 && asked > given, "asked {asked}, agreed to {given}: it tests nothing");
}

/// One of them; how often somebody agreed, and was asked.
fn any_talk(seed: u64) -> (u64, u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let modes = [
        hold(),
        TalkMode::Tap { end_silence: MS(1200), no_speech: MS(8000) },
        TalkMode::Open { start: OpenStart::Press, idle: Some(MS(60_000)) },
    ];
    let model = PROFILES[random.usize(..PROFILES.len())];
    let mut rig = Rig::new(gated(model, modes[random.usize(..3)]), false);
    let mut law = Law::default();
    let (mut given, mut asked, mut calls, mut newest) = (0, 0, 0, 0);
    let mut open: Vec<String> = Vec::new();
    let mut inputs = vec![Input::Button(ButtonInput::Release), Input::Button(ButtonInput::Press)];
    for _ in 0..random.usize(20..150) {
        let helps = random.bool();
        let input = match inputs.pop() {
            Some(input) => input,
            None if helps && open.is_empty() && rig.kept.is_empty() => {
                calls += 1;
                // Once in a while an id that was there already.
                let id = if random.u32(..5) == 0 { calls / 2 } else { calls };
                let call = json!({ "id": format!("id-{id}"), "name": "gate", "args": { "n": id % 2 } });
                says(&rig, json!({ "toolCall": { "functionCalls": [call] } }))
            }
            None if helps && !open.is_empty() => {
                let id = open.swap_remove(random.usize(..open.len()));
                let agree = [Agree::Button, Agree::Hold][random.usize(..2)];
                let by = if agree == Agree::Hold { AgreeBy::Hold } else { AgreeBy::Double };
                Input::Consent(ConsentInput::Due(ToolAsk { id, agree, by, say: "May I?".to_owned() }))
            }
            None if helps && rig.asked.is_none() && random.bool() => {
                Input::Speaker(SpeakerInput::Drained { turn: newest })
            }
            None if helps && rig.asked.is_none() => sound(&rig, &mut random, true),
            None if helps || random.u32(..4) == 0 => {
                let by = [AgreeBy::Double, AgreeBy::Hold, AgreeBy::Line][random.usize(..3)];
                let since = rig.now - MS([0, 0, 500, 5000][random.usize(..4)]);
                Input::Consent(ConsentInput::Given { by, since })
            }
            None => match random.u32(..16) {
                0 => Input::Button(ButtonInput::Press),
                1 | 2 => Input::Button(ButtonInput::Release),
                3 => sound(&rig, &mut random, false),
                4 => says(&rig, json!({ "serverContent": { "turnComplete": true } })),
                5 => says(&rig, json!({ "serverContent": { "interrupted": true } })),
                6 => Input::Link(rig.link, LinkInput::Closed { code: 1006, reason: String::new() }),
                7 => says(&rig, json!({ "toolCallCancellation": { "ids": [format!("id-{calls}")] } })),
                8 => Input::Stop,
                9 => Input::TakeBack,
                10 if random.bool() => Input::Forget,
                10 => Input::Consent(ConsentInput::Unspoken),
                11 => {
                    inputs.push(Input::Muted(false));
                    Input::Muted(true)
                }
                12 => {
                    inputs.push(Input::Speaker(SpeakerInput::Back));
                    Input::Speaker(SpeakerInput::Lost)
                }
                13 if !law.running.is_empty() => {
                    let id = law.running.pop_first().expect("there is one");
                    Input::ToolResult(ToolResult { id, outcome: Ok(serde_json::Map::new()) })
                }
                _ => {
                    rig.now += MS([10, 400, 2000, 6000][random.usize(..4)]);
                    Input::Timeout
                }
            },
        };
        law.due = match &input {
            Input::Consent(ConsentInput::Given { by, since }) => {
                let fits = rig.asked.is_some_and(|agree| agree.fits(*by));
                let in_time = |from: Instant| *since >= from && rig.now <= from + MS(10_000);
                fits && rig.shown() == Some(Phase::Asking) && law.asking.is_some_and(in_time)
            }
            _ => false,
        };
        rig.input(input);
        loop {
            let done = std::mem::take(&mut rig.done);
            for action in &done {
                law.take(seed, rig.now, action);
                match action {
                    Action::CallTool { id, .. } => open.push(id.clone()),
                    Action::CancelTools { ids } => {
                        open.retain(|id| !ids.contains(id));
                        law.running.retain(|id| !ids.contains(id));
                    }
                    Action::Play { turn, .. } | Action::AskAloud { turn, .. } => newest = newest.max(*turn),
                    Action::Decide { decision: Decision::Given(_), .. } => given += 1,
                    Action::Show(Phase::Asking) => asked += 1,
                    _ => {}
                }
            }
            law.due = false;
            if done.is_empty() {
                break;
            }
            link_up(&mut rig, &done); // the way to the server works by itself
        }
    }
    if seed % 10 == 0 {
        rig.let_go();
    }
    (given, asked)
}

fn says(rig: &Rig, value: Value) -> Input {
    Input::Link(rig.link, message(&value))
}

fn sound(rig: &Rig, random: &mut fastrand::Rng, complete: bool) -> Input {
    let data = "AQAB".repeat(random.usize(1..200));
    let parts = json!([{ "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": data } }]);
    let mut content = json!({ "modelTurn": { "parts": parts } });
    if complete {
        content["generationComplete"] = json!(true);
        content["turnComplete"] = json!(true);
    }
    says(rig, json!({ "serverContent": content }))
}

fn message(value: &Value) -> LinkInput {
    LinkInput::Message(value.to_string().into_bytes())
}

/// Dials open and are set up.
fn link_up(rig: &mut Rig, done: &[Action]) {
    for action in done {
        match action {
            Action::Dial { link } => {
                rig.input(Input::Link(*link, LinkInput::Opened));
                rig.input(Input::Link(*link, message(&json!({ "setupComplete": {} }))));
            }
            Action::Close { link, .. } => {
                rig.input(Input::Link(*link, LinkInput::Closed { code: 1000, reason: String::new() }));
            }
            _ => {}
        }
    }
}
