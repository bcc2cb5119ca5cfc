//! Who is let in: each way to the service has a path and a header of its own, and none takes another's.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::schema::Version;

const DEVELOPER: &str = "/ws/google.ai.generativelanguage.";
const METHOD: &str = ".GenerativeService.BidiGenerateContent";
const VERTEX: &str = "/ws/google.cloud.aiplatform.";
/// A slash before the method, where the Developer API has a dot.
const VERTEX_METHOD: &str = ".LlmBidiService/BidiGenerateContent";

/// A way to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// With an API key, which is judged at the setup.
    Key(Version),
    /// With an ephemeral token.
    Token(Version),
    /// With an OAuth token.
    Vertex,
}

impl Door {
    /// The way that a path leads.
    pub(crate) fn at(path: &str) -> Option<Self> {
        if let Some(version) = path.strip_prefix(VERTEX).and_then(|path| path.strip_suffix(VERTEX_METHOD)) {
            return matches!(version, "v1" | "v1beta1").then_some(Door::Vertex);
        }
        let rest = path.strip_prefix(DEVELOPER)?;
        let version = |name| match name {
            "v1beta" => Some(Version::Beta),
            "v1alpha" => Some(Version::Alpha),
            _ => None,
        };
        match rest.strip_suffix("Constrained") {
            Some(rest) => Some(Door::Token(version(rest.strip_suffix(METHOD)?)?)),
            None => Some(Door::Key(version(rest.strip_suffix(METHOD)?)?)),
        }
    }

    /// Which fields are known behind it.
    pub(crate) fn version(self) -> Version {
        match self {
            Door::Key(version) | Door::Token(version) => version,
            // It knows no version that has the early fields.
            Door::Vertex => Version::Beta,
        }
    }

    /// Whether somebody with these headers passes; else the status and words that refuse them.
    pub(crate) fn judge(
        self,
        passes: &Passes,
        key: bool,
        authorization: Option<&str>,
    ) -> Result<(), (u16, String)> {
        let scheme = |name: &str| authorization.and_then(|value| value.strip_prefix(name)?.strip_prefix(' '));
        let refuse = |status, text: &str| Err((status, text.to_owned()));
        match self {
            Door::Key(_) if !key && authorization.is_some() => refuse(
                403,
                "Method doesn't allow unregistered callers (callers without established identity). Please use API Key \
                 or other form of API consumer identity to call this API.",
            ),
            Door::Key(_) => Ok(()),
            Door::Token(_) => match scheme("Token") {
                Some(token) if passes.use_token(token) => Ok(()),
                Some(_) => {
                    refuse(401, "Request had invalid authentication credentials: token expired or used up.")
                }
                None => refuse(401, "Request is missing required authentication credential."),
            },
            Door::Vertex => match scheme("Bearer") {
                Some(token) if passes.has_bearer(token) => Ok(()),
                Some(_) => refuse(
                    401,
                    "Request had invalid authentication credentials. Expected OAuth 2 access token.",
                ),
                None => refuse(401, "Request is missing required authentication credential."),
            },
        }
    }
}

/// Tokens that are good. A clone shares them; the default takes any that looks like one.
#[derive(Clone, Debug, Default)]
pub struct Passes(Option<Arc<Mutex<Known>>>);

#[derive(Default)]
struct Known {
    tokens: HashSet<String>,
    bearers: HashSet<String>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens, {} bearers", self.tokens.len(), self.bearers.len())
    }
}

impl Passes {
    /// None is good until it is added.
    pub fn none() -> Self {
        Passes(Some(Arc::default()))
    }

    /// Makes an ephemeral token good, for one link.
    pub fn add_token(&self, token: &str) {
        if let Some(mut known) = self.known() {
            known.tokens.insert(token.to_owned());
        }
    }

    /// Makes an OAuth token good.
    pub fn add_bearer(&self, token: &str) {
        if let Some(mut known) = self.known() {
            known.bearers.insert(token.to_owned());
        }
    }

    /// Makes every OAuth token bad.
    pub fn revoke(&self) {
        if let Some(mut known) = self.known() {
            known.bearers.clear();
        }
    }

    fn use_token(&self, token: &str) -> bool {
        self.known().map_or(token.starts_with("auth_tokens/"), |mut known| known.tokens.remove(token))
    }

    fn has_bearer(&self, token: &str) -> bool {
        self.known().map_or(!token.is_empty(), |known| known.bearers.contains(token))
    }

    fn known(&self) -> Option<MutexGuard<'_, Known>> {
        Some(self.0.as_ref()?.lock().expect("nobody panics while they hold it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_leads_one_way() {
        let developer = "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContent";
        assert_eq!(Door::at(developer), Some(Door::Key(Version::Alpha)));
        assert_eq!(Door::at(&format!("{developer}Constrained")), Some(Door::Token(Version::Alpha)));
        let vertex = "/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent";
        assert_eq!(Door::at(vertex), Some(Door::Vertex));
        assert_eq!(Door::at(&vertex.replace("Service/", "Service.")), None);
        assert_eq!(Door::at(&vertex.replace("v1", "v1alpha")), None);
        assert_eq!(Door::at(&developer.replace("v1alpha", "v2")), None);
    }

    #[test]
    fn nobody_passes_with_what_opens_another_door() {
        let passes = Passes::none();
        passes.add_token("auth_tokens/a");
        passes.add_bearer("ya29.a");
        let check = |door: Door, key, authorization, expected: Option<u16>| {
            let judged = door.judge(&passes, key, authorization).err().map(|(status, _)| status);
            assert_eq!(judged, expected, "{door:?} {authorization:?}");
        };
        let (token, bearer) = (Some("Token auth_tokens/a"), Some("Bearer ya29.a"));
        check(Door::Key(Version::Beta), true, None, None);
        check(Door::Key(Version::Beta), false, token, Some(403));
        check(Door::Vertex, false, token, Some(401));
        check(Door::Vertex, true, None, Some(401));
        check(Door::Vertex, false, bearer, None);
        check(Door::Vertex, false, bearer, None);
        check(Door::Token(Version::Beta), true, None, Some(401));
        check(Door::Token(Version::Beta), false, bearer, Some(401));
        check(Door::Token(Version::Beta), false, Some("Bearer auth_tokens/a"), Some(401));
        check(Door::Token(Version::Beta), false, token, None);
        check(Door::Token(Version::Beta), false, token, Some(401)); // used up
        passes.revoke();
        check(Door::Vertex, false, bearer, Some(401));
    }
}
