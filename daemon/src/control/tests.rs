use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pressel_live::event::{ButtonInput, Note, Phase};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::*;

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), test).await.unwrap() });
}

async fn asked(path: &Path, request: Value) -> tokio::task::JoinHandle<Result<Value, AskError>> {
    let path = path.to_owned();
    spawn_blocking(move || ask(&path, &request))
}

/// Sends bytes as they are and returns everything that comes back until the daemon closes or `lines` have come.
async fn raw(path: &Path, bytes: Vec<u8>, lines: usize) -> String {
    let path = path.to_owned();
    spawn_blocking(move || {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let _ = stream.write_all(&bytes); // the daemon may hang up in the middle of a line that is too long
        let mut text = Vec::new();
        let mut byte = [0];
        while text.iter().filter(|&&b| b == b'\n').count() < lines && matches!(stream.read(&mut byte), Ok(1))
        {
            text.push(byte[0]);
        }
        String::from_utf8(text).unwrap()
    })
    .await
    .unwrap()
}

struct Fixture {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/control");
    Fixture { _folder: folder, path }
}

#[test]
fn a_request_is_answered_by_the_engine() {
    run(async {
        let place = fixture();
        let mut control = Control::bind(&place.path).unwrap();
        let answer = asked(&place.path, json!({"op": "status"})).await;
        let request = control.next().await;
        assert_eq!(request.op, Op::Status);
        request.reply.answer(&crate::status::Status { phase: "idle".into(), ..Default::default() });
        assert_eq!(answer.await.unwrap().unwrap()["phase"], "idle");

        let answer = asked(&place.path, json!({"op": "button", "gesture": "press"})).await;
        let request = control.next().await;
        assert_eq!(request.op, Op::Button { line: None, gesture: ButtonInput::Press });
        request.reply.error("no");
        assert!(matches!(answer.await.unwrap(), Err(AskError::Refused(text)) if text == "no"));

        let answer = asked(&place.path, json!({"op": "button", "gesture": "release"})).await;
        drop(control.next().await);
        assert!(
            matches!(answer.await.unwrap(), Err(AskError::Refused(text)) if text.contains("on its way out"))
        );
    });
}

