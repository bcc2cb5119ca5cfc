//! One WebSocket from its first message to its close: parsing, setup, then the talk.
//!
//! Nothing here waits or sends; the link asks for the deadline, hands in what came, and carries out what is left in
//! [`Effects`].

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::door::Door;
use crate::effects::{Effects, Out};
use crate::events::What;
use crate::models::Model;
use crate::rule::{Fault, When};
use crate::rules::{self, INVALID, Refusal, invalid, rate_of, refuse, single};
use crate::schema::{self, decode_base64};
use crate::talk::Talk;
use crate::world::World;

const MS: u64 = 1_000_000;

/// The session layer of one link.
pub(crate) struct Session {
    door: Door,
    key: Option<String>,
    stage: Stage,
    pub fx: Effects,
}

enum Stage {
    Fresh,
    SettingUp { until: u64, agreed: Box<Agreed> },
    Talking(Box<Talk>),
    Over,
}

/// What a talk begins with.
struct Agreed {
    model: Model,
    setup: Value,
    session: u32,
}

impl Session {
    pub(crate) fn new(world: Arc<World>, link: u32, door: Door, key: Option<String>) -> Self {
        Self { door, key, stage: Stage::Fresh, fx: Effects { world, link, out: VecDeque::new() } }
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<u64> {
        match &self.stage {
            Stage::SettingUp { until, .. } => Some(*until),
            Stage::Talking(talk) => talk.deadline(),
            Stage::Fresh | Stage::Over => None,
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: u64) {
        if self.deadline().is_none_or(|due| due > now) {
            return;
        }
        self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::SettingUp { agreed, .. } => {
                let complete = match self.door {
                    Door::Vertex => json!({"sessionId": "00000000-0000-4000-8000-000000000000"}),
                    Door::Key(_) | Door::Token(_) => json!({}),
                };
                self.fx.send(json!({"setupComplete": complete}));
                let Agreed { model, setup, session } = *agreed;
                Stage::Talking(Box::new(Talk::new(model, &setup, session, now, &self.fx)))
            }
            mut stage => {
                if let Stage::Talking(talk) = &mut stage {
                    talk.tick(now, &mut self.fx);
                }
                stage
            }
        };
    }

    /// Nothing more is to be done.
    pub(crate) fn end(&mut self) {
        self.stage = Stage::Over;
        self.fx.out.clear();
    }

    /// Takes a message that came at this time.
    pub(crate) fn receive(&mut self, at: u64, payload: &[u8]) {
        if let Err(refusal) = self.judge(at, payload) {
            self.fx.out.push_back(Out::Close(refusal));
        }
    }

    fn judge(&mut self, at: u64, payload: &[u8]) -> Result<(), Refusal> {
        let bytes = payload.len();
        let message: Value = match serde_json::from_slice(payload) {
            Ok(message) => message,
            Err(error) => {
                let text = String::from_utf8_lossy(payload).into_owned();
                let name = String::new();
                self.fx.note(at, What::Received { name, message: Value::String(text), bytes });
                return Err(refuse(format!("Invalid JSON payload received. {error}")));
            }
        };
        let checked = schema::check(self.door.version(), &message);
        self.note(at, &message, checked.as_ref().ok(), bytes);
        let checked = checked.map_err(refuse)?;
        let members = checked.as_object().ok_or_else(invalid)?;
        let (name, body) = single(members, "")?;
        match &mut self.stage {
            Stage::Fresh if name == "setup" => self.set_up(at, body),
            Stage::Talking(talk) => talk.receive(at, name, body, &mut self.fx),
            Stage::Fresh | Stage::SettingUp { .. } => Err(Refusal(1007, INVALID.to_owned())),
            Stage::Over => Ok(()),
        }
    }

    /// Puts a message on record, audio as samples.
    fn note(&self, at: u64, message: &Value, checked: Option<&Value>, bytes: usize) {
        if let Some(audio) = checked.and_then(|c| c.get("realtimeInput")?.get("audio")) {
            let rate = rate_of(audio["mimeType"].as_str().unwrap_or(""));
            let raw = decode_base64(audio["data"].as_str().unwrap_or(""));
            if let (Ok(rate_hz), Some(raw)) = (rate, raw) {
                let heard = matches!(&self.stage, Stage::Talking(talk) if talk.hears());
                let samples = raw.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
                return self.fx.note(at, What::Audio { samples, rate_hz, heard, bytes });
            }
        }
        // by its camelCase name where it was understood
        let named = checked.unwrap_or(message);
        let mut name = named.as_object().and_then(|m| m.keys().next()).map_or("", String::as_str);
        if name == "realtimeInput" {
            let inside = named[name].as_object().and_then(|m| m.keys().next());
            name = inside.map_or(name, String::as_str);
        }
        let name = name.to_owned();
        self.fx.note(at, What::Received { name, message: message.clone(), bytes });
    }

    fn set_up(&mut self, at: u64, setup: &Value) -> Result<(), Refusal> {
        let options = &self.fx.world.options;
        if let Door::Key(_) = self.door {
            rules::check_key(options.key.as_deref(), self.key.as_deref())?;
        }
        let model = match self.door {
            Door::Vertex => rules::vertex_model_of(setup)?,
            Door::Key(_) | Door::Token(_) => rules::model_of(setup, options.new_model.as_deref())?,
        };
        rules::check_setup(&model, setup)?;
        if let Door::Vertex = self.door {
            rules::check_on_vertex(setup)?;
        }
        let name = setup["model"].as_str().unwrap_or("");
        let handle = setup["sessionResumption"]["handle"].as_str();
        let session = self.fx.world.enter(self.fx.link, name, handle)?;
        self.fx.note(at, What::Ready { session, resumed: handle.is_some() });

        let mut until = at + options.script.service.setup_ms * MS;
        for fault in self.fx.world.faults_at(self.fx.link, None, When::Setup) {
            match fault {
                Fault::Wait { ms } => {
                    until += ms * MS;
                    self.fx.note(at, What::Fault(fault));
                }
                other => self.fx.out.push_back(Out::Fault(other)),
            }
        }
        let agreed = Box::new(Agreed { model, setup: setup.clone(), session });
        self.stage = Stage::SettingUp { until, agreed };
        Ok(())
    }

    /// Carries out a fault that concerns the session.
    pub(crate) fn fault(&mut self, now: u64, fault: Fault) {
        match (fault, &mut self.stage) {
            (Fault::Forget, _) => self.fx.world.forget(),
            (fault, Stage::Talking(talk)) => talk.fault(now, fault, &mut self.fx),
            // before the talk there is nothing to interrupt or announce
            _ => {}
        }
    }
}
