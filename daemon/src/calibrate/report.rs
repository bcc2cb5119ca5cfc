//! What the measurement means for the configuration.

use std::fmt::{self, Write};

use serde::Serialize;

use super::{Heard, Kind};

/// Below this gain the speaker is hardly heard, in dB: wrong card, volume down, or a headset.
const FAINT_DB: f32 = -50.0;
/// Sound needs this long for 7 cm, in ms.
const SOONER_MS: f32 = 0.2;
/// Steps of the canceller's tail, and its bounds, in ms.
const TAIL_STEP_MS: u32 = 50;
const TAIL_MS: (u32, u32) = (100, 500);

/// What was measured and what follows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// From the DAC to the first microphone, in ms.
    pub delay_ms: Option<f32>,
    /// What the loudest microphone hears of what is played, in dB.
    pub echo_gain_db: Option<f32>,
    /// Each channel.
    pub channels: Vec<Heard>,
    /// What to change, as sentences.
    pub advice: Vec<String>,
    #[serde(skip)]
    keys: String,
}

impl Calibration {
    pub(super) fn new(mut channels: Vec<Heard>, volume_percent: u32) -> Self {
        // A loop hears the speaker before any microphone does. What is as late as they are, or alone, is one of
        // them in a room without noise and echo.
        let heard = channels.iter().filter(|c| c.is == Kind::Microphone);
        let first_ms = heard.filter_map(|c| c.delay_ms).min_by(f32::total_cmp);
        for channel in channels.iter_mut().filter(|c| c.is == Kind::Loop) {
            let is_before = |(own, first): (f32, f32)| own + SOONER_MS < first;
            if !channel.delay_ms.zip(first_ms).is_some_and(is_before) {
                channel.is = Kind::Microphone;
            }
        }
        let microphones: Vec<&Heard> = channels.iter().filter(|c| c.is == Kind::Microphone).collect();
        let hearing = microphones.iter().filter(|c| c.delay_ms.is_some());
        let delay_ms = hearing.clone().filter_map(|c| c.delay_ms).min_by(f32::total_cmp);
        let echo_gain_db = hearing.clone().filter_map(|c| c.gain_db).max_by(f32::total_cmp);
        let tail_ms = hearing.filter_map(|c| c.tail_ms).max();
        let playback_loop = channels.iter().find(|c| c.is == Kind::Loop).map(|c| c.channel);
        let mut advice = Vec::new();
        let mut keys = String::new();
        let mut key = |table: &str, line: String| {
            let _ = write!(keys, "[{table}]\n{line}\n\n");
        };
        let numbers =
            |list: &[&Heard]| list.iter().map(|c| c.channel.to_string()).collect::<Vec<_>>().join(", ");
        if microphones.is_empty() {
            advice.push("no channel hears anything: is the microphone muted, or the wrong card?".to_owned());
        } else if microphones.len() < channels.len() {
            let list = numbers(&microphones);
            advice.push(format!("use channels {list} only: the others are dead or carry what is played"));
            key("capture", format!("use_channels = [{list}]"));
        }
        if let Some(channel) = playback_loop {
            advice.push(format!("channel {channel} carries what is played: the best reference there is"));
            key("array", format!("playback_loop = \"{channel}\""));
        }
        if microphones.iter().any(|c| c.clipped > 0) {
            let percent = (volume_percent * 7 / 10).max(1);
            advice.push(format!(
                "the microphone clips while the speaker plays: lower the volume to {percent} %, or the microphone's \
                 gain (alsamixer)"
            ));
            key("playback", format!("volume_percent = {percent}"));
        }
        match echo_gain_db {
            None => advice.push(
                "the speaker is not heard: is it connected, is [playback] device the right card, is its volume up? \
                 With a headset set [echo] engine = \"off\""
                    .to_owned(),
            ),
            Some(db) if db < FAINT_DB => {
                advice.push(format!("the speaker is hardly heard ({db:.0} dB): is its volume up?"));
            }
            Some(_) => {}
        }
        if let Some(tail_ms) = tail_ms {
            let wanted = (tail_ms.div_ceil(TAIL_STEP_MS) * TAIL_STEP_MS).clamp(TAIL_MS.0, TAIL_MS.1);
            key("echo", format!("tail_ms = {wanted}"));
        }
        if advice.is_empty() {
            advice.push("nothing has to be changed".to_owned());
        }
        Calibration { delay_ms, echo_gain_db, channels, advice, keys }
    }

