//! What the demo leaves behind: the loudspeaker's sound and the timeline.

use std::io;
use std::path::Path;

use fake_gemini::What;
use pressel_world::card::Direction;
use tests::stage::Stage;
use tests::timeline::{Mark, Span, Timeline, Wave};

use crate::figures;

/// Writes `speaker.wav` and `timeline.html`.
pub fn leave(
    stage: &Stage,
    out: &Path,
    began_ns: u64,
    button: &[(u64, u64)],
    figures: Vec<(String, String)>,
) -> io::Result<()> {
    let range = |direction| {
        let now = stage.card.now_sample(direction);
        stage.card.sample_at(direction, began_ns)..now
    };
    let (heard, played) = (range(Direction::Capture), range(Direction::Playback));
    stage.card.write_wav(&out.join("speaker.wav"), Direction::Playback, played.clone())?;
    let microphone = stage.card.channel(Direction::Capture, 0, heard.clone())?;
    let speaker = stage.card.channel(Direction::Playback, 0, played)?;
    let length_ms = microphone.len() as f64 / 16.0;
    let ms = |ns: u64| (ns as f64 - began_ns as f64) / 1e6;

    let told = stage.remote.events();
    let mut phases: Vec<Span> = Vec::new();
    let mut captions = Vec::new();
    let mut said: Option<(f64, String)> = None;
    for event in &told {
        let at_ms = ms(event.at_ns).max(0.0);
        let text = event.value["text"].as_str().unwrap_or_default();
        match event.name.as_str() {
            "phase" => {
                if let Some(last) = phases.last_mut() {
                    last.to_ms = at_ms;
                }
                let name = event.value["phase"].as_str().unwrap_or_default().replace(' ', "-");
                phases.push(Span { from_ms: at_ms, to_ms: length_ms, name });
            }
            "heard" => captions.push(Mark { at_ms, name: format!("person: {text}") }),
            "said" => said.get_or_insert_with(|| (at_ms, String::from("assistant: "))).1.push_str(text),
            "turn_complete" => captions.extend(said.take().map(|(at_ms, name)| Mark { at_ms, name })),
            _ => {}
        }
    }

    let record = stage.server.events();
    let (mut up, mut down, mut received) = (Vec::new(), Vec::new(), Vec::new());
    for event in &record.0 {
        match &event.what {
            What::Received { name, .. } => up.push(Mark { at_ms: ms(event.at_ns), name: name.clone() }),
            What::Sent { name, done_ns, .. } if !name.is_empty() => {
                down.push(Mark { at_ms: ms(*done_ns), name: name.clone() });
            }
            What::SentAudio { samples, done_ns, .. } => {
                let from_ms = ms(*done_ns);
                let name = format!("{} ms of sound", samples.len() / 24);
                received.push(Span { from_ms, to_ms: from_ms + 12.0, name });
            }
            _ => {}
        }
    }
    let (_, utterances) = figures::uplink(stage, &record.0)?;
    let sent = utterances.iter().filter_map(|utterance| utterance.span()).map(|span| Span {
        from_ms: ms(stage.heard_at(span.start as u64)),
        to_ms: ms(stage.heard_at(span.end as u64)),
        name: "sent".into(),
    });
    let button = button
        .iter()
        .map(|(down, up)| Span { from_ms: ms(*down), to_ms: ms(*up), name: "down".into() })
        .collect();
    let page = Timeline {
        title: "pressel: press, speak, be answered".into(),
        length_ms,
        button,
        microphone: Wave { samples: &microphone, rate_hz: 16_000 },
        sent: sent.collect(),
        up,
        down,
        received,
        speaker: Wave { samples: &speaker, rate_hz: 24_000 },
        captions,
        figures,
        phases,
    };
    std::fs::write(out.join("timeline.html"), page.to_html())
}
