//! What a server answers, as the model gets it: one object, or a sentence about what went wrong.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::{Map, Value};

/// Of a server's words about its failure, the model is told so much.
const COMPLAINT_MAX: usize = 300;

/// What a call came to.
pub type Outcome = Result<Map<String, Value>, String>;

/// The whole result of a tool.
pub fn of(result: CallToolResult, bytes_max: usize) -> Outcome {
    let words: Vec<String> = result.content.iter().map(said).filter(|words| !words.is_empty()).collect();
    let words = words.join("\n");
    if result.is_error == Some(true) {
        let words = clean(&words, COMPLAINT_MAX);
        return Err(format!("failed{}{words}", if words.is_empty() { "" } else { ": " }));
    }
    let object = match result.structured_content {
        Some(Value::Object(object)) => object,
        Some(other) => Map::from_iter([("output".to_owned(), other)]),
        None => {
            let words = clean(&words, usize::MAX);
            Map::from_iter([(
                "output".to_owned(),
                if words.is_empty() { "done".into() } else { words.into() },
            )])
        }
    };
    let length = serde_json::to_vec(&object).map_or(usize::MAX, |text| text.len());
    if length > bytes_max {
        return Err(format!("failed: it answered with more than {} kB", bytes_max / 1024));
    }
    Ok(object)
}

/// A voice has no use for pictures and files: what they are is said.
fn said(content: &ContentBlock) -> String {
    let sized = |what: &str, mime: &str, base64: &str| {
        format!("({what}, {mime}, {} kB)", base64.len() * 3 / 4 / 1024)
    };
    match content {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => sized("a picture", &image.mime_type, &image.data),
        ContentBlock::Audio(audio) => sized("a sound", &audio.mime_type, &audio.data),
        ContentBlock::Resource(resource) => match &resource.resource {
            ResourceContents::TextResourceContents { text, .. } => text.clone(),
            ResourceContents::BlobResourceContents { uri, .. } => format!("(a file: {uri})"),
            _ => "(a file)".to_owned(),
        },
        ContentBlock::ResourceLink(link) => format!("(a file: {}, {})", link.name, link.uri),
        _ => "(something that cannot be said)".to_owned(),
    }
}

/// Words without what moves a terminal, cut to `letters`.
pub fn clean(text: &str, letters: usize) -> String {
    let kept = text.trim().chars().filter(|&c| c == '\n' || c == '\t' || !c.is_control());
    let cut: String = kept.take(letters).collect();
    cut.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(json: Value) -> Outcome {
        of(serde_json::from_value(json).unwrap(), 1024)
    }

    #[test]
    fn every_kind_of_content_becomes_words() {
        let all = result(json!({ "content": [
            { "type": "text", "text": "45 Nm\u{1b}[2J" },
            { "type": "image", "data": "A".repeat(4096), "mimeType": "image/png" },
            { "type": "audio", "data": "", "mimeType": "audio/wav" },
            { "type": "resource", "resource": { "uri": "file:///a", "text": "inside" } },
            { "type": "resource", "resource": { "uri": "file:///b", "blob": "" } },
            { "type": "resource_link", "uri": "file:///c", "name": "manual" },
        ] }));
        let expected = "45 Nm[2J\n(a picture, image/png, 3 kB)\n(a sound, audio/wav, 0 kB)\ninside\n\
                        (a file: file:///b)\n(a file: manual, file:///c)";
        assert_eq!(all.unwrap()["output"], expected);
        assert_eq!(result(json!({ "content": [] })).unwrap()["output"], "done");
    }

    #[test]
    fn structure_goes_before_words_and_errors_are_sentences() {
        let both =
            json!({ "content": [{ "type": "text", "text": "{}" }], "structuredContent": { "nm": 45 } });
        assert_eq!(Value::Object(result(both).unwrap()), json!({ "nm": 45 }));
        let error = json!({ "content": [{ "type": "text", "text": "no such\u{7} bolt" }], "isError": true });
        assert_eq!(result(error).unwrap_err(), "failed: no such bolt");
        let long = json!({ "content": [{ "type": "text", "text": "x".repeat(2000) }] });
        assert_eq!(result(long).unwrap_err(), "failed: it answered with more than 1 kB");
    }
}
