//! Says when somebody speaks: 16-bit sound on stdin, one line per opening of the gate on stdout.
//!
//! ```text
//! cargo run -p pressel-dsp --example front_end < talk.wav
//! arecord -t raw -f S16_LE -r 48000 -c 2 | cargo run -p pressel-dsp --example front_end -- 48000 2
//! ```

use std::error::Error;
use std::io::{Read, Write, stdin, stdout};
use std::process::ExitCode;

use pressel_dsp::{BLOCK, FrontEnd, FrontEndSettings, Meter, from_i16};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("front_end: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut rate_hz = arguments.next().map_or(Ok(16_000), |rate| rate.parse())?;
    let mut channels = arguments.next().map_or(Ok(1), |channels| channels.parse())?;
    let mut sound = stdin().lock();

    // A WAV says itself what it is; anything else is raw samples.
    let mut start = [0; 12];
    sound.read_exact(&mut start)?;
    let wav = start.starts_with(b"RIFF") && start.ends_with(b"WAVE");
    if wav {
        (rate_hz, channels) = read_wav_header(&mut sound)?;
    }
    let mut sound: Box<dyn Read> = if wav { Box::new(sound) } else { Box::new(start.chain(sound)) };

    let mut front_end = FrontEnd::new(FrontEndSettings::new(rate_hz, channels))?;
    let mut bytes = vec![0; front_end.frames_per_block() * channels as usize * 2];
    let mut frames = vec![0.0; bytes.len() / 2];
    let mut block = [0.0; BLOCK];
    let mut meter = Meter::new();
    let mut out = stdout().lock();
    let (mut at_ms, mut floor_dbfs, mut open) = (0, 0.0, false);
    while sound.read_exact(&mut bytes).is_ok() {
        for (sample, pair) in frames.iter_mut().zip(bytes.chunks_exact(2)) {
            *sample = from_i16(i16::from_le_bytes([pair[0], pair[1]]));
        }
        let reading = front_end.process(&frames, &[0.0; BLOCK], &mut block);
        meter.process(&block);
        at_ms += 10;
        (floor_dbfs, open) = (reading.floor_dbfs, reading.open);
        if reading.opened {
            write!(out, "open {at_ms} ms, floor {floor_dbfs:.0} dBFS … ")?;
            out.flush()?;
        }
        if reading.closed {
            writeln!(out, "closed {at_ms} ms")?;
        }
    }
    if open {
        writeln!(out, "still open")?;
    }
    let levels = meter.levels();
    writeln!(
        out,
        "{at_ms} ms from {rate_hz} Hz, {channels} channels, delayed by {:.2} ms: RMS {:.1} dBFS, peak {:.1} dBFS, {} clipped, floor {floor_dbfs:.1} dBFS",
        front_end.delay_ms(),
        levels.rms_dbfs,
        levels.peak_dbfs,
        levels.clipped,
    )?;
    Ok(())
}

/// Reads up to the first sample and returns rate and channels.
fn read_wav_header(wav: &mut impl Read) -> Result<(u32, u32), Box<dyn Error>> {
    let mut format = None;
    loop {
        let mut head = [0; 8];
        wav.read_exact(&mut head)?;
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        if head.starts_with(b"data") {
            return format.ok_or_else(|| "WAV without a format".into());
        }
        let mut body = Vec::new();
        wav.take(u64::from(len + len % 2)).read_to_end(&mut body)?;
        if head.starts_with(b"fmt ") && body.len() >= 16 {
            if body[14] != 16 {
                return Err(format!("{} bits per sample; this example reads 16", body[14]).into());
            }
            let rate_hz = u32::from_le_bytes([body[4], body[5], body[6], body[7]]);
            format = Some((rate_hz, u32::from(body[2])));
        }
    }
}
