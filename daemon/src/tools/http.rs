//! A tool that asks a web service: one request, over the daemon's own dialer, dropped at once when nobody waits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Method;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::call::Outcome;
use super::template::{Part, Template, plain};
use super::tool::{Http as Keys, Verb};
use crate::net::encode;
use crate::net::http::{Http, Request, Url};

/// Secrets are shorter; a longer file is some other file.
const SECRET_MAX: u64 = 8 * 1024;
/// Of a service's words about its failure, the model is told so much.
const COMPLAINT_MAX: usize = 300;

/// What an address keeps as it stands, besides letters and digits (RFC 3986, 2.3).
const UNRESERVED: &[u8] = b"-._~";

/// Headers that every request has.
const OURS: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// What is asked, taken apart.
#[derive(Clone, Debug)]
pub struct Ask {
    /// As the file has it.
    pub keys: Keys,
    /// The address.
    url: Template,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Where the secret goes.
    secret_header: HeaderName,
    body: Option<Body>,
    told: Told,
}

/// What the model gets of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// All of it, or the part that is asked for.
    Extract,
    /// That it is done.
    Done,
    /// A state of Home Assistant's.
    State,
}

/// JSON whose texts are templates.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// A text that is one place only: the argument itself, of whatever type.
    Argument(String, bool),
    /// A text with places.
    Text(Template),
    /// As it stands.
    Plain(Value),
    /// A list.
    List(Vec<Body>),
    /// An object.
    Object(Vec<(String, Body)>),
}

impl Ask {
    /// Takes the keys of `[http]` and the table `[body]` apart.
    ///
    /// # Errors
    /// The key, and what is wrong with it.
    pub(super) fn new(keys: Keys, body: Option<&Value>) -> Result<Self, (&'static str, String)> {
        let url = Template::parse(&keys.url).map_err(|problem| ("url", problem))?;
        if let Some(Part::Argument { .. }) = url.parts().first() {
            return Err(("url", "begins with an argument; the host is yours to name".to_owned()));
        }
        parse(&filled(&url), &keys).map_err(|problem| ("url", problem))?;
        let host_ends = |text: &str| text.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        if !matches!(url.parts(), [Part::Literal(_)])
            && !matches!(&url.parts()[0], Part::Literal(text) if host_ends(text))
        {
            return Err(("url", "has an argument in its host; the host is yours to name".to_owned()));
        }
        let headers = keys.headers.iter().map(|line| header(line)).collect::<Result<Vec<_>, _>>();
        let headers = headers.map_err(|problem| ("headers", problem))?;
        let name = &keys.secret_header;
        let secret_header: HeaderName =
            name.parse().map_err(|_| ("secret_header", format!("\"{name}\" is no header's name")))?;
        if OURS.contains(&secret_header.as_str()) {
            return Err(("secret_header", format!("names {name}, which is set already")));
        }
        if headers.iter().any(|(name, _)| *name == secret_header) {
            return Err(("headers", format!("sets {name}, where the secret goes")));
        }
        if !keys.extract.is_empty() && !keys.extract.starts_with('/') {
            return Err(("extract", "is no JSON pointer; allowed: such as /order/status".to_owned()));
        }
        let body = body.map(Body::parse).transpose().map_err(|problem| ("body", problem))?;
        Ok(Ask { keys, url, headers, secret_header, body, told: Told::Extract })
    }

    /// With something else of the answer for the model.
    pub(super) fn telling(self, told: Told) -> Self {
        Ask { told, ..self }
    }

    /// Every place, and whether it may stay empty.
    pub(super) fn arguments(&self) -> Vec<(String, bool)> {
        let mut all: Vec<(String, bool)> = self.url.arguments().map(|(n, o)| (n.to_owned(), o)).collect();
        self.body.iter().for_each(|body| body.arguments(&mut all));
        all
    }

