//! One client of the control socket: lines in, lines out, all bounded.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use pressel_live::event::ButtonInput;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::debug;

use super::OPS;
use super::server::{ControlRequest, Op, Reply, Shared};
use crate::config::nearest;
use crate::gesture::Act;
use crate::usage::count::Count;
use crate::volume::VolumeChange;

/// Longest request.
const LINE_MAX: usize = 64 << 10;
/// Events a watcher may lag behind.
const EVENTS_MAX: usize = 256;
/// A client that takes nothing for this long is let go.
const WRITE_MAX: Duration = Duration::from_secs(5);

/// A client that is connected.
pub(super) struct Client {
    stream: UnixStream,
    buffer: Vec<u8>,
}

/// What a program may have done. Switching off and consent need a person at the device.
const REMOTE: [Act; 7] =
    [Act::Talk, Act::Stop, Act::NewTalk, Act::VolumeUp, Act::VolumeDown, Act::Status, Act::Doctor];

enum Wanted {
    Engine(Op),
    Watch,
}

impl Client {
    pub(super) fn new(stream: UnixStream) -> Self {
        Client { stream, buffer: Vec::new() }
    }

    /// Turns the client away.
    pub(super) async fn refuse(&mut self, why: &str) {
        self.write(&line(&json!({ "error": why }))).await;
    }

    /// Answers requests until the client goes.
    pub(super) async fn serve(&mut self, shared: &Shared, tell: &mpsc::Sender<ControlRequest>) {
        while let Some(request) = self.read_line().await {
            let answer = match request.and_then(|text| understand(&text)) {
                Ok(Wanted::Watch) => return self.watch(shared).await,
                Ok(Wanted::Engine(op)) => {
                    let (back, answer) = oneshot::channel();
                    let gone = || json!({ "error": "the daemon is on its way out" });
                    if tell.send(ControlRequest { op, reply: Reply::new(back) }).await.is_err() {
                        gone()
                    } else {
                        answer.await.unwrap_or_else(|_| gone())
                    }
                }
                Err(text) => json!({ "error": text }),
            };
            if !self.write(&line(&answer)).await {
                return;
            }
        }
    }

    async fn watch(&mut self, shared: &Shared) {
        let (watcher, mut events) = mpsc::channel::<Arc<str>>(EVENTS_MAX);
        shared.watchers.lock().unwrap_or_else(PoisonError::into_inner).push(watcher);
        if !self.write(&line(&json!({ "ok": true }))).await {
            return;
        }
        let mut ignored = [0; 256];
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => if !self.write(&event).await { return },
                    None => return, // too slow
                },
                read = self.stream.read(&mut ignored) => if !matches!(read, Ok(1..)) { return },
            }
        }
    }

    /// The next line without its end; `None` when the client has gone, an error when the line is too long or no
    /// text. After a line that is too long the client is let go, since its rest cannot be told from a request.
    async fn read_line(&mut self) -> Option<Result<String, String>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                let mut text = std::mem::replace(&mut self.buffer, rest);
                text.pop();
                return Some(String::from_utf8(text).map_err(|_| "the request is not UTF-8".to_owned()));
            }
            if self.buffer.len() > LINE_MAX {
                self.write(&line(&json!({ "error": format!("a request has at most {LINE_MAX} bytes") })))
                    .await;
                return None;
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return None,
            }
        }
    }

    async fn write(&mut self, text: &str) -> bool {
        match timeout(WRITE_MAX, self.stream.write_all(text.as_bytes())).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                debug!(%error, "a control client has gone");
                false
            }
            Err(_) => {
                debug!("a control client takes nothing");
                false
            }
        }
    }
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

fn understand(text: &str) -> Result<Wanted, String> {
    let request: Value = serde_json::from_str(text).map_err(|e| format!("the request is not JSON: {e}"))?;
    let member = |name: &str| request.get(name).and_then(Value::as_str);
    let op =
        member("op").ok_or_else(|| format!("the request has no \"op\"; there are {}", OPS.join(", ")))?;
    match op {
        "status" => Ok(Wanted::Engine(Op::Status)),
        "usage" => Ok(Wanted::Engine(Op::Usage)),
        "levels" => Ok(Wanted::Engine(Op::Levels)),
        "reload" => Ok(Wanted::Engine(Op::Reload)),
        "watch" => Ok(Wanted::Watch),
        "used" => match request.get("count").map(Count::deserialize) {
            Some(Ok(count)) => Ok(Wanted::Engine(Op::Used(count))),
            Some(Err(error)) => Err(format!("\"used\" has a \"count\" that is none: {error}")),
            None => Err("\"used\" needs a \"count\": what was used, as `today` of usage has it".to_owned()),
        },
        "button" => {
            let gesture = match member("gesture") {
                Some("press") => ButtonInput::Press,
                Some("release") => ButtonInput::Release,
                Some(other) => return Err(unknown("gesture", other, &["press", "release"])),
                None => return Err("\"button\" needs a \"gesture\": press or release".to_owned()),
            };
            Ok(Wanted::Engine(Op::Button { line: member("line").map(str::to_owned), gesture }))
        }
        "act" => {
            let acts = REMOTE.map(Act::word);
            let wanted =
                member("act").ok_or_else(|| format!("\"act\" needs an \"act\": {}", acts.join(", ")))?;
            let act = REMOTE.into_iter().find(|act| act.word() == wanted);
            act.map(|act| Wanted::Engine(Op::Act(act))).ok_or_else(|| unknown("act", wanted, &acts))
        }
        "volume" => Ok(Wanted::Engine(Op::Volume(match request.get("to") {
            None => None,
            Some(Value::String(word)) if word == "up" => Some(VolumeChange::Up),
            Some(Value::String(word)) if word == "down" => Some(VolumeChange::Down),
            Some(to) => {
                let percent = to.as_u64().filter(|percent| *percent <= 100);
                let percent =
                    percent.ok_or_else(|| format!("no volume {to}; there are up, down and 0 to 100"))?;
                Some(VolumeChange::To(percent as u32))
            }
        }))),
        other => Err(unknown("op", other, &OPS)),
    }
}

fn unknown(what: &str, found: &str, known: &[&str]) -> String {
    match nearest(found, known.iter().copied()) {
        Some(meant) => format!("no such {what} \"{found}\"; did you mean \"{meant}\"?"),
        None => format!("no such {what} \"{found}\"; there are {}", known.join(", ")),
    }
}
