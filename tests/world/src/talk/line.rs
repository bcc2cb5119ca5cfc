//! One line of a talk as words, numbers, durations.

use std::collections::VecDeque;
use std::time::Duration;

/// What is left of a line.
pub(super) struct Line<'a> {
    words: VecDeque<Word<'a>>,
}

/// A word, with the rest of the line from its beginning.
struct Word<'a> {
    text: String,
    quoted: bool,
    rest: &'a str,
}

impl<'a> Line<'a> {
    /// Splits at blanks; "quoted text" is one word; `#` ends the line.
    pub(super) fn new(line: &'a str) -> Result<Self, String> {
        let mut words = VecDeque::new();
        let mut chars = line.char_indices().peekable();
        while let Some((start, c)) = chars.next() {
            let rest = &line[start..];
            match c {
                '#' => break,
                '"' => {
                    let mut text = String::new();
                    loop {
                        match chars.next() {
                            Some((_, '"')) => break,
                            Some((_, '\\')) => text.extend(chars.next().map(|(_, c)| c)),
                            Some((_, c)) => text.push(c),
                            None => return Err("a quotation mark is missing".to_owned()),
                        }
                    }
                    words.push_back(Word { text, quoted: true, rest });
                }
                c if c.is_whitespace() => {}
                _ => {
                    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                    while chars.peek().is_some_and(|&(at, _)| at < start + end) {
                        chars.next();
                    }
                    words.push_back(Word { text: rest[..end].to_owned(), quoted: false, rest });
                }
            }
        }
        Ok(Line { words })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The next word.
    pub(super) fn word(&mut self, what: &str) -> Result<String, String> {
        self.words.pop_front().map(|word| word.text).ok_or_else(|| format!("{what} is missing"))
    }

    /// Takes the next word if it is this one.
    pub(super) fn takes(&mut self, expected: &str) -> bool {
        let is = self.words.front().is_some_and(|word| !word.quoted && word.text == expected);
        if is {
            self.words.pop_front();
        }
        is
    }

    /// Takes the next word if it is a number without a unit.
    pub(super) fn takes_number(&mut self) -> Option<usize> {
        let number = self.words.front()?.text.parse().ok()?;
        self.words.pop_front();
        Some(number)
    }

    /// Takes the next word if it is a duration.
    pub(super) fn takes_duration(&mut self) -> Option<Duration> {
        let duration = duration(&self.words.front()?.text)?;
        self.words.pop_front();
        Some(duration)
    }

    pub(super) fn duration(&mut self) -> Result<Duration, String> {
        let next = self.words.front().map_or("nothing", |word| &word.text).to_owned();
        self.takes_duration().ok_or_else(|| format!("a time such as 300ms, 2s or 5min is needed, not {next}"))
    }

    pub(super) fn number<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, String> {
        let word = self.word(what)?;
        word.parse().map_err(|_| format!("{what} is needed, not {word}"))
    }

    /// All words up to the end, joined.
    pub(super) fn words(&mut self, what: &str) -> Result<String, String> {
        let words: Vec<String> = self.words.drain(..).map(|word| word.text).collect();
        if words.is_empty() { Err(format!("{what} is missing")) } else { Ok(words.join(" ")) }
    }

    /// The text up to the end of the line as it stands there, comments included.
    pub(super) fn rest(&mut self) -> &'a str {
        let rest = self.words.front().map_or("", |word| word.rest);
        self.words.clear();
        rest
    }

    /// Nothing may be left.
    pub(super) fn end(&mut self) -> Result<(), String> {
        match self.words.pop_front() {
            Some(word) => Err(format!("{} is not understood here", word.text)),
            None => Ok(()),
        }
    }
}

/// Reads 300ms, 2s, 1.5s, 5min.
fn duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number: f64 = text[..end].parse().ok()?;
    let unit = match &text[end..] {
        "ms" => 0.001,
        "s" => 1.0,
        "min" => 60.0,
        _ => return None,
    };
    Some(Duration::from_millis((number * unit * 1000.0).round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotations_and_comments() {
        let mut line = Line::new(r#"server close  1008 "so \"long\" # and" # a comment"#).unwrap();
        assert!(line.takes("server") && line.takes("close"));
        assert_eq!(line.takes_number(), Some(1008));
        assert_eq!(line.word("reason").unwrap(), r#"so "long" # and"#);
        assert!(line.end().is_ok());
        assert!(Line::new("said \"never closed").is_err());
    }

    #[test]
    fn the_rest_is_taken_as_it_stands() {
        let mut line = Line::new(r##"json {"a": "b  # c"}"##).unwrap();
        assert!(line.takes("json"));
        assert_eq!(line.rest(), r##"{"a": "b  # c"}"##);
        assert!(line.is_empty());
    }

    #[test]
    fn durations() {
        for (text, ms) in [("300ms", 300), ("2s", 2000), ("1.5s", 1500), ("5min", 300_000), ("0ms", 0)] {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["300", "ms", "", "2h", "-2s", "1.2.3s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
