//! What the daemon tells about itself: one document, as JSON for programs; `lines` has it for people.

mod lines;

use std::collections::BTreeMap;

use pressel_live::event::{Listen, Phase};
use serde::{Deserialize, Serialize};

use crate::levels::Levels;
use crate::stats::{Counters, LatencySummary};
use crate::usage::report::UsageReport;
use crate::volume::VolumeStatus;
use crate::wire::Transport;

/// The whole state. Members that an older or newer daemon does not send keep their default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Process number.
    pub pid: u32,
    /// Since the start.
    pub uptime_s: f64,
    /// What the light shows, see [`phase_word`].
    pub phase: String,
    /// What it waits for or lacks, each a sentence; empty when all is well.
    pub missing: Vec<String>,
    /// `hold`, `tap` or `open`.
    pub mode: String,
    /// Where the key came from; never the key.
    pub key: Option<String>,
    /// The link to the service.
    pub link: LinkStatus,
    /// The microphone.
    pub microphone: DeviceStatus,
    /// The speaker.
    pub speaker: DeviceStatus,
    /// What the sound path measures.
    pub levels: Levels,
    /// What the button is, when there is one.
    pub button: Option<String>,
    /// What the mute switch is, or why it cannot be read, when there is one.
    pub mute: Option<String>,
    /// Whether the microphone is switched off.
    pub muted: bool,
    /// How loud.
    pub volume: Option<VolumeStatus>,
    /// What the light is, when there is one.
    pub light: Option<String>,
    /// Latencies by name.
    pub latencies: BTreeMap<String, LatencySummary>,
    /// Counters.
    pub counters: Counters,
    /// What talking costs.
    pub usage: Option<UsageReport>,
    /// Whether somebody keeps the wall clock right, as far as the daemon can see; `None` where nobody tells.
    pub clock_kept: Option<bool>,
}

/// The link to the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkStatus {
    /// `down`, `connecting`, `up` or `waiting`.
    pub state: String,
    /// Base URL.
    pub endpoint: String,
    /// Model.
    pub model: String,
    /// Whether the session of the link that is up was resumed.
    pub resumed: bool,
    /// How long it has been in this state.
    pub since_s: f64,
    /// What keeps a link from coming up, a word that stays the same; `None` when nothing does. See docs/protocol.md.
    pub trouble: Option<String>,
    /// Why the last link ended: code and the server's words.
    pub last_end: Option<String>,
    /// `host:port` of the proxy it goes through.
    pub proxy: Option<String>,
    /// What TCP knows of the link that is open.
    pub connection: Option<ConnectionStatus>,
}

/// A link's connection, as the kernel sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionStatus {
    /// Smoothed round trip.
    pub rtt_ms: f64,
    /// Segments on their way that nobody has acknowledged.
    pub unacked: u32,
    /// Segments sent again.
    pub resent: u32,
    /// Since the last acknowledgement came.
    pub last_ack_ms: f64,
    /// Whether TLS went on with an earlier session.
    pub tls_resumed: bool,
}

impl From<Transport> for ConnectionStatus {
    fn from(Transport { tcp, tls_resumed }: Transport) -> Self {
        ConnectionStatus {
            rtt_ms: tcp.rtt.as_secs_f64() * 1000.0,
            unacked: tcp.unacked,
            resent: tcp.resent,
            last_ack_ms: tcp.last_ack.as_secs_f64() * 1000.0,
            tls_resumed,
        }
    }
}

