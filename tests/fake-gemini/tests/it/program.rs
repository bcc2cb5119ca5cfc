//! The binary, as a developer starts it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use serde_json::Value;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-gemini"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn it_prints_its_url_writes_its_files_and_ends_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, log, script) =
        (folder.path().join("ca.pem"), folder.path().join("log"), folder.path().join("script.json"));
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/example.json"), &script).unwrap();
    let mut child = program()
        .args(["--listen", "127.0.0.1:0", "--ca-out"])
        .arg(&ca)
        .arg("--log")
        .arg(&log)
        .arg("--script")
        .arg(&script)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    let port: u16 = told["url"].as_str().unwrap().strip_prefix("wss://localhost:").unwrap().parse().unwrap();
    assert!(std::fs::read_to_string(&ca).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    // what is no TLS is answered with an alert: then the connection is on record
    let mut tcp = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    tcp.read_to_end(&mut Vec::new()).unwrap();
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(child.wait().unwrap().success());
    let first: Value =
        serde_json::from_str(std::fs::read_to_string(&log).unwrap().lines().next().unwrap()).unwrap();
    assert_eq!(first["event"], "accepted");
}

#[test]
fn a_mistake_is_told_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("bad.json");
    std::fs::write(&script, "{\"turn\": []}").unwrap();
    for (arguments, expected) in [
        (vec!["--port", "1"], "unknown argument \"--port\""),
        (vec!["--listen", "here"], "--listen \"here\": not ADDRESS:PORT"),
        (vec!["--key"], "--key needs a value"),
        (vec!["--script", script.to_str().unwrap()], "unknown field `turn`"),
    ] {
        let mut child = program().args(&arguments).spawn().unwrap();
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(2), "{arguments:?}");
        assert!(told.contains(expected), "{told}");
    }
}
