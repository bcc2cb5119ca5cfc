//! One connection: TCP, TLS, the upgrade, then reading and writing until it ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::connection::Connection;
use crate::events::{KeyFrom, Side, What};
use crate::faults;
use crate::http::{self, Verdict};
use crate::rule::{Fault, When};
use crate::session::Session;
use crate::tls::{Authority, Stream};
use crate::world::World;

/// How long a client has to answer a close frame.
pub(crate) const CLOSE_WAIT_MS: u64 = 2000;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With RST.
    Reset,
    /// With FIN, or TLS close_notify and FIN.
    Finish,
    /// By just letting go.
    Drop,
}

/// Serves one connection from its first byte to its last.
pub(crate) async fn run(world: Arc<World>, authority: Option<Authority>, tcp: TcpStream) {
    let (link, faults) = world.open_link();
    world.note(link, What::Accepted);
    let mut guard = Guard { world: &world, link, closed: false };
    // an error here is the client's going; the record has what came before it
    let _ = serve(&world, authority, tcp, link, faults, &mut guard.closed).await;
}

/// Puts the end of a connection on record even where its task is dropped.
struct Guard<'a> {
    world: &'a World,
    link: u32,
    closed: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.closed {
            let reason = String::new();
            self.world.note(self.link, What::Closed { by: Side::Cut, code: 1006, reason });
        }
        self.world.close_link(self.link);
        self.world.note(self.link, What::Gone);
    }
}

async fn serve(
    world: &Arc<World>,
    authority: Option<Authority>,
    tcp: TcpStream,
    link: u32,
    faults: mpsc::UnboundedReceiver<Fault>,
    closed: &mut bool,
) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut plain = Stream::Plain(tcp);
    if let Some(end) = early(world, link, When::Accept, &mut plain).await? {
        return finish(plain, end).await;
    }
    let mut stream = match (authority, plain) {
        (Some(authority), Stream::Plain(tcp)) => {
            let stream = authority.accept(tcp).await?;
            world.note(link, What::Secured);
            stream
        }
        (_, stream) => stream,
    };
    let (head, rest) = http::read_head(&mut stream).await?;
    let upgrade = http::parse(&head);
    world.note(link, What::Requested(upgrade.request.clone()));
    if upgrade.request.key == KeyFrom::Url {
        world.note(link, What::Complaint("the key is in the URL".to_owned()));
    }
    if let Some(end) = early(world, link, When::Request, &mut stream).await? {
        return finish(stream, end).await;
    }
    let door = match upgrade.verdict(&world.options.passes) {
        Verdict::Switch(door, head) => {
            stream.write_all(head.as_bytes()).await?;
            stream.flush().await?;
            door
        }
        Verdict::Refuse(status, text) => {
            refuse(world, link, &mut stream, status, &text).await?;
            return finish(stream, End::Finish).await;
        }
    };
    world.note(link, What::Opened);

    let session = Session::new(Arc::clone(world), link, door, upgrade.key);
    let mut connection = Connection::new(session, faults);
    let (mut reader, mut writer) = tokio::io::split(stream);
    let end = connection.drive(&mut reader, &mut writer, rest, closed).await;
    finish(reader.unsplit(writer), end?).await
}

/// What goes wrong before there is a WebSocket.
async fn early(world: &World, link: u32, point: When, stream: &mut Stream) -> io::Result<Option<End>> {
    for fault in world.faults_at(link, None, point) {
        world.note(link, What::Fault(fault.clone()));
        match fault {
            Fault::Wait { ms } | Fault::Stall { ms: Some(ms) } => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            Fault::Stall { ms: None } => std::future::pending().await,
            Fault::Http { status } => {
                refuse(world, link, stream, status, "scripted refusal").await?;
                return Ok(Some(End::Finish));
            }
            Fault::Reset => return Ok(Some(End::Reset)),
            Fault::Cut => return Ok(Some(End::Drop)),
            Fault::Forget => world.forget(),
            // bytes that are neither TLS nor HTTP
            Fault::Garbage { bytes } => stream.write_all(&faults::random(bytes)).await?,
            Fault::Text(text) => stream.write_all(text.as_bytes()).await?,
            // the others need a WebSocket
            _ => {}
        }
    }
    Ok(None)
}

async fn refuse(world: &World, link: u32, stream: &mut Stream, status: u16, text: &str) -> io::Result<()> {
    world.note(link, What::Refused(status));
    stream.write_all(http::refusal(status, text).as_bytes()).await?;
    stream.flush().await
}

async fn finish(mut stream: Stream, end: End) -> io::Result<()> {
    match end {
        End::Reset => stream.reset(),
        End::Finish => {
            let wait = Duration::from_millis(CLOSE_WAIT_MS);
            if let Ok(done) = tokio::time::timeout(wait, stream.shutdown()).await {
                done?;
            }
        }
        End::Drop => {}
    }
    Ok(())
}
