//! A talk's settings as the daemon's configuration.

use std::time::Duration;

use fake_gemini::Options;
use pressel_live::settings::{BargeIn, OpenStart, TalkMode};
use pressel_world::card::{CardOptions, StreamOptions};
use pressel_world::talk::Talk;

use crate::stage::{STAGES_OFF, Setting};

/// Longest talk that a card is made for.
const CARD_SECONDS: u32 = 60;
/// The only one there is.
const SETUP_TIMEOUT: Duration = Duration::from_secs(10);

/// A stage for this talk, with this server.
///
/// # Errors
/// What the daemon cannot be told.
pub(super) fn setting(talk: &Talk, url: String, server: Options) -> Result<Setting, String> {
    let settings = &talk.settings;
    if settings.setup_timeout != SETUP_TIMEOUT {
        return Err("setup_timeout is no setting of the daemon".to_owned());
    }
    if !settings.tools.is_empty() {
        return Err("the daemon has no tools".to_owned());
    }
    let ms = |time: Duration| time.as_millis();
    let (mode, more) = match settings.talk {
        TalkMode::Hold { tail } => ("hold", format!("[hold]\ntail_ms = {}\n", ms(tail))),
        TalkMode::Tap { end_silence, no_speech } => (
            "tap",
            format!("[tap]\nend_silence_ms = {}\nno_speech_s = {}\n", ms(end_silence), seconds(no_speech)?),
        ),
        TalkMode::Open { start, idle } => {
            let start = match start {
                OpenStart::Press => "press",
                OpenStart::Speech => "speech",
                OpenStart::Always => "always",
            };
            let end = match idle {
                Some(idle) => format!("end = \"idle\"\nidle_s = {}", seconds(idle)?),
                None => "end = \"button\"".to_owned(),
            };
            let after = settings.end_after.map_or(-1, |after| ms(after) as i64);
            let interrupts = settings.speech_interrupts;
            let forgets = settings.open_forgets;
            let rest =
                format!("end_after_ms = {after}\nspeech_interrupts = {interrupts}\nforget = {forgets}\n");
            ("open", format!("[open]\nstart = \"{start}\"\n{end}\n{rest}"))
        }
    };
    let talk_table = format!(
        "utterance_max_s = {}\nquiet_close_s = {}\nanswer_timeout_s = {}\n",
        seconds(settings.utterance_max)?,
        seconds(settings.quiet_close)?,
        seconds(settings.answer_timeout)?,
    );
    let gate = format!(
        "[gate]\npre_roll_ms = {}\nhangover_ms = {}\n",
        ms(talk.room.pre_roll),
        ms(talk.room.hangover)
    );
    let policy = match settings.barge_in {
        BargeIn::Server => "server",
        BargeIn::Local => "local",
        BargeIn::Both => "both",
        BargeIn::Off => "off",
    };
    // What is heard is told by its samples.
    let stages = STAGES_OFF.replace("policy = \"server\"", &format!("policy = \"{policy}\"\nduck_db = 0.0"));
    let stream = |rate_hz| StreamOptions { seconds: CARD_SECONDS, ..StreamOptions::new(rate_hz, 1) };
    Ok(Setting {
        card: CardOptions { microphone: stream(16_000), speaker: stream(24_000) },
        server,
        endpoint: Some(url),
        stages,
        live: format!("model = \"{}\"\ncompress_above_tokens = 0", settings.model),
        ..Setting::mode(mode, &(talk_table + &more + &gate))
    })
}

/// The configuration has whole seconds.
fn seconds(time: Duration) -> Result<u64, String> {
    if time.subsec_nanos() == 0 { Ok(time.as_secs()) } else { Err(format!("{time:?} are not whole seconds")) }
}
