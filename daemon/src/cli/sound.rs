//! Commands that measure and record: calibrate, record, process.

use std::path::Path;
use std::time::Duration;

use pressel::{calibrate, offline};
use pressel_hal::wav::Wav;
use serde_json::json;

use super::arguments::Recordings;
use super::{Failure, load, print};

pub(super) fn calibrate(file: Option<&Path>, out: &Path, json: bool) -> Result<(), Failure> {
    let found = calibrate::calibrate(&load(file)?.config, out).map_err(Failure::failed)?;
    print(&if json { format!("{:#}\n", json!(found)) } else { found.to_string() })?;
    eprintln!("pressel: wrote {}; /etc/pressel/config.d/ is its place", out.display());
    Ok(())
}

pub(super) fn record(
    file: Option<&Path>,
    folder: &Path,
    far: Option<&Path>,
    seconds: u64,
) -> Result<(), Failure> {
    let config = load(file)?.config;
    let far = far.map(Wav::read).transpose().map_err(Failure::failed)?;
    let heard = calibrate::listen(&config, Duration::from_secs(seconds));
    let heard = heard.map_err(Failure::failed)?;
    std::fs::create_dir_all(folder).map_err(Failure::failed)?;
    let write = |name: &str, wav: &Wav| {
        let path = folder.join(format!("{name}.wav"));
        let written = wav.write(&path);
        written.map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
        print(&format!("{}\n", path.display()))
    };
    write("card", &heard)?;
    let stages = offline::stages(&heard, far.as_ref(), &config).map_err(Failure::failed)?;
    if stages.iter().any(|(name, samples)| *name == "far" && samples.iter().all(|&sample| sample == 0.0)) {
        eprintln!(
            "pressel: far.wav is silence: no channel of {} carries what is played, and --far names no file",
            config.capture.device
        );
    }
    for (name, samples) in stages {
        write(name, &Wav { rate_hz: pressel_dsp::BLOCK_RATE, channels: 1, samples })?;
    }
    Ok(())
}

pub(super) fn process(file: Option<&Path>, recordings: Recordings) -> Result<(), Failure> {
    let Recordings { mic, far, out, channels, geometry, json } = recordings;
    let job = offline::Job { mic, far, out, channels, geometry };
    let report = offline::process(&job, &load(file)?.config).map_err(Failure::failed)?;
    print(&if json { format!("{:#}\n", json!(report)) } else { report.to_string() })
}
