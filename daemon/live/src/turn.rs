//! Who is speaking?

use std::time::{Duration, Instant};

/// Of a cut answer, stale parts may still arrive; after this long without any, what comes is a new answer.
const STALE_GAP: Duration = Duration::from_secs(1);
/// An answer of which nothing came for this long is over, whatever the server says.
const STALL: Duration = Duration::from_secs(10);
/// The speaker reports the end of an answer long before; this bounds a lost report.
const REPORT_MAX: Duration = Duration::from_secs(10);

/// One side speaking until done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Turn {
    /// Nobody.
    Idle,
    /// The person. `ending`: kept up to what was captured by then.
    Listening { since: Instant, ending: Option<Instant>, last_chunk: Instant },
    /// Nobody, and an answer is due. `until` is `None` while the utterance waits for a link.
    Thinking { until: Option<Instant> },
    /// The assistant. `ended`: no more sound will come, what came is still being heard.
    /// `heard_by`: when all that came will have been heard.
    Speaking { turn: u32, last_sound: Instant, heard_by: Instant, ended: bool },
}

impl Turn {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Turn::Idle => "Idle",
            Turn::Listening { .. } => "Listening",
            Turn::Thinking { .. } => "Thinking",
            Turn::Speaking { .. } => "Speaking",
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Turn::Idle)
    }

    pub(crate) fn is_listening(&self) -> bool {
        matches!(self, Turn::Listening { .. })
    }

    pub(crate) fn is_speaking(&self) -> bool {
        matches!(self, Turn::Speaking { .. })
    }

    /// When this state ends by itself if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match *self {
            Turn::Speaking { last_sound, ended: false, .. } => Some(last_sound + STALL),
            Turn::Speaking { heard_by, ended: true, .. } => Some(heard_by + REPORT_MAX),
            Turn::Thinking { until } => until,
            _ => None,
        }
    }
}

/// Drops what still arrives of an answer that was cut, and stops doing so by itself.
#[derive(Debug, Default)]
pub(crate) struct Mute {
    last_stale: Option<Instant>,
    until: Option<Instant>,
    /// The server has not shown that it knows of the cut: it may go on with that answer for long.
    unknown: bool,
    /// What the network adds to a pause.
    delay: Duration,
}

impl Mute {
    /// The answer was cut while the server may still be sending it.
    pub(crate) fn start(&mut self, now: Instant) {
        *self = Mute { last_stale: Some(now), delay: self.delay, ..Mute::default() };
    }

    /// The same where the server is told of it by sound alone, and decides by itself what that is.
    pub(crate) fn start_unknown(&mut self, now: Instant) {
        *self = Mute { last_stale: Some(now), until: None, unknown: true, delay: self.delay };
    }

    /// So long the network may take with what was sent before.
    pub(crate) fn delayed(&mut self, delay: Duration) {
        self.delay = delay;
    }

    /// Whether an answer was cut of which something may still come.
    pub(crate) fn is_on(&self) -> bool {
        self.last_stale.is_some()
    }

    /// Whether the server may still be at the answer that was cut.
    pub(crate) fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// The server has stopped: what it sent before that is on its way already.
    pub(crate) fn interrupted(&mut self, now: Instant) {
        if std::mem::take(&mut self.unknown) {
            self.expire(now);
        }
    }

    /// The server has been asked something new: what it still sends of the cut answer is on its way already.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.until = Some(now + STALE_GAP + self.delay);
    }

    /// The server has understood something new: what comes is the answer to that.
    pub(crate) fn understood(&mut self) {
        if self.until.is_some() {
            self.stop();
        }
    }

    /// The cut answer is over by the server's word, or a new one has surely begun.
    pub(crate) fn stop(&mut self) {
        *self = Mute { delay: self.delay, ..Mute::default() };
    }

    /// Whether sound that arrives now belongs to the cut answer.
    pub(crate) fn swallows(&mut self, now: Instant) -> bool {
        match self.last_stale {
            Some(last)
                if now.saturating_duration_since(last) < STALE_GAP + self.delay
                    && self.until.is_none_or(|until| now < until) =>
            {
                self.last_stale = Some(now);
                true
            }
            _ => {
                self.stop();
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_sound_is_swallowed_until_it_pauses_or_is_over() {
        let t = Instant::now();
        let ms = |n| t + Duration::from_millis(n);
        let mut mute = Mute::default();
        assert!(!mute.swallows(t));
        mute.start(t);
        assert!(mute.swallows(ms(900)) && mute.swallows(ms(1800)));
        assert!(!mute.swallows(ms(2800)), "a pause of a second: a new answer");
        assert!(!mute.swallows(ms(2801)));
        mute.start(t);
        mute.stop();
        assert!(!mute.swallows(ms(1)));
    }

    #[test]
    fn on_a_slow_network_a_pause_is_longer_before_it_means_a_new_answer() {
        let t = Instant::now();
        let ms = |n| t + Duration::from_millis(n);
        let mut mute = Mute::default();
        mute.delayed(Duration::from_millis(1800));
        mute.start(t);
        assert!(mute.swallows(ms(2700)) && !mute.swallows(ms(5500)));
        mute.start(t);
        mute.expire(ms(500));
        assert!(mute.swallows(ms(2700)) && !mute.swallows(ms(3300)));
    }

    #[test]
    fn a_server_that_does_not_know_of_the_cut_is_not_believed_before_it_does() {
        let t = Instant::now();
        let ms = |n| t + Duration::from_millis(n);
        let mut mute = Mute::default();
        mute.start_unknown(t);
        mute.understood();
        assert!(mute.is_unknown() && mute.swallows(ms(900)) && mute.swallows(ms(1800)));
        mute.interrupted(ms(2000));
        mute.interrupted(ms(2500)); // said again
        assert!(
            !mute.is_unknown()
                && mute.swallows(ms(2700))
                && mute.swallows(ms(2999))
                && !mute.swallows(ms(3000))
        );
    }

    #[test]
    fn once_something_new_was_asked_stale_sound_is_not_swallowed_for_ever() {
        let t = Instant::now();
        let ms = |n| t + Duration::from_millis(n);
        let mut mute = Mute::default();
        mute.start(t);
        mute.expire(ms(500));
        assert!(mute.swallows(ms(900)) && mute.swallows(ms(1499)));
        assert!(!mute.swallows(ms(1500)) && !mute.swallows(ms(1501)));
        mute.start(t);
        mute.understood();
        assert!(mute.swallows(ms(1)), "nothing new was asked");
        mute.expire(ms(2));
        mute.understood();
        assert!(!mute.swallows(ms(3)));
    }
}
