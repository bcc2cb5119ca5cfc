//! `pressel tools run`: one call of one tool, in a process of its own.
//!
//! systemd starts it for each connection to `pressel-tool.socket`, or the daemon does where there is no systemd; either
//! way stdin and stdout are one socket. A line of JSON comes in ([`Call`]), one goes out ([`Reply`]). The call names a
//! tool and not a program: what is run stands in the tool's file, which is read here, so that whoever takes over the
//! daemon can call tools and run nothing else. When the socket ends before the program does, nobody waits any more, and
//! the program is ended with everything it started.

mod child;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::sandbox;
use super::template;
use super::tool::{Command, OnCancel, Output, Stdin, Tool, Way};
use child::{Child, End};

/// A call is never longer.
pub const CALL_MAX: u64 = 256 * 1024;
/// Of what a program says about its failure, the model is told so much.
const COMPLAINT_MAX: usize = 300;

/// What is asked of a runner.
#[derive(Debug, Serialize, Deserialize)]
pub struct Call {
    /// Name of a tool.
    pub tool: String,
    /// Its arguments.
    pub args: Map<String, Value>,
}

/// What a runner answers.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// The object to answer with.
    Done(Map<String, Value>),
    /// A sentence for the model.
    Failed(String),
}

/// Serves one call on stdin and stdout, with the tools of a folder.
///
/// # Errors
/// When nobody can be answered.
pub fn serve(folder: &Path) -> io::Result<()> {
    // Without systemd between them it has the daemon's place in the queue, which is nothing for somebody else's program.
    pressel_hal::realtime::unfavoured();
    let mut line = String::new();
    BufReader::new(io::stdin().lock()).take(CALL_MAX).read_line(&mut line)?;
    if line.is_empty() {
        return Ok(()); // it was started ahead, and nobody had a call
    }
    let started = Instant::now();
    let reply = match serde_json::from_str::<Call>(&line) {
        Ok(call) => run(folder, call, started).unwrap_or_else(Reply::Failed),
        Err(_) => Reply::Failed("the device could not read the call".to_owned()),
    };
    let mut text = serde_json::to_string(&reply).expect("a reply is plain JSON");
    text.push('\n');
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()), // nobody waits any more
        done => done,
    }
}

fn run(folder: &Path, call: Call, started: Instant) -> Result<Reply, String> {
    let tool = super::read_folder(folder).tools.into_iter().find(|tool| tool.head.name == call.tool);
    let tool = tool.ok_or_else(|| format!("there is no tool {} on this device", call.tool))?;
    let args = tool.parameters.fit(call.args)?;
    let Way::Command(command, templates) = &tool.way else {
        return Err("failed: it is no program".to_owned());
    };
    let argv = template::argv(templates, &args)?;
    let input = match command.stdin {
        Stdin::Nothing => None,
        Stdin::Json => Some(Value::Object(args).to_string()),
    };
    execute(&tool, command, &argv, input, started + tool.timeout())
}

fn execute(
    tool: &Tool,
    command: &Command,
    argv: &[String],
    input: Option<String>,
    until: Instant,
) -> Result<Reply, String> {
    sandbox::enter(command, Path::new(&argv[0])).map_err(|error| {
        eprintln!("tool {}: the sandbox could not be made: {error}", tool.head.name);
        "failed: the device could not make it safe to run".to_owned()
    })?;
    let child = Child::start(argv, input).map_err(|error| {
        eprintln!("tool {}: {}: {error}", tool.head.name, argv[0]);
        "failed: its program could not be started".to_owned()
    })?;
    let ended =
        child.wait(until, tool.head.on_cancel == OnCancel::Kill, command.output_max_kb as usize * 1024);
    Ok(match ended {
        End::Exited { code: Some(0), output, .. } => answer(command.output, output),
        End::Exited { code, complaint, .. } => {
            let how = code.map_or_else(|| "a signal ended it".to_owned(), |code| format!("exit code {code}"));
            let words = clean(&String::from_utf8_lossy(&complaint), COMPLAINT_MAX);
            Reply::Failed(format!("failed: {how}{}{words}", if words.is_empty() { "" } else { ": " }))
        }
        End::TooLate => Reply::Failed(format!("failed: not done after {} s", tool.head.timeout_s)),
        End::TooMuch => Reply::Failed(format!("failed: it printed more than {} kB", command.output_max_kb)),
        End::Unwanted => Reply::Failed("stopped before it was done".to_owned()),
        End::Lost(error) => Reply::Failed(format!("failed: {error}")),
    })
}

