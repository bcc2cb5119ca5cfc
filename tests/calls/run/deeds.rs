//! What people, networks and servers do in a run.

use super::*;

impl World<'_> {
    pub(super) fn deed(&mut self, n: usize) {
        let (_, deed) = self.plan.deeds[n].clone();
        self.tell(|| format!("{deed:?}"));
        match deed {
            Deed::Ask(speech) => self.ask(speech),
            Deed::Type => {
                self.asks_another();
                self.not_taken = false;
                self.input(Input::Ask("And by the way?".to_owned()));
                if !self.not_taken {
                    self.law.close_all(self.now, "something was typed");
                }
            }
            Deed::Stop => self.stop(),
            Deed::Forget => self.forget(),
            Deed::Restart => self.restart(),
            Deed::Cut => self.end_newest(1006, ""),
            Deed::Close(code, reason) => self.end_newest(code, reason),
            Deed::GoAway(left) => {
                let left_ms = left.as_millis() as u64;
                if let Some(server) = self.newest().and_then(|number| self.links[&number].server) {
                    let sent = self.server.strike(server, self.ns(), Fault::GoAway { left_ms });
                    self.send_down(server, sent);
                }
            }
            Deed::Lose => {
                self.server.forget();
                self.end_newest(1006, "");
            }
            Deed::Twice => self.twice = true,
            Deed::Mute => self.mute(),
            Deed::Away(lasts) => {
                self.away_until = self.now + lasts;
                self.end_newest(1006, "");
            }
        }
    }

    pub(super) fn stop(&mut self) {
        self.law.close_all(self.now, "it was stopped");
        self.input(Input::Stop);
        self.nobody_waits("stop");
    }

    pub(super) fn forget(&mut self) {
        self.law.close_all(self.now, "a new talk began");
        self.input(Input::Forget);
        self.nobody_waits("a new talk");
        self.forgotten();
    }

    pub(super) fn mute(&mut self) {
        self.law.close_all(self.now, "the microphone was switched off");
        self.input(Input::Muted(true));
        self.plan_in(Duration::from_millis(700), Event::Unmute);
    }

    fn ask(&mut self, speech: Duration) {
        if self.pressed || self.capture.speaking || self.now < self.busy_until {
            return; // one at a time
        }
        let open = matches!(self.conversation.mode(), TalkMode::Open { .. });
        let idle = self.phase == Phase::Idle;
        self.speaking = speech;
        self.asks_another();
        if !open || idle {
            self.pressed = true;
            let told = self.finger(true, false);
            let waits = open && matches!(self.phase, Phase::Connecting | Phase::Offline);
            let shows = waits || matches!(self.phase, Phase::Listening | Phase::Muted);
            // In tap mode a press while somebody speaks ends what they say.
            if told && !shows && !matches!(self.conversation.mode(), TalkMode::Tap { .. }) {
                self.account.breaks(self.now, format_args!("a press shows {:?}", self.phase));
            }
        }
        self.plan_in(BREATH, Event::Speak);
    }

    /// After this no tool may go on that would be stopped.
    fn nobody_waits(&mut self, after: &str) {
        self.account.all_stopped();
        if self.working.values().any(|working| working.kill) {
            self.account.breaks(self.now, format_args!("a tool goes on after {after}"));
        }
    }

    pub(super) fn forgotten(&mut self) {
        for run in self.account.runs.values_mut() {
            run.forgotten = true;
        }
    }

    /// The daemon ends, and the next one takes up the talk.
    pub(super) fn restart(&mut self) {
        self.law.close_all(self.now, "the daemon was started again");
        self.law.flushed(self.now, u32::MAX);
        self.input(Input::Shutdown);
        self.nobody_waits("the end");
        self.working.clear();
        self.forgotten(); // what ran is ended with the daemon
        let session = self.conversation.session();
        let settings =
            Settings { seed: self.plan.seed + self.now.as_millis() as u64, ..self.settings.clone() };
        self.base = self.links.keys().next_back().map_or(0, |last| last + 1);
        self.conversation = Conversation::new(settings, self.began + self.now);
        if let Some(session) = session {
            let taken = self.conversation.resume(self.began + self.now, session, Duration::from_secs(1));
            taken.expect("it is fresh");
        }
        self.phase = Phase::Idle;
        (self.pressed, self.silent) = (false, false);
        (self.grammar, self.kept, self.asks) = (person::grammar(self.plan), BTreeMap::new(), VecDeque::new());
        self.speaker = Speaker::default();
        self.agenda.retain(|_, event| !matches!(event, Event::Obey(_) | Event::Speaker(_) | Event::Unmute));
        let told = self.capture.obey(Listen::Rest, self.began + self.now);
        drop(told); // nobody listens
        self.perform_all();
    }

    fn newest(&self) -> Option<u32> {
        let (number, pair) = self.links.last_key_value()?;
        (pair.server.is_some() && !pair.over && !pair.closing).then_some(*number)
    }

    /// The newest link ends at the server, and the device hears of it later.
    pub(super) fn end_newest(&mut self, code: u16, reason: &str) {
        let Some(number) = self.newest() else { return };
        self.end_server(number);
        let news = LinkInput::Closed { code, reason: reason.to_owned() };
        self.plan_in(self.plan.rtt / 2, Event::Link(number, news));
    }
}
