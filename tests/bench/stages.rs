//! What the stages between microphone and network cost, as a product has them.

use std::io;
use std::path::Path;
use std::time::Duration;

use pressel_world::card::{CardOptions, Direction, Echo, StreamOptions};
use pressel_world::table::{Bar, Table};
use tests::stage::{Setting, Stage};

use crate::run::{WAIT, cost};
use crate::scenes::{noise_turns, timed};

/// Open mode on two cards that drift, with an echo: processor in a silent room and while an answer is heard.
pub fn stages(folder: &Path, table: &mut Table) -> io::Result<()> {
    let setting = Setting {
        card: CardOptions {
            microphone: StreamOptions::new(16_000, 1),
            speaker: StreamOptions::new(48_000, 1),
        },
        server: timed(noise_turns(2, 60_000)),
        capture: String::new(),
        stages: String::new(),
        prepare: |card| {
            card.set_drift(Direction::Playback, 40.0);
            card.set_echo(Some(Echo { delay: Duration::from_millis(35), gain: 0.2 }));
        },
        ..Setting::mode("open", "")
    };
    let stage = Stage::set(folder, setting)?;
    stage.card.sleep_until(Direction::Capture, 16_000);
    let mark = stage.remote.mark();
    stage.remote.press()?;
    stage.remote.wait_phase(mark, "listening", WAIT)?;
    let (share, wakes) = cost(&stage, Duration::from_secs(15))?;
    table.put("CPU in open mode, silent room, stages on", share, "%", Bar::AtMost(2.5));
    table.put("wake-ups in open mode, silent room, stages on", wakes, "/s", Bar::None);
    let question = fake_gemini::audio::recording("question-lamp");
    let question = question.ok_or_else(|| io::Error::other("no recording"))?;
    let mark = stage.remote.mark();
    stage.say(Duration::from_millis(300), &question.samples)?;
    stage.remote.wait_phase(mark, "speaking", WAIT)?;
    let (share, _) = cost(&stage, Duration::from_secs(15))?;
    table.put("CPU while answering, stages on", share, "%", Bar::AtMost(4.5));
    Ok(())
}
