//! Credentials against services on loopback: what is asked, what is kept, what is said when it fails.

mod jwt;
mod loopback;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::config;
use crate::net::{Dialer, Settings};
use jwt::{check_jwt, unix_now};
use loopback::{form, server};

const RSA: &str = include_str!("../../../tests/keys/rsa.pem");

fn http() -> Http {
    Http::new(Dialer::new(Settings::default()), crate::tls::client(None).unwrap())
}

fn secret_file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn account(token_uri: &str) -> Value {
    json!({
        "type": "service_account", "project_id": "my-device-7", "private_key_id": "kid-1", "private_key": RSA,
        "client_email": "pressel@my-device-7.iam.gserviceaccount.com", "token_uri": token_uri,
    })
}

/// Vertex AI with a credential file that holds this.
fn google(folder: &Path, file: &Value, environment: &[(&str, &str)]) -> Result<Google, String> {
    let vertex = config::Vertex {
        credential_file: match file {
            Value::Null => String::new(),
            file => secret_file(folder, "account.json", &file.to_string()).to_str().unwrap().to_owned(),
        },
        ..config::Vertex::default()
    };
    Google::within(&vertex, &|name| {
        environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    })
}

fn shown(headers: &Headers) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

#[tokio::test]
async fn a_service_account_signs_for_a_token_which_is_kept_until_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let answer =
        |token: &str, s: u64| (200, json!({"access_token": token, "expires_in": s, "token_type": "Bearer"}));
    // The third is good for less time than a token is kept before its end.
    let answers = vec![answer("ya29.first", 3599), answer("ya29.second", 225), answer("ya29.third", 3599)];
    let (address, asked) = server(answers);
    let uri = format!("http://{address}/token");
    let google = google(folder.path(), &account(&uri), &[]).unwrap();
    assert_eq!(
        google.model("gemini-live-2.5-flash-native-audio"),
        "projects/my-device-7/locations/us-central1/publishers/google/models/gemini-live-2.5-flash-native-audio"
    );
    let before = unix_now();
    for _ in 0..3 {
        let headers = google.headers(&http()).await.unwrap();
        assert_eq!(shown(&headers), [("authorization", "Bearer ya29.first")]);
        assert!(!format!("{headers:?}").contains("ya29"));
    }
    assert_eq!(google.blot_out("token ya29.first is bad".into()), "token … is bad");
    let request = asked.recv().unwrap();
    assert!(request.starts_with("POST /token HTTP/1.1\r\n"), "{request}");
    let fields = form(&request);
    assert_eq!(fields[0], ("grant_type", "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"));
    check_jwt(fields[1].1, &uri, before);

    assert!(google.refused());
    for expected in ["Bearer ya29.second", "Bearer ya29.third", "Bearer ya29.third"] {
        assert_eq!(shown(&google.headers(&http()).await.unwrap())[0].1, expected);
    }
}

#[test]
fn a_wrong_place_is_told_with_what_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let google = google(folder.path(), &account("https://oauth2.googleapis.com/token"), &[]).unwrap();
    let credential = Credential::Google(Box::new(google));
    let hint = credential.hint_closed("gemini-9 is not supported in the live api.").unwrap();
    assert!(hint.starts_with("project my-device-7, location us-central1: "), "{hint}");
    assert_eq!(credential.hint_closed("Requested entity was not found."), None);
    assert!(credential.hint(403).unwrap().contains("may not use project my-device-7"));
    assert!(credential.hint(404).unwrap().contains("location us-central1"));
    assert_eq!(credential.hint(503), None);
}

#[tokio::test]
async fn a_log_in_is_refreshed_and_its_quota_project_named() {
    let folder = tempfile::tempdir().unwrap();
    let (address, asked) = server(vec![(200, json!({"access_token": "ya29.user", "expires_in": 3599}))]);
    let file = json!({
        "type": "authorized_user", "client_id": "id.apps", "client_secret": "s&cret", "refresh_token": "1//fresh",
        "quota_project_id": "my-quota-9", "token_uri": format!("http://{address}/token"),
    });
    let google = google(folder.path(), &file, &[]).unwrap();
    let headers = google.headers(&http()).await.unwrap();
    assert_eq!(
        shown(&headers),
        [("authorization", "Bearer ya29.user"), ("x-goog-user-project", "my-quota-9")]
    );
    let request = asked.recv().unwrap();
    assert_eq!(
        form(&request),
        [
            ("grant_type", "refresh_token"),
            ("client_id", "id.apps"),
            ("client_secret", "s%26cret"),
            ("refresh_token", "1%2F%2Ffresh")
        ]
    );
    assert!(google.model("m").starts_with("projects/my-quota-9/"));
}

