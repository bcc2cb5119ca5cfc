//! The state as lines for people: a name, then what there is to say.

use std::fmt::{self, Write};

use super::{ConnectionStatus, DeviceStatus, LinkStatus, Status};
use crate::sound::Trouble;
use crate::stats::Counters;

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
    use super::super::tests::example;
    use super::*;

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
