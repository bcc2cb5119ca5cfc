//! `groundingMetadata`: what was searched for, and what was found.

use super::read::{Leaf, Members, Trouble};
use super::value::{Value, object, only};
use crate::event::{Grounding, Source};
use serde::de::MapAccess;
use std::borrow::Cow;

/// More of it nobody reads; the service sends up to ten.
const MANY: usize = 32;
/// Addresses and titles beyond this are cut; the page of suggestions beyond this is left out.
const TEXT_MAX: usize = 2_000;
const PAGE_MAX: usize = 32_000;

impl<'de> Members<'de> for Grounding {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "webSearchQueries" | "web_search_queries" => {
                let mut all = Vec::<Leaf<'de>>::new();
                all.read(map, trouble)?;
                let texts = all.into_iter().filter_map(|leaf| leaf.text(trouble)).map(short);
                self.queries.extend(texts.take(MANY));
            }
            "groundingChunks" | "grounding_chunks" => {
                let mut all = Vec::<Chunk>::new();
                all.read(map, trouble)?;
                let found = all.into_iter().filter_map(|chunk| chunk.0);
                self.sources.extend(found.filter(|source| !source.uri.is_empty()).take(MANY));
            }
            "searchEntryPoint" | "search_entry_point" => {
                let page: Option<Option<String>> =
                    only(&["renderedContent", "rendered_content"], map, trouble)?;
                self.suggestions = page.flatten().filter(|page| page.len() <= PAGE_MAX);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// One thing that was found, whichever search found it.
#[derive(Default)]
struct Chunk(Option<Source>);

impl<'de> Members<'de> for Chunk {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        let known = matches!(key, "web" | "maps" | "retrievedContext" | "retrieved_context");
        if known {
            self.0 = object(map, trouble)?;
        }
        Ok(known)
    }
}

impl<'de> Members<'de> for Source {
    fn member<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        trouble: Trouble<'_>,
    ) -> Result<bool, A::Error> {
        match key {
            "uri" => self.uri = Leaf::of(map)?.text(trouble).map(short).unwrap_or_default(),
            "title" => self.title = Leaf::of(map)?.text(trouble).map(short).unwrap_or_default(),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn short(text: Cow<'_, str>) -> String {
    text.chars().take(TEXT_MAX).collect()
}
