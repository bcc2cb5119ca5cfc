//! Tables about what happens to the microphone's sound before it leaves the device.

use super::rule::{Rule, SWITCH, real, whole};
use super::table::table;
use super::words::words;

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
    }
}

words! {
    /// What cancels the echo.
    EchoEngine {
        /// A Kalman filter in the frequency domain.
        Kalman = "kalman",
        /// Nothing: the array does it itself, or there is a headset.
        Off = "off",
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
        confirm_ms: u32 = 300u32, whole(100, 2000);
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
