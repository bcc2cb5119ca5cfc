//! `pressel ask`: one typed question, answered in words and sound, over the same conversation and links as a spoken one.
//!
//! No daemon and no microphone is needed; a sound card only where the answer is to be heard.

mod asking;
mod books;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pressel_live::event::Grounding;
use serde::Serialize;

use asking::Asking;

use crate::config::Config;
use crate::credential::Credential;

/// What is asked, and where the answer goes.
#[derive(Clone, Debug)]
pub struct Question {
    /// The words.
    pub text: String,
    /// A file for the sound of the answer.
    pub wav: Option<PathBuf>,
    /// The card is to play it.
    pub aloud: bool,
    /// From now to the last word.
    pub within: Duration,
    /// Wait for the count of tokens, which comes when the service believes that the answer was heard to its end.
    pub count: bool,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Answer {
    /// What was asked.
    pub question: String,
    /// The words of the answer.
    pub answer: String,
    /// Length of its sound.
    pub sound_ms: u64,
    /// The file it was written to.
    pub wav: Option<PathBuf>,
    /// From the question to its first sound.
    pub first_sound_ms: Option<u64>,
    /// From the question to its end; of playback, where it was played.
    pub took_ms: u64,
    /// The model that answered.
    pub model: String,
    /// Tokens it cost.
    pub tokens: Tokens,
    /// What it rests on, where the model searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grounding: Option<Grounding>,
}

/// Tokens of an answer, as the service counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// In, the whole context.
    pub prompt: u64,
    /// Out, without thoughts.
    pub response: u64,
    /// Thoughts, billed as well.
    pub thoughts: u64,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// The configuration names something that cannot be used.
    Configuration(String),
    /// It was refused, or cannot be written: asking again does not help.
    Failed(String),
    /// None came in time, or not to its end: asking again may help.
    Late(String),
}

/// What is told while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// Words of the answer, to append to those before.
    Said(&'a str),
    /// The answer begins anew; what was told of it does not count.
    Again,
    /// What goes wrong, and is worked on.
    Trouble(&'a str),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAnswer::Configuration(text) | NoAnswer::Failed(text) | NoAnswer::Late(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for NoAnswer {}

/// Asks, and waits for the whole answer.
///
/// # Errors
/// [`NoAnswer`].
pub fn ask(
    config: &Config,
    credential: Credential,
    question: Question,
    tell: &mut dyn FnMut(Told<'_>),
) -> Result<Answer, NoAnswer> {
    if let Some(path) = &question.wav {
        // Said before it costs anything.
        std::fs::File::create(path).map_err(|error| not_written(path, &error))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2) // name look-ups and files with secrets
        .build()
        .map_err(|error| NoAnswer::Failed(format!("event loop: {error}")))?;
    let answer = runtime.block_on(async {
        let asking = Asking::new(config, credential, &question, tell)?;
        asking.run(question.within, question.count).await
    });
    // A look-up that hangs in libc cannot be called off; it is left behind.
    runtime.shutdown_background();
    let (answer, sound) = answer?;
    if let Some(path) = &question.wav {
        sound.write(path).map_err(|error| not_written(path, &error))?;
    }
    Ok(Answer { wav: question.wav, ..answer })
}

fn not_written(path: &Path, error: &dyn fmt::Display) -> NoAnswer {
    NoAnswer::Failed(format!("{}: {error}", path.display()))
}
