//! The link as a task: bytes in, messages out. It carries and counts, and decides nothing.
//!
//! One task per link; the conversation numbers the links and ignores news of old ones. The way out is a bounded
//! queue that is never thinned: when it is full the network has stood still for half a minute of speech, and the
//! link is reported as lost.

mod dial;
mod endpoint;
mod tap;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use pressel_live::event::LinkInput;
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Error as WsError, Message};

use crate::config::Config;
use crate::credential::Credential;
use crate::net::{self, Dialer, UNACKNOWLEDGED_MAX};
use crate::tls;

use self::tap::{Socket, Tap};

pub use endpoint::Endpoint;
pub use tap::Transport;

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

/// What is held of a link: the way to its task, and a look at its socket.
struct Held {
    orders: mpsc::Sender<Order>,
    tap: Tap,
}

impl Way {
    /// What the configuration names.
    ///
    /// # Errors
    /// An endpoint or a file with authorities that cannot be used.
    pub fn new(config: &Config, credential: Option<Credential>) -> Result<Self, String> {
        let ca_file = Some(config.live.ca_file.as_str()).filter(|file| !file.is_empty());
        Ok(Way {
            dialer: Dialer::new(net::Settings::from_config(&config.network)),
            endpoint: Endpoint::of(config)?,
            tls: tls::client(ca_file.map(Path::new))?,
            credential: credential.map(Arc::new),
        })
    }
}

/// All links of the daemon; seldom more than one lives.
pub struct Wire {
    way: Way,
    links: HashMap<u32, Held>,
    news: mpsc::Receiver<News>,
    tell: mpsc::Sender<News>,
    traffic: Arc<Traffic>,
}

impl Wire {
    /// Prepares; nothing is dialled yet.
    pub fn new(way: Way) -> Self {
        let (tell, news) = mpsc::channel(IN_MAX);
        Wire { way, links: HashMap::new(), news, tell, traffic: Arc::default() }
    }

    /// Counters that the links write.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// How links are opened.
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// The next link is opened in another way; those that live stay as they are.
    pub fn renew(&mut self, way: Way) {
        self.way = way;
    }

    /// Starts to open a link.
    pub fn dial(&mut self, link: u32) {
        let (orders, queue) = mpsc::channel(OUT_MAX);
        let tap = Tap::default();
        self.links.insert(link, Held { orders, tap: tap.clone() });
        let teller = Teller { link, tell: self.tell.clone() };
        tokio::spawn(live(self.way.clone(), queue, teller, self.traffic.clone(), tap));
    }

    /// Queues a message. A queue that is full means that the link is dead, and is told as its end.
    pub fn send(&mut self, link: u32, message: String) {
        let Some(held) = self.links.get(&link) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = held.orders.try_send(Order::Send(message)) {
            let facts = held.tap.look().map(|known| format!(": {}", known.tcp)).unwrap_or_default();
            self.cut(link, format!("nothing got through for too long{facts}"));
        }
    }

    /// Ends a link without a word to the server, which would not hear it.
    fn cut(&mut self, link: u32, reason: String) {
        self.links.remove(&link); // the task sees its queue close and drops the socket
        let teller = Teller { link, tell: self.tell.clone() };
        tokio::spawn(async move { teller.tell(LinkInput::Closed { code: ABNORMAL, reason }).await });
    }

    /// An address is this device's no more: links from it are dead, and nobody else would tell.
    pub fn address_gone(&mut self, address: IpAddr) {
        let from = |(&link, held): (&u32, &Held)| held.tap.is_from(address).then_some(link);
        let dead: Vec<u32> = self.links.iter().filter_map(from).collect();
        for link in dead {
            self.cut(link, format!("the device lost its address {address}"));
        }
    }

    /// The network changed: what was learnt about the old one is forgotten.
    pub fn network_changed(&self) {
        self.way.dialer.network_changed();
    }

    /// What the kernel knows about the newest link that is open.
    pub fn transport(&self) -> Option<Transport> {
        let newest = self.links.iter().filter_map(|(link, held)| Some((link, held.tap.look()?)));
        newest.max_by_key(|(link, _)| **link).map(|(_, known)| known)
    }

