//! Other settings while the conversation goes on.

use std::time::Instant;

use crate::conversation::Conversation;
use crate::event::Listen;
use crate::profile::Profile;
use crate::settings::{Settings, TalkMode};

impl Conversation {
    /// Other settings. Meant for a pause: what is being said or heard is over with it only where the mode changes. What
    /// a link was set up with needs another link, which continues the session.
    pub(crate) fn on_settings(&mut self, now: Instant, new: Settings, relink: bool) {
        let (talk, seed) = (new.talk, self.settings.seed);
        let relink = relink || setup_of(&self.settings) != setup_of(&new);
        if new.model != self.settings.model {
            // A session belongs to its model.
            let _ = self.link.drop_handle();
        }
        self.profile = Profile::of(&new.model);
        self.settings = Settings { talk: self.settings.talk, seed, ..new };
        self.on_mode(now, talk);
        if relink {
            self.link.press(now); // a refusal may have been for what was set before
            self.forget_trouble();
            self.change_link(now);
        }
    }

    pub(crate) fn on_mode(&mut self, now: Instant, talk: TalkMode) {
        if talk == self.settings.talk {
            return;
        }
        // What is being said is over, and is asked; what is being heard is silenced.
        self.end_utterance(now);
        self.on_gate_closed(now);
        if self.turn.is_speaking() {
            self.silence(now);
        }
        self.pump(now);
        self.open = None;
        self.forget_suspicion();
        if !matches!(self.settings.talk, TalkMode::Open { .. }) {
            self.listen(Listen::Rest); // in tap mode it may be watching an answer
        }
        self.settings.talk = talk;
        self.rest_listening();
        // The VAD setting is fixed per link: another one needs another link, which continues the session.
        if self.link.manual != self.is_manual() {
            self.change_link(now);
        }
    }

    /// The link is left; another one follows when somebody wants it.
    fn change_link(&mut self, now: Instant) {
        if self.link.is_open() {
            let close = self.link.leave(now);
            self.actions.extend(close);
            self.lose_link(now);
        }
    }
}

/// What a link is set up with, and nothing else.
fn setup_of(settings: &Settings) -> Settings {
    let unset = std::time::Duration::ZERO;
    Settings {
        talk: TalkMode::Hold { tail: unset },
        utterance_max: unset,
        talk_max: None,
        finishes: std::collections::BTreeSet::new(),
        quiet_close: unset,
        setup_timeout: unset,
        answer_timeout: unset,
        minted: false,
        recap: false,
        recap_max_chars: 0,
        forget_after: unset,
        open_forgets: false,
        seed: 0,
        ..settings.clone()
    }
}
