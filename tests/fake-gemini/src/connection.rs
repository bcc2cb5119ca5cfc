//! An open WebSocket: reading, writing, and what goes wrong with both.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use crate::effects::Out;
use crate::events::{Side, What, now_ns};
use crate::faults;
use crate::frame::{Frames, Incoming, PONG, cut_reason, encode, encode_close};
use crate::link::{CLOSE_WAIT_MS, End};
use crate::outbox::Outbox;
use crate::rule::{Fault, When};
use crate::rules::Refusal;
use crate::session::Session;
use crate::tls::Stream;

const MS: u64 = 1_000_000;

/// An open WebSocket.
pub(crate) struct Connection {
    session: Session,
    faults: mpsc::UnboundedReceiver<Fault>,
    frames: Frames,
    outbox: Outbox,
    /// Until when nothing is read, and nothing is written.
    deaf_until: u64,
    mute_until: u64,
    /// Until when messages, and pings, are ignored.
    hung_until: u64,
    pingless_until: u64,
    /// Pongs to send, and when.
    pongs: VecDeque<(u64, Vec<u8>)>,
    /// How late pongs are; `None` = never sent.
    pong_delay_ms: Option<u64>,
    /// A close frame was sent: the client's answer is awaited until then.
    closing_until: Option<u64>,
    end: Option<End>,
}

impl Connection {
    pub(crate) fn new(session: Session, faults: mpsc::UnboundedReceiver<Fault>) -> Self {
        Self {
            session,
            faults,
            frames: Frames::default(),
            outbox: Outbox::default(),
            deaf_until: 0,
            mute_until: 0,
            hung_until: 0,
            pingless_until: 0,
            pongs: VecDeque::new(),
            pong_delay_ms: Some(0),
            closing_until: None,
            end: None,
        }
    }

    fn note(&self, what: What) {
        self.session.fx.note(now_ns(), what);
    }

    /// Reads and writes until the link ends; sets `closed` once its close is on record.
    pub(crate) async fn drive(
        &mut self,
        reader: &mut ReadHalf<Stream>,
        writer: &mut WriteHalf<Stream>,
        first: Vec<u8>,
        closed: &mut bool,
    ) -> io::Result<End> {
        let world = Arc::clone(&self.session.fx.world);
        let link = self.session.fx.link;
        let mut buffer = vec![0; 64 * 1024];
        self.session.fx.strike(None, When::Open);
        self.arrived(now_ns(), &first, closed);
        loop {
            self.perform(closed);
            if let Some(end) = self.end {
                if self.outbox.is_empty() || end != End::Finish {
                    return Ok(end);
                }
            }
            let now = now_ns();
            let deadline = self.deadline(now);
            let (hears, speaks) = (self.deaf_until <= now, self.mute_until <= now && !self.outbox.is_empty());
            tokio::select! {
                biased;
                read = reader.read(&mut buffer), if hears => {
                    let at = now_ns();
                    match read? {
                        0 => return Ok(End::Drop),
                        count => self.arrived(at, &buffer[..count], closed),
                    }
                }
                written = self.outbox.write(writer, &world, link), if speaks => written?,
                Some(fault) = self.faults.recv() => self.strike(fault, closed),
                () = sleep_until(deadline) => self.tick(now_ns()),
            }
        }
    }

    fn deadline(&self, now: u64) -> Option<u64> {
        let pong = self.pongs.front().map(|(due, _)| *due);
        let stalls = [self.deaf_until, self.mute_until, self.hung_until];
        let stalled = stalls.into_iter().filter(|t| *t > now && *t < u64::MAX).min();
        let session = self.session.deadline().filter(|_| now >= self.hung_until);
        [session, pong, stalled, self.closing_until].into_iter().flatten().min()
    }

