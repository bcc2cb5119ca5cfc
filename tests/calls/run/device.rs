//! The device's side of a run: what the conversation asks for is done, in virtual time.

use super::*;

impl World<'_> {
    pub(super) fn tool_ends(&mut self, id: String, begun: u64) {
        let Some(working) = self.working.get(&id).filter(|working| working.begun == begun) else { return };
        let (number, outcome) = (working.number, working.outcome.clone());
        self.working.remove(&id);
        self.tell(|| format!("tool {id}, number {number}, has ended"));
        if let Some(run) = self.account.runs.get_mut(&number) {
            run.ended = Some(self.now);
        }
        self.input(Input::ToolResult(ToolResult { id, outcome }));
    }

    pub(super) fn catch_up(&mut self) {
        if !self.ticks {
            self.capture.rest_until(self.now);
        }
    }

    pub(super) fn hand_over(&mut self, told: Vec<MicrophoneInput>) {
        for event in told {
            self.input(Input::Microphone(event));
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        self.conversation.handle_input(self.began + self.now, input);
        self.perform_all();
    }

    pub(super) fn perform_all(&mut self) {
        loop {
            while let Some(action) = self.conversation.poll_action() {
                self.perform(action);
            }
            let Some(ask) = self.asks.pop_front() else { break };
            self.conversation.handle_input(self.began + self.now, Input::Consent(ConsentInput::Due(ask)));
        }
        // Who waits for a tool in silence is to hear of it.
        let thinks = self.conversation.state_names().1 == "Thinking" && self.phase != Phase::Asking;
        let silent = thinks && !self.account.waiting().is_empty();
        if silent && !self.silent {
            self.waits += 1;
            self.plan_in(SIGN, Event::SignDue(self.waits));
        }
        self.silent = silent;
    }

    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Dial { link } => {
                let number = self.base + link;
                self.links.insert(number, Pair { server: None, over: false, closing: false });
                self.tell(|| format!("dial {number}"));
                if self.now < self.away_until {
                    let reason = "there is no network".to_owned();
                    let failed = LinkInput::Failed { cause: Cause::Connect, reason };
                    return self.plan_in(Duration::from_millis(20), Event::Link(number, failed));
                }
                self.plan_in(self.plan.rtt * 3, Event::Opens(number));
            }
            Action::Send { link, message } => {
                let number = self.base + link;
                if !message.contains("\"audio\":{") {
                    self.tell(|| format!("sent {message:.160}"));
                }
                if message.starts_with("{\"toolResponse\"") {
                    self.answers(number, &message);
                }
                self.plan_in(self.plan.rtt / 2, Event::Arrives(number, message));
            }
            Action::Ping { link } => {
                self.plan_in(self.plan.rtt, Event::Link(self.base + link, LinkInput::Pong))
            }
            Action::Close { link, .. } => {
                let number = self.base + link;
                self.tell(|| format!("close {number}"));
                if let Some(pair) = self.links.get_mut(&number) {
                    pair.closing = true;
                    // What its calls find is for the next link, and that is what somebody waits for.
                    pair.server.into_iter().for_each(|server| self.account.link_over(self.now, server));
                }
                self.plan_in(self.plan.rtt / 2, Event::Leaves(number));
                let closed = LinkInput::Closed { code: 1000, reason: String::new() };
                self.plan_in(self.plan.rtt, Event::Link(number, closed));
            }
            Action::Listen(listen) => {
                self.agenda.retain(|_, event| !matches!(event, Event::Obey(_)));
                self.plan_in(OBEY, Event::Obey(listen));
            }
            Action::Play { turn, samples, rate_hz } => {
                let time = Duration::from_secs_f64(samples.len() as f64 / f64::from(rate_hz));
                self.play(turn, time);
            }
            Action::EndOfTurn { turn } => self.end_of_turn(turn),
            Action::Flush { turn } => {
                self.speaker.flush(self.now, turn);
                self.law.flushed(self.now, turn);
            }
            Action::Show(phase) => {
                self.tell(|| format!("shows {phase:?}"));
                self.phase = phase;
                self.law.shows(self.now, phase == Phase::Asking);
                if phase == Phase::Asking {
                    self.light_asks();
                }
            }
            Action::Tell(Line::Working) => {
                self.account.signs += 1;
                self.waits += 1; // the next one is due much later
            }
            Action::CallTool { id, name, args } if self.working.len() >= AT_ONCE => {
                let number = args.get("n").and_then(Value::as_u64).unwrap_or(u64::MAX);
                self.tell(|| format!("tool {id}, number {number}, is one too many"));
                let refused = self.refused(number as usize, &name);
                self.working.insert(id.clone(), refused);
                self.plan_in(Duration::ZERO, Event::Tool(id, self.tools_begun));
            }
            Action::CallTool { id, name, args } if ASKS.contains(&name.as_str()) => self.keep(id, name, args),
            Action::CallTool { id, name, args } => self.begin_tool(id, &name, &args),
            Action::CancelTools { ids } => self.cancel(&ids),
            // In open mode the next person is another one.
            Action::Note(Note::TalkEnded { forgotten }) if forgotten || self.is_open() => {
                self.account.all_stopped();
                self.forgotten();
                self.law.close_all(self.now, "the talk was over");
            }
            Action::Ask(agree) => self.grammar.ask(agree, self.began + self.now),
            Action::AskAloud { turn, .. } => self.asks_aloud(turn),
            Action::Decide { id, decision } => self.decide(id, decision),
            Action::Note(Note::AskRefused { .. }) => self.not_taken = true,
            Action::Tell(_) | Action::Duck { .. } | Action::Note(_) => {}
        }
    }

    pub(super) fn play(&mut self, turn: u32, time: Duration) {
        if let Some((at, report)) = self.speaker.play(self.now, turn, time) {
            self.plan_at(at, Event::Speaker(report));
        }
        self.played = Some((turn, self.speaker.until()));
    }

    pub(super) fn end_of_turn(&mut self, turn: u32) {
        if let Some((at, report)) = self.speaker.end_of_turn(self.now, turn) {
            self.plan_at(at, Event::Speaker(report));
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.conversation.mode(), TalkMode::Open { .. })
    }

    pub(super) fn refused(&mut self, number: usize, name: &str) -> Working {
        self.tools_begun += 1;
        let outcome = Err(format!("not done: 8 tools are at work already: found-{number}-"));
        Working { number, begun: self.tools_begun, kill: name != FINISHES, outcome }
    }

    pub(super) fn begin_tool(&mut self, id: String, name: &str, args: &Map<String, Value>) {
        let number = args.get("n").and_then(Value::as_u64).map_or(usize::MAX, |n| n as usize);
        self.tell(|| format!("tool {id}, number {number}, begins"));
        let Some(errand) = self.plan.errands.get(number) else {
            return self.account.breaks(self.now, format_args!("{id} has lost its arguments"));
        };
        let run: &mut Run = self.account.runs.entry(number).or_default();
        run.begun += 1;
        (run.finishes, run.ended) = (name == FINISHES, None);
        let found = format!("found-{number}-{}", "x".repeat(errand.finds));
        let outcome = match errand {
            _ if errand.takes > TIMEOUT => Err(format!("failed: not done after 70 s: {found:.40}")),
            _ if errand.fails => Err(format!("failed: {found:.40}")),
            _ if errand.finds == 0 => {
                run.told = true; // there is nothing to tell
                Ok(Map::new())
            }
            _ => Ok(Map::from_iter([("output".to_owned(), found.into())])),
        };
        self.tools_begun += 1;
        let begun = self.tools_begun;
        if self
            .working
            .insert(id.clone(), Working { number, begun, kill: name != FINISHES, outcome })
            .is_some()
        {
            self.account.breaks(self.now, format_args!("{id} runs already"));
        }
        self.plan_in(errand.takes.min(TIMEOUT), Event::Tool(id, begun));
    }

    pub(super) fn cancel(&mut self, ids: &[String]) {
        self.tell(|| format!("stop {ids:?}"));
        for id in ids {
            if self.kept.remove(id).is_some() {
                self.asks.retain(|ask| ask.id != *id);
                continue;
            }
            match self.working.get(id) {
                Some(working) => {
                    if let Some(run) = self.account.runs.get_mut(&working.number) {
                        run.cancelled = true;
                    }
                    if working.kill {
                        self.working.remove(id);
                    }
                }
                None => self.account.breaks(self.now, format_args!("{id} was stopped and does not run")),
            }
        }
    }
}
