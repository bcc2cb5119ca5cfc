//! A network between the daemon and its server that can be made bad: delay and loss, a trickle, silence, a closed door.
//! It passes TCP on as bytes, so TLS and everything above is the real thing.
//!
//! Loss is what TCP makes of it: a segment that is lost comes a retransmission time-out later, and everything after it
//! waits. A stranded connection is one whose other end has gone without a word: what is written into it goes nowhere,
//! acknowledged (a server that hangs, a NAT that forgot it) or not (an address that is gone).

mod pipe;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use pressel_world::card::monotonic_ns;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use self::pipe::Pipe;

/// What every connection goes through, from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// Round trip.
    pub rtt: Duration,
    /// Share of segments that are lost once, 0 to 1.
    pub loss: f64,
    /// Most that goes through in each direction, in bytes per second; absent = all.
    pub bytes_per_s: Option<u64>,
    /// Nothing passes; what was sent waits.
    pub frozen: bool,
    /// Nothing passes; what is sent is gone for good. New connections open and hear nothing.
    pub hole: bool,
}

/// What happens to those connections that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fate {
    /// Connections up to this number are reset.
    reset: u32,
    /// Connections up to this number are stranded.
    stranded: u32,
}

#[derive(Debug, Default)]
struct State {
    /// When connections were made, CLOCK_MONOTONIC in ns.
    dials: Vec<u64>,
    /// The clients' ends of those connections that there are.
    clients: BTreeMap<u32, RawFd>,
}

/// What a connection is told.
#[derive(Clone)]
struct Wires {
    weather: watch::Receiver<Weather>,
    fate: watch::Receiver<Fate>,
    target: watch::Receiver<Option<SocketAddr>>,
}

