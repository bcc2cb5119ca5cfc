//! `pressel ask`: a typed question on the command line, for people and scripts.

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use pressel::ask::{self, NoAnswer, Question, Told};
use pressel::credential::Credential;
use pressel::secret;
use serde_json::json;

use super::arguments::Ask;
use super::run::no_credential;
use super::{Failure, load, print};

/// EX_TEMPFAIL of sysexits.h: asking again may help.
const AGAIN: u8 = 75;
/// More than the service takes in any case.
const QUESTION_MAX: u64 = 16 << 10;

/// Asks; the words go to stdout as they come, troubles to stderr.
pub(super) fn ask(file: Option<&Path>, arguments: Ask) -> Result<(), Failure> {
    let config = load(file)?.config;
    let credential = Credential::find(&config);
    // While there is one thread only.
    secret::wipe_environment();
    let credential = credential.map_err(|why| Failure::configuration(no_credential(&why)))?;
    let Ask { text, wav, quiet, json, timeout } = arguments;
    let text = if text == "-" { from_stdin()? } else { text };
    let aloud = !quiet && wav.is_none();
    let question = Question { text, wav, aloud, within: Duration::from_secs(timeout), count: json };
    // A reader that has seen enough does not end the answer: it may still be played or written.
    let mut begun = false;
    let mut tell = |told: Told<'_>| match told {
        Told::Said(words) if !json => {
            begun = true;
            let mut stdout = std::io::stdout().lock();
            let _ = stdout.write_all(words.as_bytes()).and_then(|()| stdout.flush());
        }
        Told::Again if begun && !json => {
            begun = false;
            let _ = std::io::stdout().write_all(b"\n");
            eprintln!("pressel: the link was lost; the answer begins anew");
        }
        Told::Trouble(what) => eprintln!("pressel: {what}; trying again"),
        Told::Said(_) | Told::Again => {}
    };
    let answer = ask::ask(&config, credential, question, &mut tell);
    if begun {
        print("\n")?;
    }
    match answer {
        Ok(answer) if json => print(&format!("{:#}\n", json!(answer))),
        Ok(answer) => {
            for source in answer.grounding.iter().flat_map(|found| &found.sources) {
                // Titles and addresses are the net's words, and this may be a terminal.
                let plain = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
                eprintln!("source: {} {}", plain(&source.title), plain(&source.uri));
            }
            Ok(())
        }
        Err(NoAnswer::Configuration(why)) => Err(Failure::configuration(why)),
        Err(NoAnswer::Failed(why)) => Err(Failure::failed(why)),
        Err(NoAnswer::Late(why)) => Err(Failure::new(AGAIN, why)),
    }
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .take(QUESTION_MAX)
        .read_to_string(&mut text)
        .map_err(|error| Failure::failed(format!("stdin: {error}")))?;
    Ok(text.trim().to_owned())
}