    /// A fragment for /etc/pressel/config.d/.
    pub fn fragment(&self) -> String {
        let mut text = String::from("# Measured by `pressel calibrate`.\n");
        if let (Some(delay_ms), Some(gain_db)) = (self.delay_ms, self.echo_gain_db) {
            let _ = writeln!(
                text,
                "# Delay {delay_ms:.1} ms, echo {gain_db:.1} dB; the delay is followed by itself."
            );
        }
        text.push('\n');
        text.push_str(&self.keys);
        text
    }
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for channel in &self.channels {
            let Heard { channel: number, floor_dbfs, level_dbfs, .. } = channel;
            let what = match channel.is {
                Kind::Microphone => "microphone",
                Kind::Loop => "loop",
                Kind::Dead => "dead",
            };
            write!(f, "channel {number:<3} {what:<11} floor {floor_dbfs:.0} dBFS")?;
            if let (Some(delay_ms), Some(gain_db)) = (channel.delay_ms, channel.gain_db) {
                write!(f, ", sweep {level_dbfs:.0} dBFS, {delay_ms:.1} ms late, {gain_db:.1} dB")?;
            }
            if channel.clipped > 0 {
                write!(f, ", {} samples clipped", channel.clipped)?;
            }
            writeln!(f)?;
        }
        for advice in &self.advice {
            writeln!(f, "hint: {advice}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(channel: u32, is: Kind, gain_db: Option<f32>, clipped: usize) -> Heard {
        Heard {
            channel,
            is,
            floor_dbfs: -60.0,
            level_dbfs: -30.0,
            delay_ms: gain_db.map(|_| 12.5),
            gain_db,
            tail_ms: gain_db.map(|_| 130),
            clipped,
        }
    }

    #[test]
    fn a_six_channel_board_gets_its_channels_and_its_loop() {
        let mut channels = vec![heard(0, Kind::Dead, None, 0)];
        channels.extend((1..5).map(|c| heard(c, Kind::Microphone, Some(-10.0), 0)));
        channels.push(Heard { delay_ms: Some(0.5), ..heard(5, Kind::Loop, Some(0.0), 0) });
        let calibration = Calibration::new(channels, 100);
        let fragment = calibration.fragment();
        assert!(fragment.contains("[capture]\nuse_channels = [1, 2, 3, 4]\n"), "{fragment}");
        assert!(fragment.contains("[array]\nplayback_loop = \"5\"\n"), "{fragment}");
        assert!(fragment.contains("[echo]\ntail_ms = 150\n"), "{fragment}");
        assert_eq!((calibration.delay_ms, calibration.echo_gain_db), (Some(12.5), Some(-10.0)));
    }

    #[test]
    fn a_loop_that_is_no_sooner_than_the_microphones_is_one_of_them() {
        for channels in [
            vec![heard(0, Kind::Loop, Some(-12.0), 0)],
            vec![heard(0, Kind::Microphone, Some(-12.0), 0), heard(1, Kind::Loop, Some(-12.0), 0)],
        ] {
            let calibration = Calibration::new(channels, 100);
            assert!(calibration.channels.iter().all(|channel| channel.is == Kind::Microphone));
            assert_eq!(calibration.delay_ms, Some(12.5));
        }
    }

    #[test]
    fn what_is_wrong_ends_in_something_to_do() {
        let advice = |channels: Vec<Heard>| Calibration::new(channels, 100).advice.join("\n");
        assert!(advice(vec![heard(0, Kind::Microphone, None, 0)]).contains("the speaker is not heard"));
        assert!(advice(vec![heard(0, Kind::Microphone, Some(-60.0), 0)]).contains("hardly heard (-60 dB)"));
        assert!(advice(vec![heard(0, Kind::Microphone, Some(3.0), 9)]).contains("lower the volume to 70 %"));
        assert!(advice(vec![heard(0, Kind::Dead, None, 0)]).contains("no channel hears anything"));
        assert_eq!(advice(vec![heard(0, Kind::Microphone, Some(-12.0), 0)]), "nothing has to be changed");
    }
}