/// The network, in a thread of its own. Dropping it cuts everything.
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    fate: watch::Sender<Fate>,
    target: watch::Sender<Option<SocketAddr>>,
    door: watch::Sender<bool>,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts on a free port of loopback in fine weather; `open`: whether connections are accepted already. They lead
    /// nowhere until [`Proxy::lead_to`].
    ///
    /// # Errors
    /// When there is no port or no thread to be had.
    pub fn start(seed: u64, open: bool) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        let (weather, weathers) = watch::channel(Weather::default());
        let (fate, fates) = watch::channel(Fate::default());
        let (target, targets) = watch::channel(None);
        let (door, doors) = watch::channel(open);
        let state = Arc::new(Mutex::new(State::default()));
        let (stop, stopped) = oneshot::channel::<()>();
        let wires = Wires { weather: weathers, fate: fates, target: targets };
        let everything = listen(listener, address, doors, wires, state.clone(), seed);
        let thread = std::thread::Builder::new().name("proxy".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = everything => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Proxy { address, weather, fate, target, door, state, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it is, for a configuration.
    pub fn url(&self) -> String {
        format!("wss://localhost:{}", self.address.port())
    }

    /// Where connections lead.
    pub fn lead_to(&self, server: SocketAddr) {
        self.target.send_replace(Some(server));
    }

    /// Changes the weather for all connections, also those that there are.
    pub fn weather(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Refuses connections from now on, or accepts them again.
    pub fn door(&self, open: bool) {
        self.door.send_replace(open);
    }

    /// Resets every connection there is; when, in CLOCK_MONOTONIC ns.
    pub fn reset(&self) -> u64 {
        let newest = self.newest();
        let at = monotonic_ns();
        self.fate.send_modify(|fate| fate.reset = newest);
        at
    }

    /// Every connection there is goes nowhere from now on, and nobody is told; `heard`: the kernel acknowledges what
    /// is written, otherwise not even that. Returns when that is, in CLOCK_MONOTONIC ns.
    pub fn strand(&self, heard: bool) -> u64 {
        let newest = self.newest();
        let at = monotonic_ns();
        self.fate.send_modify(|fate| fate.stranded = newest);
        if !heard {
            // Under the lock no connection takes its end out of the list, and so none of them is closed.
            lock(&self.state).clients.values().for_each(|client| pipe::stop_hearing(*client));
        }
        at
    }

    /// When connections were made, CLOCK_MONOTONIC in ns.
    pub fn dials(&self) -> Vec<u64> {
        lock(&self.state).dials.clone()
    }

    fn newest(&self) -> u32 {
        lock(&self.state).dials.len() as u32
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed, and shows in what did not arrive.
            let _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panics with it")
}

async fn listen(
    first: TcpListener,
    address: SocketAddr,
    mut door: watch::Receiver<bool>,
    wires: Wires,
    state: Arc<Mutex<State>>,
    seed: u64,
) {
    let mut listener = Some(first);
    loop {
        let open = *door.borrow_and_update();
        match (&listener, open) {
            (Some(_), false) => listener = None,
            // The port is ours: nobody else takes it in between, or the runs that follow tell.
            (None, true) => listener = TcpListener::bind(address).await.ok(),
            _ => {}
        }
        tokio::select! {
            changed = door.changed() => if changed.is_err() { return },
            accepted = accept(listener.as_ref()) => {
                let Ok((client, _)) = accepted else { continue };
                let number = {
                    let mut state = lock(&state);
                    state.dials.push(monotonic_ns());
                    state.dials.len() as u32
                };
                tokio::spawn(connect(client, number, wires.clone(), state.clone(), seed));
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// One connection, from beginning to end.
async fn connect(mut client: TcpStream, number: u32, mut wires: Wires, state: Arc<Mutex<State>>, seed: u64) {
    let known = wires.target.wait_for(Option::is_some).await.map(|target| *target);
    let Ok(Some(target)) = known else { return };
    let Ok(mut server) = TcpStream::connect(target).await else { return cut(&[&client]) };
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return; // it has ended
    }
    lock(&state).clients.insert(number, client.as_raw_fd());
    let pipe = |way: u64| Pipe {
        number,
        weather: wires.weather.clone(),
        fate: wires.fate.clone(),
        // Every connection and direction has its own luck, the same for the same seed.
        random: fastrand::Rng::with_seed(seed ^ (u64::from(number) << 32) ^ way),
    };
    // TCP's own handshake, which the kernel has done already.
    let rtt = wires.weather.borrow().rtt;
    tokio::time::sleep(rtt).await;
    let mut fate = wires.fate.clone();
    let broken = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let passing = async {
            tokio::try_join!(pipe(1).run(from_client, to_server), pipe(2).run(from_server, to_client))
        };
        tokio::select! {
            done = passing => done.is_err(),
            _ = fate.wait_for(|fate| fate.reset >= number) => true,
        }
    };
    lock(&state).clients.remove(&number);
    if broken {
        cut(&[&client, &server]);
    }
}

/// What is dropped next ends with RST.
fn cut(ends: &[&TcpStream]) {
    for end in ends {
        // Refused only where the socket is gone already.
        let _ = end.set_zero_linger();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpStream;
    use std::time::Instant;

    use super::*;

    const SOON: Duration = Duration::from_millis(300);

    /// A proxy in front of somebody who sends everything back.
    fn echo(open: bool) -> Proxy {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Proxy::start(1, open).unwrap();
        proxy.lead_to(listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || {
                    let mut back = tcp.try_clone().unwrap();
                    let _ = io::copy(&mut &tcp, &mut back);
                });
            }
        });
        proxy
    }

    fn dial(proxy: &Proxy) -> TcpStream {
        let tcp = TcpStream::connect(proxy.address).unwrap();
        tcp.set_read_timeout(Some(SOON)).unwrap();
        tcp
    }

    /// Says something; how long its echo takes, or what came instead.
    fn ask(mut tcp: &TcpStream) -> Result<Duration, ErrorKind> {
        let begun = Instant::now();
        let mut heard = [0; 4];
        tcp.write_all(b"well").and_then(|()| tcp.read_exact(&mut heard)).map_err(|error| error.kind())?;
        assert_eq!(heard, *b"well");
        Ok(begun.elapsed())
    }

    #[test]
    fn a_round_trip_takes_its_time_and_a_trickle_longer() {
        let proxy = echo(true);
        let tcp = dial(&proxy);
        assert!(ask(&tcp).unwrap() < Duration::from_millis(90));
        proxy.weather(Weather { rtt: Duration::from_millis(100), ..Weather::default() });
        assert!(ask(&tcp).unwrap() >= Duration::from_millis(100));
        // 4 bytes there and back at 40 a second.
        proxy.weather(Weather { bytes_per_s: Some(40), ..Weather::default() });
        assert!(ask(&tcp).unwrap() >= Duration::from_millis(200));
        proxy.weather(Weather { loss: 1.0, ..Weather::default() });
        assert_eq!(ask(&tcp), Err(ErrorKind::WouldBlock), "two time-outs of 200 ms");
    }

    #[test]
    fn what_is_frozen_comes_later_and_what_falls_into_a_hole_never() {
        let proxy = echo(true);
        let tcp = dial(&proxy);
        proxy.weather(Weather { frozen: true, ..Weather::default() });
        assert_eq!(ask(&tcp), Err(ErrorKind::WouldBlock));
        proxy.weather(Weather::default());
        assert_eq!((&tcp).read(&mut [0; 4]).unwrap(), 4);
        proxy.weather(Weather { hole: true, ..Weather::default() });
        assert_eq!(ask(&tcp), Err(ErrorKind::WouldBlock));
        proxy.weather(Weather::default());
        assert!(ask(&tcp).is_ok(), "what was lost stays lost, what follows comes");
    }

    #[test]
    fn old_links_are_stranded_or_reset_and_new_ones_are_not() {
        let proxy = echo(true);
        for heard in [true, false] {
            let old = dial(&proxy);
            ask(&old).unwrap();
            proxy.strand(heard);
            assert_eq!(ask(&old), Err(ErrorKind::WouldBlock));
            let mut unsent = 0;
            // SAFETY: SIOCOUTQ (tcp(7)) writes one integer.
            unsafe { libc::ioctl(old.as_raw_fd(), libc::TIOCOUTQ, &mut unsent) };
            assert_eq!(unsent > 0, !heard, "{unsent} bytes are not acknowledged");
            let new = dial(&proxy);
            ask(&new).unwrap();
            proxy.reset();
            assert_eq!(ask(&new), Err(ErrorKind::ConnectionReset));
        }
        assert_eq!(proxy.dials().len(), 4);
        proxy.door(false);
        let refused = || TcpStream::connect(proxy.address).is_err();
        let until = Instant::now() + SOON;
        while !refused() && Instant::now() < until {
            std::thread::yield_now(); // the door is closed by another thread
        }
        assert!(refused());
    }
}
