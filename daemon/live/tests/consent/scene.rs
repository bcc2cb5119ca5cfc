//! A talk in which the gate is asked for, and what was said and done in it.

use std::time::Duration;

use pressel_live::event::{
    Action, Agree, AgreeBy, ButtonInput, ConsentInput, Decision, Input, Phase, SpeakerInput, ToolAsk,
    ToolResult,
};
use serde_json::{Value, json};

use crate::rig::{Rig, gated, hold, kind, responses};

pub const MS: fn(u64) -> Duration = Duration::from_millis;

/// How far a question is, by name.
pub type Stage = (&'static str, fn() -> Scene);

/// A talk in which the gate was just asked for.
pub struct Scene {
    pub rig: Rig,
}

impl Scene {
    pub fn new(model: &str) -> Scene {
        let mut rig = Rig::new(gated(model, hold()), true);
        rig.input(Input::Button(ButtonInput::Press));
        rig.chunk(true);
        rig.input(Input::Button(ButtonInput::Release));
        rig.pass(MS(600));
        rig.obliging = false;
        rig.done.clear();
        let mut scene = Scene { rig };
        scene.calls("id-1");
        scene
    }

    pub fn calls(&mut self, id: &str) {
        self.rig.says(
            &json!({ "toolCall": { "functionCalls": [{ "id": id, "name": "gate", "args": { "n": id } }] } }),
        );
    }

    pub fn due(&mut self, id: &str) {
        let (agree, by, say) = (Agree::Button, AgreeBy::Double, "Shall I open the gate?".to_owned());
        let ask = ToolAsk { id: id.to_owned(), agree, by, say };
        self.rig.input(Input::Consent(ConsentInput::Due(ask)));
    }

    /// The model says something; all of it has come.
    pub fn says(&mut self) {
        self.sound();
        self.rig.says(&json!({ "serverContent": { "generationComplete": true } }));
        self.rig.says(&json!({ "serverContent": { "turnComplete": true } }));
    }

    pub fn sound(&mut self) {
        let data = "AQAB".repeat(6000);
        let parts = json!([{ "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": data } }]);
        self.rig.says(&json!({ "serverContent": { "modelTurn": { "parts": parts } } }));
    }

    /// The loudspeaker has played all of the newest turn.
    pub fn heard(&mut self) {
        let newest = |action: &Action| match action {
            Action::Play { turn, .. } | Action::AskAloud { turn, .. } => Some(*turn),
            _ => None,
        };
        let turn = self.rig.done.iter().filter_map(newest).max().unwrap();
        self.rig.input(Input::Speaker(SpeakerInput::Drained { turn }));
    }

    pub fn agrees(&mut self) {
        let since = self.rig.now;
        self.rig.input(Input::Consent(ConsentInput::Given { by: AgreeBy::Double, since }));
    }

    pub fn asked(mut self) -> Scene {
        self.due("id-1");
        self.says();
        self.heard();
        assert_eq!(self.rig.shown(), Some(Phase::Asking));
        self
    }

    pub fn responses(&self, id: &str) -> Vec<Value> {
        responses(&self.rig.done).into_iter().filter(|response| response["id"] == id).collect()
    }

    pub fn texts(&self) -> Vec<String> {
        let sent = |action: &Action| match action {
            Action::Send { message, .. } if ["text", "clientContent"].contains(&kind(message).as_str()) => {
                Some(message.clone())
            }
            _ => None,
        };
        self.rig.done.iter().filter_map(sent).collect()
    }

    pub fn finishes(&mut self, id: &str) {
        let outcome = Ok([("output".to_owned(), json!("gate is open"))].into_iter().collect());
        self.rig.input(Input::ToolResult(ToolResult { id: id.to_owned(), outcome }));
    }
}

pub fn decisions(rig: &Rig) -> Vec<Decision> {
    let decided = |action: &Action| match action {
        Action::Decide { decision, .. } => Some(*decision),
        _ => None,
    };
    rig.done.iter().filter_map(decided).collect()
}
