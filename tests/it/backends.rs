//! Devices that hold no account key: ephemeral tokens and Vertex AI, with everything that hands tokens out on loopback.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fake_gemini::{Authority, BEARER, FakeGoogle, Fault, Options, Passes, Script, Turn, What};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::stage::Setting;

use crate::refusals::NO_MORE;
use crate::scene::{Scene, dials, messages, setting};

const RSA: &str = include_str!("../keys/rsa.pem");
const VERTEX_MODEL: &str = "gemini-live-2.5-flash-native-audio";

fn script() -> Script {
    Script { rest: Turn::noise(400, 1), ..Script::default() }
}

/// A daemon without a key, with these keys of `[live]` and these tables, before a server that knows these passes.
fn keyless(live: &str, tables: &str, passes: &Passes) -> Setting {
    let setting = setting("hold", tables, script());
    let server = Options { passes: passes.clone(), ..setting.server };
    Setting { key: None, live: live.into(), server, ..setting }
}

fn secret_file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn account(google: &FakeGoogle) -> Value {
    json!({
        "type": "service_account", "project_id": "my-device-7", "private_key_id": "kid-1", "private_key": RSA,
        "client_email": "pressel@my-device-7.iam.gserviceaccount.com", "token_uri": format!("{}/token", google.url()),
    })
}

/// One question is answered.
#[track_caller]
fn talk(scene: &Scene) {
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.answered(mark);
}

