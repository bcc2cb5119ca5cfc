//! A server that says what was recorded: plain WebSocket on loopback, one recording after the other, one per link.

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use pressel_world::card::Noise;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc as news;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// What a server sent in one session.
#[derive(Clone, Debug)]
pub struct Recording {
    /// File name without its ending.
    pub name: String,
    /// Messages, setupComplete first. Sound that the recorder cut out is noise of the same length.
    pub messages: Vec<Value>,
    /// How often in this recording a turn ended.
    pub turns: usize,
}

impl Recording {
    fn read(path: &Path) -> Recording {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut messages = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let frame: Value = serde_json::from_str(line).unwrap();
            if frame["dir"] != "server" {
                continue;
            }
            let mut message: Value = serde_json::from_str(frame["text"].as_str().unwrap()).unwrap();
            if let Some(ms) = frame["cut_ms"].as_u64() {
                restore(&mut message, number as u64, ms);
            }
            messages.push(message);
        }
        let ends = |message: &Value| message["serverContent"]["turnComplete"] == true;
        if !messages.last().is_some_and(ends) {
            messages.push(json!({"serverContent": {"turnComplete": true}})); // where the recorder was switched off
        }
        let turns = messages.iter().filter(|message| ends(message)).count();
        Recording { name, messages, turns }
    }

    /// All of them, or nothing where there is no such folder: `PRESSEL_CAPTURES`, or `../shared/captures` beside the
    /// workspace.
    pub fn all() -> Option<Vec<Recording>> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
        let folder = std::env::var_os("PRESSEL_CAPTURES").map_or(beside, PathBuf::from);
        let entries = std::fs::read_dir(folder).ok()?;
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
        paths.sort();
        (!paths.is_empty()).then(|| paths.iter().map(|path| Recording::read(path)).collect())
    }

    /// Sound of each turn that has some.
    pub fn sound(&self) -> Vec<Vec<i16>> {
        let mut turns = vec![Vec::new()];
        for message in &self.messages {
            let content = &message["serverContent"];
            for part in content["modelTurn"]["parts"].as_array().into_iter().flatten() {
                let Some(data) = part["inlineData"]["data"].as_str() else { continue };
                let bytes = STANDARD.decode(data).unwrap();
                let turn = turns.last_mut().expect("one at least");
                turn.extend(bytes.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])));
            }
            if content["turnComplete"] == true {
                turns.push(Vec::new());
            }
        }
        turns.retain(|turn| !turn.is_empty());
        turns
    }

    /// All words of one kind of transcription.
    pub fn words(&self, member: &str) -> String {
        let text = |message: &Value| message["serverContent"][member]["text"].as_str().map(str::to_owned);
        self.messages.iter().filter_map(text).collect()
    }
}

/// Puts noise where the recorder cut sound out.
fn restore(message: &mut Value, seed: u64, ms: u64) {
    let parts = message["serverContent"]["modelTurn"]["parts"].as_array_mut();
    for part in parts.into_iter().flatten() {
        if let Some(blob) = part.get_mut("inlineData") {
            let samples = Noise::new(seed, 8000).take(ms as usize * 24);
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            blob["data"] = STANDARD.encode(bytes).into();
        }
    }
}

/// The server.
pub struct Replay {
    /// Base URL.
    pub url: String,
    received: mpsc::Receiver<Value>,
    go_on: news::UnboundedSender<()>,
}

impl Replay {
    /// Serves these, in order.
    pub fn start(recordings: Vec<Recording>) -> Replay {
        let (tell, received) = mpsc::channel();
        let (tell_url, url) = mpsc::channel();
        let (go_on, mut ends) = news::unbounded_channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell_url.send(format!("ws://{}", listener.local_addr().unwrap())).unwrap();
                for recording in recordings {
                    let (tcp, _) = listener.accept().await.unwrap();
                    let mut socket = tokio_tungstenite::accept_async(tcp).await.unwrap();
                    play(&mut socket, &recording, &tell).await;
                    ends.recv().await; // the test has heard all of it
                    let _ = socket.close(None).await; // the client may have been quicker
                    while let Some(Ok(_)) = socket.next().await {}
                }
            });
        });
        Replay { url: url.recv().unwrap(), received, go_on }
    }

    /// Waits for a message of the client that has this member somewhere.
    #[track_caller]
    pub fn received(&self, member: &str) -> Value {
        loop {
            let message = self.received.recv_timeout(crate::scene::WAIT).expect(member);
            if message.to_string().contains(&format!("\"{member}\":")) {
                return message;
            }
        }
    }

    /// Ends the link; the next one gets the next recording.
    pub fn next(&self) {
        self.go_on.send(()).unwrap();
    }
}

/// Says setupComplete after setup, and the rest after activityEnd; waits for the answer to a tool call.
async fn play(socket: &mut WebSocketStream<TcpStream>, recording: &Recording, tell: &mpsc::Sender<Value>) {
    let mut wanted = Some("setup");
    for (number, message) in recording.messages.iter().enumerate() {
        while let Some(member) = wanted {
            let Some(Ok(frame)) = socket.next().await else { return };
            let Ok(received) = serde_json::from_slice::<Value>(&frame.into_data()) else { continue };
            let found = !received[member].is_null() || !received["realtimeInput"][member].is_null();
            let _ = tell.send(received); // a test that has failed listens no more
            if found {
                wanted = None;
            }
        }
        // As the service does: binary, pretty-printed, with a newline at the end.
        let text = serde_json::to_string_pretty(message).unwrap() + "\n";
        if socket.send(Message::binary(text.into_bytes())).await.is_err() {
            return;
        }
        let called = !message["toolCall"].is_null();
        wanted = if number == 0 { Some("activityEnd") } else { called.then_some("toolResponse") };
    }
}
