//! What the lines of a talk do to the real world.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pressel_live::event::ButtonInput;
use pressel_world::card::{Direction, monotonic_ns};
use pressel_world::talk::message;
use pressel_world::talk::player::World;
use pressel_world::talk::script::{Cable, Deed, Part, Server};
use serde_json::{Value, json};

use super::RealWorld;
use super::room::PER_MS;
use crate::stage::puppet::{LinkState, Order};

/// Longest piece of sound in one message, when it is not bundled.
const PIECE: Duration = Duration::from_millis(200);
/// How long a server's line waits for a link to be said on.
const LINK_WAIT: Duration = Duration::from_secs(5);
/// How long the daemon may take to read what it was sent, and to see what became of a card.
const DAEMON_WAIT: Duration = Duration::from_secs(8);
/// From a decision to speak to the first sound: so late may this process be.
const BREATH: Duration = Duration::from_millis(40);
/// What a microphone hears before anybody speaks.
const PAST: Duration = Duration::from_millis(300);
/// Until what was done shows: on the way through TLS and the card.
const SETTLE: Duration = Duration::from_millis(40);

impl RealWorld {
    /// Does a deed; tells when it began.
    pub(super) fn deed(&mut self, deed: &Deed) -> Result<Duration, String> {
        self.catch_up();
        if let Deed::Server(server) = deed {
            return self.server(server);
        }
        let began = self.now();
        let settling = std::mem::take(&mut self.settling);
        match deed {
            Deed::Button(_) if self.ended => {}
            Deed::Button(button) => {
                self.pressed = *button == ButtonInput::Press;
                let done = if self.pressed { self.stage.remote.press() } else { self.stage.remote.release() };
                done.map_err(|error| error.to_string())?;
                self.status()?; // asked after it, answered after it
                self.look();
            }
            Deed::Room { speech: true, time } if self.room.microphone == Cable::Back => {
                return self.speak(*time);
            }
            Deed::Room { time, .. } | Deed::Wait(time) => {
                let from = self.stage.card.now_sample(Direction::Capture);
                self.room.passed(from, *time);
                let time = time.saturating_sub(settling);
                self.pass_until(self.began_ns + (began + time).as_nanos() as u64);
            }
            Deed::Microphone(cable) => {
                let before = std::mem::replace(&mut self.room.microphone, *cable);
                self.plug(Direction::Capture, before, *cable)?;
            }
            Deed::Speaker(cable) => {
                let before = std::mem::replace(&mut self.room.speaker, *cable);
                self.plug(Direction::Playback, before, *cable)?;
            }
            Deed::Shutdown => self.end(),
            Deed::Server(_) => {}
            other => return Err(format!("this cannot be done to a daemon that runs: {other:?}")),
        }
        self.look();
        Ok(began)
    }

    fn status(&self) -> Result<Value, String> {
        self.stage.remote.status().map_err(|error| error.to_string())
    }

    /// Waits until the daemon's status is so.
    fn await_status(&self, within: Duration, ready: impl Fn(&Value) -> bool) -> Result<bool, String> {
        let deadline = Instant::now() + within;
        loop {
            if ready(&self.status()?) {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(2)); // status is asked for, not told
        }
    }

    fn speak(&mut self, time: Duration) -> Result<Duration, String> {
        let card = self.stage.card.clone();
        let words = self.room.words(time);
        let at = card.now_sample(Direction::Capture) + BREATH.as_millis() as u64 * PER_MS;
        card.say(at, &words).map_err(|error| error.to_string())?;
        if card.now_sample(Direction::Capture) > at {
            self.late = true; // what was heard is not what was meant
            return Err("spoken too late: this machine is busy".to_owned());
        }
        let end = at + words.len() as u64;
        self.room.spoke(at..end);
        self.pass_until(card.time_of(Direction::Capture, end));
        Ok(self.since_began(card.time_of(Direction::Capture, at)))
    }

    /// Pulls a cable, plugs it in, or makes the card stand still; until the daemon has seen it.
    fn plug(&mut self, direction: Direction, before: Cable, cable: Cable) -> Result<(), String> {
        let card = &self.stage.card;
        let side = if direction == Direction::Capture { "microphone" } else { "speaker" };
        self.reasons.push(card.now_sample(Direction::Capture));
        match (before, cable) {
            (_, Cable::Stuck) => {
                card.stall(direction);
                return Ok(());
            }
            (_, Cable::Lost) => card.unplug(direction),
            (Cable::Stuck, Cable::Back) => card.resume(direction),
            (_, Cable::Back) => card.replug(direction),
        }
        let there = cable == Cable::Back;
        if self.await_status(DAEMON_WAIT, |status| status[side]["format"].is_null() != there)? {
            if there && direction == Direction::Capture {
                self.pass(PAST); // the first sound of a microphone is taken for the room's noise
            }
            Ok(())
        } else {
            Err(format!("the daemon does not see that the {side} is {cable:?}"))
        }
    }

