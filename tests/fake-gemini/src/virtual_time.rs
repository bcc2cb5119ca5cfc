//! The service without sockets and without a clock: the same rules, in a time that somebody else keeps.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::door::Door;
use crate::effects::Out;
use crate::events::{Side, What};
use crate::options::Options;
use crate::outbox::{pretty, with_audio};
use crate::record::Record;
use crate::rule::Fault;
use crate::rules::Refusal;
use crate::schema::Version;
use crate::session::Session;
use crate::world::World;

/// Something that the service sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// One WebSocket payload.
    Message(Vec<u8>),
    /// The link ends with this code and reason.
    Close(u16, String),
    /// The link ends without a word.
    Cut,
}

/// The service in virtual time. Times are nanoseconds since some beginning, and never go back.
pub struct VirtualGemini {
    world: Arc<World>,
    links: BTreeMap<u32, Session>,
}

impl VirtualGemini {
    /// A service that does what these options say; what they say of sockets and times of a machine counts for nothing.
    ///
    /// # Errors
    /// A log file that cannot be written.
    pub fn new(options: Options) -> io::Result<Self> {
        Ok(Self { world: Arc::new(World::new(options)?), links: BTreeMap::new() })
    }

    /// Somebody has opened a WebSocket; its number.
    pub fn open(&mut self) -> u32 {
        self.open_at(Door::Key(Version::Beta))
    }

    /// The same on Vertex AI.
    pub fn open_on_vertex(&mut self) -> u32 {
        self.open_at(Door::Vertex)
    }

    fn open_at(&mut self, door: Door) -> u32 {
        let (link, _) = self.world.open_link();
        let session = Session::new(Arc::clone(&self.world), link, door, Some("a-key".to_owned()));
        self.links.insert(link, session);
        link
    }

    /// A payload has arrived.
    pub fn receive(&mut self, link: u32, at_ns: u64, payload: &[u8]) -> Vec<Sent> {
        self.with(link, at_ns, |session| session.receive(at_ns, payload))
    }

    /// When something is due on a link.
    pub fn deadline(&self, link: u32) -> Option<u64> {
        self.links.get(&link)?.deadline()
    }

    /// Does what is due.
    pub fn tick(&mut self, link: u32, now_ns: u64) -> Vec<Sent> {
        self.with(link, now_ns, |session| session.tick(now_ns))
    }

    /// Lets something go wrong that concerns the talk.
    pub fn strike(&mut self, link: u32, now_ns: u64, fault: Fault) -> Vec<Sent> {
        self.with(link, now_ns, |session| session.fault(now_ns, fault))
    }

    /// The link is over, whoever ended it: its session can be resumed.
    pub fn end(&mut self, link: u32) {
        if self.links.remove(&link).is_some() {
            self.world.close_link(link);
        }
    }

    /// Makes every handle dead.
    pub fn forget(&self) {
        self.world.forget();
    }

    /// The turn that was taken last is what the next question gets, too: it is the same question.
    pub fn ask_again(&self) {
        self.world.give_turn_back();
    }

    /// It is not: what [`VirtualGemini::ask_again`] gave back is taken.
    pub fn ask_another(&self) {
        drop(self.world.take_turn());
    }

    /// Everything that happened, but what was sent; and forgets it.
    pub fn take_events(&self) -> Record {
        self.world.take_record()
    }

    fn with(&mut self, link: u32, now_ns: u64, act: impl FnOnce(&mut Session)) -> Vec<Sent> {
        let Some(session) = self.links.get_mut(&link) else { return Vec::new() };
        act(session);
        let mut sent = Vec::new();
        while let Some(out) = session.fx.out.pop_front() {
            match out {
                Out::Message(message) => sent.push(Sent::Message(pretty(&message))),
                Out::Audio { message, samples, .. } => {
                    sent.push(Sent::Message(with_audio(&message, &samples).into_bytes()));
                }
                Out::Close(Refusal(code, reason)) => {
                    let what = What::Closed { by: Side::Server, code, reason: reason.clone() };
                    session.fx.note(now_ns, what);
                    sent.push(Sent::Close(code, reason));
                    self.end(link);
                    return sent;
                }
                Out::Fault(Fault::Reset | Fault::Cut) => {
                    sent.push(Sent::Cut);
                    self.end(link);
                    return sent;
                }
                Out::Fault(fault) => session.fault(now_ns, fault),
            }
        }
        sent
    }
}
