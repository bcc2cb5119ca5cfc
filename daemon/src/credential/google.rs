//! OAuth tokens for Vertex AI: from a service account, from a person's log-in, or from the machine's metadata server.
//!
//! Looked for as Google's own libraries do: the file that is named (configuration, systemd credential, environment), the
//! file that `gcloud` writes, the metadata server. A token is kept until shortly before its end.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::Value;
use zeroize::Zeroizing;

use super::metadata::Metadata;
use super::secret::{Last, Secret, presentable, read, read_now};
use super::service_account::{self, File};
use super::{CredentialError, Headers};
use crate::config;
use crate::net::http::{Answer, Http, Request, Url};

/// Name of the systemd credential.
pub const CREDENTIAL: &str = "google-credentials";
/// Environment variable that names the file.
const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");
/// A service account's file has some 2,400 bytes.
const FILE_MAX: u64 = 64 << 10;
const ANSWER_MAX: usize = 16 << 10;
const WITHIN: Duration = Duration::from_secs(10);
/// A token is not used for a new link any more when so little is left of it, as Google's libraries have it.
const LEFT_MIN: Duration = Duration::from_secs(225);

/// Where OAuth tokens come from, and what for.
pub struct Google {
    place: Place,
    project: String,
    location: String,
    quota_project: String,
    metadata: Metadata,
    kept: Mutex<Option<Kept>>,
    last: Last,
}

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// A file that somebody named; who.
    Named(PathBuf, &'static str),
    /// The file that gcloud writes.
    Gcloud(PathBuf),
    /// No file.
    Metadata,
}

struct Kept {
    token: Secret,
    quota_project: String,
    until: Instant,
}

