//! The configuration as the conversation wants it.

use std::time::Duration;

use pressel_live::settings::{BargeIn, OpenStart as Start, Settings, TalkMode};

use super::{Backend, BargeInPolicy, Config, Mode, OpenEnd, OpenStart};

/// A healthy server answers `setup` in well under a second; resumed sessions take longer.
const SETUP_TIMEOUT: Duration = Duration::from_secs(10);

impl Config {
    /// What a conversation must know. `seed` spreads the redials of many devices.
    pub fn settings(&self, seed: u64) -> Settings {
        let live = &self.live;
        Settings {
            model: live.model.clone(),
            talk: self.talk_mode(),
            voice: some(&live.voice),
            language: some(&live.language),
            instruction: some(&live.instruction),
            transcribe_input: live.transcribe_input,
            transcribe_output: live.transcribe_output,
            compression: (live.compress_above_tokens > 0)
                .then(|| (u64::from(live.compress_above_tokens), u64::from(live.compress_to_tokens))),
            speech_interrupts: self.open.speech_interrupts,
            barge_in: match self.barge_in.policy {
                BargeInPolicy::Both => BargeIn::Both,
                BargeInPolicy::Server => BargeIn::Server,
                BargeInPolicy::Local => BargeIn::Local,
                BargeInPolicy::Off => BargeIn::Off,
            },
            start_eager: self.open.start_eager.choice(),
            end_eager: self.open.end_eager.choice(),
            start_after: millis_or_own(self.open.start_after_ms),
            end_after: millis_or_own(self.open.end_after_ms),
            temperature: (live.temperature >= 0.0).then_some(live.temperature),
            thinking: some(live.thinking.word()),
            tools: Vec::new(),
            finishes: Default::default(),
            utterance_max: seconds(self.talk.utterance_max_s),
            talk_max: (self.talk.talk_max_min > 0).then(|| seconds(self.talk.talk_max_min * 60)),
            quiet_close: seconds(self.talk.quiet_close_s),
            setup_timeout: SETUP_TIMEOUT,
            answer_timeout: seconds(self.talk.answer_timeout_s),
            minted: live.backend != Backend::Developer,
            recap: live.recap,
            recap_max_chars: live.recap_max_chars as usize,
            forget_after: Duration::from_secs(60 * u64::from(self.talk.forget_after_min)),
            open_forgets: self.open.forget,
            seed,
        }
    }

    fn talk_mode(&self) -> TalkMode {
        match self.talk.mode {
            Mode::Hold => TalkMode::Hold { tail: millis(self.hold.tail_ms) },
            Mode::Tap => TalkMode::Tap {
                end_silence: millis(self.tap.end_silence_ms),
                no_speech: seconds(self.tap.no_speech_s),
            },
            Mode::Open => TalkMode::Open {
                start: match self.open.start {
                    OpenStart::Press => Start::Press,
                    OpenStart::Speech => Start::Speech,
                    OpenStart::Always => Start::Always,
                },
                idle: (self.open.end == OpenEnd::Idle).then(|| seconds(self.open.idle_s)),
            },
        }
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

fn millis(number: u32) -> Duration {
    Duration::from_millis(number.into())
}

fn millis_or_own(number: i32) -> Option<Duration> {
    u64::try_from(number).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::super::{Eager, Thinking};
    use super::*;

    #[test]
    fn what_is_left_to_the_server_is_left_out() {
        let settings = Config::default().settings(7);
        assert_eq!(settings.talk, TalkMode::Hold { tail: Duration::from_millis(200) });
        assert_eq!((settings.voice, settings.language, settings.instruction), (None, None, None));
        assert_eq!((settings.temperature, settings.thinking, settings.start_after), (None, None, None));
        assert_eq!((settings.start_eager, settings.end_eager), (None, None));
        assert_eq!(settings.end_after, Some(Duration::from_millis(800)));
        assert_eq!(settings.compression, Some((8_000, 4_000)));
        assert_eq!(settings.seed, 7);
    }

    #[test]
    fn what_is_set_arrives() {
        let mut config = Config::default();
        config.talk.mode = Mode::Open;
        config.open.start = OpenStart::Always;
        config.open.end = OpenEnd::Button;
        config.open.start_eager = Eager::No;
        config.open.start_after_ms = 0;
        config.live.compress_above_tokens = 0;
        config.live.temperature = 0.0;
        config.live.thinking = Thinking::Low;
        config.live.voice = "Kore".into();
        let settings = config.settings(0);
        assert_eq!(settings.talk, TalkMode::Open { start: Start::Always, idle: None });
        assert_eq!(settings.start_eager, Some(false));
        assert_eq!(settings.start_after, Some(Duration::ZERO));
        assert_eq!(settings.compression, None);
        assert_eq!(settings.temperature, Some(0.0));
        assert_eq!(settings.thinking.as_deref(), Some("low"));
        assert_eq!(settings.voice.as_deref(), Some("Kore"));
    }
}