/// A card's side.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceStatus {
    /// PCM name.
    pub device: String,
    /// What was negotiated; `None` while it is not open.
    pub format: Option<String>,
    /// Why it is not open.
    pub problem: Option<String>,
    /// How its thread is scheduled.
    pub scheduling: Option<String>,
    /// Overruns or underruns since the start.
    pub xruns: u64,
    /// Level of the last block in dBFS.
    pub level_dbfs: Option<f32>,
    /// Noise floor in dBFS.
    pub floor_dbfs: Option<f32>,
    /// Frames lost in overruns since the start.
    pub lost_frames: u64,
    /// Speaker: times since the start that a first sound or a cut came too late for the place meant for it.
    pub late: u64,
    /// Microphone: what is wrong with what it delivers, words of [`Trouble`](crate::sound::Trouble).
    pub troubles: Vec<String>,
    /// Microphone: what leaves it, see [`listen_word`].
    pub listens: Option<String>,
    /// Speaker: whether what is queued can be taken back.
    pub rewinds: Option<bool>,
}

/// The name of a phase in status, events and log.
pub fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Muted => "muted",
        Phase::NeedsSetup => "needs set-up",
        Phase::Fault => "fault",
        Phase::ClockNotSet => "clock not set",
        Phase::NoDevice => "no device",
        Phase::Spent => "budget spent",
        Phase::Offline => "offline",
        Phase::Idle => "idle",
        Phase::Connecting => "connecting",
        Phase::Listening => "listening",
        Phase::Asking => "asking",
        Phase::Thinking => "thinking",
        Phase::Speaking => "speaking",
    }
}

/// The name of what leaves the microphone, in status and events.
pub fn listen_word(listen: Listen) -> &'static str {
    match listen {
        Listen::Rest => "rest",
        Listen::All { .. } => "all",
        Listen::Gated { watch: false, .. } => "gated",
        Listen::Gated { watch: true, .. } => "watched",
    }
}

/// The sentence for `systemctl status`: the phase, and what is missing.
pub fn sentence(phase: Phase, missing: &[String]) -> String {
    let mut text = phase_word(phase).to_owned();
    for reason in missing {
        text.push_str("; ");
        text.push_str(reason);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn example() -> Status {
        Status {
            version: "0.1.0".into(),
            pid: 412,
            uptime_s: 3725.0,
            phase: "idle".into(),
            mode: "hold".into(),
            link: LinkStatus {
                state: "down".into(),
                model: "gemini-3.8-live".into(),
                endpoint: "wss://example.org".into(),
                last_end: Some("1008 model not found".into()),
                ..LinkStatus::default()
            },
            microphone: DeviceStatus {
                device: "hw:CARD=Array".into(),
                format: Some("16000 Hz, 6 ch".into()),
                listens: Some("rest".into()),
                level_dbfs: Some(-54.6),
                lost_frames: 480,
                troubles: vec!["zeros".into(), "of-a-newer-daemon".into()],
                ..DeviceStatus::default()
            },
            speaker: DeviceStatus {
                device: "default".into(),
                problem: Some("busy (held by pid 7, aplay)".into()),
                ..DeviceStatus::default()
            },
            levels: Levels { speech_dbfs: Some(-31.2), erle_db: Some(29.6), ..Levels::default() },
            latencies: BTreeMap::from([(
                "press_to_light".to_owned(),
                LatencySummary { count: 3, last_ms: 2.04, p50_ms: 2.0, p95_ms: 2.5, max_ms: 3.0 },
            )]),
            counters: Counters {
                speech_dropped_samples: 24_000,
                answer_gaps: 2,
                jitter_ms: 80,
                ..Counters::default()
            },
            ..Status::default()
        }
    }

    #[test]
    fn a_program_reads_what_was_written_and_bears_what_it_does_not_know() {
        let text = serde_json::to_string(&example()).unwrap();
        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), example());
        let other: Status =
            serde_json::from_str(r#"{"phase":"idle","new":1,"counters":{"presses":2}}"#).unwrap();
        assert_eq!((other.phase.as_str(), other.counters.presses), ("idle", 2));
    }

    #[test]
    fn the_sentence_says_what_is_missing() {
        let missing = ["no key".to_owned(), "microphone default: not there".to_owned()];
        assert_eq!(
            sentence(Phase::NeedsSetup, &missing),
            "needs set-up; no key; microphone default: not there"
        );
        assert_eq!(sentence(Phase::Idle, &[]), "idle");
    }
}
