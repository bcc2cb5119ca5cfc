//! What a new link is told of the talk, as text: what the server has forgotten, or never knew.
//!
//! The notes are in English, which every model reads; what was said stands in them as it was said.

use std::collections::VecDeque;
use std::fmt::Write as _;

use crate::exchange::{Exchange, ToolRecord};

/// Letters of what one side said, in a note about the exchange that goes on.
const WHOLE: usize = 2000;
/// The same in a recap, where many exchanges must fit.
const SHORT: usize = 400;
/// Letters of a tool's arguments or result.
const TOOL: usize = 600;

/// Before the recap of a talk of which the session knows nothing.
const FRESH: &str = "[Note of the device, not of the person. This talk goes on from an earlier connection of which you \
                     have no memory. So far:";
/// Before what a resumed session has lost of its end.
const RESUMED: &str = "[Note of the device, not of the person. The connection broke, and the end of this talk is \
                       missing in your memory:";
/// After a note that is not to be answered.
const SILENT: &str = "Do not answer this note, and do not do again what was done.]";
/// After a note about an answer that broke off.
const GO_ON: &str = "Your answer broke off there. Go on with it from where the person stopped hearing you; do not repeat \
                     what they heard, do not mention the interruption, and do not call again a tool that has a result.]";
/// The same where nothing of the answer was heard.
const BEGIN: &str = "You have not answered yet: do it now. Do not mention the interruption, and do not call again a tool \
                     that has a result.]";

/// To a model that was told a result and says nothing.
pub(crate) const UNSAID: &str = "[Note of the device, not of the person. The tools have answered, and the person has heard \
                                 nothing of it. Tell them now what came of it; do not call the tools again for it.]";

/// What follows from the note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// Nothing: it is to be known.
    Nothing,
    /// The answer in hand.
    Answer,
}

/// The note for a new link; `fresh`: the session knows nothing at all. Empty when there is nothing to tell.
pub(crate) fn note<'a>(
    exchanges: impl DoubleEndedIterator<Item = &'a Exchange>,
    fresh: bool,
    asks: Asks,
    chars_max: usize,
) -> String {
    let mut newest = None;
    let mut told: VecDeque<String> = VecDeque::new();
    let mut room = chars_max;
    for exchange in exchanges.rev().filter(|exchange| exchange.has_words()) {
        // The one that goes on is told whole.
        let first = newest.is_none();
        let text = story(exchange, if first { WHOLE } else { SHORT });
        newest = newest.or(Some(exchange));
        if text.len() > room && !(first && asks == Asks::Answer) {
            break;
        }
        room = room.saturating_sub(text.len());
        told.push_front(text);
    }
    let Some(newest) = newest.filter(|_| !told.is_empty()) else { return String::new() };
    let begun = !newest.said_and_heard().is_empty();
    let mut text = String::from(if fresh { FRESH } else { RESUMED });
    text.push('\n');
    told.iter().for_each(|story| text.push_str(story));
    text.push_str(match asks {
        Asks::Nothing => SILENT,
        Asks::Answer if begun => GO_ON,
        Asks::Answer => BEGIN,
    });
    text
}

/// One exchange, a line for each side and each tool.
fn story(exchange: &Exchange, letters: usize) -> String {
    let mut text = String::new();
    let mut line = |who: &str, words: &str| {
        if !words.is_empty() {
            let _ = writeln!(text, "{who}: {words}");
        }
    };
    line("Person", &shortened(exchange.heard.text(), letters));
    for tool in &exchange.tools {
        line("Tool", &call(tool));
    }
    line("You", &shortened(exchange.said_and_heard(), letters));
    if exchange.was_cut() {
        line("(The person", "interrupted you there.)");
    }
    text
}

/// What a tool was asked and found, in one line.
pub(crate) fn call(tool: &ToolRecord) -> String {
    let args = serde_json::Value::Object(tool.args.clone()).to_string();
    let result = match &tool.outcome {
        None => "is still running, the result follows".to_owned(),
        Some(Ok(result)) => {
            let result = serde_json::Value::Object(result.clone()).to_string();
            format!("done, result {}", shortened(&result, TOOL))
        }
        Some(Err(error)) => format!("failed: {}", shortened(error, TOOL)),
    };
    format!("{} {} {result}", tool.name, shortened(&args, TOOL))
}

/// What became of calls that can be answered no more; `silent`: nothing is to be said about it.
pub(crate) fn late_result(tools: &[ToolRecord], silent: bool) -> String {
    let mut text = String::from(
        "[Note of the device, not of the person. What became of a tool that you called before:\n",
    );
    for tool in tools {
        let _ = writeln!(text, "Tool: {}", call(tool));
    }
    let end = if silent { "Do not answer this note" } else { "Tell the person what matters of it" };
    let _ = write!(text, "{end}, and do not call it again unless they ask for it.]");
    text
}

/// At most so many bytes: the beginning and the end, which say most.
pub(crate) fn shortened(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut head = bytes / 2;
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    let mut tail = text.len() - bytes / 2;
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    format!("{} … {}", text[..head].trim_end(), text[tail..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(heard: &str, said: &str) -> Exchange {
        let mut exchange = Exchange::default();
        exchange.heard.push(heard);
        exchange.said.push(said);
        exchange
    }

    #[test]
    fn the_newest_that_fits_is_told_in_its_order() {
        let talk = [exchange("one", "1"), exchange("two", "2"), exchange("three", "3")];
        let all = note(talk.iter(), true, Asks::Nothing, 1000);
        assert!(all.starts_with(FRESH) && all.ends_with(SILENT), "{all}");
        assert!(all.contains("Person: one\nYou: 1\nPerson: two\nYou: 2\nPerson: three\nYou: 3\n"), "{all}");
        let some = note(talk.iter(), false, Asks::Nothing, 40);
        assert!(some.starts_with(RESUMED) && !some.contains("Person: one") && some.contains("two"), "{some}");
        assert_eq!(note(talk.iter(), true, Asks::Nothing, 3), "", "not even the newest fits");
        assert_eq!(note([].iter(), true, Asks::Answer, 1000), "");
        assert_eq!(note([exchange("", "")].iter(), true, Asks::Nothing, 1000), "", "nothing is known");
    }

    #[test]
    fn what_is_to_be_answered_is_told_whatever_its_length_and_how() {
        let begun = note([exchange("how far?", "about")].iter(), false, Asks::Answer, 0);
        assert!(begun.contains("how far?") && begun.ends_with(GO_ON), "{begun}");
        let silent = note([exchange("how far?", "")].iter(), false, Asks::Answer, 0);
        assert!(silent.ends_with(BEGIN), "{silent}");
    }

    #[test]
    fn what_a_tool_did_is_told() {
        let mut exchange = exchange("lamp on", "");
        let mut call = |outcome| {
            let args = serde_json::Map::from_iter([("on".to_owned(), true.into())]);
            exchange.tools.push(ToolRecord { former: true, outcome, ..ToolRecord::new("", "lamp", &args) });
        };
        call(None);
        call(Some(Err("no lamp".to_owned())));
        call(Some(Ok(serde_json::Map::from_iter([("state".to_owned(), "on".into())]))));
        let text = note([exchange].iter(), false, Asks::Answer, 1000);
        for line in
            ["is still running", "failed: no lamp", "lamp {\"on\":true} done, result {\"state\":\"on\"}"]
        {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn long_words_keep_their_beginning_and_their_end() {
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("The beginning matters, and so does the end.", 20), "The beginn … s the end.");
        let umlauts = shortened(&"ä".repeat(100), 21);
        assert!(umlauts.len() <= 21 + 5, "{umlauts}");
    }
}