#[tokio::test]
async fn the_metadata_server_is_asked_with_its_header() {
    let folder = tempfile::tempdir().unwrap();
    let (address, asked) = server(vec![(200, json!({"access_token": "ya29.machine", "expires_in": 3599}))]);
    let environment = [("GCE_METADATA_HOST", address.as_str()), ("GOOGLE_CLOUD_PROJECT", "p-7")];
    let google = google(folder.path(), &Value::Null, &environment).unwrap();
    assert_eq!(shown(&google.headers(&http()).await.unwrap())[0].1, "Bearer ya29.machine");
    let request = asked.recv().unwrap();
    let line = "GET /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1\r\n";
    assert!(request.starts_with(line) && request.contains("metadata-flavor: Google\r\n"), "{request}");
}

/// What a broken credential file, or a refusal of a good one, is told as.
async fn google_fails(file: &Value, answer: (u16, Value), fatal: bool, words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (address, _asked) = server(vec![answer]);
    let mut file = file.clone();
    if file.is_object() {
        let _ = file["token_uri"]
            .as_str()
            .is_none_or(|uri| uri.is_empty())
            .then(|| file["token_uri"] = format!("http://{address}/token").into());
    }
    let vertex = config::Vertex {
        project: "p".into(),
        credential_file: secret_file(folder.path(), "a.json", file.as_str().unwrap_or(&file.to_string()))
            .to_str()
            .unwrap()
            .into(),
        ..config::Vertex::default()
    };
    let error = Google::within(&vertex, &|_| None).unwrap().headers(&http()).await.unwrap_err();
    assert_eq!(error.cause, Cause::Credential { fatal }, "{error}");
    for word in words {
        assert!(error.reason.contains(word), "no \"{word}\" in: {error}");
    }
    let body = RSA.lines().nth(3).unwrap();
    assert!(!error.reason.contains(body) && !error.reason.contains("hush"), "{error}");
}

