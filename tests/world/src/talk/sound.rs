//! The virtual speaker: plays what is queued in real time and says when a turn is first heard and when its last sample
//! was. The values of the samples are the number of the answer, see [`super::network`].

use std::time::Duration;

use pressel_live::event::SpeakerInput;

use super::script::Cable;

/// From queueing to the first sample.
const LATENCY: Duration = Duration::from_millis(3);

/// Sound of one message on its way through the card.
struct Segment {
    turn: u32,
    from: Duration,
    to: Duration,
}

/// The virtual speaker.
#[derive(Default)]
pub struct Speaker {
    segments: Vec<Segment>,
    cable: Option<Cable>,
    flushed: u32,
    /// The newest turn, and whether a start was told.
    newest: u32,
    started: u32,
}

impl Speaker {
    fn works(&self) -> bool {
        self.cable.is_none()
    }

    /// Queues sound; when its turn is first heard, if that is news.
    pub fn play(&mut self, now: Duration, turn: u32, time: Duration) -> Option<(Duration, SpeakerInput)> {
        if !self.works() || turn <= self.flushed {
            return None;
        }
        let from = self.segments.last().map_or(now + LATENCY, |last| last.to.max(now + LATENCY));
        self.segments.push(Segment { turn, from, to: from + time });
        self.newest = turn;
        let first = self.started < turn;
        self.started = self.started.max(turn);
        first.then_some((from, SpeakerInput::Started { turn }))
    }

    /// When the last of this turn will have been heard; `None`: nobody will be told.
    pub fn end_of_turn(&self, now: Duration, turn: u32) -> Option<(Duration, SpeakerInput)> {
        if turn <= self.flushed || self.cable == Some(Cable::Stuck) {
            return None;
        }
        let last =
            self.segments.iter().filter(|segment| segment.turn == turn).map(|segment| segment.to).max();
        Some((last.unwrap_or(now).max(now), SpeakerInput::Drained { turn }))
    }

    /// Whether a report that was promised still holds.
    pub fn stands(&self, report: SpeakerInput) -> bool {
        match report {
            SpeakerInput::Started { turn } => turn > self.flushed && self.works(),
            SpeakerInput::Drained { turn } => turn > self.flushed && self.cable != Some(Cable::Stuck),
            SpeakerInput::Lost | SpeakerInput::Back => true,
        }
    }

    /// Silences turns up to this one.
    pub fn flush(&mut self, now: Duration, turn: u32) {
        self.flushed = self.flushed.max(turn);
        self.cut(now, |segment| segment.turn <= turn);
    }

    /// The card goes, comes, or stands still.
    pub fn plug(&mut self, now: Duration, cable: Cable) {
        self.cable = Some(cable).filter(|&cable| cable != Cable::Back);
        if cable != Cable::Back {
            self.cut(now, |_| true);
        }
    }

    fn cut(&mut self, now: Duration, which: impl Fn(&Segment) -> bool) {
        for segment in self.segments.iter_mut().filter(|segment| which(segment)) {
            segment.to = segment.to.min(now).max(segment.from);
            if segment.from >= now {
                segment.to = segment.from;
            }
        }
        self.segments.retain(|segment| segment.to > segment.from);
    }

    /// When the last of what is queued will have been heard.
    pub fn until(&self) -> Duration {
        self.segments.last().map_or(Duration::ZERO, |segment| segment.to)
    }

    /// How much of the newest turn has been heard.
    pub fn heard(&self, now: Duration) -> Duration {
        let of_newest = self.segments.iter().filter(|segment| segment.turn == self.newest);
        of_newest.map(|segment| segment.to.min(now).saturating_sub(segment.from)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn plays_one_after_the_other_and_tells_the_end() {
        let mut speaker = Speaker::default();
        assert_eq!(speaker.play(ms(0), 1, ms(200)), Some((ms(3), SpeakerInput::Started { turn: 1 })));
        assert_eq!(speaker.play(ms(10), 1, ms(200)), None);
        assert_eq!(speaker.end_of_turn(ms(10), 1), Some((ms(403), SpeakerInput::Drained { turn: 1 })));
        assert_eq!(speaker.heard(ms(103)), ms(100));
        assert_eq!(speaker.heard(ms(1000)), ms(400));
    }

    #[test]
    fn a_flush_ends_it_where_it_is() {
        let mut speaker = Speaker::default();
        speaker.play(ms(0), 1, ms(200));
        speaker.play(ms(0), 1, ms(200));
        speaker.flush(ms(103), 1);
        assert_eq!(speaker.heard(ms(1000)), ms(100));
        assert!(!speaker.stands(SpeakerInput::Drained { turn: 1 }));
        assert_eq!(speaker.play(ms(200), 2, ms(50)), Some((ms(203), SpeakerInput::Started { turn: 2 })));
    }
}
