//! What the daemon tells about itself: one document, as JSON for programs and as lines for people.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use pressel_live::event::{Listen, Phase};
use serde::{Deserialize, Serialize};

use crate::levels::Levels;
use crate::sound::Trouble;
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
    /// Microphone: what is wrong with what it delivers, words of [`Trouble`].
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

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "phase", &self.phase)?;
        for reason in &self.missing {
            line(f, "missing", reason)?;
        }
        line(f, "daemon", &format!("{}, pid {}, up {}", self.version, self.pid, span(self.uptime_s)))?;
        line(f, "mode", &self.mode)?;
        line(f, "key", self.key.as_deref().unwrap_or("none"))?;
        line(f, "link", &self.link.to_string())?;
        line(f, "microphone", &self.microphone.to_string())?;
        line(f, "speaker", &self.speaker.to_string())?;
        let more = self.levels.more();
        if !more.is_empty() {
            line(f, "sound", &more)?;
        }
        line(f, "button", self.button.as_deref().unwrap_or("none"))?;
        if let Some(mute) = &self.mute {
            line(
                f,
                "mute",
                &format!("{}, {mute}", if self.muted { "microphone off" } else { "microphone on" }),
            )?;
        }
        if let Some(volume) = &self.volume {
            line(f, "volume", &volume.to_string())?;
        }
        line(f, "light", self.light.as_deref().unwrap_or("none"))?;
        for (name, latency) in &self.latencies {
            let text = format!(
                "last {:.1} ms, half below {:.1}, 95 % below {:.1}, longest {:.1}, of {}",
                latency.last_ms, latency.p50_ms, latency.p95_ms, latency.max_ms, latency.count
            );
            line(f, &name.replace('_', " "), &text)?;
        }
        if let Some(usage) = &self.usage {
            line(f, "usage", &usage.sentence())?;
        }
        if self.clock_kept == Some(false) {
            line(f, "clock", "nobody keeps it right")?;
        }
        self.counters.fmt_lines(f)
    }
}

impl fmt::Display for LinkStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resumed = if self.resumed { ", resumed" } else { "" };
        write!(f, "{}{resumed} for {}, {} at {}", self.state, span(self.since_s), self.model, self.endpoint)?;
        if let Some(proxy) = &self.proxy {
            write!(f, " through {proxy}")?;
        }
        if let Some(ConnectionStatus { rtt_ms, unacked, last_ack_ms, .. }) = &self.connection {
            write!(f, ", round trip {rtt_ms:.0} ms")?;
            if *unacked > 0 {
                write!(f, ", {unacked} segments unacknowledged for {last_ack_ms:.0} ms")?;
            }
        }
        if let Some(trouble) = &self.trouble {
            write!(f, "; trouble: {trouble}")?;
        }
        match &self.last_end {
            Some(end) => write!(f, "; last ended: {end}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for DeviceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.device)?;
        match (&self.format, &self.problem) {
            (Some(format), _) => write!(f, ", {format}")?,
            (None, Some(problem)) => return write!(f, ", {problem}"),
            (None, None) => return f.write_str(", not open"),
        }
        match self.listens.as_deref() {
            Some("rest") => f.write_str(", nothing is passed on")?,
            Some("all") => f.write_str(", everything is passed on")?,
            Some("gated" | "watched") => f.write_str(", speech is passed on")?,
            _ => {}
        }
        if let Some(level) = self.level_dbfs {
            write!(f, ", level {level:.0} dBFS")?;
        }
        if let Some(floor) = self.floor_dbfs {
            write!(f, ", noise floor {floor:.0} dBFS")?;
        }
        if self.rewinds == Some(false) {
            f.write_str(", cannot take sound back")?;
        }
        if let Some(scheduling) = &self.scheduling {
            write!(f, ", {scheduling}")?;
        }
        write!(f, ", {} xruns", self.xruns)?;
        if self.lost_frames > 0 {
            write!(f, " ({} frames lost)", self.lost_frames)?;
        }
        if self.late > 0 {
            write!(f, ", late {} times", self.late)?;
        }
        for trouble in &self.troubles {
            let words = Trouble::ALL.iter().find(|known| known.word() == trouble).map(|known| known.words());
            write!(f, "; {}", words.unwrap_or(trouble))?;
        }
        Ok(())
    }
}

