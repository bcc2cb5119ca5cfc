//! What a second of talk costs: chunk to message, message to samples. `cargo bench -p pressel-live`.

#![allow(clippy::disallowed_methods)] // a benchmark needs the clock that the crate must not have

use pressel_live::wire::client;
use pressel_live::wire::server::decode;
use std::hint::black_box;
use std::time::{Duration, Instant};

const RUNS: usize = 20_000;

fn main() {
    println!("{:<34}{:>8}{:>10}{:>10}", "", "bytes", "p50 µs", "p99 µs");
    for ms in [20, 40, 100] {
        let chunk = noise(ms * 16);
        let bytes = client::audio(&chunk).len();
        report(&format!("chunk to message, {ms} ms"), bytes, || client::audio(black_box(&chunk)));
    }
    for ms in [40, 100, 400] {
        let message = answer(ms);
        let payload = message.as_bytes();
        let read = decode(payload).expect("readable").content.expect("content");
        assert_eq!(read.audio[0].samples.len(), ms * 24);
        report(&format!("message to samples, {ms} ms"), payload.len(), || decode(black_box(payload)));
    }
}

/// Sound that no branch predictor learns by heart.
fn noise(samples: usize) -> Vec<i16> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u16 as i16
    };
    (0..samples).map(|_| next()).collect()
}

/// An answer as the service writes it: pretty-printed, with a transcript beside the sound.
fn answer(ms: usize) -> String {
    let message = client::audio(&noise(ms * 24));
    let data = message.split('"').nth(7).expect("base64");
    format!(
        r#"{{
  "serverContent": {{
    "modelTurn": {{
      "parts": [
        {{
          "inlineData": {{
            "mimeType": "audio/pcm;rate=24000",
            "data": "{data}"
          }}
        }}
      ]
    }},
    "outputTranscription": {{
      "text": "Hello there."
    }}
  }}
}}
"#
    )
}

fn report<T>(name: &str, bytes: usize, mut work: impl FnMut() -> T) {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let begin = Instant::now();
            black_box(work());
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    let micros = |share: usize| times[RUNS * share / 100].as_secs_f64() * 1e6;
    println!("{name:<34}{bytes:>8}{:>10.2}{:>10.2}", micros(50), micros(99));
}