    /// Asks, and makes an answer of what comes back.
    pub(super) async fn run(&self, http: &Http, args: &Map<String, Value>, within: Duration) -> Outcome {
        let request = self.request(args, within)?;
        let answer = http.ask(request).await.map_err(|error| format!("failed: {error}"))?;
        let text = std::str::from_utf8(&answer.body)
            .map_err(|_| "failed: it answered with something that is not text");
        if !answer.status.is_success() {
            let words = super::runner::clean(text.unwrap_or_default(), COMPLAINT_MAX);
            return Err(format!(
                "failed: the service said {}{}{words}",
                answer.status,
                if words.is_empty() { "" } else { ": " }
            ));
        }
        self.answer(text?)
    }

    fn request(&self, args: &Map<String, Value>, within: Duration) -> Result<Request, String> {
        let url = self.address(args)?;
        let mut headers = self.headers.clone();
        headers.push((ACCEPT, HeaderValue::from_static("application/json, text/*;q=0.9")));
        if let Some(path) = secret_path(&self.keys.secret_file) {
            let before = match self.keys.secret_prefix.as_str() {
                "auto" if self.secret_header == AUTHORIZATION => "Bearer ",
                "auto" => "",
                before => before,
            };
            headers.push((self.secret_header.clone(), secret(&path, before)?));
        }
        let body = self.body.as_ref().map(|body| body.fill(args)).transpose()?.flatten();
        if body.is_some() {
            headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        }
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        Ok(Request {
            method: match self.keys.method {
                Verb::Get => Method::GET,
                Verb::Post => Method::POST,
                Verb::Put => Method::PUT,
                Verb::Delete => Method::DELETE,
            },
            url,
            headers,
            body: Zeroizing::new(body),
            within,
            answer_max: self.keys.answer_max_kb as usize * 1024,
        })
    }

    /// The address with every argument as one segment or one value, whatever is in it.
    fn address(&self, args: &Map<String, Value>) -> Result<Url, String> {
        let mut text = String::new();
        for part in self.url.parts() {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Argument { name, optional } => {
                    let value = match args.get(name) {
                        Some(value) => plain(value),
                        None if *optional => String::new(),
                        None => return Err(format!("{name} is missing")),
                    };
                    // "..", "." and nothing would be another path than the one that was meant.
                    if !text.contains('?') && matches!(value.as_str(), "" | "." | "..") {
                        return Err(format!("{name} cannot be a part of an address"));
                    }
                    encode(&value, UNRESERVED, &mut text);
                }
            }
        }
        parse(&text, &self.keys).map_err(|problem| format!("failed: {problem}"))
    }

    fn answer(&self, text: &str) -> Outcome {
        let found = serde_json::from_str::<Value>(text);
        match self.told {
            Told::Extract => {}
            Told::Done => return Ok(output("done".into())),
            Told::State => {
                let state = found.ok().and_then(|answer| super::home_assistant::state(&answer));
                return state.ok_or_else(|| "failed: the service's answer is no state".to_owned());
            }
        }
        if self.keys.extract.is_empty() {
            return Ok(match found {
                Ok(Value::Object(object)) => object,
                Ok(other) => output(other),
                Err(_) => {
                    let words = super::runner::clean(text, usize::MAX);
                    output(if words.is_empty() { "done".into() } else { words.into() })
                }
            });
        }
        let mut found =
            found.map_err(|_| "failed: the service answered with something that is not JSON".to_owned())?;
        match found.pointer_mut(&self.keys.extract).map(Value::take) {
            Some(Value::Object(object)) => Ok(object),
            Some(other) => Ok(output(other)),
            None => Err(format!("failed: the service's answer has no {}", self.keys.extract)),
        }
    }

    /// Where it asks.
    pub(super) fn place(&self) -> Option<Url> {
        parse(&filled(&self.url), &self.keys).ok()
    }

    /// What would fail at the first call.
    pub(super) fn problem(&self) -> Option<String> {
        secret_path(&self.keys.secret_file).and_then(|path| secret(&path, "").err())
    }
}

/// An address with a word in each place: it must be one whatever stands there.
fn filled(url: &Template) -> String {
    let parts = url.parts().iter().map(|part| match part {
        Part::Literal(text) => text.as_str(),
        Part::Argument { .. } => "x",
    });
    parts.collect()
}

