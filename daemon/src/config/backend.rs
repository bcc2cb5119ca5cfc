//! Tables about what opens the service: tokens, Vertex AI. Which of them counts is `[live] backend`.

use super::rule::{LIST, Rule, TEXT, whole};
use super::table::table;
use super::words::words;

words! {
    /// Which service is talked to, and with what.
    Backend {
        /// The Developer API with a key.
        Developer = "developer",
        /// The Developer API with ephemeral tokens.
        Token = "token",
        /// Vertex AI.
        Vertex = "vertex",
    }
}

table! {
    /// `[token]`: where ephemeral tokens come from, one for each link. One of `url`, `command` and `file` is set.
    Token {
        /// A service of one's own that answers with a token.
        url: String = "", Rule::Text { empty: true, check: Some(super::text::token_url) };
        /// How it is asked.
        method: Method = Method::Post, Rule::Words(Method::WORDS);
        /// File with the bearer token that it wants; empty = none.
        bearer_file: String = "", TEXT;
        /// PEM file with the client certificate that it wants; empty = none.
        client_cert_file: String = "", TEXT;
        /// PEM file with the private key of that certificate.
        client_key_file: String = "", TEXT;
        /// Program and arguments that print a token; no shell reads them.
        command: Vec<String> = [], LIST;
        /// File with a token, renewed by somebody else.
        file: String = "", TEXT;
        /// How long the service or the command may take.
        timeout_s: u32 = 10u32, whole(1, 60);
    }
}

words! {
    /// How a service of one's own is asked for a token.
    Method {
        /// With a body of no bytes.
        Post = "post",
        /// Without a body.
        Get = "get",
    }
}

table! {
    /// `[vertex]`: the project that pays, and where it is served.
    Vertex {
        /// Empty = the one that the credential names.
        project: String = "", Rule::Text { empty: true, check: Some(super::text::project) };
        /// A region, a multi-region, or global.
        location: String = "us-central1", Rule::Text { empty: false, check: Some(super::text::location) };
        /// Version in the path of the endpoint.
        api_version: VertexVersion = VertexVersion::V1, Rule::Words(VertexVersion::WORDS);
        /// Service account or user credentials; empty = searched for.
        credential_file: String = "", TEXT;
        /// The project whose quota is used; empty = the one that the credential names, if any.
        quota_project: String = "", Rule::Text { empty: true, check: Some(super::text::project) };
    }
}

words! {
    /// Version in the path of Vertex AI's endpoint.
    VertexVersion {
        /// The usual one.
        V1 = "v1",
        /// Early features.
        V1Beta1 = "v1beta1",
    }
}
