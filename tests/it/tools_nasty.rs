//! Arguments and outputs that somebody made to break out: of an element of argv, a URL, a log or a terminal.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use fake_gemini::{Fault, Script, Turn};
use serde_json::{Value, json};

use crate::scene::{Scene, WAIT, messages};
use crate::tools::Bench;

/// What a terminal or a reader could be led astray by.
fn is_odd(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}')
}

/// Texts for arguments.
fn texts() -> Vec<String> {
    let long = "w".repeat(60_000);
    let texts = [
        "",
        " ",
        "'; rm -rf / #",
        "$(id) `id` ${HOME} %s %n",
        "a\nb\r\nHost: evil\r\n\r\nGET / HTTP/1.1",
        "../../etc/passwd",
        "a&b=c#d?e/f;g%2e%2e",
        "\u{1b}[2J\u{1b}]0;x\u{7}",
        "\u{202e}gpj.exe\u{2066}",
        "\u{e0049}\u{e0067}",
        "{what}{{}}",
        "\"},\"x\":{\"",
        "\u{feff}\u{fffd}\u{10ffff}",
        "--help",
        "-rf",
        "😀👩‍🔧 ä漢",
        long.as_str(),
    ];
    texts.map(str::to_owned).to_vec()
}

#[test]
fn a_nasty_argument_is_one_element_one_segment_and_no_line_of_a_log() {
    let bench = Bench::new();
    // Each element of argv on a line of its own, as JSON would have it.
    bench.tool(
        "shows",
        "printf '%s' $# > /dev/null; printf '%s|' \"$#\"; printf '%s' \"$1\" | od -An -v -tx1 | tr -d ' \\n'",
        "logged = \"values\"\nper_minute_max = 0",
        "output_max_kb = 512",
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let head: Vec<String> = BufReader::new(&stream)
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let _ = write!(&stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{{}}");
            if tell.send(head).is_err() {
                return;
            }
        }
    });
    let web = format!(
        "name = \"web\"\ndescription = \"Web.\"\nper_minute_max = 0\n[http]\nprivate = true\ntls = false\n\
         url = \"http://127.0.0.1:{port}/a/{{what}}/b?q={{what}}\"\n[parameters]\nrequired = [\"what\"]\n\
         [parameters.properties.what]\ntype = \"string\"\n"
    );
    std::fs::write(bench.path("tools.d/web.toml"), web).unwrap();
    for text in texts() {
        let shown = bench.call("shows", &json!({ "what": text }));
        match shown {
            Ok(output) => {
                let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(output["output"], format!("1|{hex}"), "{text:.40}");
            }
            Err(told) => assert!(text.starts_with('-') && told.contains("hyphen"), "{text:.40}: {told}"),
        }
        if text.len() > 20_000 {
            continue; // a server refuses such a line
        }
        if bench.call("web", &json!({ "what": text })).is_ok() {
            let head = asked.recv_timeout(WAIT).unwrap();
            let path = head[0].strip_prefix("GET /a/").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
            let (segment, query) = path.unwrap_or_else(|| panic!("{head:?}")).split_once("/b?q=").unwrap();
            assert!(segment == query && !segment.contains(['/', '?', '&', '#', ' ']), "{head:?}");
            assert!(!head.iter().any(|line| line.to_lowercase().starts_with("host: evil")), "{head:?}");
        }
    }
    let (_, log, _) = bench.pressel(&["log"]);
    assert!(!log.chars().any(is_odd), "{log:?}");
    let (_, log, _) = bench.pressel(&["log", "--json"]);
    assert!(!log.chars().any(is_odd));
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "one line for a call");
}

