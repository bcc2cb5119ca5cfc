//! A talk: what a link does between `setupComplete` and its end.

use serde_json::{Value, json};

use crate::answer::deltas;
use crate::ear::{Ear, Perceived};
use crate::effects::Effects;
use crate::events::What;
use crate::lifetime::Lifetime;
use crate::models::{InputWords, Model, Waiting};
use crate::mouth::{Mouth, Taken};
use crate::rule::{Fault, When};
use crate::rules::{NOT_IMPLEMENTED, PRECONDITION, Refusal, invalid, rate_of, refuse, single};
use crate::schema::decode_base64;
use crate::script::Turn;
use crate::usage::Usage;

/// The talk on one link.
pub(crate) struct Talk {
    model: Model,
    ear: Ear,
    mouth: Mouth,
    lifetime: Lifetime,
    /// Speech during an answer cuts it.
    interrupts: bool,
    /// Input transcriptions are sent.
    transcribe: bool,
    /// `clientContent` is history until it says that it is complete.
    seeding: bool,
    /// Live input came.
    live: bool,
}

impl Talk {
    /// Begins a talk by a setup that was checked.
    pub(crate) fn new(model: Model, setup: &Value, session: u32, now: u64, fx: &Effects) -> Self {
        let service = fx.world.options.script.service.clone();
        let model = model.as_declared(setup);
        let asks = |name: &str| model.transcribes_unasked || !setup[name].is_null();
        let instruction = setup["systemInstruction"]["parts"][0]["text"].as_str().unwrap_or("");
        let handles = model.handles_unasked || !setup["sessionResumption"].is_null();
        let realtime = &setup["realtimeInputConfig"];
        let mut tools = setup["tools"].as_array().into_iter().flatten();
        let searches = tools.any(|tool| !tool["googleSearch"].is_null());
        Self {
            ear: Ear::new(realtime, &service),
            interrupts: realtime["activityHandling"] != "NO_INTERRUPTION",
            transcribe: asks("inputAudioTranscription"),
            seeding: setup["historyConfig"]["initialHistoryInClientContent"] == true,
            live: false,
            lifetime: Lifetime::new(session, handles, now, fx),
            mouth: Mouth::new(
                model,
                service,
                asks("outputAudioTranscription"),
                searches,
                Usage::new(instruction),
            ),
            model,
        }
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<u64> {
        [self.mouth.deadline(), self.lifetime.deadline()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: u64, fx: &mut Effects) {
        self.mouth.tick(now, fx);
        self.settle(now, fx);
        self.lifetime.tick(now, fx);
    }

    /// Tells the resumption side whether the session could be resumed now.
    fn settle(&mut self, now: u64, fx: &mut Effects) {
        let speaks = self.ear.marked() && self.ear.open();
        let quiet = !self.mouth.busy() && !speaks;
        self.lifetime.quiet(quiet, now, fx);
    }

    /// Takes a message that fits the schema.
    pub(crate) fn receive(
        &mut self,
        at: u64,
        name: &str,
        body: &Value,
        fx: &mut Effects,
    ) -> Result<(), Refusal> {
        self.lifetime.heard_from(at);
        match name {
            "realtimeInput" => {
                let members = body.as_object().ok_or_else(invalid)?;
                let (name, value) = single(members, "realtime_input")?;
                self.realtime(at, name, value, fx)?;
            }
            "clientContent" => self.client_content(at, body, fx)?,
            "toolResponse" => self.tool_response(at, body, fx)?,
            "contextUpdate" if self.model.context_update => {}
            // a second setup, too
            _ => return Err(invalid()),
        }
        self.settle(at, fx);
        Ok(())
    }

    fn realtime(&mut self, at: u64, name: &str, value: &Value, fx: &mut Effects) -> Result<(), Refusal> {
        self.live = true;
        if self.model.waiting == Waiting::BlocksAll && self.mouth.waits_since(at).is_some() {
            return Err(Refusal(1008, NOT_IMPLEMENTED.to_owned()));
        }
        match name {
            "audio" => self.audio(at, value, fx),
            "mediaChunks" if self.model.media_chunks => {
                value.as_array().into_iter().flatten().try_for_each(|chunk| self.audio(at, chunk, fx))
            }
            "mediaChunks" => {
                Err(refuse("realtime_input.media_chunks is deprecated. Use audio, video, or text instead."))
            }
            "video" => match value["mimeType"].as_str() {
                Some("image/jpeg" | "image/png") => Ok(()),
                _ => Err(invalid()),
            },
            "text" if self.ear.marked() && self.ear.open() => Err(refuse(PRECONDITION)),
            "text" => {
                self.mouth.interrupt(at, fx);
                let (number, turn) = fx.world.take_turn();
                self.mouth.begin(at, number, turn);
                Ok(())
            }
            "activityStart" | "activityEnd" if !self.ear.marked() => {
                fx.complain(at, &format!("{name} with automatic activity detection"));
                Ok(())
            }
            "activityStart" => {
                match self.ear.mark_start() {
                    Some(start) => self.perceive(at, start, fx),
                    None => fx.complain(at, "activityStart within an activity"),
                }
                Ok(())
            }
            "activityEnd" if !self.ear.open() => Err(refuse(PRECONDITION)),
            "activityEnd" if !self.ear.any_audio => Err(invalid()),
            "activityEnd" => {
                if let Some(end) = self.ear.mark_end() {
                    self.perceive(at, end, fx);
                }
                Ok(())
            }
            _ if self.ear.marked() => Err(invalid()),
            "audioStreamEnd" if value == &json!(true) => {
                if let Some(end) = self.ear.pause() {
                    self.perceive(at, end, fx);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn audio(&mut self, at: u64, blob: &Value, fx: &mut Effects) -> Result<(), Refusal> {
        let rate_hz = rate_of(blob["mimeType"].as_str().unwrap_or(""))?;
        let bytes = decode_base64(blob["data"].as_str().unwrap_or("")).unwrap_or_default();
        if bytes.len() % 2 != 0 || self.ear.untouched() {
            return Err(invalid());
        }
        if !self.ear.hears() {
            fx.complain(at, "audio outside an activity is not heard");
            return Ok(());
        }
        let samples: Vec<i16> = bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
        for perceived in self.ear.hear(&samples, rate_hz) {
            self.perceive(at, perceived, fx);
        }
        Ok(())
    }

    /// Whether audio that came now would be heard.
    pub(crate) fn hears(&self) -> bool {
        self.ear.hears()
    }

    fn perceive(&mut self, at: u64, perceived: Perceived, fx: &mut Effects) {
        match perceived {
            Perceived::Start { offset_ms } => {
                fx.note(at, What::UtteranceStarted { turn: fx.world.upcoming_turn() });
                self.voice_activity("ACTIVITY_START", offset_ms, fx);
                if self.interrupts {
                    self.mouth.interrupt(at, fx);
                }
            }
            Perceived::Speech { ms } => fx.strike(Some(fx.world.upcoming_turn()), When::Heard { ms }),
            Perceived::End { ms, offset_ms } => {
                let (number, turn) = fx.world.take_turn();
                fx.note(at, What::UtteranceEnded { turn: number });
                self.mouth.usage.hear(ms);
                self.transcribe(number, &turn, fx);
                self.voice_activity("ACTIVITY_END", offset_ms, fx);
                fx.strike(Some(number), When::UtteranceEnd);
                self.mouth.begin(at, number, turn);
            }
        }
    }

    fn voice_activity(&self, kind: &str, offset_ms: u64, fx: &mut Effects) {
        if self.model.voice_activity && !self.ear.marked() {
            let offset = seconds(offset_ms);
            let mut message = json!({"voiceActivity": {"type": kind, "audioOffset": offset}});
            if !self.model.pads_with_nothing {
                message["serverContent"] = json!({});
            }
            fx.send(message);
        }
    }

    fn transcribe(&self, number: u32, turn: &Turn, fx: &mut Effects) {
        if !self.transcribe {
            return;
        }
        let words = turn.hear.clone().unwrap_or_else(|| format!("Utterance {number}."));
        if let Some(interim) = &turn.interim {
            fx.content(json!({"interimInputTranscription": {"text": interim}}));
        }
        match self.model.input_words {
            InputWords::Sentence => fx.content(json!({"inputTranscription": {"text": words}})),
            InputWords::Deltas => {
                for delta in deltas(&words) {
                    fx.content(json!({"inputTranscription": {"text": delta}}));
                }
            }
        }
    }

    fn client_content(&mut self, at: u64, body: &Value, fx: &mut Effects) -> Result<(), Refusal> {
        let turns = body["turns"].as_array().map_or(&[][..], Vec::as_slice);
        let complete = body["turnComplete"] == true;
        let parts = turns.iter().flat_map(|turn| turn["parts"].as_array().into_iter().flatten());
        let odd_role = turns.iter().any(|t| !matches!(t["role"].as_str(), None | Some("user" | "model")));
        if odd_role
            || parts
                .into_iter()
                .any(|part| part["functionCall"].is_object() || part["functionResponse"].is_object())
        {
            return Err(invalid());
        }
        if self.seeding {
            self.seeding = !complete;
            return Ok(());
        }
        if self.live && !self.model.client_content {
            return Err(invalid());
        }
        self.mouth.interrupt(at, fx);
        if complete && !turns.is_empty() {
            if turns.last().is_some_and(|turn| turn["role"] == "model") {
                return Err(invalid());
            }
            let (number, turn) = fx.world.take_turn();
            self.mouth.begin(at, number, turn);
        }
        Ok(())
    }

    fn tool_response(&mut self, at: u64, body: &Value, fx: &mut Effects) -> Result<(), Refusal> {
        for response in body["functionResponses"].as_array().into_iter().flatten() {
            if !response["scheduling"].is_null() && !self.model.scheduling {
                return Err(refuse("Function response scheduling is not supported for this model."));
            }
            if !response["willContinue"].is_null() && !self.model.will_continue {
                return Err(invalid());
            }
            let id = response["id"].as_str().filter(|id| !id.is_empty()).ok_or_else(invalid)?;
            if response["name"].as_str().is_none_or(str::is_empty) || !response["response"].is_object() {
                return Err(invalid());
            }
            let more = response["willContinue"] == true;
            match self.mouth.respond(at, id, more, fx) {
                Taken::Yes => {}
                // It may have been on its way when the call was cancelled.
                Taken::Cancelled { late: false } => {}
                Taken::Cancelled { late: true } => {
                    fx.complain(at, "toolResponse for a call that was cancelled")
                }
                Taken::Unknown => return Err(invalid()),
            }
        }
        Ok(())
    }

    /// Carries out a fault that concerns the talk.
    pub(crate) fn fault(&mut self, now: u64, fault: Fault, fx: &mut Effects) {
        match fault {
            Fault::GoAway { left_ms } => self.lifetime.go_away(now, left_ms, true, fx),
            Fault::GoAwayOnly { left_ms } => self.lifetime.go_away(now, left_ms, false, fx),
            Fault::Interrupted if self.mouth.busy() => self.mouth.interrupt(now, fx),
            Fault::Interrupted => fx.content(json!({"interrupted": true})),
            Fault::Speak(turn) => {
                let number = fx.world.take_turn().0;
                self.mouth.begin(now, number, *turn);
            }
            // the others concern the link, which has carried them out
            _ => {}
        }
        self.settle(now, fx);
    }
}

/// Milliseconds as a duration of the protocol.
pub(crate) fn seconds(ms: u64) -> String {
    if ms % 1000 == 0 { format!("{}s", ms / 1000) } else { format!("{}.{:03}s", ms / 1000, ms % 1000) }
}
