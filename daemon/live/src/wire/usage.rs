//! `usageMetadata`: tokens, altogether and those of text.

use super::read::{Leaf, Members, Trouble};
use super::value::Value;
use crate::event::Usage;
use serde::de::MapAccess;

impl<'de> Members<'de> for Usage {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        let count = match key {
            "promptTokenCount" | "prompt_token_count" => &mut self.prompt,
            "cachedContentTokenCount" | "cached_content_token_count" => &mut self.cached,
            // Vertex names the second pair.
            "responseTokenCount"
            | "response_token_count"
            | "candidatesTokenCount"
            | "candidates_token_count" => &mut self.response,
            "thoughtsTokenCount" | "thoughts_token_count" => &mut self.thoughts,
            "toolUsePromptTokenCount" | "tool_use_prompt_token_count" => &mut self.tool_use,
            "totalTokenCount" | "total_token_count" => &mut self.total,
            "promptTokensDetails" | "prompt_tokens_details" => {
                self.prompt_text = text_of(map, trouble)?;
                return Ok(true);
            }
            "responseTokensDetails"
            | "response_tokens_details"
            | "candidatesTokensDetails"
            | "candidates_tokens_details" => {
                self.response_text = text_of(map, trouble)?;
                return Ok(true);
            }
            _ => return Ok(false),
        };
        count.read(map, trouble)?;
        Ok(true)
    }
}

/// Tokens of one kind: of text, or of something else.
#[derive(Default)]
struct Modality {
    text: bool,
    tokens: u64,
}

impl<'de> Members<'de> for Modality {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "modality" => self.text = Leaf::of(map)?.text(trouble).is_some_and(|name| name == "TEXT"),
            "tokenCount" | "token_count" => self.tokens.read(map, trouble)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The tokens of text in a list of counts by modality.
fn text_of<'de, A: MapAccess<'de>>(map: &mut A, trouble: Trouble<'_>) -> Result<u64, A::Error> {
    let mut kinds: Vec<Modality> = Vec::new();
    kinds.read(map, trouble)?;
    let text = kinds.iter().filter(|kind| kind.text);
    Ok(text.fold(0, |sum, kind| sum.saturating_add(kind.tokens)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::server::decode;
    use serde_json::{Value, json};

    #[test]
    fn counts_are_numbers_texts_or_absent() {
        let usage = |usage: Value| {
            let message = json!({ "usageMetadata": usage }).to_string();
            decode(message.as_bytes()).expect("readable").usage
        };
        let all = Usage {
            prompt: 1,
            cached: 2,
            response: 3,
            thoughts: 4,
            tool_use: 5,
            total: 15,
            ..Usage::default()
        };
        assert_eq!(
            usage(json!({ "promptTokenCount": 1, "cachedContentTokenCount": "2", "responseTokenCount": 3.0,
                "thoughtsTokenCount": 4, "toolUsePromptTokenCount": 5, "totalTokenCount": 15, "serviceTier": "x",
                "promptTokensDetails": [{ "modality": "AUDIO" }] })),
            Some(all)
        );
        assert_eq!(
            usage(
                json!({ "prompt_token_count": 1, "cached_content_token_count": 2, "candidates_token_count": 3,
                "thoughts_token_count": 4, "tool_use_prompt_token_count": 5, "total_token_count": 15 })
            ),
            Some(all)
        );
        assert_eq!(
            usage(json!({ "candidatesTokenCount": 3 })),
            Some(Usage { response: 3, ..Usage::default() })
        );
        assert_eq!(usage(json!({})), Some(Usage::default()));
        let details = json!([{ "modality": "AUDIO", "tokenCount": 7 }, { "modality": "TEXT", "tokenCount": "2" },
            { "modality": "TEXT" }, { "modality": 3 }, "TEXT"]);
        assert_eq!(
            usage(json!({ "promptTokensDetails": details, "candidatesTokensDetails": details })),
            Some(Usage { prompt_text: 2, response_text: 2, ..Usage::default() })
        );
        assert_eq!(
            usage(json!({ "promptTokenCount": -1, "totalTokenCount": [], "responseTokenCount": u64::MAX })),
            Some(Usage { response: i64::MAX as u64, ..Usage::default() })
        );
    }
}