#[test]
fn what_is_not_understood_is_said() {
    run(async {
        let place = fixture();
        let _control = Control::bind(&place.path).unwrap();
        let check = async |request: &str, expected: &str| {
            let answer = raw(&place.path, format!("{request}\n").into_bytes(), 1).await;
            assert!(answer.contains(expected), "{request}: {answer}");
        };
        check(r#"{"op":"statsu"}"#, r#"no such op \"statsu\"; did you mean \"status\"?"#).await;
        check(
            r#"{"op":"reboot"}"#,
            r#"no such op \"reboot\"; there are status, usage, levels, reload, button, act, volume, used, watch"#,
        )
        .await;
        check(r#"{"op":"button","gesture":"pres"}"#, r#"did you mean \"press\"?"#).await;
        check(r#"{"op":"button"}"#, "needs a").await;
        check(r#"{"op":"act","act":"stpo"}"#, r#"did you mean \"stop\"?"#).await;
        check(r#"{"op":"act"}"#, "needs an").await;
        // These take a person at the device.
        for act in ["shutdown", "consent"] {
            check(&format!(r#"{{"op":"act","act":"{act}"}}"#), "no such act").await;
        }
        for to in ["101", "-1", "\"loud\"", "true"] {
            check(&format!(r#"{{"op":"volume","to":{to}}}"#), "up, down and 0 to 100").await;
        }
        check(r#"{"op":7}"#, "has no").await;
        check("status", "is not JSON").await;
        let answer = raw(&place.path, vec![0xff, b'\n'], 1).await;
        assert!(answer.contains("is not UTF-8"), "{answer}");
    });
}

#[test]
fn several_requests_travel_on_one_connection_in_order() {
    run(async {
        let place = fixture();
        let mut control = Control::bind(&place.path).unwrap();
        let requests = b"{\"op\":\"nope\"}\n{\"op\":\"status\"}\n".to_vec();
        let path = place.path.clone();
        let answers = tokio::spawn(async move { raw(&path, requests, 2).await });
        control.next().await.reply.done();
        let answers = answers.await.unwrap();
        let lines: Vec<&str> = answers.lines().collect();
        assert!(lines[0].contains("error") && lines[1] == r#"{"ok":true}"#, "{lines:?}");
    });
}

#[test]
fn an_endless_line_is_refused_and_the_client_let_go() {
    run(async {
        let place = fixture();
        let _control = Control::bind(&place.path).unwrap();
        let answer = raw(&place.path, vec![b'x'; 300 << 10], 2).await;
        assert!(answer.contains("at most 65536 bytes"), "{answer}");
    });
}

#[test]
fn a_watcher_sees_events_with_their_time() {
    run(async {
        let place = fixture();
        let mut control = Control::bind(&place.path).unwrap();
        let path = place.path.clone();
        let watching = spawn_blocking(move || {
            let mut watcher = watch(&path).unwrap();
            (0..3).map(|_| watcher.next_event().unwrap().unwrap()).collect::<Vec<_>>()
        });
        let at = Instant::now();
        let note = Note::Said("hello".into());
        while !watching.is_finished() {
            control.publish(&Event::phase(Phase::Listening), at);
            control.publish(&Event::note(&note).unwrap(), at);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let seen = watching.await.unwrap();
        let at_ns = seen[0]["at_ns"].as_u64().unwrap();
        assert!(at_ns.abs_diff(monotonic_ns(at)) < 1_000_000, "{seen:?}");
        let plain = |event: &Value| (event["event"].clone(), event["phase"].clone(), event["text"].clone());
        let expected =
            [(json!("phase"), json!("listening"), Value::Null), (json!("said"), Value::Null, json!("hello"))];
        // The first one it saw may be either, depending on when it was let in.
        let start = usize::from(seen[0]["event"] == "said");
        assert_eq!(plain(&seen[0]), expected[start]);
        assert_eq!(plain(&seen[1]), expected[1 - start]);
    });
}

#[test]
fn a_watcher_that_does_not_read_is_let_go_and_nobody_waits_for_it() {
    run(async {
        let place = fixture();
        let mut control = Control::bind(&place.path).unwrap();
        let path = place.path.clone();
        let stream = spawn_blocking(move || {
            let mut stream = UnixStream::connect(path).unwrap();
            stream.write_all(b"{\"op\":\"watch\"}\n").unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).unwrap();
            stream
        })
        .await
        .unwrap();
        let text = "x".repeat(10_000);
        let mut longest = Duration::ZERO;
        for _ in 0..2000 {
            let before = Instant::now();
            control.publish(&Event::Said { text: &text }, before);
            longest = longest.max(before.elapsed());
            tokio::task::yield_now().await;
            if control.watchers_dropped() > 0 {
                break;
            }
        }
        assert_eq!(control.watchers_dropped(), 1);
        assert!(longest < Duration::from_millis(500), "publish took {longest:?}");
        drop(stream);
    });
}

#[test]
fn clients_are_bounded() {
    run(async {
        let place = fixture();
        let _control = Control::bind(&place.path).unwrap();
        let mut idle = Vec::new();
        for _ in 0..16 {
            idle.push(tokio::net::UnixStream::connect(&place.path).await.unwrap());
            tokio::task::yield_now().await;
        }
        let answer = raw(&place.path, b"{\"op\":\"status\"}\n".to_vec(), 1).await;
        assert!(answer.contains("too many clients"), "{answer}");
        idle.clear();
        // The daemon notices that they have gone when it next looks.
        let mut answer = answer;
        while answer.contains("too many clients") {
            answer = raw(&place.path, b"{\"op\":\"nope\"}\n".to_vec(), 1).await;
        }
        assert!(answer.contains("no such op"), "{answer}");
    });
}

#[test]
fn a_left_over_is_replaced_and_a_living_daemon_is_not() {
    run(async {
        let place = fixture();
        std::fs::create_dir_all(place.path.parent().unwrap()).unwrap();
        drop(UnixListener::bind(&place.path).unwrap()); // leaves the file behind, as a crash does
        let control = Control::bind(&place.path).unwrap();
        let error = Control::bind(&place.path).err().unwrap().to_string();
        assert!(error.ends_with("another pressel answers there"), "{error}");
        assert!(place.path.exists());
        drop(control);
        assert!(!place.path.exists(), "the socket is removed in the end");
        std::fs::write(&place.path, "precious").unwrap();
        let error = Control::bind(&place.path).err().unwrap().to_string();
        assert!(error.ends_with("there is a file that is no socket"), "{error}");
        assert_eq!(std::fs::read(&place.path).unwrap(), b"precious");
    });
}

#[test]
fn the_socket_is_for_owner_and_group_only() {
    run(async {
        let place = fixture();
        let _control = Control::bind(&place.path).unwrap();
        let mode = std::fs::metadata(&place.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
    });
}

#[test]
fn without_a_path_there_is_nobody_to_wait_for() {
    run(async {
        let mut control = Control::bind(Path::new("")).unwrap();
        control.publish(&Event::Interrupted, Instant::now());
        let wait = tokio::time::timeout(Duration::from_millis(20), control.next()).await;
        assert!(wait.is_err());
    });
}

#[test]
fn asking_nobody_says_what_to_do() {
    let place = fixture();
    let error = ask(&place.path, &json!({"op": "status"})).unwrap_err();
    assert!(
        matches!(error, AskError::NotRunning(_)) && error.to_string().contains("systemctl start pressel")
    );
}
