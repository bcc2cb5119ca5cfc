//! Tables about what happens to the microphone's sound before it leaves the device.

use super::rule::{Rule, SWITCH, whole};
use super::table::table;
use super::words::words;

table! {
    /// `[echo]`: the loudspeaker is taken out of the microphone.
    Echo {
        /// What cancels.
        engine: EchoEngine = EchoEngine::Kalman, Rule::Words(EchoEngine::WORDS);
        /// Longest echo that is cancelled.
        tail_ms: u32 = 250u32, whole(100, 500);
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