    fn tick(&mut self, now: u64) {
        while self.pongs.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, payload)) = self.pongs.pop_front() {
                self.outbox.raw(encode(PONG, true, &payload));
            }
        }
        if self.closing_until.is_some_and(|until| until <= now) {
            self.end = Some(End::Drop);
        }
        if now >= self.hung_until {
            self.session.tick(now);
        }
    }

    /// Takes what was read at this time.
    fn arrived(&mut self, at: u64, bytes: &[u8], closed: &mut bool) {
        self.frames.feed(bytes);
        loop {
            match self.frames.next() {
                Ok(None) => return,
                Ok(Some(Incoming::Message(_))) if at < self.hung_until => {}
                Ok(Some(Incoming::Message(payload))) if self.closing_until.is_none() => {
                    self.session.receive(at, &payload);
                    // what a message leads to comes before the next message: the ear must not hear it first
                    self.perform(closed);
                }
                Ok(Some(Incoming::Message(_))) => {}
                Ok(Some(Incoming::Ping(payload))) => {
                    self.session.fx.note(at, What::Pinged);
                    if let Some(ms) = self.pong_delay_ms.filter(|_| at >= self.pingless_until) {
                        self.pongs.push_back((at + ms * MS, payload));
                    }
                    self.tick(at);
                }
                Ok(Some(Incoming::Pong)) => self.session.fx.note(at, What::Ponged),
                Ok(Some(Incoming::Close(code, reason))) => {
                    self.session.fx.world.release(self.session.fx.link);
                    self.session.end();
                    if self.closing_until.is_none() {
                        *closed = true;
                        self.session.fx.note(at, What::Closed { by: Side::Client, code, reason });
                        let echo = if code == 1005 { 1000 } else { code };
                        self.outbox.raw(encode_close(echo, ""));
                    }
                    self.end = Some(End::Finish);
                    return;
                }
                Err(violation) => {
                    self.close(Refusal(violation.0, violation.1.to_owned()), closed);
                    return;
                }
            }
        }
    }

    /// Does what the session left to do.
    fn perform(&mut self, closed: &mut bool) {
        while let Some(out) = self.session.fx.out.pop_front() {
            match out {
                Out::Message(message) => self.outbox.message(message),
                Out::Audio { message, samples, turn } => self.outbox.audio(message, samples, turn),
                Out::Close(refusal) => self.close(refusal, closed),
                Out::Fault(fault) => self.strike(fault, closed),
            }
        }
    }

    fn close(&mut self, Refusal(code, reason): Refusal, closed: &mut bool) {
        if self.closing_until.is_some() {
            return;
        }
        self.session.fx.world.release(self.session.fx.link);
        self.session.end();
        *closed = true;
        let reason = cut_reason(&reason).to_owned();
        self.outbox.raw(encode_close(code, &reason));
        self.closing_until = Some(now_ns() + CLOSE_WAIT_MS * MS);
        self.note(What::Closed { by: Side::Server, code, reason });
    }

    /// Carries out a fault.
    fn strike(&mut self, fault: Fault, closed: &mut bool) {
        self.note(What::Fault(fault.clone()));
        let now = now_ns();
        let until = |ms: Option<u64>| ms.map_or(u64::MAX, |ms| now + ms * MS);
        if self.outbox.change(&fault) {
            return;
        }
        if let Some(frame) = faults::frame_of(&fault) {
            self.outbox.raw(frame);
            return;
        }
        match fault {
            Fault::Wait { ms } => self.mute_until = until(Some(ms)),
            Fault::Reset => self.give_up(End::Reset),
            Fault::Cut => self.give_up(End::Drop),
            Fault::Close { code, reason } => self.close(Refusal(code, reason), closed),
            Fault::Stall { ms } => {
                (self.deaf_until, self.mute_until) = (until(ms), until(ms));
                // the service finds out sooner than its client, and lets the session be resumed elsewhere
                self.session.fx.world.release(self.session.fx.link);
            }
            Fault::Swallow { ms } => {
                (self.hung_until, self.pingless_until, self.mute_until) = (until(ms), until(ms), until(ms));
            }
            // What it was about to say is not said; pongs are.
            Fault::Hang { ms } => self.hung_until = until(ms),
            Fault::StallReads { ms } => self.deaf_until = until(ms),
            Fault::Json(message) => self.outbox.message(message),
            Fault::Pong { delay_ms } => self.pong_delay_ms = delay_ms,
            other => self.session.fault(now, other),
        }
    }

    fn give_up(&mut self, end: End) {
        self.session.end();
        self.end = Some(end);
    }
}

async fn sleep_until(deadline: Option<u64>) {
    match deadline {
        Some(due) => tokio::time::sleep(Duration::from_nanos(due.saturating_sub(now_ns()))).await,
        None => std::future::pending().await,
    }
}