/// The part of the environment that matters.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Google {
    /// Looks where credentials are; reads the file, should it be there, for its project.
    ///
    /// # Errors
    /// A sentence: no project is named anywhere.
    pub(super) fn new(vertex: &config::Vertex) -> Result<Self, String> {
        Self::within(vertex, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    pub(super) fn within(vertex: &config::Vertex, environment: Environment) -> Result<Self, String> {
        let place = Place::find(&vertex.credential_file, environment);
        let mut project = vertex.project.clone();
        if project.is_empty() {
            // A file that cannot be read now is told when it is needed; here it only names no project.
            let file = place.path().and_then(|path| read_now("", path, FILE_MAX).ok());
            project = file.map(|text| service_account::project(&text)).unwrap_or_default();
        }
        if project.is_empty() {
            project = environment("GOOGLE_CLOUD_PROJECT").unwrap_or_default();
        }
        if project.is_empty() {
            return Err(format!(
                "no project for Vertex AI: {place} names none; set [vertex] project to the project's id"
            ));
        }
        Ok(Google {
            place,
            project,
            location: vertex.location.clone(),
            quota_project: vertex.quota_project.clone(),
            metadata: Metadata::new(environment)?,
            kept: Mutex::default(),
            last: Last::default(),
        })
    }

    /// Place of a model in the project.
    pub(super) fn model(&self, name: &str) -> String {
        let Google { project, location, .. } = self;
        format!("projects/{project}/locations/{location}/publishers/google/models/{name}")
    }

    /// What opens a link.
    pub(super) async fn headers(&self, http: &Http) -> Result<Headers, CredentialError> {
        let kept = {
            let kept = self.kept.lock().expect("nobody panics while they hold it");
            kept.as_ref()
                .filter(|kept| Instant::now() < kept.until)
                .map(|kept| (kept.token.clone(), kept.quota_project.clone()))
        };
        let (token, named) = match kept {
            Some(kept) => kept,
            None => self.fetch(http).await?,
        };
        let mut headers = vec![(AUTHORIZATION, token.header("Bearer "))];
        let quota = if self.quota_project.is_empty() { named } else { self.quota_project.clone() };
        if !quota.is_empty() {
            let value = HeaderValue::from_str(&quota).map_err(|_| {
                CredentialError::fatal(format!("{}: its quota_project_id is no project id", self.place))
            })?;
            headers.push((USER_PROJECT, value));
        }
        Ok(headers)
    }

    async fn fetch(&self, http: &Http) -> Result<(Secret, String), CredentialError> {
        let asked = Instant::now();
        let place = &self.place;
        let (token, quota_project) = match place.path() {
            None => (self.metadata.token(http).await?, String::new()),
            Some(path) => {
                let text = read("credential file", path, FILE_MAX).await.map_err(|error| match place {
                    Place::Named(_, who) => {
                        CredentialError { reason: format!("{} (named by {who})", error.reason), ..error }
                    }
                    _ => error,
                })?;
                let file = File::parse(&text).map_err(|what| {
                    CredentialError::fatal(format!("credential file {}: {what}", path.display()))
                })?;
                let form = file.form(SystemTime::now()).map_err(|what| {
                    CredentialError::fatal(format!("credential file {}: {what}", path.display()))
                })?;
                (exchange(http, file.token_uri(), form, path).await?, file.quota_project().to_owned())
            }
        };
        self.last.set(&token.secret);
        if let Some(lasts) = token.lasts.checked_sub(LEFT_MIN).filter(|lasts| !lasts.is_zero()) {
            let (secret, quota_project) = (token.secret.clone(), quota_project.clone());
            *self.kept.lock().expect("nobody panics while they hold it") =
                Some(Kept { token: secret, quota_project, until: asked + lasts });
        }
        Ok((token.secret, quota_project))
    }

    /// What was kept is no good.
    pub(super) fn refused(&self) -> bool {
        *self.kept.lock().expect("nobody panics while they hold it") = None;
        true
    }

    pub(super) fn hint(&self, status: u16) -> Option<String> {
        let Google { project, location, place, .. } = self;
        match status {
            401 => Some(format!(
                "the token of {place} is refused: is it of another service, or this clock wrong?"
            )),
            403 => Some(format!(
                "{place} may not use project {project}: enable the Vertex AI API there, and give it the role \
                 Vertex AI User; is [vertex] project right?"
            )),
            400 | 404 => Some(format!(
                "there is no such thing in project {project}, location {location}: are [vertex] location and \
                 api_version right?"
            )),
            _ => None,
        }
    }

    pub(super) fn hint_closed(&self, reason: &str) -> Option<String> {
        let Google { project, location, .. } = self;
        let reason = reason.to_lowercase();
        let about_place = ["not supported in the live api", "is not found for", "permission"];
        about_place.iter().any(|words| reason.contains(words)).then(|| {
            format!(
                "project {project}, location {location}: are they right, and is [live] model served there?"
            )
        })
    }

    pub(super) fn blot_out(&self, words: String) -> String {
        self.last.blot_out(words)
    }
}

impl fmt::Display for Google {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vertex AI, project {}, location {}, by {}", self.project, self.location, self.place)
    }
}

