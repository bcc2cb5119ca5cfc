//! A bare client: sends what it is told, and keeps what comes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fake_gemini::{FakeGemini, Fault, Options, Rule, Script, Turn, What, When};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::{Error, http};

/// Longer than anything here takes, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const PATH: &str = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";

/// A server without TLS.
pub async fn serve(script: Script) -> FakeGemini {
    FakeGemini::start(Options::script(script).plain()).await.unwrap()
}

/// A script whose turns are soon over: 300 ms of noise after 10 ms.
pub fn quick() -> Script {
    Script { rest: Turn { think_ms: Some(10), ..Turn::noise(300, 1) }, ..Script::default() }
}

/// A setup of this model with nothing else in it.
pub fn setup_of(model: &str) -> Value {
    json!({"setup": {"model": format!("models/{model}"), "generationConfig": {"responseModalities": ["AUDIO"]}}})
}

/// A setup for push-to-talk.
pub fn manual() -> Value {
    let mut setup = setup_of("gemini-3.8-live");
    setup["setup"]["realtimeInputConfig"] = json!({"automaticActivityDetection": {"disabled": true}});
    setup
}

/// A message of audio at 16 kHz.
pub fn audio(samples: &[i16]) -> Value {
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    json!({"realtimeInput": {"audio": {"data": STANDARD.encode(bytes), "mimeType": "audio/pcm;rate=16000"}}})
}

/// A realtimeInput of one member.
pub fn input(name: &str, value: Value) -> Value {
    json!({"realtimeInput": {name: value}})
}

/// The samples in a message, none if it has no audio.
pub fn samples(message: &Value) -> Vec<i16> {
    let parts = message["serverContent"]["modelTurn"]["parts"].as_array();
    let data = parts.into_iter().flatten().filter_map(|part| part["inlineData"]["data"].as_str());
    let bytes: Vec<u8> = data.flat_map(|text| STANDARD.decode(text).unwrap()).collect();
    bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

/// The samples of all these messages.
pub fn all_samples(messages: &[Value]) -> Vec<i16> {
    messages.iter().flat_map(samples).collect()
}

/// The words of this kind of transcription in all these messages.
pub fn words(messages: &[Value], kind: &str) -> String {
    messages.iter().filter_map(|m| m["serverContent"][kind]["text"].as_str()).collect()
}

/// Whether this is a sent message of that name.
pub fn is_sent(what: &What, wanted: &str) -> bool {
    matches!(what, What::Sent { name, .. } if name == wanted)
}

/// One push-to-talk utterance.
pub async fn utter(client: &mut Client, spoken: &[i16]) {
    client.send(input("activityStart", json!({}))).await;
    client.speak(spoken).await;
    client.send(input("activityEnd", json!({}))).await;
}

/// A server where this goes wrong once at this point; turns are 1 s of noise, soon.
pub async fn with(when: When, fault: Fault) -> FakeGemini {
    let rest = Turn { think_ms: Some(10), ..Turn::noise(1000, 1) };
    serve(Script { rest, ..Script::default() }.fault(Rule::new(when, fault))).await
}

/// A moment after `setupComplete`.
pub fn ready() -> When {
    When::Ready { after_ms: 20 }
}

pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
}

impl Client {
    /// Opens a WebSocket with the key in its header.
    pub async fn dial(server: &FakeGemini) -> Self {
        Self::try_dial(server, PATH, Some("a-key")).await.unwrap()
    }

    pub async fn try_dial(server: &FakeGemini, path: &str, key: Option<&str>) -> Result<Self, Error> {
        let mut request = format!("{}{path}", server.url()).into_client_request().unwrap();
        if let Some(key) = key {
            request.headers_mut().insert("x-goog-api-key", http::HeaderValue::from_str(key).unwrap());
        }
        let tcp = TcpStream::connect(server.address()).await?;
        tcp.set_nodelay(true)?;
        let (socket, _) = tokio_tungstenite::client_async(request, tcp).await?;
        Ok(Self { socket })
    }

    /// Dials, sends this setup and waits for its completion.
    pub async fn ready(server: &FakeGemini, setup: Value) -> Self {
        let mut client = Self::dial(server).await;
        client.send(setup).await;
        assert_eq!(client.next().await, json!({"setupComplete": {}}));
        client
    }

    pub async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Sends audio in chunks of 20 ms, as fast as it goes.
    pub async fn speak(&mut self, samples: &[i16]) {
        for chunk in samples.chunks(320) {
            self.send(audio(chunk)).await;
        }
    }

    pub async fn frame(&mut self) -> Result<Message, Error> {
        let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        next.expect("the server says something in time").unwrap_or(Err(Error::ConnectionClosed))
    }

    /// The next message, which must be a binary frame of JSON.
    pub async fn next(&mut self) -> Value {
        match self.frame().await.unwrap() {
            Message::Binary(bytes) => serde_json::from_slice(&bytes).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// All messages up to the first that holds `member`, at any depth of two.
    pub async fn until(&mut self, member: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let message = self.next().await;
            let found = message.get(member).is_some() || message["serverContent"].get(member).is_some();
            all.push(message);
            if found {
                return all;
            }
        }
    }

    /// Reads on until the close frame; gives its code and reason.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            match self.frame().await {
                Ok(Message::Close(Some(frame))) => return (frame.code.into(), frame.reason.to_string()),
                Ok(Message::Close(None)) => return (1005, String::new()),
                Ok(_) => {}
                Err(error) => panic!("no close frame: {error}"),
            }
        }
    }

    /// Closes, and waits until the server has seen it.
    pub async fn hang_up(mut self) {
        self.socket.close(None).await.unwrap();
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}
