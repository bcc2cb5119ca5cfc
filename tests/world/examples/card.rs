//! Makes a virtual sound card for use by hand and prints the line that selects it.
//!
//! `cargo run -p pressel-world --example card -- DIRECTORY [WAV at the card's rate, spoken after 5 s]`

use std::path::Path;
use std::process::ExitCode;

use pressel_world::card::{Card, CardOptions, Direction};
use pressel_world::wav::Wav;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(directory) = arguments.first() else {
        eprintln!("usage: card DIRECTORY [WAV]");
        return ExitCode::from(2);
    };
    match make(Path::new(directory), arguments.get(1).map(Path::new)) {
        Ok(line) => {
            #[expect(clippy::print_stdout, reason = "the line is meant for eval")]
            {
                println!("{line}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn make(directory: &Path, speech: Option<&Path>) -> std::io::Result<String> {
    let card = Card::create(directory, CardOptions::default())?;
    card.fill_noise(1, 20)?;
    if let Some(path) = speech {
        let wav = Wav::read(path)?;
        let at = card.now_sample(Direction::Capture) + 5 * u64::from(card.stream(Direction::Capture).rate_hz);
        card.say(at, &wav.channel(0))?;
    }
    let (name, value) = card.env();
    Ok(format!("export {name}='{}'", value.display()))
}
