//! A service on loopback, and what it was asked.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use serde_json::Value;

/// Answers requests one after the other, each on a connection of its own; tells what was asked.
pub(super) fn server(answers: Vec<(u16, Value)>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut asked = String::new();
            let mut piece = [0; 8192];
            while !is_whole(&asked) {
                let count = stream.read(&mut piece).unwrap();
                asked.push_str(std::str::from_utf8(&piece[..count]).unwrap());
            }
            tell.send(asked).unwrap();
            let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).unwrap();
        }
    });
    (address, told)
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() == length.parse::<usize>().unwrap())
}

pub(super) fn form(request: &str) -> Vec<(&str, &str)> {
    let body = request.split_once("\r\n\r\n").unwrap().1;
    body.split('&').map(|pair| pair.split_once('=').unwrap()).collect()
}