    /// `host:port` of the proxy that links go through.
    pub fn proxy(&self) -> Option<String> {
        let Endpoint { host, port, .. } = &self.way.endpoint;
        self.way.dialer.proxy_for(host, *port).map(crate::net::Proxy::place)
    }

    /// Queues a ping; its answer is told as [`LinkInput::Pong`]. With a full queue it is left out: nothing gets through.
    pub fn ping(&mut self, link: u32) {
        if let Some(held) = self.links.get(&link) {
            let _ = held.orders.try_send(Order::Ping);
        }
    }

    /// Closes a link after what is queued. A link that is still being opened is given up.
    pub fn close(&mut self, link: u32, code: u16) {
        if let Some(held) = self.links.remove(&link) {
            // Full: the queue closes as its sender is dropped here, which ends the link just as well.
            let _ = held.orders.try_send(Order::Close(code));
        }
    }

    /// True while some link's task has not ended.
    pub fn is_busy(&self) -> bool {
        // Every task holds one clone of the sender.
        self.tell.strong_count() > 1
    }

    /// The next news of any link. Cancel safe.
    pub async fn next(&mut self) -> News {
        let mut news = self.news.recv().await.expect("a sender is kept in self");
        if let (Some(credential), LinkInput::Closed { reason, .. } | LinkInput::Failed { reason, .. }) =
            (&self.way.credential, &mut news.input)
        {
            // The server may quote what it was shown; its words go to log, status and watchers.
            *reason = credential.blot_out(std::mem::take(reason));
            if let Some(hint) = credential.hint_closed(reason) {
                *reason = format!("{reason}; {hint}");
            }
        }
        if matches!(news.input, LinkInput::Closed { .. } | LinkInput::Failed { .. }) {
            self.links.remove(&news.link);
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

async fn live(way: Way, mut orders: mpsc::Receiver<Order>, teller: Teller, traffic: Arc<Traffic>, tap: Tap) {
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
    let known = Socket::of(socket.get_ref());
    let (mut sink, mut stream) = socket.split();
    // Declared after the halves, so that it goes before the socket does.
    let _open = tap.open(known);
    // A socket tells its error once, to whichever half comes first.
    let write_error = OnceLock::new();
    // Two halves side by side: a write that waits for the network never keeps answers from being read.
    let write = async {
        loop {
            match orders.recv().await {
                Some(Order::Send(text)) => {
                    let length = text.len() as u64;
                    if let Err(error) = sink.send(Message::text(text)).await {
                        let _ = write_error.set(error);
                        return std::future::pending().await; // a close frame may still be there to be read
                    }
                    traffic.bytes_up.fetch_add(length, Relaxed);
                    traffic.messages_up.fetch_add(1, Relaxed);
                }
                Some(Order::Ping) => {
                    if let Err(error) = sink.send(Message::Ping(Bytes::new())).await {
                        let _ = write_error.set(error);
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
                end => {
                    let error = end.and_then(Result::err);
                    let reason = why(write_error.get().or(error.as_ref()), &tap);
                    return LinkInput::Closed { code: ABNORMAL, reason };
                }
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

/// Why a link ended without a close frame, for the log.
fn why(error: Option<&WsError>, tap: &Tap) -> String {
    // A socket that failed has forgotten what was on its way, not how hard it tried.
    let tried = || {
        let known = tap.look().map(|known| (known.tcp.resent, known.tcp.last_ack.as_millis()));
        known
            .map(|(resent, ms)| format!(": {resent} segments sent again, {ms} ms without a word"))
            .unwrap_or_default()
    };
    match error {
        None | Some(WsError::ConnectionClosed | WsError::AlreadyClosed) => "connection ended".to_owned(),
        Some(WsError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
            let bound_s = UNACKNOWLEDGED_MAX.as_secs();
            format!("{error}: nothing was acknowledged for {bound_s} s{}", tried())
        }
        Some(WsError::Io(error)) => error.to_string(),
        Some(other) => other.to_string(),
    }
}
