//! One connection of the puppet: TLS, upgrade, frames, each step when it is told to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::frame::{self, Decoder};
use super::{Arrived, Manner, Order, Shared};

/// How long the client may take to answer our close.
const GOODBYE_MAX: Duration = Duration::from_secs(2);
/// A request's head is shorter than this.
const HEAD_MAX: usize = 16 << 10;

/// The puppet's end of a link.
pub(super) struct Link {
    pub(super) number: u32,
    pub(super) shared: Arc<Shared>,
    pub(super) orders: UnboundedReceiver<Order>,
    pub(super) manner: Manner,
}

/// Why a link is over: nobody is told.
type Over = io::Error;

fn gone() -> Over {
    io::ErrorKind::ConnectionAborted.into()
}

impl Link {
    /// Serves until the link is over.
    pub(super) async fn live(mut self, tcp: TcpStream, tls: TlsAcceptor) {
        // How it ended is in the record.
        let _ = self.serve(tcp, tls).await;
        self.shared.change(self.number, |link| link.over = true);
    }

    async fn serve(&mut self, tcp: TcpStream, tls: TlsAcceptor) -> Result<(), Over> {
        tcp.set_nodelay(true)?;
        let opens = self.manner.dial.map(sleep);
        let mut stream = self.or_given_up(tls.accept(tcp).await)?;
        let head = read_head(&mut stream).await;
        let head = self.or_given_up(head)?;
        let key = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
        });
        let key = key.ok_or_else(gone)?;
        let by_hand = async {
            match opens {
                Some(opens) => opens.await,
                None => std::future::pending().await,
            }
        };
        let mut nothing = [0; 1];
        let order = tokio::select! {
            () = by_hand => Some(Order::Open),
            order = self.orders.recv() => order,
            _ = stream.read(&mut nothing) => {
                self.shared.record(self.number, Arrived::Close(None));
                return Err(gone());
            }
        };
        match order {
            Some(Order::Open) => {
                // Before the answer: what follows it may be quick.
                self.shared.change(self.number, |link| link.opened = true);
                let accepted = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {}\r\n\r\n",
                    derive_accept_key(key.as_bytes())
                );
                stream.write_all(accepted.as_bytes()).await?;
                stream.flush().await?;
                self.talk(stream).await
            }
            Some(Order::Refuse { status, reason }) => {
                let length = reason.len();
                let refusal = format!(
                    "HTTP/1.1 {status} Refused\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{reason}"
                );
                stream.write_all(refusal.as_bytes()).await?;
                stream.shutdown().await
            }
            _ => Ok(()), // the connection is dropped
        }
    }

    /// A handshake that the client did not finish was given up by it.
    fn or_given_up<T>(&self, step: Result<T, Over>) -> Result<T, Over> {
        if step.is_err() {
            self.shared.record(self.number, Arrived::Close(None));
        }
        step
    }

    async fn talk(&mut self, mut stream: TlsStream<TcpStream>) -> Result<(), Over> {
        let mut decoder = Decoder::default();
        let mut bytes = vec![0; 16 << 10];
        loop {
            let order = tokio::select! {
                // What has arrived is recorded before anything is done about it.
                biased;
                read = stream.read(&mut bytes) => {
                    match read {
                        Ok(count @ 1..) => decoder.push(&bytes[..count]),
                        Ok(0) | Err(_) => {
                            self.shared.record(self.number, Arrived::Cut);
                            return Err(gone());
                        }
                    }
                    None
                }
                order = self.orders.recv() => Some(order.ok_or_else(gone)?),
            };
            match order {
                None => {
                    while let Some((opcode, payload)) = decoder.next() {
                        match opcode {
                            frame::TEXT | frame::BINARY => self.shared.message(self.number, &payload),
                            frame::PING => send(&mut stream, frame::PONG, &payload).await?,
                            frame::CLOSE => return self.closed_by_client(stream, &payload).await,
                            _ => {}
                        }
                    }
                }
                Some(Order::Close { code, reason }) => {
                    self.shared.change(self.number, |link| link.over = true);
                    send(&mut stream, frame::CLOSE, &frame::close(code, &reason)).await?;
                    // Until the client has read it; a connection that is reset would take it away.
                    let answered =
                        async { while !matches!(stream.read(&mut bytes).await, Ok(0) | Err(_)) {} };
                    let _ = timeout(GOODBYE_MAX, answered).await;
                    return Ok(());
                }
                Some(Order::Send(payload)) => self.send(&mut stream, &payload).await?,
                Some(_) => return Ok(()), // cut: the connection is dropped
            }
        }
    }

    async fn send(&self, stream: &mut TlsStream<TcpStream>, payload: &[u8]) -> Result<(), Over> {
        if payload.windows(15).any(|part| part == b"\"setupComplete\"") {
            self.shared.change(self.number, |link| link.complete = true);
        }
        send(stream, frame::BINARY, payload).await
    }

    /// The client closes; what the talk still says is said until the goodbye.
    async fn closed_by_client(
        &mut self,
        mut stream: TlsStream<TcpStream>,
        payload: &[u8],
    ) -> Result<(), Over> {
        let code = payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]));
        self.shared.change(self.number, |link| link.closing = true);
        self.shared.record(self.number, Arrived::Close(code));
        let goodbye = sleep(self.manner.goodbye);
        tokio::pin!(goodbye);
        loop {
            tokio::select! {
                () = &mut goodbye => break,
                order = self.orders.recv() => match order {
                    Some(Order::Send(payload)) => self.send(&mut stream, &payload).await?,
                    _ => break,
                }
            }
        }
        send(&mut stream, frame::CLOSE, payload.get(..2).unwrap_or_default()).await?;
        stream.shutdown().await
    }
}

async fn send(stream: &mut TlsStream<TcpStream>, opcode: u8, payload: &[u8]) -> Result<(), Over> {
    stream.write_all(&frame::encode(opcode, payload)).await?;
    stream.flush().await
}

/// The client's request up to the empty line; no client sends more before it is answered.
async fn read_head(stream: &mut TlsStream<TcpStream>) -> Result<String, Over> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_MAX {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(gone());
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
