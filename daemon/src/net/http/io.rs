//! A tokio stream as hyper wants to see it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Answers are small: one more copy of them costs nothing, and needs no unsafe code.
const PIECE: usize = 4096;

/// The adapter.
pub(super) struct Io<S> {
    stream: S,
    piece: Box<[u8; PIECE]>,
}

impl<S> Io<S> {
    pub(super) fn new(stream: S) -> Self {
        Io { stream, piece: Box::new([0; PIECE]) }
    }
}

impl<S> Drop for Io<S> {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut *self.piece);
    }
}

impl<S: AsyncRead + Unpin> Read for Io<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Io { stream, piece } = self.get_mut();
        let room = buf.remaining().min(PIECE);
        let mut read = ReadBuf::new(&mut piece[..room]);
        ready!(Pin::new(stream).poll_read(cx, &mut read))?;
        buf.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Write for Io<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
