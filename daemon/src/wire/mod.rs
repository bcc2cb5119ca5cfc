//! The link as a task: bytes in, messages out. It carries and counts, and decides nothing.
//!
//! One task per link; the conversation numbers the links and ignores news of old ones. The way out is a bounded
//! queue that is never thinned: when it is full the network has stood still for half a minute of speech, and the
//! link is reported as lost.

mod dial;
mod endpoint;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use pressel_live::event::LinkInput;
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message};

use crate::credential::Credential;
use crate::net::Dialer;

pub use endpoint::Endpoint;

/// Messages on their way out: a kept utterance of 15 s at 20 ms each, twice over.
const OUT_MAX: usize = 2048;
/// Messages on their way in. The reader stops reading, and TCP holds the rest, while the loop is behind.
const IN_MAX: usize = 64;
/// How long the server may take to answer our close.
const GOODBYE: Duration = Duration::from_millis(400);
/// No close frame was seen (RFC 6455, 7.4.1).
const ABNORMAL: u16 = 1006;

enum Order {
    Send(String),
    Ping,
    Close(u16),
}

/// Bytes and messages since the start, payloads only.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Payload bytes sent.
    pub bytes_up: AtomicU64,
    /// Payload bytes received.
    pub bytes_down: AtomicU64,
    /// Messages sent.
    pub messages_up: AtomicU64,
    /// Messages received.
    pub messages_down: AtomicU64,
}

/// News of a link, with the moment it was read.
pub struct News {
    /// Number given to [`Wire::dial`].
    pub link: u32,
    /// What happened.
    pub input: LinkInput,
    /// When.
    pub at: Instant,
}

/// What every link goes by. Clones are cheap.
#[derive(Clone)]
pub struct Way {
    /// Opens connections.
    pub dialer: Dialer,
    /// Where to.
    pub endpoint: Endpoint,
    /// Whom to trust there.
    pub tls: Arc<ClientConfig>,
    /// What opens the service, if there is something.
    pub credential: Option<Arc<Credential>>,
}

/// All links of the daemon; seldom more than one lives.
pub struct Wire {
    way: Way,
    orders: HashMap<u32, mpsc::Sender<Order>>,
    news: mpsc::Receiver<News>,
    tell: mpsc::Sender<News>,
    traffic: Arc<Traffic>,
}

impl Wire {
    /// Prepares; nothing is dialled yet.
    pub fn new(way: Way) -> Self {
        let (tell, news) = mpsc::channel(IN_MAX);
        Wire { way, orders: HashMap::new(), news, tell, traffic: Arc::default() }
    }

    /// Counters that the links write.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Starts to open a link.
    pub fn dial(&mut self, link: u32) {
        let (orders, queue) = mpsc::channel(OUT_MAX);
        self.orders.insert(link, orders);
        let teller = Teller { link, tell: self.tell.clone() };
        tokio::spawn(live(self.way.clone(), queue, teller, self.traffic.clone()));
    }

    /// Queues a message. A queue that is full means that the link is dead, and is told as its end.
    pub fn send(&mut self, link: u32, message: String) {
        let Some(orders) = self.orders.get(&link) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = orders.try_send(Order::Send(message)) {
            self.orders.remove(&link); // the task sees its queue close and drops the socket
            let reason = "nothing got through for too long".to_owned();
            let teller = Teller { link, tell: self.tell.clone() };
            tokio::spawn(async move { teller.tell(LinkInput::Closed { code: ABNORMAL, reason }).await });
        }
    }

    /// Queues a ping; its answer is told as [`LinkInput::Pong`]. With a full queue it is left out: nothing gets through.
    pub fn ping(&mut self, link: u32) {
        if let Some(orders) = self.orders.get(&link) {
            let _ = orders.try_send(Order::Ping);
        }
    }

    /// Closes a link after what is queued. A link that is still being opened is given up.
    pub fn close(&mut self, link: u32, code: u16) {
        if let Some(orders) = self.orders.remove(&link) {
            // Full: the queue closes as its sender is dropped here, which ends the link just as well.
            let _ = orders.try_send(Order::Close(code));
        }
    }

