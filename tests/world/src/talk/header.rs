//! The settings lines of a talk: how people talk, and what the surroundings are like.

use std::time::Duration;

use pressel_live::settings::{BargeIn, OpenStart, Settings, TalkMode};
use serde_json::json;

use super::line::Line;
use super::parse::cause;
use super::script::Room;

/// What the settings lines say.
pub(super) struct Header {
    pub(super) settings: Settings,
    pub(super) room: Room,
    tail: Duration,
    end_silence: Duration,
    no_speech: Duration,
    start: OpenStart,
    idle: Option<Duration>,
    seen: Vec<String>,
}

impl Default for Header {
    fn default() -> Self {
        let ms = Duration::from_millis;
        let tail = ms(200);
        Header {
            settings: Settings {
                model: "gemini-3.8-live".to_owned(),
                talk: TalkMode::Hold { tail },
                voice: None,
                language: None,
                instruction: None,
                transcribe_input: true,
                transcribe_output: true,
                compression: None,
                speech_interrupts: true,
                barge_in: BargeIn::default(),
                start_eager: None,
                end_eager: None,
                start_after: None,
                end_after: Some(ms(800)),
                temperature: None,
                thinking: None,
                tools: Vec::new(),
                finishes: Default::default(),
                utterance_max: ms(15_000),
                quiet_close: ms(60_000),
                talk_max: None,
                setup_timeout: ms(10_000),
                answer_timeout: ms(30_000),
                minted: false,
                recap: true,
                recap_max_chars: 2000,
                forget_after: ms(7_200_000),
                open_forgets: true,
                seed: 1,
            },
            room: Room {
                pre_roll: ms(300),
                hangover: ms(700),
                dial: Some(ms(30)),
                fails: None,
                pong: Some(ms(20)),
                goodbye: ms(20),
            },
            tail,
            end_silence: ms(1200),
            no_speech: ms(8000),
            start: OpenStart::Press,
            idle: Some(ms(30_000)),
            seen: Vec::new(),
        }
    }
}

impl Header {
    pub(super) fn mode(&self, name: &str) -> Result<TalkMode, String> {
        match name {
            "hold" => Ok(TalkMode::Hold { tail: self.tail }),
            "tap" => Ok(TalkMode::Tap { end_silence: self.end_silence, no_speech: self.no_speech }),
            "open" => Ok(TalkMode::Open { start: self.start, idle: self.idle }),
            other => Err(format!("a mode is hold, tap or open, not {other}")),
        }
    }

    /// Takes a settings line; false if it is none.
    pub(super) fn take(&mut self, line: &mut Line) -> Result<bool, String> {
        const NAMES: [&str; 28] = [
            "speech_interrupts",
            "barge_in",
            "mode",
            "tail",
            "end_silence",
            "no_speech",
            "start",
            "idle",
            "model",
            "tools",
            "finishes",
            "utterance_max",
            "quiet_close",
            "talk_max",
            "setup_timeout",
            "answer_timeout",
            "recap",
            "recap_max_chars",
            "forget_after",
            "open_forgets",
            "end_after",
            "pre_roll",
            "hangover",
            "dial",
            "pong",
            "minted",
            "goodbye",
            "seed",
        ];
        let Some(name) = NAMES.into_iter().find(|name| line.takes(name)) else { return Ok(false) };
        if self.seen.iter().any(|seen| seen == name) {
            return Err(format!("{name} is set twice"));
        }
        self.seen.push(name.to_owned());
        match name {
            "mode" => {
                let mode = line.word("mode")?;
                self.settings.talk = self.mode(&mode)?;
            }
            "tail" => self.tail = line.duration()?,
            "end_silence" => self.end_silence = line.duration()?,
            "no_speech" => self.no_speech = line.duration()?,
            "start" => {
                self.start = match line.word("start")?.as_str() {
                    "press" => OpenStart::Press,
                    "speech" => OpenStart::Speech,
                    "always" => OpenStart::Always,
                    other => return Err(format!("start is press, speech or always, not {other}")),
                }
            }
            "speech_interrupts" => {
                self.settings.speech_interrupts = switch(line, "speech_interrupts")?;
            }
            "barge_in" => {
                self.settings.barge_in = match line.word("barge_in")?.as_str() {
                    "server" => BargeIn::Server,
                    "local" => BargeIn::Local,
                    "both" => BargeIn::Both,
                    "off" => BargeIn::Off,
                    other => return Err(format!("barge_in is server, local, both or off, not {other}")),
                }
            }
            "idle" => self.idle = if line.takes("never") { None } else { Some(line.duration()?) },
            "model" => self.settings.model = line.word("model")?,
            "tools" => {
                let name = line.word("tools")?;
                let declaration = json!({ "name": name, "description": name });
                self.settings.tools = vec![json!({ "functionDeclarations": [declaration] })];
            }
            "finishes" => self.settings.finishes = [line.word("finishes")?].into(),
            "utterance_max" => self.settings.utterance_max = line.duration()?,
            "talk_max" => self.settings.talk_max = Some(line.duration()?),
            "quiet_close" => self.settings.quiet_close = line.duration()?,
            "setup_timeout" => self.settings.setup_timeout = line.duration()?,
            "recap" => self.settings.recap = switch(line, "recap")?,
            "recap_max_chars" => self.settings.recap_max_chars = line.number("recap_max_chars")?,
            "forget_after" => self.settings.forget_after = line.duration()?,
            "open_forgets" => self.settings.open_forgets = switch(line, "open_forgets")?,
            "answer_timeout" => self.settings.answer_timeout = line.duration()?,
            "end_after" => self.settings.end_after = Some(line.duration()?),
            "pre_roll" => self.room.pre_roll = line.duration()?,
            "hangover" => self.room.hangover = line.duration()?,
            "dial" if line.takes("fails") => self.room.fails = Some(cause(line)?),
            "dial" => self.room.dial = if line.takes("by-hand") { None } else { Some(line.duration()?) },
            "pong" => self.room.pong = if line.takes("never") { None } else { Some(line.duration()?) },
            "minted" => {
                self.settings.minted = match line.word("yes or no")?.as_str() {
                    "yes" => true,
                    "no" => false,
                    other => return Err(format!("minted is yes or no, not {other}")),
                }
            }
            "goodbye" => self.room.goodbye = line.duration()?,
            _ => self.settings.seed = line.number("seed")?,
        }
        line.end()?;
        // The mode is made of other lines, which may follow it.
        let name = match self.settings.talk {
            TalkMode::Hold { .. } => "hold",
            TalkMode::Tap { .. } => "tap",
            TalkMode::Open { .. } => "open",
        };
        self.settings.talk = self.mode(name)?;
        Ok(true)
    }
}

fn switch(line: &mut Line, name: &str) -> Result<bool, String> {
    match line.word("yes or no")?.as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        other => Err(format!("{name} is yes or no, not {other}")),
    }
}
