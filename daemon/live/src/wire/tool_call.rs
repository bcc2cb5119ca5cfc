//! Calls of tools: those that are made, and those that are cancelled.

use super::read::{Leaf, Members, Trouble, WRONG_TYPE, note};
use super::server::FunctionCall;
use super::value::{Value, only};
use serde::de::MapAccess;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Reads `toolCall`. A call without id and name cannot be answered: it is noted and left out.
pub(super) fn made<'de, A: MapAccess<'de>>(
    map: &mut A,
    trouble: Trouble<'_>,
) -> Result<Vec<FunctionCall>, A::Error> {
    let calls: Option<Vec<FunctionCall>> = only(&["functionCalls", "function_calls"], map, trouble)?;
    let mut calls = calls.unwrap_or_default();
    calls.retain(|call| {
        let answerable = !(call.id.is_empty() && call.name.is_empty());
        if !answerable {
            note(trouble, WRONG_TYPE);
        }
        answerable
    });
    Ok(calls)
}

/// Reads `toolCallCancellation`: ids.
pub(super) fn cancelled<'de, A: MapAccess<'de>>(
    map: &mut A,
    trouble: Trouble<'_>,
) -> Result<Vec<String>, A::Error> {
    let ids: Option<Vec<Leaf<'de>>> = only(&["ids"], map, trouble)?;
    let ids = ids.unwrap_or_default().into_iter();
    Ok(ids.filter_map(|id| id.text(trouble)).map(Cow::into_owned).collect())
}

impl<'de> Members<'de> for FunctionCall {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "id" => self.id.read(map, trouble)?,
            "name" => self.name.read(map, trouble)?,
            // Skipped as a text first: what cannot be read of it costs this call alone, and the call is answered.
            "args" => match serde_json::from_str(map.next_value::<Box<RawValue>>()?.get()) {
                Ok(Json::Object(args)) => (self.args, self.unread) = (args, false),
                Ok(Json::Null) => {}
                Ok(_) | Err(_) => {
                    self.unread = true;
                    note(trouble, WRONG_TYPE);
                }
            },
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::server::{ServerMessage, decode};
    use serde_json::json;

    fn check(message: Json, expected: ServerMessage) {
        assert_eq!(decode(message.to_string().as_bytes()), Ok(expected), "{message}");
    }

    fn call(id: &str, name: &str, args: Json) -> FunctionCall {
        let args = args.as_object().cloned().unwrap_or_default();
        FunctionCall { id: id.to_owned(), name: name.to_owned(), args, unread: false }
    }

    #[test]
    fn several_calls_with_and_without_arguments() {
        check(
            json!({ "toolCall": { "functionCalls": [
                { "id": "c1", "name": "lamp", "args": { "on": true, "deep": [{ "a": 1 }] } },
                { "id": 2, "name": "time" },
                { "name": "vertex", "args": null, "partialArgs": [] },
                {},
                null,
            ] } }),
            ServerMessage {
                tool_calls: vec![
                    call("c1", "lamp", json!({ "on": true, "deep": [{ "a": 1 }] })),
                    call("2", "time", json!({})),
                    call("", "vertex", json!({})),
                ],
                unread: Some(WRONG_TYPE),
                ..ServerMessage::default()
            },
        );
    }

    #[test]
    fn cancelled_calls() {
        check(
            json!({ "toolCallCancellation": { "ids": ["c1", 2] } }),
            ServerMessage {
                cancelled_calls: vec!["c1".to_owned(), "2".to_owned()],
                ..ServerMessage::default()
            },
        );
    }
}