    /// True while some link's task has not ended.
    pub fn is_busy(&self) -> bool {
        // Every task holds one clone of the sender.
        self.tell.strong_count() > 1
    }

    /// The next news of any link. Cancel safe.
    pub async fn next(&mut self) -> News {
        let news = self.news.recv().await.expect("a sender is kept in self");
        if matches!(news.input, LinkInput::Closed { .. } | LinkInput::Failed { .. }) {
            self.orders.remove(&news.link);
        }
        news
    }
}

struct Teller {
    link: u32,
    tell: mpsc::Sender<News>,
}

impl Teller {
    async fn tell(&self, input: LinkInput) {
        // It fails only when the loop has ended, and then nobody wants to know.
        let _ = self.tell.send(News { link: self.link, input, at: Instant::now() }).await;
    }
}

async fn live(way: Way, mut orders: mpsc::Receiver<Order>, teller: Teller, traffic: Arc<Traffic>) {
    let socket = tokio::select! {
        opened = dial::dial(&way) => match opened {
            Ok(socket) => socket,
            Err(e) => {
                let input = LinkInput::Failed { cause: e.cause, reason: e.reason };
                return teller.tell(input).await;
            }
        },
        // Nothing is sent before Opened, so any order now means: do not bother.
        _ = orders.recv() => {
            let reason = "given up while opening".to_owned();
            return teller.tell(LinkInput::Closed { code: ABNORMAL, reason }).await;
        }
    };
    teller.tell(LinkInput::Opened).await;
    let (mut sink, mut stream) = socket.split();
    // Two halves side by side: a write that waits for the network never keeps answers from being read.
    let write = async {
        loop {
            match orders.recv().await {
                Some(Order::Send(text)) => {
                    let length = text.len() as u64;
                    if sink.send(Message::text(text)).await.is_err() {
                        return std::future::pending().await; // the reading half knows the reason
                    }
                    traffic.bytes_up.fetch_add(length, Relaxed);
                    traffic.messages_up.fetch_add(1, Relaxed);
                }
                Some(Order::Ping) => {
                    if sink.send(Message::Ping(Bytes::new())).await.is_err() {
                        return std::future::pending().await;
                    }
                }
                order => {
                    let code = if let Some(Order::Close(code)) = order { code } else { 1001 };
                    let frame = CloseFrame { code: code.into(), reason: "".into() };
                    let _ = tokio::time::timeout(GOODBYE, sink.send(Message::Close(Some(frame)))).await;
                    return tokio::time::sleep(GOODBYE).await;
                }
            }
        }
    };
    let read = async {
        loop {
            let payload: Vec<u8> = match stream.next().await {
                Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
                Some(Ok(Message::Binary(bytes))) => bytes.into(),
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) = match frame {
                        Some(frame) => (frame.code.into(), frame.reason.to_string()),
                        None => (1005, String::new()), // RFC 6455: closed without a code
                    };
                    return LinkInput::Closed { code, reason };
                }
                Some(Ok(Message::Pong(_))) => {
                    teller.tell(LinkInput::Pong).await;
                    continue;
                }
                Some(Ok(_)) => continue, // pings are answered below us
                Some(Err(WsError::ConnectionClosed | WsError::AlreadyClosed)) | None => {
                    return LinkInput::Closed { code: ABNORMAL, reason: "connection ended".into() };
                }
                Some(Err(e)) => return LinkInput::Closed { code: ABNORMAL, reason: e.to_string() },
            };
            traffic.bytes_down.fetch_add(payload.len() as u64, Relaxed);
            traffic.messages_down.fetch_add(1, Relaxed);
            teller.tell(LinkInput::Message(payload)).await;
        }
    };
    let end = tokio::select! {
        end = read => end,
        () = write => LinkInput::Closed { code: 1000, reason: "closed by us".into() },
    };
    teller.tell(end).await;
}
