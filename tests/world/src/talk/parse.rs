//! Text to [`Talk`]; a mistake is told with its line.

use std::fmt;

use pressel_live::event::{Budget, ButtonInput, Cause, Line as Told, Phase};
use serde_json::{Map, Value};

use super::header::Header;
use super::line::Line;
use super::script::{
    Around, Cable, Count, Deed, Event, Expect, Part, Server, Sight, Step, Suspicion, Talk, What,
};

/// What is wrong with a talk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Its line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

impl std::error::Error for Mistake {}

impl Talk {
    /// Reads a talk.
    ///
    /// # Errors
    /// The first mistake, with its line.
    pub fn parse(text: &str) -> Result<Talk, Mistake> {
        let mut header = Header::default();
        let mut steps = Vec::new();
        for (index, raw) in text.lines().enumerate() {
            let at = |text| Mistake { line: index + 1, text };
            let mut line = Line::new(raw).map_err(at)?;
            if line.is_empty() {
                continue;
            }
            if steps.is_empty() && header.take(&mut line).map_err(at)? {
                continue;
            }
            let what = step(&mut line, &header).map_err(at)?;
            line.end().map_err(at)?;
            steps.push(Step { line: index + 1, what });
        }
        if steps.is_empty() {
            return Err(Mistake { line: text.lines().count().max(1), text: "nothing happens".to_owned() });
        }
        Ok(Talk { settings: header.settings, room: header.room, steps })
    }
}

fn step(line: &mut Line, header: &Header) -> Result<What, String> {
    let word = line.word("step")?;
    let deed = match word.as_str() {
        "expect" => return expect(line).map(What::Expect),
        "button" => Deed::Button(match line.word("press or release")?.as_str() {
            "press" => ButtonInput::Press,
            "release" => ButtonInput::Release,
            other => return Err(format!("the button knows press and release, not {other}")),
        }),
        "mic" => match line
            .word("speech, silence, suspected, confirmed, dismissed, gap, lost, back or stuck")?
            .as_str()
        {
            "suspected" => Deed::Suspicion(Suspicion::Suspected),
            "confirmed" => Deed::Suspicion(Suspicion::Confirmed),
            "dismissed" => Deed::Suspicion(Suspicion::Dismissed),
            "gap" => Deed::Gap(line.duration()?),
            "speech" => Deed::Room { speech: true, time: line.duration()? },
            "silence" => Deed::Room { speech: false, time: line.duration()? },
            word => Deed::Microphone(cable(word)?),
        },
        "speaker" => Deed::Speaker(cable(&line.word("lost, back or stuck")?)?),
        "server" => Deed::Server(server(line)?),
        "key" => Deed::Key(match line.word("present or absent")?.as_str() {
            "present" => true,
            "absent" => false,
            other => return Err(format!("a key is present or absent, not {other}")),
        }),
        "network" => Deed::Around(Around::Network(one_of(line, &[("up", true), ("down", false)])?)),
        "clock" => Deed::Around(Around::Clock(one_of(line, &[("set", true), ("unset", false)])?)),
        "warm" => Deed::Around(Around::Warm(one_of(line, &[("yes", true), ("no", false)])?)),
        "budget" => Deed::Around(Around::Budget(one_of(line, &BUDGETS)?)),
        "pong" => Deed::Around(Around::Pong(if line.takes("never") { None } else { Some(line.duration()?) })),
        "dials" => Deed::Around(Around::Dials(match line.word("open or fail")?.as_str() {
            "open" => None,
            "fail" => Some(cause(line)?),
            other => return Err(format!("dials open or fail, not {other}")),
        })),
        "mode" => Deed::Mode(header.mode(&line.word("mode")?)?),
        "tool" => {
            let id = line.word("id of the call")?;
            let outcome = match line.word("ok or error")?.as_str() {
                "ok" => Ok(object(line)?),
                "error" => Err(line.words("sentence")?),
                other => return Err(format!("a tool ends with ok or error, not {other}")),
            };
            Deed::Tool { id, outcome }
        }
        "ask" => Deed::Ask(line.word("question")?),
        "forget" => Deed::Forget,
        "hang-up" => Deed::HangUp,
        "shutdown" => Deed::Shutdown,
        "wait" => Deed::Wait(line.duration()?),
        other => return Err(format!("{other} is neither a setting (those come first) nor a step")),
    };
    Ok(What::Do(deed))
}

/// One of a few words.
fn one_of<T: Copy>(line: &mut Line, words: &[(&str, T)]) -> Result<T, String> {
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    let word = line.word(&names.join(" or "))?;
    let found = words.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    found.ok_or_else(|| format!("it is {}, not {word}", names.join(" or ")))
}

const BUDGETS: [(&str, Budget); 4] =
    [("fine", Budget::Fine), ("low", Budget::Low), ("spent", Budget::Spent), ("over", Budget::Over)];