#[tokio::test]
async fn a_broken_credential_file_is_told_with_its_field_or_line() {
    let unasked = || (500, json!("never asked"));
    let with = |field: &str, value: Value| {
        let mut file = account("");
        file[field] = value;
        file
    };
    let without = |field: &str| {
        let mut file = account("");
        file.as_object_mut().unwrap().remove(field);
        file
    };
    let broken = json!("{\n \"type\": \"service_account\",\n \"private_key\" \"hush\"\n}");
    google_fails(&broken, unasked(), true, &["a.json: is no JSON, at line 3 column"]).await;
    google_fails(&json!("[]"), unasked(), true, &["is no JSON object"]).await;
    google_fails(&without("client_email"), unasked(), true, &["a.json: field \"client_email\" is missing"])
        .await;
    google_fails(
        &with("client_email", json!(["hush"])),
        unasked(),
        true,
        &["field \"client_email\" is not a text"],
    )
    .await;
    google_fails(
        &with("private_key", json!("hush")),
        unasked(),
        true,
        &["field \"private_key\" is not a key in PEM"],
    )
    .await;
    let cut: String = RSA
        .lines()
        .filter(|line| line.len() != 64 || !line.starts_with('M'))
        .map(|l| format!("{l}\n"))
        .collect();
    google_fails(
        &with("private_key", json!(cut)),
        unasked(),
        true,
        &["field \"private_key\" is PEM, but no RSA key"],
    )
    .await;
    google_fails(&with("type", json!("external_account")), unasked(), true, &["borrows another identity"])
        .await;
    google_fails(&with("type", json!("hush")), unasked(), true, &["field \"type\" is not known"]).await;
    google_fails(
        &with("token_uri", json!("http://example.org/t")),
        unasked(),
        true,
        &["\"token_uri\": an unencrypted"],
    )
    .await;
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_whether_waiting_helps() {
    let invalid = |text: &str| (400, json!({"error": "invalid_grant", "error_description": text}));
    let file = account("");
    let clock = "Invalid JWT: Token must be a short-lived token and in a reasonable timeframe. Check your iat and exp values";
    google_fails(&file, invalid(clock), false, &["clock is wrong", "400 (invalid_grant)"]).await;
    google_fails(
        &file,
        invalid("Invalid JWT Signature."),
        true,
        &["was revoked or is of another account", "a.json"],
    )
    .await;
    google_fails(&file, (401, json!({"error": "invalid_client"})), true, &["is not accepted: renew it"])
        .await;
    google_fails(&file, (503, json!("away")), false, &["token endpoint http://127.0.0.1", "503"]).await;
    google_fails(&file, (200, json!("<html>")), false, &["its answer is no JSON"]).await;
    google_fails(&file, (200, json!({"token": "hush"})), false, &["has no access_token"]).await;
    google_fails(&file, (302, json!("")), true, &["redirects (302)"]).await;
    // Nobody listens on a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = account(&format!("http://127.0.0.1:{port}/token"));
    google_fails(&away, (500, json!("never asked")), false, &["token endpoint", "refused"]).await;
}

#[test]
fn without_a_project_there_is_nothing_to_talk_to() {
    let folder = tempfile::tempdir().unwrap();
    let file =
        json!({"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"});
    let why = google(folder.path(), &file, &[]).err().unwrap();
    assert!(why.contains("set [vertex] project") && why.contains("account.json"), "{why}");
}

fn tokens(change: impl FnOnce(&mut config::Token)) -> Credential {
    let mut token = config::Token { timeout_s: 5, ..config::Token::default() };
    change(&mut token);
    Credential::Tokens(Box::new(Tokens::new(&token, "").unwrap()))
}

#[tokio::test]
async fn a_token_service_is_asked_for_each_link_with_its_bearer() {
    let folder = tempfile::tempdir().unwrap();
    let answers = ["auth_tokens/one", "auth_tokens/two"].map(|name| (200, json!({ "name": name })));
    let (address, asked) = server(answers.to_vec());
    let bearer = secret_file(folder.path(), "bearer", "device-7-hush\n");
    let credential = tokens(|token| {
        token.url = format!("http://{address}/mint?device=7");
        token.bearer_file = bearer.to_str().unwrap().into();
    });
    for expected in ["Token auth_tokens/one", "Token auth_tokens/two"] {
        let headers = credential.headers(&http()).await.unwrap();
        assert_eq!(shown(&headers), [("authorization", expected)]);
        let request = asked.recv().unwrap();
        assert!(request.starts_with("POST /mint?device=7 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Bearer device-7-hush\r\n"), "{request}");
    }
    assert_eq!(credential.to_string(), format!("ephemeral tokens from token service http://{address}/mint"));
    assert_eq!(credential.blot_out("bad auth_tokens/two".into()), "bad …");
}

#[tokio::test]
async fn a_token_source_that_gives_none_says_why() {
    async fn check(answer: (u16, Value), fatal: bool, text: &str) {
        let (address, _asked) = server(vec![answer]);
        let error = tokens(|token| token.url = format!("http://{address}/mint?k=hush"))
            .headers(&http())
            .await
            .unwrap_err();
        assert_eq!(error.cause, Cause::Credential { fatal }, "{error}");
        let whole =
            error.reason.starts_with("token service http://127.0.0.1:") && error.reason.contains(text);
        assert!(whole && !error.reason.contains("hush"), "{error}");
    }
    check(
        (401, json!("who are you?")),
        true,
        "does not know this device (401 Unauthorized): who are you?; renew nothing",
    )
    .await;
    check((404, json!("no")), true, "is the address right").await;
    check((503, json!("AIzahush")), false, "503").await;
    check((200, json!("AIzahush")), true, "holds an API key").await;
    check(
        (200, json!({"name": "auth_tokens/hush", "expireTime": "2020-01-01T00:00:00Z"})),
        false,
        "expired at 2020",
    )
    .await;
    check((307, json!("")), true, "redirects (307)").await;
    check((200, json!("x".repeat(9000))), false, "longer than 8192 bytes").await;
}

#[tokio::test]
async fn commands_and_files_give_tokens_too() {
    let folder = tempfile::tempdir().unwrap();
    let command =
        tokens(|token| token.command = ["/bin/echo", "auth_tokens/run"].map(str::to_owned).to_vec());
    assert_eq!(shown(&command.headers(&http()).await.unwrap()), [("authorization", "Token auth_tokens/run")]);
    assert!(!command.to_string().contains("auth_tokens/run"), "{command}");

    let path = secret_file(folder.path(), "token", "auth_tokens/old\n");
    let file = tokens(|token| token.file = path.to_str().unwrap().into());
    assert_eq!(shown(&file.headers(&http()).await.unwrap())[0].1, "Token auth_tokens/old");
    assert!(!file.refused(), "the same token would be refused again");
    std::fs::write(&path, "auth_tokens/new\n").unwrap();
    assert!(file.refused());
    assert_eq!(shown(&file.headers(&http()).await.unwrap())[0].1, "Token auth_tokens/new");
    std::fs::remove_file(&path).unwrap();
    let error = file.headers(&http()).await.unwrap_err();
    assert_eq!(error.cause, Cause::Credential { fatal: false }, "{error}");
}
