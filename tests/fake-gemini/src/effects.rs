//! Where the pure parts leave what they want done: messages, closes and faults in order, notes at once.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::events::What;
use crate::rule::{Fault, When};
use crate::rules::Refusal;
use crate::world::World;

/// Something the link is to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Out {
    /// Send this.
    Message(Value),
    /// Send this, with the samples put into its empty `inlineData`.
    Audio { message: Value, samples: Arc<[i16]>, turn: u32 },
    /// Close.
    Close(Refusal),
    /// Carry this out.
    Fault(Fault),
}

/// What is to be done for one link.
pub(crate) struct Effects {
    pub world: Arc<World>,
    pub link: u32,
    pub out: VecDeque<Out>,
}

impl Effects {
    pub(crate) fn send(&mut self, message: Value) {
        self.out.push_back(Out::Message(message));
    }

    /// Sends a `serverContent` of these members.
    pub(crate) fn content(&mut self, members: Value) {
        self.send(json!({"serverContent": members}));
    }

    pub(crate) fn note(&self, at_ns: u64, what: What) {
        self.world.note_at(at_ns, self.link, what);
    }

    pub(crate) fn complain(&self, at_ns: u64, text: &str) {
        self.note(at_ns, What::Complaint(text.to_owned()));
    }

    /// Lets go wrong what the script has for this point.
    pub(crate) fn strike(&mut self, turn: Option<u32>, point: When) {
        let faults = self.world.faults_at(self.link, turn, point);
        self.out.extend(faults.into_iter().map(Out::Fault));
    }
}

/// The member that says what a server message is, for the record.
pub(crate) fn name_of(message: &Value) -> &str {
    const CONTENT: [&str; 8] = [
        "interrupted",
        "turnComplete",
        "generationComplete",
        "modelTurn",
        "inputTranscription",
        "interimInputTranscription",
        "outputTranscription",
        "interactionStatus",
    ];
    let Some(members) = message.as_object() else { return "" };
    if let Some(content) = members.get("serverContent") {
        let found = CONTENT.into_iter().find(|name| content.get(name).is_some());
        if found.is_some() || members.len() == 1 {
            return found.unwrap_or("serverContent");
        }
    }
    let named = members.keys().find(|name| *name != "usageMetadata" && *name != "serverContent");
    named.map_or("", String::as_str)
}
