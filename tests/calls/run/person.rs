//! Somebody who is asked for consent: what they do with the button's line, and what the daemon keeps meanwhile.

use super::*;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// From one press to the next of a double one.
const DOUBLE: Duration = ms(300);
/// A line of the device's own.
const LINE: Duration = ms(1400);

/// What the button's line means.
pub(super) fn grammar(plan: &Plan) -> Grammar {
    let bindings = bindings("press talk, double consent, long 2 consent", &[]).expect("it is one");
    Grammar::new(&bindings, DOUBLE, plan.header.starts_with("mode hold"))
}

impl World<'_> {
    /// A finger, or a program. Whether the device took it for talk at once.
    pub(super) fn finger(&mut self, pressed: bool, by_program: bool) -> bool {
        let at = self.began + self.now;
        self.law.edge(self.now, pressed, by_program);
        if by_program {
            self.grammar.edge_by_program(0, pressed, at);
        } else {
            self.grammar.edge(0, pressed, at);
        }
        self.gestures()
    }

    /// Does what was made of edges and time. Whether there was a press to talk.
    pub(super) fn gestures(&mut self) -> bool {
        let mut talk = false;
        while let Some((gesture, _)) = self.grammar.poll() {
            talk |= gesture == Gesture::Down;
            match gesture {
                Gesture::Down => {
                    self.asks_another();
                    self.input(Input::Button(ButtonInput::Press));
                }
                Gesture::Up => self.input(Input::Button(ButtonInput::Release)),
                Gesture::TakeBack => self.input(Input::TakeBack),
                Gesture::Agree { by, since } => self.agrees(by, since),
                Gesture::Act(_) => {}
            }
        }
        talk
    }

    fn agrees(&mut self, by: AgreeBy, since: Instant) {
        self.tell(|| format!("gesture {by:?}"));
        let hold = |number: usize| self.agree_of(number) == Some(Agree::Hold);
        let due = self.law.open().filter(|&number| self.law.due(self.now, number, hold(number)).is_ok());
        let before = self.account.agreed;
        self.input(Input::Consent(ConsentInput::Given { by, since }));
        if let Some(number) = due.filter(|_| self.account.agreed == before) {
            let what = format_args!("somebody agreed to number {number} and nothing came of it");
            self.account.breaks(self.now, what);
        }
    }

    fn agree_of(&self, number: usize) -> Option<Agree> {
        let called = |kept: &&Kept| kept.args.get("n").and_then(Value::as_u64) == Some(number as u64);
        self.kept.values().find(called).map(|kept| agree(&kept.name))
    }

    /// As the daemon does: kept with what it was called with, until it is decided.
    pub(super) fn keep(&mut self, id: String, name: String, args: Map<String, Value>) {
        let number = args.get("n").and_then(Value::as_u64).unwrap_or(u64::MAX);
        self.tell(|| format!("tool {id}, number {number}, needs consent"));
        let (agree, say) = (agree(&name), format!("May I? may-{number}-"));
        let by = if agree == Agree::Hold { AgreeBy::Hold } else { AgreeBy::Double };
        self.asks.push_back(ToolAsk { id: id.clone(), agree, by, say });
        if self.kept.insert(id.clone(), Kept { name, args }).is_some() {
            self.account.breaks(self.now, format_args!("{id} is kept already"));
        }
    }

    pub(super) fn decide(&mut self, id: String, decision: Decision) {
        self.tell(|| format!("{id}: {decision:?}"));
        let kept = self.kept.remove(&id);
        let Decision::Given(_) = decision else { return };
        let Some(Kept { name, args }) = kept else {
            return self.account.breaks(self.now, format_args!("{id} is agreed to and not kept"));
        };
        let number = args.get("n").and_then(Value::as_u64).unwrap_or(u64::MAX) as usize;
        self.account.agreed += 1;
        if let Err(why) = self.law.runs(self.now, number, agree(&name) == Agree::Hold) {
            let what = format_args!("number {number} is run without due consent: {why}");
            self.account.breaks(self.now, what);
        }
        self.begin_tool(id, &name, &args);
    }

    /// The device asks by itself, where it has a sound for it.
    pub(super) fn asks_aloud(&mut self, turn: u32) {
        self.tell(|| "asks by itself".to_owned());
        if !self.plan.phrases {
            let now = self.began + self.now;
            return self.conversation.handle_input(now, Input::Consent(ConsentInput::Unspoken));
        }
        self.play(turn, LINE);
        self.law.says(turn, self.speaker.until());
        self.end_of_turn(turn);
    }

    /// The model was told to ask about this.
    pub(super) fn asks_about(&mut self, number: usize) {
        self.tell(|| format!("number {number} is asked about"));
        self.law.opened(self.now, number);
        match self.plan.errands.get(number).map(|errand| errand.person) {
            Some(Person::Early(after)) => self.plan_in(after, Event::Gesture(number)),
            Some(Person::Meanwhile(what, after)) if self.acted.insert(number) => {
                self.plan_in(after, Event::Befalls(what, number));
            }
            _ => {}
        }
    }

    /// Whoever is asked sees it.
    pub(super) fn light_asks(&mut self) {
        let Some(number) = self.law.open() else { return };
        let after = match self.plan.errands.get(number).map(|errand| errand.person) {
            Some(Person::Agrees(after)) => after,
            Some(Person::Early(_) | Person::Nobody) | None => return,
            Some(_) => ms(40 + number as u64 * 37 % 3000),
        };
        self.plan_in(after, Event::Person(number));
    }

    pub(super) fn person_acts(&mut self, number: usize) {
        if self.phase != Phase::Asking && !matches!(self.plan.errands[number].person, Person::Agrees(_)) {
            return;
        }
        match self.plan.errands[number].person {
            Person::AgreesTwice => {
                self.makes_gesture(number, false);
                let after = self.busy_until.saturating_sub(self.now) + ms(50);
                self.plan_in(after, Event::Gesture(number));
            }
            Person::Refuses => {
                self.presses(&[(0, true), (120, false)], false);
                self.plan_in(ms(900), Event::Gesture(number));
            }
            Person::Mistakes => self.makes_gesture(usize::MAX - number, false),
            Person::Program => self.makes_gesture(number, true),
            Person::After(what) => {
                self.befalls(what, number);
                self.plan_in(ms(number as u64 % 5 * 100 + 1), Event::Gesture(number));
            }
            _ => self.makes_gesture(number, false),
        }
    }

    /// The gesture that number is agreed to with; the other one for what is `MAX` less it.
    pub(super) fn makes_gesture(&mut self, number: usize, by_program: bool) {
        let (number, other) =
            if number > usize::MAX / 2 { (usize::MAX - number, true) } else { (number, false) };
        let hold = self.plan.script.turns.iter().any(|turn| {
            let mut calls = turn.tools.iter().chain(&turn.then_tools);
            calls.any(|call| call.args["n"] == number && agree(&call.name) == Agree::Hold)
        });
        if hold == other {
            self.presses(&[(0, true), (80, false), (180, true), (260, false)], by_program);
        } else {
            self.presses(&[(0, true), (2100, false)], by_program);
        }
    }

    fn presses(&mut self, edges: &[(u64, bool)], by_program: bool) {
        if self.pressed || self.now < self.busy_until {
            return; // one finger
        }
        for (after, pressed) in edges {
            self.plan_in(ms(*after), Event::Finger { pressed: *pressed, by_program });
            self.busy_until = self.now + ms(after + 1);
        }
    }

    /// Something happens to a question.
    pub(super) fn befalls(&mut self, what: Meanwhile, number: usize) {
        self.tell(|| format!("{what:?}"));
        match what {
            Meanwhile::Cut => self.end_newest(1006, ""),
            Meanwhile::Stop => self.stop(),
            Meanwhile::Forget => self.forget(),
            Meanwhile::Restart => self.restart(),
            Meanwhile::Mute => self.mute(),
            Meanwhile::TakenBack => {
                let mut made = self.account.made.iter().rev();
                let its = made.find(|(_, made)| made.number == number && made.link_over.is_none());
                let Some(((link, id), _)) = its else { return };
                let (link, message) = (*link, json!({ "toolCallCancellation": { "ids": [id] } }));
                self.send_down(link, vec![Sent::Message(message.to_string().into_bytes())]);
            }
        }
    }
}

fn agree(name: &str) -> Agree {
    if name == ASKS[1] { Agree::Hold } else { Agree::Button }
}
