//! A Live server that is worked by hand: it says what it is told to, when it is told to, and records what arrives.
//!
//! The fake server of `tests/fake-gemini` behaves as the service does; this one behaves as a script says, however odd.

mod frame;
mod link;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fake_gemini::Authority;
use pressel_world::card::monotonic_ns;
use pressel_world::talk::order::kind;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

/// How the puppet does what it is not told.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// A dial opens after this; absent = by hand.
    pub dial: Option<Duration>,
    /// The client's close is answered after this.
    pub goodbye: Duration,
}

/// What the puppet does on one link.
#[derive(Debug)]
pub enum Order {
    /// Accepts the WebSocket.
    Open,
    /// Refuses it.
    Refuse {
        /// HTTP status.
        status: u16,
        /// The body.
        reason: String,
    },
    /// One message.
    Send(Vec<u8>),
    /// A close frame.
    Close {
        /// Its code.
        code: u16,
        /// Its reason.
        reason: String,
    },
    /// The connection is dropped without a word.
    Cut,
}

/// What became of a link.
#[derive(Clone, Debug, Default)]
pub struct LinkState {
    /// Counted from 1.
    pub number: u32,
    /// The WebSocket is open.
    pub opened: bool,
    /// `setup` has arrived.
    pub set_up: bool,
    /// `setupComplete` was sent.
    pub complete: bool,
    /// The client has closed it.
    pub closing: bool,
    /// Nothing is sent any more.
    pub over: bool,
    /// Kinds of messages that arrived, repetitions once.
    pub order: Vec<String>,
}

/// What happened on a link.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// CLOCK_MONOTONIC in nanoseconds.
    pub at_ns: u64,
    /// Its link.
    pub link: u32,
    /// `setupComplete` had been sent.
    pub complete: bool,
    /// What.
    pub what: Arrived,
}

/// What can happen on a link.
#[derive(Clone, Debug)]
pub enum Arrived {
    /// Somebody dials.
    Dial,
    /// A message: its kind (the member, or that of `realtimeInput`), and itself.
    Message(String, Value),
    /// Something that is no message of the protocol.
    Garbage(String),
    /// The client closes the link with this code, or gives up a dial.
    Close(Option<u16>),
    /// The connection ended without a close frame.
    Cut,
}

#[derive(Default)]
struct State {
    links: Vec<LinkState>,
    orders: Vec<mpsc::UnboundedSender<Order>>,
    record: Vec<Arrival>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    fn change(&self, number: u32, change: impl FnOnce(&mut LinkState)) {
        if let Some(link) = self.state().links.iter_mut().find(|link| link.number == number) {
            change(link);
        }
        self.news.notify_all();
    }

    fn record(&self, number: u32, what: Arrived) {
        let at_ns = monotonic_ns();
        let mut state = self.state();
        let complete = state.links.iter().any(|link| link.number == number && link.complete);
        state.record.push(Arrival { at_ns, link: number, complete, what });
        self.news.notify_all();
    }

    fn message(&self, number: u32, payload: &[u8]) {
        let text = String::from_utf8_lossy(payload);
        let message: Option<Value> = serde_json::from_str(&text).ok();
        let Some((kind, message)) = message.and_then(|message| Some((kind(&message)?, message))) else {
            return self.record(number, Arrived::Garbage(text.into_owned()));
        };
        self.change(number, |link| {
            link.set_up |= kind == "setup";
            if link.order.last() != Some(&kind) {
                link.order.push(kind.clone());
            }
        });
        self.record(number, Arrived::Message(kind, message));
    }
}

/// The server, in a thread of its own. Dropping it drops all links.
pub struct Puppet {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Puppet {
    /// Starts on a free port of loopback.
    ///
    /// # Errors
    /// When there is no port or no thread to be had.
    pub fn start(authority: &Authority, manner: Manner) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let tls = TlsAcceptor::from(authority.server_config());
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let everything = accept(listener, tls, shared.clone(), manner);
        let thread = std::thread::Builder::new().name("puppet".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = everything => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Puppet { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("wss://localhost:{}", self.address.port())
    }

    /// Every link there was.
    pub fn links(&self) -> Vec<LinkState> {
        self.shared.state().links.clone()
    }

    /// What happened from the so-manieth event on.
    pub fn record_from(&self, first: usize) -> Vec<Arrival> {
        self.shared.state().record.get(first..).unwrap_or_default().to_vec()
    }

    /// Waits until the newest link is so; its number.
    pub fn wait_link(&self, within: Duration, ready: impl Fn(&LinkState) -> bool) -> Option<u32> {
        let deadline = Instant::now() + within;
        let mut state = self.shared.state();
        loop {
            if let Some(link) = state.links.last().filter(|link| ready(link)) {
                return Some(link.number);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.shared.news.wait_timeout(state, left).expect("nobody panics with it").0;
        }
    }

    /// Has something done. A link that is over does nothing any more.
    pub fn order(&self, link: u32, order: Order) {
        if let Some(orders) = self.shared.state().orders.get(link as usize - 1) {
            let _ = orders.send(order);
        }
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed, and shows in what did not arrive.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, shared: Arc<Shared>, manner: Manner) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (tell, orders) = mpsc::unbounded_channel();
        let number = {
            let mut state = shared.state();
            let number = state.links.len() as u32 + 1;
            state.links.push(LinkState { number, ..LinkState::default() });
            state.orders.push(tell);
            number
        };
        shared.record(number, Arrived::Dial);
        let link = link::Link { number, shared: shared.clone(), orders, manner };
        tokio::spawn(link.live(tcp, tls.clone()));
    }
}
