//! What a call costs beside the tool's own time: from the server's word to the program's start, and from its end to the
//! response.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fake_gemini::{Script, Turn, What};
use pressel_world::card::{Direction, monotonic_ns};
use pressel_world::table::{Bar, Table};
use serde_json::json;
use tests::measure::percentile;
use tests::stage::{Setting, Stage};

use crate::run::{WAIT, hear, ms, say};
use crate::scenes::timed;

/// Calls of each way.
const CALLS: usize = 12;

/// When a service was asked, and when it had answered.
type Times = Arc<Mutex<Vec<(u64, u64)>>>;

/// A service that notes when it was asked and when it has answered.
fn service() -> io::Result<(u16, Times)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let times = Times::default();
    let noted = Arc::clone(&times);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let asked = monotonic_ns();
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            lines.by_ref().find(String::is_empty);
            // Who asked may have gone.
            let _ = write!(&stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{{}}");
            noted.lock().expect("nobody panics with it").push((asked, monotonic_ns()));
        }
    });
    Ok((port, times))
}

/// A program and a service, called in turn.
pub fn tools(folder: &Path, table: &mut Table) -> io::Result<()> {
    let tools = folder.join("tools.d");
    std::fs::create_dir_all(&tools)?;
    let (port, times) = service()?;
    let head = "description = \"For the bench.\"\nper_minute_max = 0\n";
    // It says when it was started, and has nothing else to do.
    let clock = format!("name = \"clock\"\n{head}[command]\nargv = [\"/bin/date\", \"+%s%N\"]\n");
    std::fs::write(tools.join("clock.toml"), clock)?;
    let web = format!(
        "name = \"web\"\n{head}[http]\nprivate = true\ntls = false\nurl = \"http://127.0.0.1:{port}/\"\n"
    );
    std::fs::write(tools.join("web.toml"), web)?;
    let turn = |n: usize| {
        let name = if n % 2 == 0 { "clock" } else { "web" };
        Turn { think_ms: Some(20), ..Turn::noise(200, n as u64 + 1) }.call(name, json!({}))
    };
    let script = Script { turns: (0..2 * CALLS).map(turn).collect(), ..Script::default() };
    let path = folder.display();
    let config = format!("[tools]\nfolder = \"{path}/tools.d\"\nsocket = \"\"\nlog_folder = \"{path}\"\n");
    let stage = Stage::set(folder, Setting { server: timed(script), ..Setting::mode("hold", &config) })?;
    stage.card.sleep_until(Direction::Capture, 8000);
    for _ in 0..2 * CALLS {
        let mark = stage.remote.mark();
        say(&stage, Duration::from_millis(200))?;
        hear(&stage, mark)?;
    }
    let responses = |events: &[fake_gemini::Event]| {
        events
            .iter()
            .filter(|e| matches!(&e.what, What::Received { name, .. } if name == "toolResponse"))
            .count()
    };
    stage.server.wait_blocking(WAIT, |events| responses(events) == 2 * CALLS);
    // CLOCK_REALTIME, which `date` tells, less CLOCK_MONOTONIC.
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
    let offset = wall - i128::from(monotonic_ns());
    let (mut begin, mut end) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let mut called = 0;
    let mut asked = times.lock().expect("nobody panics with it").clone().into_iter();
    for event in stage.server.events().iter() {
        match &event.what {
            What::Sent { name, done_ns, .. } if name == "toolCall" => called = *done_ns,
            What::Received { name, message, .. } if name == "toolResponse" => {
                let answer = &message["toolResponse"]["functionResponses"][0];
                let (way, times) = if answer["name"] == "clock" {
                    let told =
                        answer["response"]["output"].as_str().and_then(|text| text.parse::<i128>().ok());
                    let told = told.ok_or_else(|| io::Error::other(format!("no time: {answer}")))? - offset;
                    let told = u64::try_from(told).unwrap_or(0);
                    (0, Some((told, told)))
                } else {
                    (1, asked.next())
                };
                let (from, to) = times.ok_or_else(|| io::Error::other("the service was not asked"))?;
                begin[way].push(ms(from as f64 - called as f64));
                end[way].push(ms(event.at_ns as f64 - to as f64));
            }
            _ => {}
        }
    }
    for (way, (name, ends)) in [
        ("call → program started", "program's word → response"),
        ("call → service asked", "service's word → response"),
    ]
    .into_iter()
    .enumerate()
    {
        table.put(name, percentile(&mut begin[way], 0.5), "ms", Bar::AtMost(10.0));
        table.put(format!("  {ends}"), percentile(&mut end[way], 0.5), "ms", Bar::AtMost(5.0));
        table.put(format!("  {name}, worst"), percentile(&mut begin[way], 1.0), "ms", Bar::None);
    }
    Ok(())
}
