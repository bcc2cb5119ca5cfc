use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::*;
use crate::link::{self, Failure, Link};

#[tokio::test]
async fn neighbours_are_refused_unless_allowed() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let told = |url: &str, private: bool| {
        let keys = Keys { url: url.into(), private, tls: Some(false), ..Keys::default() };
        transport(&keys).err()
    };
    for ours in ["http://127.0.0.1:1/mcp", "http://[::1]/mcp", "https://192.168.1.1/mcp"] {
        assert!(told(ours, false).is_some_and(|why| why.contains("private = true")), "{ours}");
        assert_eq!(told(ours, true), None);
    }
    let name: Name = "localhost".parse().unwrap();
    assert!(PublicOnly.resolve(name).await.err().unwrap().to_string().contains("neighbour"));
    let plain = Keys { url: "http://example.com".into(), ..Keys::default() };
    assert!(transport(&plain).err().unwrap().contains("not https"));
}

/// What an MCP server answers to a request, beside the calls.
fn answer(method: &str) -> Value {
    match method {
        "initialize" => json!({ "result": {
            "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "flood", "version": "1" },
        } }),
        _ => json!({ "error": { "code": -32601, "message": "no such method" } }),
    }
}

/// What is sent of an answer without end, in bytes: who waits for more than the 16 MB that are allowed waits for ever.
/// (How much a kernel takes before anybody reads differs from machine to machine.)
const SENT: usize = 17 << 20;

/// Answers one request. The call `fine` is a word; `endless` never ends, `announced` says so before, `stream` is one
/// event that never ends, `refused` is a long page.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut read = BufReader::new(stream.try_clone()?);
    let (mut first, mut length) = (String::new(), 0);
    read.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        read.read_line(&mut line)?;
        match line.trim().to_lowercase().split_once(':') {
            Some(("content-length", bytes)) => length = bytes.trim().parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    read.read_exact(&mut body)?;
    if !first.starts_with("POST") {
        return write!(stream, "HTTP/1.1 405 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    }
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let Some(id) = asked.get("id") else {
        return write!(stream, "HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    };
    let way = asked["params"]["name"].as_str().unwrap_or_default();
    if way == "refused" {
        let page = "x".repeat(100_000);
        return write!(stream, "HTTP/1.1 407 No\r\nContent-Length: {}\r\n\r\n{page}", page.len());
    }
    let mut message = json!({ "jsonrpc": "2.0", "id": id });
    let (kind, length, sent) = match way {
        "announced" => ("application/json", "Content-Length: 1000000000000\r\n", 0),
        "endless" => ("application/json", "", SENT),
        "stream" => ("text/event-stream", "", SENT),
        _ => {
            let found = if way == "fine" {
                json!({ "result": { "content": [{ "type": "text", "text": "45 Nm" }] } })
            } else {
                answer(asked["method"].as_str().unwrap())
            };
            message.as_object_mut().unwrap().extend(found.as_object().unwrap().clone());
            let text = message.to_string();
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json";
            return write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        }
    };
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {kind}\r\n{length}\r\n")?;
    write!(stream, "{}{{\"jsonrpc\":\"2.0\",\"id\":{id},\"", if way == "stream" { "data: " } else { "" })?;
    stream.write_all(&vec![b'x'; sent])?;
    read.read(&mut [0]).map(drop) // until the other side ends it
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap())); // an error is the other side's end
        }
    });
    let keys = Keys { url, private: true, tls: Some(false), allow: vec!["*".into()], ..Keys::default() };
    let link = Link::open("flood", &keys, Arc::default()).await.unwrap();
    let call = |way: &str| {
        let (peer, way) = (link.peer(), way.to_owned());
        async move {
            let called = link::call(&peer, way, Map::new(), 32 * 1024, std::future::pending());
            let called = tokio::time::timeout(Duration::from_secs(60), called).await;
            match called.expect("more was waited for").unwrap() {
                Ok(outcome) => outcome.map(|object| object["output"].to_string()),
                Err(Failure::Refused(sentence)) => Err(sentence),
                Err(Failure::Lost(_)) => Err("lost".to_owned()),
            }
        }
    };
    for way in ["announced", "endless"] {
        assert_eq!(call(way).await, Err("failed: it answered with more than 16 MB".to_owned()), "{way}");
        assert_eq!(call("fine").await, Ok("\"45 Nm\"".to_owned()), "after {way}");
    }
    // A page of some proxy's is no answer, whatever its length.
    assert_eq!(call("refused").await, Err("lost".to_owned()));
    // A stream that cannot be read on is the end of the connection; the server is dialled again.
    assert_eq!(call("stream").await, Err("lost".to_owned()));
}
