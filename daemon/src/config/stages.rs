//! Tables about what happens to the microphone's sound before it leaves the device.

use pressel_dsp::PlaybackLoop;

use super::rule::{Rule, SWITCH, checked, real, steps, whole};
use super::table::table;
use super::words::words;

table! {
    /// `[array]`: several microphones.
    Array {
        /// Where they are.
        geometry: ArrayGeometry = ArrayGeometry::None, Rule::Words(ArrayGeometry::WORDS);
        /// The same, one by one.
        positions_mm: String = "", Rule::Text { empty: true, check: Some(|text| positions_m(text).map(|_| ())) };
        /// Leave out what is broken?
        watch: bool = true, SWITCH;
        /// Which channel carries what is played.
        playback_loop: String = "auto", checked(|text| playback_loop(text).map(|_| ()));
    }
}

words! {
    /// Where the microphones of an array are.
    ArrayGeometry {
        /// Nobody knows: they are averaged.
        None = "none",
        /// ReSpeaker USB Mic Array.
        ReSpeakerUsb4 = "respeaker-usb-4",
        /// ReSpeaker 4-Mic Array.
        ReSpeakerSquare4 = "respeaker-square-4",
        /// ReSpeaker 6-Mic Circular Array.
        ReSpeakerCircular6 = "respeaker-circular-6",
        /// Two microphones 58 mm apart.
        Linear2 = "linear-2",
        /// As `positions_mm` says.
        Custom = "custom",
    }
}

/// `[array] positions_mm` in metres.
pub(super) fn positions_m(text: &str) -> Result<Vec<[f64; 3]>, String> {
    let wrong = || "is not a list of x y z in mm, such as \"-29 0 0, 29 0 0\"".to_owned();
    let position = |text: &str| {
        let mut numbers = text.split_whitespace().map(|number| number.parse::<f64>());
        let mut next = || numbers.next()?.ok().filter(|mm| mm.abs() <= 1000.0).map(|mm| mm / 1000.0);
        let found = [next()?, next()?, next()?];
        numbers.next().is_none().then_some(found)
    };
    text.split(',').filter(|_| !text.is_empty()).map(|text| position(text).ok_or_else(wrong)).collect()
}

/// `[array] playback_loop`.
pub(super) fn playback_loop(text: &str) -> Result<PlaybackLoop, String> {
    match text {
        "auto" => Ok(PlaybackLoop::Find),
        "none" => Ok(PlaybackLoop::None),
        channel => match channel.parse() {
            Ok(channel @ 0..32) => Ok(PlaybackLoop::Channel(channel)),
            _ => Err("is neither \"auto\" nor \"none\" nor a channel from \"0\" to \"31\"".to_owned()),
        },
    }
}

table! {
    /// `[echo]`: the loudspeaker is taken out of the microphone.
    Echo {
        /// What cancels.
        engine: EchoEngine = EchoEngine::Kalman, Rule::Words(EchoEngine::WORDS);
        /// Longest echo that is cancelled.
        tail_ms: u32 = 250u32, whole(100, 500);
        /// Find delay and drift by the sound?
        steer: bool = true, SWITCH;
        /// Suppress what the linear filter leaves?
        suppress: bool = true, SWITCH;
        /// What that may add in delay.
        suppress_delay_ms: u32 = 0u32, steps(0, 10, 10);
    }
}

words! {
    /// What cancels the echo.
    EchoEngine {
        /// A Kalman filter in the frequency domain.
        Kalman = "kalman",
        /// WebRTC's canceller, to compare with; where it is built in.
        Aec3 = "aec3",
        /// Nothing: the array does it itself, or there is a headset.
        Off = "off",
    }
}

table! {
    /// `[noise]`: steady noise is turned down.
    Noise {
        /// By so much at most; 0 = off.
        max_attenuation_db: f32 = 6.0, real(0.0, 20.0);
    }
}

table! {
    /// `[gain]`: speech is brought to one level.
    Gain {
        /// Do it at all?
        on: bool = true, SWITCH;
        /// RMS of speech.
        target_dbfs: f32 = -23.0, real(-40.0, -10.0);
        /// Never louder by more.
        max_boost_db: f32 = 20.0, real(0.0, 20.0);
    }
}

table! {
    /// `[barge_in]`: speaking over the answer.
    BargeIn {
        /// Who decides that it ends the answer.
        policy: BargeInPolicy = BargeInPolicy::Both, Rule::Words(BargeInPolicy::WORDS);
        /// So much voice is a person.
        confirm_ms: u32 = 280u32, whole(100, 2000);
        /// So far is the answer turned down while somebody may be speaking over it.
        duck_db: f32 = 15.0, real(0.0, 40.0);
    }
}

words! {
    /// Who decides that speech over an answer ends it.
    BargeInPolicy {
        /// The device first, and the server too.
        Both = "both",
        /// The server alone.
        Server = "server",
        /// The device alone.
        Local = "local",
        /// Nobody: what is said over an answer is not heard.
        Off = "off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_in_millimetres() {
        assert_eq!(positions_m(""), Ok(vec![]));
        assert_eq!(positions_m("-29 0 0, 29 0.5 0"), Ok(vec![[-0.029, 0.0, 0.0], [0.029, 0.0005, 0.0]]));
        for wrong in ["1 2", "1 2 3 4", "a b c", "1 2 3,", "1 2 NaN", "1e9 0 0"] {
            assert!(positions_m(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_loop_is_a_word_or_a_channel() {
        assert_eq!(playback_loop("auto"), Ok(PlaybackLoop::Find));
        assert_eq!(playback_loop("5"), Ok(PlaybackLoop::Channel(5)));
        assert!(playback_loop("32").is_err() && playback_loop("last").is_err());
    }
}
