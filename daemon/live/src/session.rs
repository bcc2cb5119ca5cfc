//! What a later run of the program goes on with: the session's handle and what was said, as a snapshot.

use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::conversation::Conversation;
use crate::exchange::Exchange;
use crate::memory::Memory;
use crate::recap::shortened;
use crate::wire::Handle;

/// Of the form below; a file of a later one is not understood.
pub const VERSION: u32 = 1;
/// The service keeps a session this long after its last link.
pub const HANDLE_LIFE: Duration = Duration::from_secs(2 * 3600);
/// Exchanges that are kept, and letters of each side in one; what is larger was not written by us.
const EXCHANGES_MAX: usize = 24;
const WORDS_MAX: usize = 1000;

/// A snapshot of a talk. It holds secrets, and prints none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// [`VERSION`].
    pub version: u32,
    /// The model it was held with: a handle is good for no other.
    pub model: String,
    /// What resumes it; none when the server gave none.
    pub handle: Option<String>,
    /// What was said, oldest first.
    pub talk: Vec<Said>,
}

/// One exchange of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// By the person.
    pub person: String,
    /// By the assistant, as far as it was heard.
    pub assistant: String,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("version", &self.version)
            .field("model", &self.model)
            .field("handle", &self.handle.as_ref().map(|_| "…"))
            .field("exchanges", &self.talk.len())
            .finish()
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Said(…)")
    }
}

/// Why a snapshot is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is not one, or it is damaged.
    Damaged,
    /// A later version of the program has written it: this is its version.
    Newer(u32),
    /// It is older than the service keeps sessions.
    Stale,
}

impl Session {
    /// As text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers can always be written")
    }

    /// From text.
    ///
    /// # Errors
    /// When it is damaged, or from a later version.
    pub fn from_json(text: &str) -> Result<Session, Unusable> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_str(text).map_err(|_| Unusable::Damaged)?;
        if version > VERSION {
            return Err(Unusable::Newer(version));
        }
        serde_json::from_str(text).map_err(|_| Unusable::Damaged)
    }
}

impl Conversation {
    /// What a later run would go on with; `None` when there is nothing.
    pub fn session(&self) -> Option<Session> {
        let handle = self.link.handle().map(|handle| handle.reveal().to_owned());
        let said = |exchange: &Exchange| Said {
            person: shortened(exchange.heard.text(), WORDS_MAX),
            assistant: shortened(exchange.said_and_heard(), WORDS_MAX),
        };
        let mut talk: Vec<Said> = self.memory.all().map(said).collect();
        talk.retain(|said| !(said.person.is_empty() && said.assistant.is_empty()));
        talk.drain(..talk.len().saturating_sub(EXCHANGES_MAX));
        let model = self.settings.model.clone();
        (handle.is_some() || !talk.is_empty()).then_some(Session { version: VERSION, model, handle, talk })
    }

    /// Goes on with a talk whose last use was `age` ago. Before the first input.
    ///
    /// # Errors
    /// When the service does not keep it any more.
    pub fn resume(&mut self, now: Instant, session: Session, age: Duration) -> Result<(), Unusable> {
        let left = HANDLE_LIFE.min(self.settings.forget_after).checked_sub(age).ok_or(Unusable::Stale)?;
        if session.version > VERSION {
            return Err(Unusable::Newer(session.version));
        }
        if session.model == self.settings.model {
            if let Some(handle) = session.handle {
                self.link.keep_handle(Handle::new(handle));
            }
        }
        let newest = session.talk.len().saturating_sub(EXCHANGES_MAX);
        self.memory = Memory::with_history(session.talk.into_iter().skip(newest).map(|said| {
            let mut exchange = Exchange::default();
            exchange.heard.push(&said.person);
            exchange.said.push(&said.assistant);
            (exchange.answered, exchange.whole) = (true, true);
            (exchange.over, exchange.settled) = (true, true);
            exchange
        }));
        self.forget_at = now + left;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, ButtonInput, Input, LinkInput};
    use crate::settings::tests::settings;

    fn session() -> Session {
        let talk = vec![Said { person: "My name is Ada.".to_owned(), assistant: "Hello Ada.".to_owned() }];
        let (model, handle) = ("gemini-3.8-live".to_owned(), Some("secret-handle".to_owned()));
        Session { version: VERSION, model, handle, talk }
    }

    /// What the first link is told after this snapshot.
    fn told(session: Session, age: Duration) -> Result<Vec<String>, Unusable> {
        let now = Instant::now();
        let mut conversation = Conversation::new(settings(), now);
        conversation.resume(now, session, age)?;
        let mut messages = Vec::new();
        let complete = LinkInput::Message(b"{\"setupComplete\":{}}".to_vec());
        for input in
            [Input::Button(ButtonInput::Press), Input::Link(1, LinkInput::Opened), Input::Link(1, complete)]
        {
            conversation.handle_input(now, input);
            while let Some(action) = conversation.poll_action() {
                if let Action::Send { message, .. } = action {
                    messages.push(message);
                }
            }
        }
        Ok(messages)
    }

    #[test]
    fn a_snapshot_is_read_as_it_was_written_and_prints_nothing() {
        let written = session().to_json();
        assert_eq!(Session::from_json(&written), Ok(session()));
        let printed = format!("{:?} {:#?}", session(), session().talk);
        assert!(!printed.contains("secret") && !printed.contains("Ada"), "{printed}");
        assert_eq!(Session::from_json(&written[..written.len() - 1]), Err(Unusable::Damaged));
        assert_eq!(Session::from_json("{}"), Err(Unusable::Damaged));
        let later = "{\"version\":2,\"whatever\":[]}";
        assert_eq!(Session::from_json(later), Err(Unusable::Newer(2)), "also where its form is another");
    }

    #[test]
    fn the_first_link_resumes_it_and_needs_no_recap() {
        let messages = told(session(), Duration::from_secs(60)).unwrap();
        assert!(messages[0].contains("secret-handle"), "{messages:?}");
        assert_eq!(messages.len(), 1, "the session holds what was said");
    }

    #[test]
    fn another_model_is_told_what_was_said() {
        let other = Session { model: "gemini-2.5-flash-native-audio-latest".to_owned(), ..session() };
        let messages = told(other, Duration::ZERO).unwrap();
        assert!(!messages[0].contains("secret-handle"));
        assert!(messages[1].contains("My name is Ada."), "{messages:?}");
    }

    #[test]
    fn what_the_service_does_not_keep_any_more_is_not_taken_up() {
        assert_eq!(told(session(), HANDLE_LIFE + Duration::from_secs(1)), Err(Unusable::Stale));
    }

    #[test]
    fn a_conversation_that_took_it_up_has_it() {
        let now = Instant::now();
        let mut conversation = Conversation::new(settings(), now);
        assert_eq!(conversation.session(), None);
        conversation.resume(now, session(), Duration::ZERO).unwrap();
        assert_eq!(conversation.session(), Some(session()));
        conversation.handle_input(now, Input::Forget);
        assert_eq!(conversation.session(), None);
        assert!(
            std::iter::from_fn(|| conversation.poll_action())
                .any(|action| action == Action::Note(crate::event::Note::SessionChanged))
        );
    }
}