/// Why a dial fails; a number is an HTTP status.
pub(super) fn cause(line: &mut Line) -> Result<Cause, String> {
    if let Some(status) = line.takes_number() {
        return u16::try_from(status).map(Cause::Http).map_err(|_| format!("{status} is no HTTP status"));
    }
    let causes = [
        ("lookup", Cause::Lookup),
        ("connect", Cause::Connect),
        ("proxy", Cause::Proxy(None)),
        ("captive", Cause::Captive),
        ("tls", Cause::Tls),
        ("clock", Cause::Clock),
        ("credential", Cause::Credential { fatal: false }),
        ("no-credential", Cause::Credential { fatal: true }),
        ("cut", Cause::Cut),
    ];
    one_of(line, &causes)
}

fn cable(word: &str) -> Result<Cable, String> {
    match word {
        "lost" => Ok(Cable::Lost),
        "back" => Ok(Cable::Back),
        "stuck" => Ok(Cable::Stuck),
        other => Err(format!("a card is lost, back or stuck, not {other}")),
    }
}

fn object(line: &mut Line) -> Result<Map<String, Value>, String> {
    serde_json::from_str(line.rest()).map_err(|error| format!("not a JSON object: {error}"))
}

fn server(line: &mut Line) -> Result<Server, String> {
    let close = ["open", "refuse", "unreachable", "fails", "close", "cut", "next-answer", "garbage", "json"];
    let Some(word) = close.into_iter().find(|word| line.takes(word)) else { return parts(line) };
    Ok(match word {
        "open" => Server::Open,
        "refuse" => Server::Refuse {
            status: line.number("HTTP status")?,
            reason: line.word("reason").unwrap_or_default(),
        },
        "fails" => Server::Fails(cause(line)?),
        "unreachable" => Server::Unreachable(line.words("reason")?),
        "close" => Server::Close {
            code: line.number("close code")?,
            reason: line.word("reason").unwrap_or_default(),
        },
        "cut" => Server::Cut,
        "next-answer" => Server::NextAnswer,
        "garbage" => Server::Raw(line.rest().as_bytes().to_vec()),
        _ => {
            let text = line.rest();
            serde_json::from_str::<Value>(text).map_err(|error| format!("not JSON: {error}"))?;
            Server::Raw(text.as_bytes().to_vec())
        }
    })
}

/// Parts of one message, joined by `+`.
fn parts(line: &mut Line) -> Result<Server, String> {
    let mut parts = vec![part(line)?];
    while line.takes("+") {
        parts.push(part(line)?);
    }
    if let [Part::Audio(time)] = parts[..] {
        return Ok(Server::Audio { time, live: line.takes("live") });
    }
    Ok(Server::Say(parts))
}

fn part(line: &mut Line) -> Result<Part, String> {
    Ok(match line.word("message")?.as_str() {
        "setupComplete" => Part::SetupComplete,
        "audio" => Part::Audio(line.duration()?),
        "said" => Part::Said(line.word("text")?),
        "heard" => Part::Heard(line.word("text")?),
        "interrupted" => Part::Interrupted,
        "generationComplete" => Part::GenerationComplete,
        "turnComplete" => Part::TurnComplete,
        "inProgress" => Part::InProgress(true),
        "idle" => Part::InProgress(false),
        "handle" => Part::Handle(Some(line.word("handle")?).filter(|handle| handle != "none")),
        "goAway" => Part::GoAway(line.takes_duration()),
        "call" => Part::Call { name: line.word("name of the tool")?, id: line.word("id of the call")? },
        "cancel" => Part::Cancel(vec![line.word("id of the call")?]),
        other => return Err(format!("the server does not know {other}")),
    })
}

fn expect(line: &mut Line) -> Result<Expect, String> {
    let count = if line.takes("not") {
        Count::Exactly(0)
    } else if line.takes("at-most") {
        Count::AtMost(line.number("a number")?)
    } else {
        line.takes_number().map_or(Count::Some, Count::Exactly)
    };
    let sight = sight(line)?;
    let in_all = line.takes("in-all");
    let within = if line.takes("within") || line.takes("for") { Some(line.duration()?) } else { None };
    if !matches!(sight, Sight::Event(_) | Sight::Phase(_)) && count != Count::Some {
        return Err("only what happens can be counted".to_owned());
    }
    if matches!(sight, Sight::Phase(_)) && !matches!(count, Count::Some | Count::Exactly(0)) {
        return Err("a phase is there or not".to_owned());
    }
    Ok(Expect { sight, count, in_all, within })
}

