//! The words of the Gemini Live API (BidiGenerateContent): what is sent, what is understood, no behaviour.
//!
//! [`client`] writes messages. [`server`] has what is read as plain data, which `decode` makes of a payload. `members`
//! says which JSON member goes where, `content`, `grounding`, `tool_call` and `usage` those of one member each. They stand
//! on `value`, what a member is read as, and `read`, which minds neither missing members nor new ones nor another type
//! than expected. `pcm` turns samples into base64 and back.

use std::fmt;

pub mod client;
mod content;
mod decode;
mod grounding;
mod members;
mod pcm;
mod read;
pub mod server;
mod tool_call;
mod usage;
mod value;

/// What a later link resumes this session with: a secret, since it opens what was said.
#[derive(Clone, PartialEq, Eq)]
pub struct Handle(String);

impl Handle {
    /// Wraps a handle as the server sent it.
    pub fn new(handle: String) -> Self {
        Self(handle)
    }

    /// The handle itself, for the setup message and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_not_printed() {
        let handle = Handle::new("53ebe315".to_owned());
        assert_eq!(format!("{handle:?} {:#?}", Some(&handle)).matches("53ebe315").count(), 0);
        assert_eq!(handle.reveal(), "53ebe315");
    }
}