/// What was shown to the server on each link, and on which path.
fn shown(scene: &Scene) -> Vec<(String, String)> {
    let events = scene.server.events();
    let requests = events.iter().filter_map(|event| match &event.what {
        What::Requested(request) => Some(request.clone()),
        _ => None,
    });
    let header = |name: &str, headers: &[(String, String)]| {
        headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    requests
        .map(|r| (header("authorization", &r.headers), r.path.rsplit('.').next().unwrap().to_owned()))
        .collect()
}

/// Neither tokens nor what they are bought with is in the log.
#[track_caller]
fn check_private(scene: &Scene) {
    let log = scene.log();
    let key = RSA.lines().nth(5).unwrap();
    for secret in ["auth_tokens/", "ya29.", BEARER, "eyJ", key] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[test]
fn each_link_gets_a_token_of_its_own_from_a_service_that_knows_the_device_by_its_certificate() {
    let folder = TempDir::new().unwrap();
    let authority = Authority::new().unwrap();
    let passes = Passes::none();
    let google = FakeGoogle::start(passes.clone(), Some(authority.clone())).unwrap();
    let (certificate, key) = authority.client_pem();
    let certificate = secret_file(folder.path(), "device.pem", certificate);
    let key = secret_file(folder.path(), "device.key", key);
    let tables = format!(
        "[token]\nurl = \"{}/mint\"\nclient_cert_file = \"{}\"\nclient_key_file = \"{}\"\n",
        google.url(),
        certificate.display(),
        key.display()
    );
    let mut setting = keyless("backend = \"token\"", &tables, &passes);
    setting.server.authority = Some(authority);
    let scene = Scene::set(setting);
    talk(&scene);
    scene.server.strike(Fault::Reset);
    scene.server_until("the link is gone", |events| events.iter().any(|event| event.what == What::Gone));
    talk(&scene);
    let token = ("Token …".to_owned(), "BidiGenerateContentConstrained".to_owned());
    assert_eq!(shown(&scene), [token.clone(), token]);
    assert_eq!(google.asked(), ["POST /mint", "POST /mint"]);
    check_private(&scene);
    scene.end();
}

#[test]
fn a_service_account_talks_to_vertex_and_a_revoked_token_is_replaced_within_the_dial() {
    let folder = TempDir::new().unwrap();
    let passes = Passes::none();
    let google = FakeGoogle::start(passes.clone(), None).unwrap();
    let file = secret_file(folder.path(), "account.json", &account(&google).to_string());
    let live = format!("backend = \"vertex\"\nmodel = \"{VERTEX_MODEL}\"");
    let tables =
        format!("[vertex]\ncredential_file = \"{}\"\nquota_project = \"my-quota-9\"\n", file.display());
    let scene = Scene::set(keyless(&live, &tables, &passes));
    talk(&scene);
    let events = scene.server.events();
    let (_, setup) = messages(&events, "setup").next().unwrap();
    assert_eq!(
        setup["setup"]["model"],
        format!("projects/my-device-7/locations/us-central1/publishers/google/models/{VERTEX_MODEL}")
    );
    // The kept token opens the next link; a revoked one is replaced without anybody noticing.
    for asked in [1, 2] {
        if asked == 2 {
            passes.revoke();
        }
        let gone = scene.server.events().iter().filter(|event| event.what == What::Gone).count();
        scene.server.strike(Fault::Reset);
        scene.server_until("the link is gone", |events| {
            events.iter().filter(|e| e.what == What::Gone).count() > gone
        });
        talk(&scene);
        assert_eq!(google.asked().len(), asked);
    }
    let bearer = ("Bearer …".to_owned(), "LlmBidiService/BidiGenerateContent".to_owned());
    assert_eq!(shown(&scene), [bearer.clone(), bearer.clone(), bearer.clone(), bearer]);
    let refused = scene.server.events().iter().filter(|event| event.what == What::Refused(401)).count();
    assert_eq!(refused, 1);
    let quota = scene.server.events().iter().all(|event| match &event.what {
        What::Requested(request) => {
            request.headers.contains(&("x-goog-user-project".into(), "my-quota-9".into()))
        }
        _ => true,
    });
    assert!(quota, "a link has no quota project");
    let status = scene.remote.status().unwrap();
    assert!(status["key"].as_str().unwrap().starts_with("Vertex AI, project my-device-7"), "{status}");
    check_private(&scene);
    scene.end();
}

#[test]
fn the_metadata_server_is_enough_and_is_waited_for() {
    let passes = Passes::none();
    let google = FakeGoogle::start(passes.clone(), None).unwrap();
    google.fail(Some((503, json!("not yet"))));
    let live = format!("backend = \"vertex\"\nmodel = \"{VERTEX_MODEL}\"");
    let mut setting = keyless(&live, "[vertex]\nproject = \"my-device-7\"\n", &passes);
    setting.env = vec![
        ("GCE_METADATA_HOST", google.host().into()),
        ("GOOGLE_APPLICATION_CREDENTIALS", "".into()),
        ("CLOUDSDK_CONFIG", "/nowhere".into()),
    ];
    let scene = Scene::set(setting);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.told(mark, "link_down");
    google.fail(None);
    scene.answered(mark);
    assert!(scene.log().contains("metadata server 127.0.0.1: 503"), "{}", scene.log());
    scene.end();
}

#[test]
fn a_credential_that_only_a_person_can_mend_is_told_once_and_looked_at_again_with_the_next_press() {
    let folder = TempDir::new().unwrap();
    let passes = Passes::none();
    let google = FakeGoogle::start(passes.clone(), None).unwrap();
    let mut broken = account(&google);
    broken["client_email"] = json!(7);
    let file = secret_file(folder.path(), "account.json", &broken.to_string());
    let live = format!("backend = \"vertex\"\nmodel = \"{VERTEX_MODEL}\"");
    let scene =
        Scene::set(keyless(&live, &format!("[vertex]\ncredential_file = \"{}\"\n", file.display()), &passes));
    let mark = scene.remote.mark();
    scene.press();
    scene.release();
    scene.phase(mark, "fault");
    let reason = format!("credential file {}: field", file.display());
    assert_eq!(scene.log().matches(&reason).count(), 1, "{}", scene.log());
    assert!(!scene.server.wait_blocking(NO_MORE, |events| dials(events) > 1), "it dialled again by itself");
    std::fs::write(&file, account(&google).to_string()).unwrap();
    talk(&scene);
    check_private(&scene);
    scene.end();
}

#[test]
fn a_token_command_that_fails_is_tried_again() {
    let folder = TempDir::new().unwrap();
    let passes = Passes::none();
    passes.add_token("auth_tokens/by-hand");
    let token = folder.path().join("token");
    let tables = format!("[token]\ncommand = [\"/bin/cat\", \"{}\"]\n", token.display());
    let scene = Scene::set(keyless("backend = \"token\"", &tables, &passes));
    let mark = scene.remote.mark();
    scene.ask("question-time");
    let down = scene.told(mark, "link_down").value;
    assert!(
        down["reason"].as_str().unwrap().contains("token command /bin/cat: failed (exit status: 1)"),
        "{down}"
    );
    secret_file(folder.path(), "token", "auth_tokens/by-hand\n");
    scene.answered(mark);
    check_private(&scene);
    scene.end();
}