#[test]
fn a_nasty_output_is_a_sentence_or_words_that_move_nothing() {
    let bench = Bench::new();
    let check = |name: &str, script: &str, more: &str, expected: Result<&str, &str>| {
        bench.tool(name, script, "timeout_s = 5", more);
        let begun = Instant::now();
        let (code, out, err) = bench.pressel(&["call", name]);
        assert!(begun.elapsed() < Duration::from_secs(20), "{name} took {:?}", begun.elapsed());
        assert!(!out.chars().chain(err.chars()).any(is_odd), "{name}: {out:?} {err:?}");
        let (held, place) = match expected {
            Ok(word) => (code == Some(0) && out.contains(word), &out),
            Err(word) => (code == Some(1) && err.contains(word) && err.lines().count() == 1, &err),
        };
        assert!(held, "{name}: {code:?} {place:.300}");
    };
    let json = "output = \"json\"\noutput_max_kb = 1024";
    check("binary", "head -c 20000 /dev/urandom; printf '\\377'", "", Err("not text"));
    check(
        "ten_mb",
        "head -c 10000000 /dev/zero | tr '\\0' a",
        "output_max_kb = 1024",
        Err("more than 1024 kB"),
    );
    check("endless", "yes", "", Err("more than 32 kB"));
    check("silent", "sleep 60", "", Err("not done after 5 s"));
    check("deep", "head -c 100000 /dev/zero | tr '\\0' '['", json, Err("not JSON"));
    check("huge_number", "echo '{\"n\": 1e999}'", json, Err("not JSON"));
    check("surrogate", "echo '{\"n\": \"\\\\ud800\"}' | tr -s '\\\\'", json, Err("not JSON"));
    check("twice", "echo '{\"n\": 1, \"n\": 2}'", json, Ok("\"n\": 2"));
    check("escapes", "printf 'a\\033[2J\\033]0;x\\007b\\rc'", "", Ok("a[2J]0;xbc"));
    check("escapes_json", "printf '{\"a\": \"\\\\u001b[2J\\342\\200\\256x\"}'", json, Ok("\\u202e"));
    check("c1", "printf 'a\\302\\2332Jb'", "", Ok("a2Jb"));
    check("bidi", "printf 'a\\342\\200\\256b\\342\\201\\246c'", "", Ok("abc"));
    check("nul", "printf 'a\\000b'", "", Ok("ab"));
    check("lines", "printf 'x\\n\\n' >&2; exit 1", "", Err("exit code 1: x"));
    check("forks", "for i in 1 2 3 4 5 6 7 8; do (setsid sleep 60 &) ; done; echo done", "", Ok("done"));
}

#[test]
fn arguments_that_no_tool_can_have_are_answered_and_nothing_is_run() {
    let bench = Bench::new();
    bench.tool("torque", &format!("touch {}", bench.path("ran").display()), "", "");
    let script = Script { rest: Turn { think_ms: Some(10), ..Turn::noise(300, 1) }, ..Script::default() };
    let scene = Scene::of("hold", &bench.config(), script);
    let deep = format!("{{\"what\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let long = json!({ "what": "w".repeat(100_000) }).to_string();
    for (count, (args, told)) in [
        (deep.as_str(), "cannot be read"),
        ("{\"what\":1e999}", "cannot be read"),
        ("{\"what\":\"\\ud800\"}", "cannot be read"),
        (long.as_str(), "longer than 64 kB"),
    ]
    .into_iter()
    .enumerate()
    {
        let mark = scene.remote.mark();
        scene.ask("question-time");
        scene.answered(mark);
        // The server did not make this call by its own rules: it closes the link over the answer.
        let call = format!(
            "{{\"toolCall\":{{\"functionCalls\":[{{\"id\":\"n{count}\",\"name\":\"torque\",\"args\":{args}}}]}}}}"
        );
        assert!(scene.server.strike(Fault::Text(call)));
        scene.received("toolResponse", count + 1);
        let events = scene.server.events();
        let (_, message) = messages(&events, "toolResponse").last().unwrap();
        let response = &message["toolResponse"]["functionResponses"][0];
        assert_eq!(response["id"], format!("n{count}"));
        let error = response["response"]["error"].as_str().unwrap();
        assert!(error.contains(told), "{error}");
        let mark = scene.remote.mark();
        scene.remote.wait(mark.saturating_sub(1), Duration::from_millis(500), |e| e.name == "link_down").ok();
    }
    assert!(!bench.path("ran").exists());
    let (_, log, _) = bench.pressel(&["log"]);
    assert_eq!(log.matches("torque  refused").count(), 4, "each is on record: {log}");
    assert!(!scene.log().contains("[[[[") && !scene.log().contains("wwww"));
}