impl Place {
    fn find(named: &str, environment: Environment) -> Self {
        if !named.is_empty() {
            return Place::Named(named.into(), "[vertex] credential_file");
        }
        if let Some(folder) = environment("CREDENTIALS_DIRECTORY") {
            let path = Path::new(&folder).join(CREDENTIAL);
            // The unit may hand over a blank one in place of a missing file.
            if std::fs::metadata(&path).is_ok_and(|facts| facts.len() > 1) {
                return Place::Named(path, "systemd");
            }
        }
        if let Some(path) = environment(VARIABLE) {
            return Place::Named(path.into(), VARIABLE);
        }
        let folder = environment("CLOUDSDK_CONFIG").map(PathBuf::from);
        let folder = folder.or_else(|| Some(Path::new(&environment("HOME")?).join(".config/gcloud")));
        match folder.map(|folder| folder.join("application_default_credentials.json")) {
            Some(path) if path.exists() => Place::Gcloud(path),
            _ => Place::Metadata,
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Place::Named(path, _) | Place::Gcloud(path) => Some(path),
            Place::Metadata => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path() {
            Some(path) => write!(f, "credential file {}", path.display()),
            None => f.write_str("the metadata server"),
        }
    }
}

/// An OAuth token and how long it is good for.
pub(super) struct Token {
    pub(super) secret: Secret,
    pub(super) lasts: Duration,
}

async fn exchange(
    http: &Http,
    url: &Url,
    form: Zeroizing<String>,
    path: &Path,
) -> Result<Token, CredentialError> {
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    let request = Request {
        method: Method::POST,
        url: url.clone(),
        headers: vec![(CONTENT_TYPE, form_type)],
        body: Zeroizing::new(form.as_bytes().to_vec()),
        within: WITHIN,
        answer_max: ANSWER_MAX,
    };
    let at = format!("token endpoint {url}");
    let answer = http.ask(request).await.map_err(|error| CredentialError::on_the_way(&at, &error))?;
    if answer.status == StatusCode::OK {
        return token(&answer, &at);
    }
    let words: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = presentable(words["error"].as_str().unwrap_or("no reason given"));
    let description = presentable(words["error_description"].as_str().unwrap_or_default());
    let told = format!("{at}: {} ({error}) {description}", answer.status.as_u16());
    let told = told.trim_end();
    let path = path.display();
    Err(match (error.as_str(), answer.status.as_u16()) {
        // The service says so of a JWT from the past or the future.
        ("invalid_grant", _) if description.contains("iat") || description.contains("timeframe") => {
            CredentialError::passing(format!("{told}; this device's clock is wrong: it says {}", clock()))
        }
        ("invalid_grant", _) => CredentialError::fatal(format!(
            "{told}; {path} was revoked or is of another account, or this device's clock is wrong: renew it"
        )),
        (_, 429 | 500..=599) => CredentialError::passing(told),
        _ => CredentialError::fatal(format!("{told}; {path} is not accepted: renew it")),
    })
}

/// What the clock says, in seconds since 1970.
fn clock() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{since} s since 1970, `date` shows it")
}

/// The token in an answer.
pub(super) fn token(answer: &Answer, from: &str) -> Result<Token, CredentialError> {
    let unfit = |what: &str| CredentialError::passing(format!("{from}: its answer {what}"));
    let object: Value = serde_json::from_slice(&answer.body).map_err(|_| unfit("is no JSON"))?;
    let text = object["access_token"].as_str().ok_or_else(|| unfit("has no access_token"))?;
    let secret = Secret::new(text).map_err(|what| unfit(&format!("has an access_token that {what}")))?;
    let lasts = Duration::from_secs(object["expires_in"].as_u64().unwrap_or(0).min(3600));
    Ok(Token { secret, lasts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_looked_at_in_the_documented_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let home = folder.path().to_str().unwrap().to_owned();
        let check = |named: &str, variables: &[(&str, &str)], expected: Place| {
            let value = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            assert_eq!(Place::find(named, &value), expected, "{named} {variables:?}");
        };
        let gcloud = path("application_default_credentials.json");
        let sdk = ("CLOUDSDK_CONFIG", home.as_str());
        check("", &[], Place::Metadata);
        check("", &[sdk], Place::Metadata);
        std::fs::write(&gcloud, "{}").unwrap();
        check("", &[sdk], Place::Gcloud(gcloud.clone()));
        std::fs::create_dir_all(path(".config/gcloud")).unwrap();
        let in_home = path(".config/gcloud/application_default_credentials.json");
        std::fs::write(&in_home, "{}").unwrap();
        check("", &[("HOME", &home)], Place::Gcloud(in_home));
        let variable = (VARIABLE, "/etc/sa.json");
        check("", &[sdk, variable], Place::Named("/etc/sa.json".into(), VARIABLE));
        std::fs::write(path(CREDENTIAL), "\n").unwrap();
        let systemd = ("CREDENTIALS_DIRECTORY", home.as_str());
        check("", &[sdk, variable, systemd], Place::Named("/etc/sa.json".into(), VARIABLE));
        std::fs::write(path(CREDENTIAL), "{}").unwrap();
        check("", &[sdk, variable, systemd], Place::Named(path(CREDENTIAL), "systemd"));
        check(
            "/a.json",
            &[sdk, variable, systemd],
            Place::Named("/a.json".into(), "[vertex] credential_file"),
        );
    }
}