    fn server(&mut self, server: &Server) -> Result<Duration, String> {
        if let Server::NextAnswer = server {
            self.answer += 1;
            return Ok(self.now());
        }
        let dialling = matches!(server, Server::Open | Server::Refuse { .. } | Server::Unreachable(_));
        let ready = |link: &LinkState| if dialling { !link.opened && !link.over } else { link.set_up };
        let found = self.puppet.wait_link(LINK_WAIT, ready);
        self.catch_up();
        let otherwise = if dialling { "nothing is being dialled" } else { "no link has sent its setup" };
        let number = found.ok_or_else(|| otherwise.to_owned())?;
        let newest = self.newest().unwrap_or_default();
        if newest.over && !newest.closing {
            return Err("the link is over".to_owned());
        }
        let began = self.now();
        let mut sounds = false;
        match server {
            Server::Open => self.puppet.order(number, Order::Open),
            Server::Refuse { status, reason } => {
                self.puppet.order(number, Order::Refuse { status: *status, reason: reason.clone() });
            }
            Server::Unreachable(_) | Server::Cut => {
                self.puppet.order(number, Order::Cut);
            }
            Server::Say(parts) => {
                sounds = parts.iter().any(|part| matches!(part, Part::Audio(_)));
                let (ear, answer) = (&mut self.ear, self.answer);
                let payload = message(parts, |time| sound(ear.sound(time, answer, false, monotonic_ns())));
                self.answer += u32::from(parts.contains(&Part::TurnComplete));
                self.say(number, payload);
            }
            Server::Audio { time, live } => {
                sounds = true;
                let mut left = *time;
                while !left.is_zero() {
                    let piece = left.min(PIECE);
                    let follows = left < *time && !live;
                    let made = sound(self.ear.sound(piece, self.answer, follows, monotonic_ns()));
                    let payload = message(&[Part::Audio(piece)], |_| made.clone());
                    self.say(number, payload);
                    left -= piece;
                    if *live {
                        self.pass(piece);
                    }
                }
            }
            Server::Raw(payload) => self.say(number, payload.clone()),
            Server::Close { code, reason } => {
                self.puppet.order(number, Order::Close { code: *code, reason: reason.clone() });
            }
            Server::Fails(_) | Server::NextAnswer => {}
        }
        let messages = matches!(server, Server::Say(_) | Server::Audio { .. } | Server::Raw(_));
        self.settle(number, messages, sounds)?;
        Ok(began)
    }

    fn say(&mut self, number: u32, payload: Vec<u8>) {
        self.said += 1;
        self.puppet.order(number, Order::Send(payload));
    }

    /// Until the daemon has done what follows from what was said to it.
    fn settle(&mut self, number: u32, messages: bool, sounds: bool) -> Result<(), String> {
        let since = self.now();
        let gone =
            || self.puppet.links().iter().any(|link| link.number == number && (link.over || link.closing));
        let said = self.said;
        let mut read = false;
        let deadline = Instant::now() + DAEMON_WAIT;
        while messages && !read && !gone() && Instant::now() < deadline {
            let all = |status: &Value| status["counters"]["messages_down"].as_u64() >= Some(said);
            read = self.await_status(SETTLE, all)?;
        }
        if messages && !read {
            // A link that ends: what was said on it may never be read, and is not waited for again.
            self.said = self.status()?["counters"]["messages_down"].as_u64().unwrap_or(said);
        }
        self.look();
        if sounds || !read {
            let now = monotonic_ns();
            while monotonic_ns() < now + SETTLE.as_nanos() as u64 {
                std::thread::sleep(Duration::from_millis(4)); // for sound there is nothing to wait on
                self.look();
            }
        }
        self.settling = self.now().saturating_sub(since);
        Ok(())
    }
}

/// Sound as a part of a message.
fn sound(samples: &[i16]) -> Value {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    json!({ "inlineData": { "mimeType": "audio/pcm;rate=24000", "data": STANDARD.encode(bytes) } })
}