fn answer(kind: Output, bytes: Vec<u8>) -> Reply {
    let Ok(text) = String::from_utf8(bytes) else {
        return Reply::Failed("failed: it printed something that is not text".to_owned());
    };
    match kind {
        Output::Text => {
            let words = clean(&text, usize::MAX);
            let words = if words.is_empty() { "done".to_owned() } else { words };
            Reply::Done(Map::from_iter([("output".to_owned(), Value::String(words))]))
        }
        // The parser has a bound of its own for nesting.
        Output::Json => match serde_json::from_str(&text) {
            Ok(Value::Object(object)) => Reply::Done(object),
            Ok(other) => Reply::Done(Map::from_iter([("output".to_owned(), other)])),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                Reply::Failed(format!(
                    "failed: it printed something that is not JSON (line {line}, column {column})"
                ))
            }
        },
    }
}

/// A program's words without what moves a terminal or hides from a reader, cut to `letters`.
pub(super) fn clean(text: &str, letters: usize) -> String {
    let kept = text.trim().chars().filter(|&c| c == '\n' || c == '\t' || !is_odd(c));
    let cut: String = kept.take(letters).collect();
    cut.trim().to_owned()
}

/// Control characters, and those that turn the direction of a text or cannot be seen (Unicode's Cc, and of Cf what no
/// script needs between its letters).
fn is_odd(c: char) -> bool {
    let hidden = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    hidden || c.is_control()
}

/// JSON, or a sentence, as it may be printed on a terminal: the same where it is read as JSON.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_odd(c) && c != '\n' && c != '\t' {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|half| out.push_str(&format!("\\u{half:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_program_prints_becomes_an_answer_or_a_sentence() {
        let check = |kind, bytes: &[u8], expected: Result<Value, &str>| match (
            answer(kind, bytes.to_vec()),
            expected,
        ) {
            (Reply::Done(object), Ok(expected)) => assert_eq!(Value::Object(object), expected),
            (Reply::Failed(told), Err(expected)) => assert!(told.contains(expected), "{told}"),
            (got, expected) => panic!("{got:?}, expected {expected:?}"),
        };
        check(Output::Text, b"45 Nm\n", Ok(json!({ "output": "45 Nm" })));
        check(Output::Text, b"", Ok(json!({ "output": "done" })));
        check(Output::Text, b"\x1b]0;x\x07a\x1b[2Jb\r\n\tc", Ok(json!({ "output": "]0;xa[2Jb\n\tc" })));
        check(Output::Text, &[0xff, 0xfe], Err("not text"));
        check(Output::Json, b"{\"nm\": 45}", Ok(json!({ "nm": 45 })));
        check(Output::Json, b"[1]", Ok(json!({ "output": [1] })));
        check(Output::Json, b"{\"nm\": ", Err("not JSON (line 1"));
        check(Output::Json, "[".repeat(100_000).as_bytes(), Err("not JSON"));
    }

    #[test]
    fn what_is_printed_moves_no_terminal_and_reads_back_as_it_was() {
        let nasty = "a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}txt.exe\u{2066}\u{e0041}ä👩\u{200d}🔧";
        let json = json!({ "output": nasty }).to_string();
        let shown = printable(&json);
        assert!(!shown.chars().any(is_odd), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), json!({ "output": nasty }));
        assert_eq!(clean(nasty, usize::MAX), "a[2J31mtxt.exeä👩\u{200d}🔧");
    }

    proptest! {
        /// Whatever a program prints: an answer or a sentence, and no panic.
        #[test]
        fn any_output_is_answered(bytes: Vec<u8>, text in ".*") {
            for kind in [Output::Text, Output::Json] {
                for bytes in [bytes.clone(), text.clone().into_bytes()] {
                    match answer(kind, bytes) {
                        Reply::Done(object) if kind == Output::Text => {
                            let words = object["output"].as_str().unwrap();
                            prop_assert!(!words.chars().any(|c| is_odd(c) && c != '\n' && c != '\t'));
                        }
                        Reply::Done(object) => {
                            let shown = printable(&Value::Object(object.clone()).to_string());
                            prop_assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), Value::Object(object));
                        }
                        Reply::Failed(sentence) => prop_assert!(sentence.starts_with("failed: ")),
                    }
                }
            }
        }

        /// A runner is asked by the daemon alone; even so, any line is answered.
        #[test]
        fn any_call_is_answered(text in ".*") {
            let call = Call { tool: text.clone(), args: Map::from_iter([(text.clone(), text.into())]) };
            let folder = Path::new("/nowhere/tools.d");
            prop_assert!(run(folder, call, Instant::now()).is_err());
        }
    }
}