fn output(value: Value) -> Map<String, Value> {
    Map::from_iter([("output".to_owned(), value)])
}

fn parse(text: &str, keys: &Keys) -> Result<Url, String> {
    if keys.tls { Url::parse(text) } else { Url::parse_any(text) }
}

fn header(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) =
        line.split_once(':').ok_or_else(|| format!("\"{line}\" is no header; allowed: Name: value"))?;
    let name: HeaderName = name.trim().parse().map_err(|_| format!("\"{name}\" is no header's name"))?;
    if OURS.contains(&name.as_str()) || name == AUTHORIZATION {
        return Err(format!("sets {name}, which is set already; a secret belongs into secret_file"));
    }
    let value = value
        .trim()
        .parse()
        .map_err(|_| format!("the value of {name} holds something that headers do not"))?;
    Ok((name, value))
}

/// A path, or the name of a credential of systemd's.
fn secret_path(setting: &str) -> Option<PathBuf> {
    match setting {
        "" => None,
        path if path.starts_with('/') => Some(path.into()),
        name => Some(Path::new(&std::env::var_os("CREDENTIALS_DIRECTORY").unwrap_or_default()).join(name)),
    }
}

fn secret(path: &Path, before: &str) -> Result<HeaderValue, String> {
    let wrong = |why: String| {
        tracing::error!(file = %path.display(), why, "the secret of a tool cannot be used");
        "failed: the device has no key for this service".to_owned()
    };
    let text = crate::secret_file::read(path, SECRET_MAX).map_err(|why| wrong(why.about(path)))?;
    let text = Zeroizing::new(format!("{before}{}", text.trim()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| wrong("holds more than one line".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

impl Body {
    fn parse(json: &Value) -> Result<Self, String> {
        Ok(match json {
            Value::String(text) => {
                let template = Template::parse(text)?;
                match template.parts() {
                    [Part::Argument { name, optional }] => Body::Argument(name.clone(), *optional),
                    _ => Body::Text(template),
                }
            }
            Value::Array(list) => Body::List(list.iter().map(Body::parse).collect::<Result<_, _>>()?),
            Value::Object(object) => {
                let each = object.iter().map(|(key, value)| Ok((key.clone(), Body::parse(value)?)));
                Body::Object(each.collect::<Result<_, String>>()?)
            }
            other => Body::Plain(other.clone()),
        })
    }

    fn arguments(&self, into: &mut Vec<(String, bool)>) {
        match self {
            Body::Argument(name, optional) => into.push((name.clone(), *optional)),
            Body::Text(template) => into.extend(template.arguments().map(|(n, o)| (n.to_owned(), o))),
            Body::Plain(_) => {}
            Body::List(list) => list.iter().for_each(|body| body.arguments(into)),
            Body::Object(object) => object.iter().for_each(|(_, body)| body.arguments(into)),
        }
    }

    /// `None`: left out, since an optional argument is missing.
    fn fill(&self, args: &Map<String, Value>) -> Result<Option<Value>, String> {
        Ok(match self {
            Body::Argument(name, optional) => match args.get(name) {
                Some(value) => Some(value.clone()),
                None if *optional => None,
                None => return Err(format!("{name} is missing")),
            },
            Body::Text(template) => {
                template.render(args, |_, value| Ok(value.to_owned()))?.map(Value::String)
            }
            Body::Plain(value) => Some(value.clone()),
            Body::List(list) => {
                let each = list.iter().filter_map(|body| body.fill(args).transpose());
                Some(Value::Array(each.collect::<Result<_, _>>()?))
            }
            Body::Object(object) => {
                let each = object.iter().filter_map(|(key, body)| {
                    body.fill(args).transpose().map(|value| value.map(|value| (key.clone(), value)))
                });
                Some(Value::Object(each.collect::<Result<_, _>>()?))
            }
        })
    }
}

#[cfg(test)]
mod tests;
