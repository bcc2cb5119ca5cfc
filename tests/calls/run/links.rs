//! Links of a run: what either end sends arrives later, and is looked at on its way.

use super::*;

impl World<'_> {
    /// What the server sends is on its way.
    pub(super) fn send_down(&mut self, server: u32, sent: Vec<Sent>) {
        let Some((&number, pair)) = self.links.iter().find(|(_, pair)| pair.server == Some(server)) else {
            return;
        };
        if pair.over {
            return;
        }
        for sent in sent {
            let news = match sent {
                Sent::Message(payload) => {
                    self.look(server, &payload);
                    let twice = self.twice && payload.windows(10).any(|part| part == b"\"toolCall\"");
                    if twice {
                        self.twice = false;
                        self.plan_in(
                            self.plan.rtt / 2,
                            Event::Link(number, LinkInput::Message(payload.clone())),
                        );
                    }
                    LinkInput::Message(payload)
                }
                Sent::Close(code, reason) => {
                    self.account.link_over(self.now, server);
                    let announced = reason.contains("GoAway") || reason.contains("session not found");
                    if !announced {
                        self.account.closes += 1;
                        self.account.breaks(self.now, format_args!("the server closed: {code} {reason}"));
                    }
                    LinkInput::Closed { code, reason }
                }
                Sent::Cut => LinkInput::Closed { code: 1006, reason: String::new() },
            };
            self.plan_in(self.plan.rtt / 2, Event::Link(number, news));
        }
    }

    /// Calls and cancellations, as the server sends them.
    pub(super) fn look(&mut self, link: u32, payload: &[u8]) {
        let has = |name: &[u8]| payload.windows(name.len()).any(|part| part == name);
        if has(b"\"inlineData\"") {
            self.law.speaks(link);
        }
        if has(b"\"interrupted\"") {
            self.law.spoke(link, true);
        }
        if has(b"\"generationComplete\"") {
            self.answered_at = self.now;
            self.law.spoke(link, false);
        }
        if !has(b"\"toolCall") {
            return;
        }
        let Ok(message) = serde_json::from_slice::<Value>(payload) else { return };
        for call in message["toolCall"]["functionCalls"].as_array().into_iter().flatten() {
            let number = call["args"]["n"].as_u64().unwrap_or(u64::MAX) as usize;
            let id = call["id"].as_str().unwrap_or_default().to_owned();
            self.tell(|| format!("server {link} calls {id}, number {number}"));
            self.again = false;
            let made = Made {
                at: self.now,
                number,
                delivered: None,
                cancelled: None,
                link_over: None,
                stopped: false,
                answered: false,
                responses: 0,
            };
            self.account.made.insert((link, id), made);
        }
        for id in message["toolCallCancellation"]["ids"].as_array().into_iter().flatten() {
            let id = id.as_str().unwrap_or_default().to_owned();
            self.tell(|| format!("server {link} cancels {id}"));
            if let Some(made) = self.account.made.get_mut(&(link, id)) {
                made.cancelled = Some(self.now);
            }
        }
    }

    /// The server's end of a link is over.
    pub(super) fn end_server(&mut self, number: u32) {
        let Some(server) = self.links.get(&number).and_then(|pair| pair.server) else { return };
        self.account.link_over(self.now, server);
        self.server.end(server);
    }

    pub(super) fn link(&mut self, number: u32, news: LinkInput) {
        let Some(pair) = self.links.get_mut(&number).filter(|pair| !pair.over) else { return };
        if let LinkInput::Closed { .. } | LinkInput::Failed { .. } = news {
            pair.over = true;
            let server = pair.server;
            self.end_server(number);
            self.link_lost(server);
        }
        self.tell(|| match &news {
            LinkInput::Message(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                let short: String =
                    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(120).collect();
                format!("link {number}: {short}")
            }
            other => format!("link {number}: {other:?}"),
        });
        if number < self.base {
            return; // of the daemon that was ended
        }
        let delivered = self.delivered(number, &news);
        let speech = match &news {
            LinkInput::Message(bytes) if bytes.windows(12).any(|part| part == b"\"inlineData\"") => {
                self.links.get(&number).and_then(|pair| pair.server)
            }
            _ => None,
        };
        self.played = None;
        self.input(Input::Link(number - self.base, news));
        if let Some(server) = speech {
            self.law.came(server, self.played);
        }
        for number in delivered {
            if self.working.values().any(|working| working.number == number && working.kill) {
                self.account.breaks(self.now, format_args!("number {number} was cancelled and goes on"));
            }
        }
    }

    /// The device has calls now, and cancellations. Numbers of what it must not be doing any more.
    pub(super) fn delivered(&mut self, number: u32, news: &LinkInput) -> Vec<usize> {
        let LinkInput::Message(payload) = news else { return Vec::new() };
        if !payload.windows(9).any(|part| part == b"\"toolCall") {
            return Vec::new();
        }
        let Some(server) = self.links.get(&number).and_then(|pair| pair.server) else { return Vec::new() };
        let Ok(message) = serde_json::from_slice::<Value>(payload) else { return Vec::new() };
        let closing = self.links.get(&number).is_some_and(|pair| pair.closing);
        for call in message["toolCall"]["functionCalls"].as_array().into_iter().flatten() {
            let id = call["id"].as_str().unwrap_or_default().to_owned();
            if let Some(made) = self.account.made.get_mut(&(server, id)).filter(|_| !closing) {
                made.delivered.get_or_insert(self.now);
            }
        }
        for id in message["toolCallCancellation"]["ids"].as_array().into_iter().flatten() {
            let id = id.as_str().unwrap_or_default().to_owned();
            let Some(made) = self.account.made.get(&(server, id)).filter(|_| !closing) else { continue };
            self.law.close(self.now, made.number, "the server took it back");
            let Some(run) = self.account.runs.get_mut(&made.number) else { continue };
            // What goes on to its end is not done again for these words; for the next ones it is.
            let over = run.ended.is_some_and(|at| at < self.asked_at);
            run.taken_back += u32::from(if run.finishes { over } else { run.ended.is_none() });
        }
        let ids = message["toolCallCancellation"]["ids"].as_array().into_iter().flatten();
        let waits = |id: &Value| {
            let made = self.account.made.get(&(server, id.as_str()?.to_owned()))?;
            (made.responses == 0 && !closing).then_some(made.number)
        };
        ids.filter_map(waits).collect()
    }

    /// A question that was not answered on the link that is gone is the same question on the next.
    pub(super) fn link_lost(&mut self, server: Option<u32>) {
        let of_now = |made: &Made| made.at > self.asked_at.max(self.answered_at);
        let mut calls = self.account.made.iter();
        let called = calls.any(|((link, _), made)| Some(*link) == server && of_now(made));
        if self.phase == Phase::Thinking && called && !self.again {
            self.again = true;
            self.server.ask_again();
            self.tell(|| "the model would call for the same again".to_owned());
        }
    }

    pub(super) fn arrives(&mut self, number: u32, text: &str) {
        let Some(server) = self.links.get(&number).filter(|pair| !pair.over).and_then(|pair| pair.server)
        else {
            return;
        };
        if !text.contains("\"audio\":{") {
            let found = self.account.told(text);
            self.law.told(server, text);
            let response = text.starts_with("{\"toolResponse\"");
            self.account.late += if response { 0 } else { found };
            if response {
                let message: Value = serde_json::from_str(text).unwrap_or_default();
                for answer in message["toolResponse"]["functionResponses"].as_array().into_iter().flatten() {
                    let id = answer["id"].as_str().unwrap_or_default().to_owned();
                    self.tell(|| format!("response for {id}: {:.60}", answer["response"]));
                    self.account.answered(self.now, server, &id);
                    let made = self.account.made.get(&(server, id));
                    let empty = answer["response"].as_object().is_some_and(Map::is_empty);
                    if let Some(run) = made.and_then(|made| self.account.runs.get_mut(&made.number)) {
                        run.told |= empty;
                    }
                }
            }
        }
        let sent = self.server.receive(server, self.ns(), text.as_bytes());
        self.send_down(server, sent);
    }

    /// The device answers calls: nobody waits for them any more.
    pub(super) fn answers(&mut self, number: u32, text: &str) {
        let Some(server) = self.links.get(&number).and_then(|pair| pair.server) else { return };
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        for answer in message["toolResponse"]["functionResponses"].as_array().into_iter().flatten() {
            let id = answer["id"].as_str().unwrap_or_default().to_owned();
            let asks = answer["response"]["status"] == "needs_consent";
            if let Some(made) = self.account.made.get_mut(&(server, id)) {
                made.answered = true;
                if asks {
                    let number = made.number;
                    self.asks_about(number);
                }
            }
        }
    }
}
