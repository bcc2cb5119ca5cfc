//! Ways to the server other than the straight one: a proxy, and a network that comes and goes.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fake_gemini::{Authority, FakeGemini, Options, Script, Turn};
use tempfile::TempDir;
use tests::stage::Setting;

use crate::scene::{Scene, WAIT, messages, setting};

/// "me" and "open sesame" as RFC 7617 wants them.
const LOGIN: &str = "Basic bWU6b3BlbiBzZXNhbWU=";
/// Set for a test that runs in a network of its own.
const INSIDE: &str = "STAGE_IN_A_NETWORK_OF_ITS_OWN";
/// Back so soon once the network is there.
const BACK: Duration = Duration::from_secs(2);

fn script() -> Script {
    Script { rest: Turn::noise(300, 1), ..Script::default() }
}

/// A server whose certificates the daemon trusts, beside the stage's own.
fn server(setting: &mut Setting, listen: SocketAddr) -> FakeGemini {
    let authority = Authority::new().unwrap();
    setting.server.authority = Some(authority.clone());
    let options = Options { authority: Some(authority), listen, ..Options::script(script()) };
    FakeGemini::spawn_thread(options).unwrap()
}

/// A proxy that knows `live.test`, and lets through who logs in. Ends with the test's process.
fn proxy(behind: SocketAddr) -> SocketAddr {
    fn pass(mut client: TcpStream, behind: SocketAddr) -> io::Result<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            client.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head);
        if !head.contains(&format!("\r\nProxy-Authorization: {LOGIN}\r\n")) {
            return client
                .write_all(b"HTTP/1.1 407 Who are you?\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n");
        }
        if !head.starts_with(&format!("CONNECT live.test:{} HTTP/1.1\r\n", behind.port())) {
            return client.write_all(b"HTTP/1.1 502 No such host\r\n\r\n");
        }
        let mut server = TcpStream::connect(behind)?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        let (mut back, mut to) = (server.try_clone()?, client.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut back, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        io::copy(&mut client, &mut server)?;
        server.shutdown(Shutdown::Write)
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            thread::spawn(move || pass(client.unwrap(), behind));
        }
    });
    address
}

#[test]
fn a_talk_goes_through_a_proxy_that_looks_the_name_up_once_its_password_is_right() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "open barley\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut setting = setting("hold", "", script());
    let server = server(&mut setting, (Ipv4Addr::LOCALHOST, 0).into());
    let proxy = proxy(server.address());
    setting.endpoint = Some(format!("wss://live.test:{}", server.address().port()));
    setting.config +=
        &format!("[network]\nproxy = \"http://me@{proxy}\"\nproxy_password_file = \"{}\"\n", file.display());
    let scene = Scene::set(setting);
    let mark = scene.remote.mark();
    scene.ask("question-time");
    scene.phase(mark, "fault"); // only a person mends that
    let end = scene.remote.status().unwrap()["link"]["last_end"].to_string();
    assert!(end.contains("does not take this user and password (407)"), "{end}");
    let dialled = || scene.log().matches("dialling").count();
    assert_eq!(dialled(), 1);

    let mark = scene.remote.mark();
    std::fs::write(&file, "open sesame\n").unwrap();
    scene.phase(mark, "idle"); // nobody pressed
    assert_eq!(dialled(), 1, "nobody wants a link yet");
    let mark = scene.remote.mark();
    scene.ask("question-rain");
    scene.answered(mark);
    let link = scene.remote.status().unwrap()["link"].clone();
    assert_eq!(link["proxy"], proxy.to_string());
    assert!(link["connection"]["rtt_ms"].as_f64().unwrap() > 0.0, "{link}");
    let log = scene.log();
    assert!(log.contains("(407)"), "{log}");
    assert!(!log.contains("sesame") && !log.contains("barley") && !log.contains("bWU6"), "{log}");
    scene.end();
}

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).output().expect("ip is installed");
    assert!(done.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Runs a test of this binary again, in a network of its own, where there is one.
fn in_a_network_of_its_own(test: &str) {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net"]);
        command
    };
    let granted = unshare().args(["ip", "link", "add", "a0", "type", "veth", "peer", "name", "b0"]).output();
    if !granted.is_ok_and(|output| output.status.success()) {
        println!("skipped: no network of its own is granted here");
        return;
    }
    let mut inside = unshare();
    inside.arg(std::env::current_exe().unwrap());
    inside.args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let output = inside.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

#[test]
fn a_network_that_comes_goes_and_comes_back_is_followed() {
    if std::env::var_os(INSIDE).is_none() {
        in_a_network_of_its_own("network::a_network_that_comes_goes_and_comes_back_is_followed");
        return;
    }
    ip("link set lo up");
    ip("link add a0 type veth peer name b0");
    let mut setting = setting("open", "[open]\nstart = \"always\"", script());
    let server = server(&mut setting, (Ipv4Addr::UNSPECIFIED, 0).into());
    setting.endpoint = Some(format!("wss://192.0.2.1:{}", server.address().port()));
    let scene = Scene::set(setting);
    // It may have been found out before anybody listened.
    if scene.remote.status().unwrap()["phase"] != "offline" {
        scene.phase(0, "offline");
    }

    let plugged = || {
        let at = Instant::now();
        ip("link set b0 up");
        ip("link set a0 up");
        ip("address add 192.0.2.1/24 dev a0");
        ip("route add default via 192.0.2.254");
        at
    };
    let up = |at: Instant, count: usize| {
        assert!(server.wait_blocking(WAIT, |events| messages(events, "setup").count() >= count));
        assert!(at.elapsed() < BACK, "link {count} took {:?}", at.elapsed());
    };
    up(plugged(), 1);
    scene.told(0, "link_up");

    let mark = scene.remote.mark();
    ip("address flush dev a0");
    let down = scene.told(mark, "link_down").value;
    assert_eq!(down["reason"], "the device lost its address 192.0.2.1", "{down}");
    scene.phase(mark, "offline");

    up(plugged(), 2);
    scene.told(mark, "link_up");
    let connection = scene.remote.status().unwrap()["link"]["connection"].clone();
    assert_eq!(connection["tls_resumed"], true, "{connection}");
}
