//! One direction of one connection: bytes in, and out again when the network has carried them.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Fate, Weather};

/// What a segment carries.
const SEGMENT: usize = 1400;
/// Least retransmission time-out of Linux, `TCP_RTO_MIN`.
const RTO_MIN: Duration = Duration::from_millis(200);
/// Reads that are on their way at most; the sender waits then.
const ON_THE_WAY: usize = 256;

/// One direction of a connection.
pub(super) struct Pipe {
    pub(super) number: u32,
    pub(super) weather: watch::Receiver<Weather>,
    pub(super) fate: watch::Receiver<Fate>,
    pub(super) random: fastrand::Rng,
}

/// What is on its way; `None` is the end.
type Parcel = (Instant, Option<Vec<u8>>);

impl Pipe {
    /// Carries bytes until their end, which is passed on, or until one side breaks.
    pub(super) async fn run(self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> io::Result<()> {
        let (send, receive) = mpsc::channel::<Parcel>(ON_THE_WAY);
        let out = Out { number: self.number, weather: self.weather.clone(), fate: self.fate.clone() };
        tokio::try_join!(self.take_in(from, send), out.give(receive, to)).map(|_| ())
    }

    async fn take_in(mut self, mut from: ReadHalf<'_>, send: mpsc::Sender<Parcel>) -> io::Result<()> {
        let mut bytes = vec![0; 16 << 10];
        let mut last = Instant::now();
        loop {
            let count = from.read(&mut bytes).await;
            let weather = *self.weather.borrow();
            if weather.hole || self.fate.borrow().stranded >= self.number {
                match count {
                    Ok(1..) => continue,
                    // Whoever ends is not heard either.
                    _ => return std::future::pending().await,
                }
            }
            let count = count?;
            last = last.max(Instant::now() + weather.rtt / 2 + self.held_up(count, weather));
            let parcel = (count > 0).then(|| bytes[..count].to_vec());
            let ends = parcel.is_none();
            if send.send((last, parcel)).await.is_err() || ends {
                return Ok(());
            }
        }
    }

    /// How long lost segments hold up these bytes and all that follow.
    fn held_up(&mut self, count: usize, weather: Weather) -> Duration {
        if weather.loss <= 0.0 {
            return Duration::ZERO;
        }
        let time_out = RTO_MIN.max(weather.rtt * 2);
        let lost = (0..count.div_ceil(SEGMENT)).any(|_| self.random.f64() < weather.loss);
        if lost { time_out } else { Duration::ZERO }
    }
}

/// The far end of a pipe.
struct Out {
    number: u32,
    weather: watch::Receiver<Weather>,
    fate: watch::Receiver<Fate>,
}

impl Out {
    async fn give(mut self, mut parcels: mpsc::Receiver<Parcel>, mut to: WriteHalf<'_>) -> io::Result<()> {
        while let Some((due, parcel)) = parcels.recv().await {
            sleep_until(due).await;
            // It ends with the connection.
            let _ = self.weather.wait_for(|weather| !weather.frozen).await;
            let lost = self.weather.borrow().hole || self.fate.borrow().stranded >= self.number;
            match parcel {
                _ if lost => {}
                None => to.shutdown().await?,
                Some(bytes) => self.write(&bytes, &mut to).await?,
            }
        }
        Ok(())
    }

    /// Writes, at most so fast as the weather allows.
    async fn write(&self, bytes: &[u8], to: &mut WriteHalf<'_>) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let limit = self.weather.borrow().bytes_per_s;
            let (piece, time) = match limit {
                None => (rest.len(), Duration::ZERO),
                Some(per_s) => {
                    let piece = rest.len().min(64);
                    (piece, Duration::from_secs_f64(piece as f64 / per_s.max(1) as f64))
                }
            };
            sleep(time).await;
            let (now, later) = rest.split_at(piece);
            to.write_all(now).await?;
            rest = later;
        }
        Ok(())
    }
}

/// Lets the kernel drop every segment that arrives for this socket before TCP sees it: nothing is acknowledged any more.
pub(super) fn stop_hearing(fd: RawFd) {
    // socket(7), SO_ATTACH_FILTER: a classic BPF program that keeps 0 bytes of each packet.
    let mut nothing = libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 };
    let program = libc::sock_fprog { len: 1, filter: &mut nothing };
    // SAFETY: the program and its one instruction live for the call, and the kernel copies both.
    let done = unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    assert_eq!(done, 0, "SO_ATTACH_FILTER: {}", io::Error::last_os_error());
}
