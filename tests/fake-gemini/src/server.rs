//! The server itself: starting, asking, stopping.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::events::Event;
use crate::link;
use crate::options::Options;
use crate::record::Record;
use crate::rule::Fault;
use crate::tls::Authority;
use crate::world::World;

/// A running server. Dropping it ends it and cuts its links.
pub struct FakeGemini {
    world: Arc<World>,
    address: SocketAddr,
    authority: Option<Authority>,
    commands: mpsc::UnboundedSender<Command>,
    thread: Option<JoinHandle<()>>,
}

enum Command {
    /// Cuts all links with RST and refuses new ones.
    Offline(oneshot::Sender<io::Result<()>>),
    /// Listens again at the same address.
    Online(oneshot::Sender<io::Result<()>>),
    Shutdown,
}

impl FakeGemini {
    /// Starts a server on the current tokio runtime.
    ///
    /// # Errors
    /// An address that cannot be had, a log file that cannot be written, a certificate that cannot be made.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let (server, acceptor) = Self::prepare(options, listener)?;
        tokio::spawn(acceptor.run());
        Ok(server)
    }

    /// Starts a server on a thread of its own, so that what else a test does cannot make it late.
    ///
    /// # Errors
    /// As [`FakeGemini::start`], or no thread to be had.
    pub fn spawn_thread(options: Options) -> io::Result<Self> {
        let (tell, told) = std::sync::mpsc::channel();
        let body = move || {
            if options.realtime {
                ask_for_realtime();
            }
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.send(Err(error))),
            };
            runtime.block_on(async {
                let listening = TcpListener::bind(options.listen).await;
                match listening.and_then(|listener| Self::prepare(options, listener)) {
                    Ok((server, acceptor)) => {
                        if tell.send(Ok(server)).is_ok() {
                            acceptor.run().await;
                        }
                    }
                    Err(error) => drop(tell.send(Err(error))),
                }
            });
        };
        let thread = std::thread::Builder::new().name("fake-gemini".to_owned()).spawn(body)?;
        let mut server = told.recv().map_err(io::Error::other)??;
        server.thread = Some(thread);
        Ok(server)
    }

    fn prepare(options: Options, listener: TcpListener) -> io::Result<(Self, Acceptor)> {
        let address = listener.local_addr()?;
        let authority = match (&options.authority, options.tls) {
            (Some(authority), true) => Some(authority.clone()),
            (None, true) => Some(Authority::new()?),
            (_, false) => None,
        };
        let world = Arc::new(World::new(options)?);
        let (commands, received) = mpsc::unbounded_channel();
        let acceptor = Acceptor {
            world: Arc::clone(&world),
            authority: authority.clone(),
            address,
            listener: Some(listener),
            commands: received,
            links: JoinSet::new(),
        };
        Ok((Self { world, address, authority, commands, thread: None }, acceptor))
    }

    /// Base URL, without a path: `wss://localhost:PORT` or `ws://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        if self.authority.is_some() {
            format!("wss://localhost:{}", self.address.port())
        } else {
            format!("ws://{}", self.address)
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the authority that vouches for it, as PEM; empty without TLS.
    pub fn ca_pem(&self) -> &str {
        self.authority.as_ref().map_or("", Authority::ca_pem)
    }

    /// Writes [`FakeGemini::ca_pem`] to a file.
    ///
    /// # Errors
    /// As [`std::fs::write`].
    pub fn write_ca(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.ca_pem())
    }

    /// The authority that vouches for it, for the options of another server.
    pub fn authority(&self) -> Option<Authority> {
        self.authority.clone()
    }

    /// All that happened so far.
    pub fn events(&self) -> Record {
        self.world.record()
    }

    /// The same, and forgets it: for runs too long to remember.
    pub fn take_events(&self) -> Record {
        self.world.take_record()
    }

    /// Waits until what happened fits; gives whether it did in time.
    pub async fn wait(&self, within: Duration, fits: impl Fn(&[Event]) -> bool) -> bool {
        self.world.wait(within, fits).await
    }

    /// The same for a thread that has no runtime.
    pub fn wait_blocking(&self, within: Duration, fits: impl Fn(&[Event]) -> bool) -> bool {
        self.world.wait_blocking(within, fits)
    }

    /// Lets something go wrong on the newest open link, now; gives whether there is one.
    pub fn strike(&self, fault: Fault) -> bool {
        self.world.strike_now(fault)
    }

    /// Makes every resumption handle dead.
    pub fn forget_sessions(&self) {
        self.world.forget();
    }

    /// Cuts all links with RST and refuses new ones; returns when that is so.
    ///
    /// # Errors
    /// The server is gone.
    pub async fn offline(&self) -> io::Result<()> {
        self.command(Command::Offline).await
    }

    /// Listens again at the same address.
    ///
    /// # Errors
    /// The address was taken meanwhile, or the server is gone.
    pub async fn online(&self) -> io::Result<()> {
        self.command(Command::Online).await
    }

    async fn command(&self, make: impl FnOnce(oneshot::Sender<io::Result<()>>) -> Command) -> io::Result<()> {
        let (done, told) = oneshot::channel();
        // a server that is gone drops the answer, which is noticed below
        let _ = self.commands.send(make(done));
        told.await.map_err(io::Error::other)?
    }

    /// Ends it and cuts its links; the record stays readable. Waits only for a server with its own thread.
    pub fn shutdown(&mut self) {
        // gone already is as good
        let _ = self.commands.send(Command::Shutdown);
        if let Some(thread) = self.thread.take() {
            // a panic of that thread was printed by it
            let _ = thread.join();
        }
    }
}

impl Drop for FakeGemini {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Asks for the lowest real-time priority for this thread: above all normal work, below any sound thread.
fn ask_for_realtime() {
    let parameters = libc::sched_param { sched_priority: 1 };
    // SAFETY: 0 names the calling thread, and the parameters live for the call. Refusal changes nothing.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &parameters) };
}

struct Acceptor {
    world: Arc<World>,
    authority: Option<Authority>,
    address: SocketAddr,
    listener: Option<TcpListener>,
    commands: mpsc::UnboundedReceiver<Command>,
    links: JoinSet<()>,
}

impl Acceptor {
    async fn run(mut self) {
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Offline(done)) => {
                        self.listener = None;
                        self.cut_links().await;
                        // nobody may be waiting any more
                        let _ = done.send(Ok(()));
                    }
                    Some(Command::Online(done)) => {
                        let bound = TcpListener::bind(self.address).await;
                        let _ = done.send(bound.map(|listener| self.listener = Some(listener)));
                    }
                    Some(Command::Shutdown) | None => return self.cut_links().await,
                },
                accepted = accept(self.listener.as_ref()) => {
                    if let Ok((tcp, _)) = accepted {
                        self.links.spawn(link::run(Arc::clone(&self.world), self.authority.clone(), tcp));
                    }
                }
                Some(_) = self.links.join_next(), if !self.links.is_empty() => {}
            }
        }
    }

    async fn cut_links(&mut self) {
        while self.world.strike_now(Fault::Reset) && !self.links.is_empty() {
            // each ends by itself; what is not yet a WebSocket is dropped below
            if tokio::time::timeout(Duration::from_millis(50), self.links.join_next()).await.is_err() {
                break;
            }
        }
        self.links.shutdown().await;
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}