fn sight(line: &mut Line) -> Result<Sight, String> {
    let event = match line.word("what is expected")?.as_str() {
        "phase" => {
            let word = line.word("phase")?;
            return phase(&word).map(Sight::Phase).ok_or_else(|| format!("there is no phase {word}"));
        }
        "heard-by-server" => return line.duration().map(Sight::HeardByServer),
        "utterance" => return line.duration().map(Sight::Utterance),
        "hush" => return line.duration().map(Sight::Hush),
        "heard" => return line.duration().map(Sight::Heard),
        "order" => {
            let words = line.words("kinds of messages")?;
            return Ok(Sight::Order(words.split(' ').map(str::to_owned).collect()));
        }
        "dial" | "dials" => Event::Dial,
        "ping" | "pings" => Event::Ping,
        "told" => {
            let word = line.word("line")?;
            if !Told::ALL.iter().any(|line| line.word() == word) {
                return Err(format!("there is no line {word}"));
            }
            Event::Told(word)
        }
        "close" | "closes" => Event::Close,
        "sent" => {
            let kind = line.word("kind of message")?;
            let text = if line.takes("holding") { Some(line.word("text")?) } else { None };
            Event::Sent(kind, text)
        }
        "play" => Event::Play,
        "flush" | "flushes" => Event::Flush,
        "duck" => Event::Duck(true),
        "unduck" => Event::Duck(false),
        "listen" => Event::Listen(line.word("rest, all, gated or watched")?),
        "note" | "notes" => Event::Note(line.word("note")?),
        "call" => Event::Call(line.word("name of the tool")?),
        "cancel-tools" => Event::CancelTools,
        other => return Err(format!("{other} cannot be seen")),
    };
    Ok(Sight::Event(event))
}

const PHASES: [(&str, Phase); 13] = [
    ("needs-setup", Phase::NeedsSetup),
    ("fault", Phase::Fault),
    ("clock-not-set", Phase::ClockNotSet),
    ("no-device", Phase::NoDevice),
    ("spent", Phase::Spent),
    ("asking", Phase::Asking),
    ("muted", Phase::Muted),
    ("offline", Phase::Offline),
    ("idle", Phase::Idle),
    ("connecting", Phase::Connecting),
    ("listening", Phase::Listening),
    ("thinking", Phase::Thinking),
    ("speaking", Phase::Speaking),
];

fn phase(word: &str) -> Option<Phase> {
    PHASES.iter().find(|(name, _)| *name == word).map(|(_, phase)| *phase)
}

/// The word a talk has for a phase.
pub(super) fn phase_word(phase: Phase) -> &'static str {
    PHASES.iter().find(|(_, of)| *of == phase).map_or("?", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pressel_live::settings::TalkMode;

    use super::*;

    fn mistake(text: &str) -> String {
        Talk::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_talk_is_read() {
        let talk = Talk::parse(
            "# a talk\nmode tap\nend_silence 2s   # long\n\nbutton press\nserver interrupted + audio 200ms\n\
             expect not sent setup holding \"a b\" in-all for 2s\n",
        )
        .unwrap();
        let TalkMode::Tap { end_silence, .. } = talk.settings.talk else {
            panic!("{:?}", talk.settings.talk)
        };
        assert_eq!(end_silence, Duration::from_secs(2));
        assert_eq!(talk.steps.iter().map(|step| step.line).collect::<Vec<_>>(), [5, 6, 7]);
        let What::Do(Deed::Server(Server::Say(parts))) = &talk.steps[1].what else { panic!("{talk:?}") };
        assert_eq!(parts[..], [Part::Interrupted, Part::Audio(Duration::from_millis(200))]);
        let What::Expect(expect) = &talk.steps[2].what else { panic!("{talk:?}") };
        let sent = Event::Sent("setup".to_owned(), Some("a b".to_owned()));
        assert_eq!(expect.sight, Sight::Event(sent));
        assert_eq!((expect.count, expect.in_all), (Count::Exactly(0), true));
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, expected) in [
            ("", "line 1: nothing happens"),
            ("mode hold\n# no steps\n", "line 2: nothing happens"),
            ("mode hold\nmode tap\nwait 1s", "line 2: mode is set twice"),
            ("mode sing", "line 1: a mode is hold, tap or open, not sing"),
            ("wait 1s\ntail 100ms", "line 2: tail is neither a setting (those come first) nor a step"),
            ("\n\nbutton push", "line 3: the button knows press and release, not push"),
            ("mic speech 300", "line 1: a time such as 300ms, 2s or 5min is needed, not 300"),
            ("mic speech", "line 1: a time such as 300ms, 2s or 5min is needed, not nothing"),
            ("wait 1s 2s", "line 1: 2s is not understood here"),
            ("server sings", "line 1: the server does not know sings"),
            ("server close", "line 1: close code is missing"),
            ("server close many", "line 1: close code is needed, not many"),
            ("server audio 1s +", "line 1: message is missing"),
            ("server json {", "line 1: not JSON: EOF while parsing an object at line 1 column 1"),
            ("expect phase sleeping", "line 1: there is no phase sleeping"),
            ("expect 2 phase idle", "line 1: a phase is there or not"),
            ("expect 2 heard 1s", "line 1: only what happens can be counted"),
            ("expect thunder", "line 1: thunder cannot be seen"),
            ("server said \"open", "line 1: a quotation mark is missing"),
        ] {
            assert_eq!(mistake(text), expected, "{text:?}");
        }
    }
}
