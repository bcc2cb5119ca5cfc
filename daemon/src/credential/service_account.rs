//! The file that names an account: a service account's, whose private key signs a request for a token, or a person's, as
//! `gcloud auth application-default login` leaves it.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::RsaSigningKey;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::SigningKey;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::net::http::Url;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where both kinds are exchanged unless the file says otherwise.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// The longest that the service grants.
const LASTS: Duration = Duration::from_secs(3600);

/// A file, understood.
pub(super) struct File {
    token_uri: Url,
    quota_project: String,
    kind: Kind,
}

enum Kind {
    ServiceAccount { email: String, key_id: String, key: RsaSigningKey, audience: String },
    User { id: String, secret: Zeroizing<String>, refresh: Zeroizing<String> },
}

/// The project that a file names; empty when it names none.
pub(super) fn project(text: &str) -> String {
    let file: Value = serde_json::from_str(text).unwrap_or_default();
    let named = file["project_id"].as_str().or(file["quota_project_id"].as_str());
    named.unwrap_or_default().to_owned()
}

impl File {
    /// # Errors
    /// What is wrong with it, to continue a sentence that names the file; it quotes nothing of it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Fields(fields) = Fields::parse(text)?;
        let file = Fields(fields);
        let kind = match file.text("type")? {
            "service_account" => file.service_account()?,
            "authorized_user" => Kind::User {
                id: file.text("client_id")?.to_owned(),
                secret: Zeroizing::new(file.text("client_secret")?.to_owned()),
                refresh: Zeroizing::new(file.text("refresh_token")?.to_owned()),
            },
            "external_account" | "impersonated_service_account" | "external_account_authorized_user" => {
                return Err("is of a type that borrows another identity, which this program does not do; \
                            use a service account's file or `gcloud auth application-default login`"
                    .into());
            }
            _ => {
                return Err(
                    "field \"type\" is not known; expected \"service_account\" or \"authorized_user\"".into(),
                );
            }
        };
        let token_uri = Url::parse(file.token_uri()?).map_err(|why| format!("field \"token_uri\": {why}"))?;
        let quota_project =
            file.0.get("quota_project_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(File { token_uri, quota_project, kind })
    }

    /// Where it is exchanged for a token.
    pub(super) fn token_uri(&self) -> &Url {
        &self.token_uri
    }

    /// The project whose quota is used; may be empty.
    pub(super) fn quota_project(&self) -> &str {
        &self.quota_project
    }

    /// The form that asks for a token, at this time.
    ///
    /// # Errors
    /// The key does not sign.
    pub(super) fn form(&self, now: SystemTime) -> Result<Zeroizing<String>, String> {
        let mut form = Zeroizing::new(String::with_capacity(2048));
        match &self.kind {
            Kind::User { id, secret, refresh } => {
                let fields = [
                    ("grant_type", "refresh_token"),
                    ("client_id", id),
                    ("client_secret", secret),
                    ("refresh_token", refresh),
                ];
                for (name, value) in fields {
                    field(&mut form, name, value);
                }
            }
            Kind::ServiceAccount { email, key_id, key, audience } => {
                let now_s = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
                let head = json!({ "alg": "RS256", "typ": "JWT", "kid": key_id });
                let claims = json!({
                    "iss": email, "scope": SCOPE, "aud": audience, "iat": now_s, "exp": now_s + LASTS.as_secs(),
                });
                let assertion = jwt(&head, &claims, key)?;
                field(&mut form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
                field(&mut form, "assertion", &assertion);
            }
        }
        Ok(form)
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn parse(text: &str) -> Result<Self, String> {
        // As a map, so that errors are of syntax alone: those of types would quote what they found.
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Ok(Fields(fields)),
            Ok(_) => Err("is no JSON object; expected a service account's file as it was downloaded".into()),
            Err(error) => Err(format!(
                "is no JSON, at line {} column {}; expected a service account's file as it was downloaded",
                error.line(),
                error.column()
            )),
        }
    }

    fn text(&self, name: &str) -> Result<&str, String> {
        match self.0.get(name) {
            None => Err(format!("field \"{name}\" is missing")),
            Some(Value::String(text)) if text.trim().is_empty() => Err(format!("field \"{name}\" is empty")),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(format!("field \"{name}\" is not a text")),
        }
    }

    fn token_uri(&self) -> Result<&str, String> {
        if self.0.contains_key("token_uri") { self.text("token_uri") } else { Ok(TOKEN_URI) }
    }

    fn service_account(&self) -> Result<Kind, String> {
        let pem = self.text("private_key")?;
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
            "field \"private_key\" is not a key in PEM, with lines -----BEGIN PRIVATE KEY----- and -----END PRIVATE \
             KEY-----; was the file pasted or edited?"
        })?;
        let key = RsaSigningKey::new(&der)
            .map_err(|_| "field \"private_key\" is PEM, but no RSA key of 2048 bits or more that is whole")?;
        Ok(Kind::ServiceAccount {
            email: self.text("client_email")?.to_owned(),
            key_id: self.text("private_key_id")?.to_owned(),
            key,
            audience: self.token_uri()?.to_owned(),
        })
    }
}

/// A JSON Web Token of RFC 7519, signed with RS256 of RFC 7518.
fn jwt(head: &Value, claims: &Value, key: &RsaSigningKey) -> Result<Zeroizing<String>, String> {
    let unsigned = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signer = key
        .choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])
        .ok_or("field \"private_key\" is a key that does not sign with RS256")?;
    let signature = signer.sign(unsigned.as_bytes()).map_err(|_| "field \"private_key\" does not sign")?;
    Ok(Zeroizing::new(format!("{unsigned}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

/// Adds a field to a form (application/x-www-form-urlencoded).
fn field(form: &mut String, name: &str, value: &str) {
    if !form.is_empty() {
        form.push('&');
    }
    form.push_str(name);
    form.push('=');
    crate::net::encode(value, b"-._*", form);
}
