//! The configuration as the sound threads want it.

use pressel_dsp::{
    ArraySettings, EchoSettings, GainSettings, GateSettings, Geometry, NearEndSettings, NoiseSettings,
};

use super::stages::{playback_loop, positions_m};
use super::{Array, ArrayGeometry, BargeInPolicy, Config, EchoEngine, KeepAwake, Rewind, filters};
use crate::sound::{CaptureSettings, PlaybackSettings, SoundSettings};

impl Config {
    /// What the sound threads are told.
    pub fn sound(&self) -> SoundSettings {
        let (capture, playback, gate) = (&self.capture, &self.playback, &self.gate);
        SoundSettings {
            capture: CaptureSettings {
                device: capture.device.clone(),
                rate_hz: capture.rate_hz,
                channels: capture.channels,
                use_channels: capture.use_channels.clone(),
                period_ms: capture.period_ms,
                buffer_ms: capture.buffer_ms,
                high_pass_hz: capture.high_pass_hz,
                chunk_ms: capture.chunk_ms,
                rest_ms: capture.rest_ms,
            },
            playback: PlaybackSettings {
                device: playback.device.clone(),
                rate_hz: playback.rate_hz,
                channels: playback.channels,
                period_ms: playback.period_ms,
                buffer_ms: playback.buffer_ms,
                lead_ms: playback.lead_ms,
                rewind: playback.rewind == Rewind::Auto,
                shallow_ms: playback.shallow_ms,
                fade_ms: playback.fade_ms,
                volume_percent: playback.volume_percent,
                duck_db: self.barge_in.duck_db,
                limit_dbfs: playback.limit_dbfs,
                // A text that is not read has been refused before.
                eq: filters::bands(&playback.eq).unwrap_or_default(),
                keep_awake: match playback.keep_awake {
                    KeepAwake::Silence => crate::sound::KeepAwake::Silence,
                    KeepAwake::Zeros => crate::sound::KeepAwake::Zeros,
                    KeepAwake::Dither => crate::sound::KeepAwake::Dither,
                },
                conceal: playback.conceal,
                jitter_max_ms: playback.jitter_max_ms,
                queue_max_s: playback.queue_max_s,
            },
            array: self.array.settings(),
            echo: EchoSettings {
                engine: match self.echo.engine {
                    EchoEngine::Kalman => pressel_dsp::EchoEngine::Kalman,
                    #[cfg(feature = "aec3")]
                    EchoEngine::Aec3 => pressel_dsp::EchoEngine::Aec3,
                    // Refused when the configuration is read, where it is not built in.
                    #[cfg(not(feature = "aec3"))]
                    EchoEngine::Aec3 => pressel_dsp::EchoEngine::Kalman,
                    EchoEngine::Off => pressel_dsp::EchoEngine::Off,
                },
                tail_ms: self.echo.tail_ms,
                steer: self.echo.steer,
                suppress: self.echo.suppress,
                suppress_delay_ms: self.echo.suppress_delay_ms,
            },
            noise: NoiseSettings { max_attenuation_db: self.noise.max_attenuation_db },
            gain: GainSettings {
                on: self.gain.on,
                target_dbfs: self.gain.target_dbfs,
                max_boost_db: self.gain.max_boost_db,
            },
            near_end: NearEndSettings {
                on: self.barge_in.policy != BargeInPolicy::Off,
                confirm_ms: self.barge_in.confirm_ms,
            },
            gate: GateSettings {
                above_floor_db: gate.above_floor_db,
                min_level_dbfs: gate.min_level_dbfs,
                min_burst_ms: gate.min_burst_ms,
                hangover_ms: gate.hangover_ms,
                voice: gate.voice,
            },
            pre_roll_ms: gate.pre_roll_ms,
            realtime_priority: u8::try_from(self.realtime.priority).unwrap_or(u8::MAX),
        }
    }
}

impl Array {
    /// Texts that passed their checks when they were set.
    fn settings(&self) -> ArraySettings {
        let geometry = match self.geometry {
            ArrayGeometry::Custom => Geometry::Custom(positions_m(&self.positions_mm).unwrap_or_default()),
            known => Geometry::of_name(known.word()).unwrap_or(Geometry::Unknown),
        };
        let playback_loop = playback_loop(&self.playback_loop).unwrap_or_default();
        ArraySettings { geometry, watch: self.watch, playback_loop }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sound_threads_own_defaults_are_the_configurations() {
        let sound = Config::default().sound();
        assert_eq!(sound.capture, CaptureSettings::default());
        assert_eq!(sound.playback, PlaybackSettings::default());
        assert_eq!(sound.array, ArraySettings::default());
        assert_eq!(sound.echo, EchoSettings::default());
        assert_eq!(sound.noise, NoiseSettings::default());
        assert_eq!(sound.gain, GainSettings::default());
        assert_eq!(sound.near_end, NearEndSettings::default());
        assert_eq!(sound.gate, GateSettings::default());
        for name in Geometry::NAMES {
            assert!(ArrayGeometry::WORDS.contains(&name), "{name} cannot be chosen");
        }
        assert_eq!((sound.pre_roll_ms, sound.realtime_priority), (300, 60));
    }

    #[test]
    fn a_gate_that_is_to_hear_whispers_asks_for_no_voice() {
        let mut config = Config::default();
        config.gate.voice = false;
        let front_end = config.sound().front_end(16_000, 1);
        assert!(!front_end.gate.voice);
    }
}