impl Counters {
    fn fmt_lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let talk = format!(
            "{} presses, {} utterances, {} turns, {} interruptions, {} barge-ins",
            self.presses, self.utterances, self.turns, self.interruptions, self.barge_ins
        );
        line(f, "talk", &talk)?;
        let links =
            format!("{} up ({} resumed), {} ended", self.links_up, self.links_resumed, self.links_down);
        line(f, "links", &links)?;
        let traffic = format!(
            "{} bytes in {} messages up, {} in {} down",
            self.bytes_up, self.messages_up, self.bytes_down, self.messages_down
        );
        line(f, "traffic", &traffic)?;
        line(f, "tokens", &format!("{} in, {} out", self.tokens_in, self.tokens_out))?;
        if self.answer_gaps > 0 || self.jitter_ms > 0 {
            let gaps = format!(
                "{} gaps because the network was late, the next one waits for {} ms of sound",
                self.answer_gaps, self.jitter_ms
            );
            line(f, "answers", &gaps)?;
        }
        let mut dropped = String::new();
        for (what, samples, rate) in [
            ("speech", self.speech_dropped_samples, 16_000.0),
            ("answer", self.answer_dropped_samples, 24_000.0),
        ] {
            if samples > 0 {
                let _ = write!(dropped, "{:.1} s of {what}, ", samples as f64 / rate); // to a String: cannot fail
            }
        }
        if self.watchers_dropped > 0 {
            let _ = write!(dropped, "{} slow watchers, ", self.watchers_dropped);
        }
        if !dropped.is_empty() {
            line(f, "dropped", dropped.trim_end_matches(", "))?;
        }
        if !self.troubles.is_empty() {
            let kinds: Vec<String> =
                self.troubles.iter().map(|(word, count)| format!("{count} {word}")).collect();
            line(f, "troubles", &kinds.join(", "))?;
        }
        if !self.unread.is_empty() {
            let kinds: Vec<String> =
                self.unread.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            line(f, "unread", &kinds.join(", "))?;
        }
        Ok(())
    }
}

/// One line of a person's view: name, then text.
fn line(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    writeln!(f, "{name:<19} {text}")
}

fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{seconds:.0} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Status {
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
    fn a_person_reads_lines() {
        let text = example().to_string();
        let check = |name: &str, expected: &str| {
            let found =
                text.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("{name} in {text}"));
            assert_eq!(found, format!("{name:<19} {expected}"));
        };
        check("phase", "idle");
        check("daemon", "0.1.0, pid 412, up 1 h 2 min");
        check("key", "none");
        check("link", "down for 0 s, gemini-3.8-live at wss://example.org; last ended: 1008 model not found");
        check(
            "microphone",
            "hw:CARD=Array, 16000 Hz, 6 ch, nothing is passed on, level -55 dBFS, 0 xruns (480 frames lost); \
             delivers nothing but zeros: is it muted?; of-a-newer-daemon",
        );
        check("speaker", "default, busy (held by pid 7, aplay)");
        check("sound", "speech -31 dBFS, 30 dB of echo removed");
        check("press to light", "last 2.0 ms, half below 2.0, 95 % below 2.5, longest 3.0, of 3");
        check("answers", "2 gaps because the network was late, the next one waits for 80 ms of sound");
        check("dropped", "1.5 s of speech");
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

    #[test]
    fn spans_are_short_to_read() {
        for (seconds, text) in [
            (0.4, "0 s"),
            (59.0, "59 s"),
            (61.0, "1 min 1 s"),
            (3600.0, "1 h 0 min"),
            (86_399.0, "23 h 59 min"),
            (90_000.0, "1 d 1 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
