//! WAV files of any rate and channel count: 16, 24 and 32-bit integers, 32-bit float; written with 16 bits.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// What a file may hold.
const ALLOWED: &str = "allowed are WAV files of 16, 24 or 32-bit integers or 32-bit float";

/// A recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Wav {
    /// Frames per second.
    pub rate_hz: u32,
    /// Samples per frame.
    pub channels: usize,
    /// Interleaved, full scale ±1.0.
    pub samples: Vec<f32>,
}

#[derive(Clone, Copy)]
struct Format {
    kind: u16,
    channels: u16,
    rate_hz: u32,
    bits: u16,
}

impl Wav {
    /// Reads a file; the error names it, says what was found and what is allowed.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&bytes).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Reads a file's bytes. A data chunk that was never closed (length 0 or too long) ends with the file.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err(format!("an empty file; {ALLOWED}"));
        }
        if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
            return Err(format!("not a WAV file; {ALLOWED}"));
        }
        let mut format = None;
        let mut at = 12;
        while let (Some(id), Some(length)) = (bytes.get(at..at + 4), u32_at(bytes, at + 4)) {
            let body = at + 8;
            if id == b"fmt " {
                format = Some(Format::parse(bytes, body).ok_or("a WAV file that is cut short")?);
            }
            if id == b"data" {
                let format = format.ok_or("a WAV file without a format before its data")?;
                let rest = &bytes[body..];
                let open_ended = length == 0 || length as usize > rest.len();
                let data = if open_ended { rest } else { &rest[..length as usize] };
                return format.decode(data);
            }
            at = body.saturating_add(length as usize).saturating_add(length as usize % 2);
        }
        Err("a WAV file without sound in it".into())
    }

    /// Frames of the recording.
    pub fn frames(&self) -> usize {
        self.samples.len() / self.channels
    }

    /// One channel, from 0.
    pub fn channel(&self, channel: usize) -> Vec<f32> {
        self.samples.iter().skip(channel).step_by(self.channels).copied().collect()
    }

    /// Writes a file with 16 bits per sample.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&header(self.rate_hz, self.channels, self.samples.len()))?;
        for &sample in &self.samples {
            file.write_all(&pressel_dsp::to_i16(sample).to_le_bytes())?;
        }
        file.flush()
    }
}

/// The header of a file with so many samples of 16 bits.
fn header(rate_hz: u32, channels: usize, samples: usize) -> Vec<u8> {
    // A file of more than 4 GiB cannot say how long it is; readers then take it to its end.
    let length = u32::try_from(2 * samples).ok().filter(|length| *length < u32::MAX - 36).unwrap_or(0);
    let frame = 2 * channels as u32;
    let mut bytes = Vec::with_capacity(44);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + length).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    bytes.extend_from_slice(&16_u32.to_le_bytes());
    bytes.extend_from_slice(&1_u16.to_le_bytes());
    bytes.extend_from_slice(&(channels as u16).to_le_bytes());
    bytes.extend_from_slice(&rate_hz.to_le_bytes());
    bytes.extend_from_slice(&(rate_hz * frame).to_le_bytes());
    bytes.extend_from_slice(&(frame as u16).to_le_bytes());
    bytes.extend_from_slice(&16_u16.to_le_bytes());
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes
}

impl Format {
    fn parse(bytes: &[u8], body: usize) -> Option<Self> {
        let kind = u16_at(bytes, body)?;
        Some(Format {
            // extensible: the kind proper is at the start of the sub-format
            kind: if kind == 0xfffe { u16_at(bytes, body + 24)? } else { kind },
            channels: u16_at(bytes, body + 2)?,
            rate_hz: u32_at(bytes, body + 4)?,
            bits: u16_at(bytes, body + 14)?,
        })
    }

    fn decode(self, data: &[u8]) -> Result<Wav, String> {
        let Format { kind, channels, rate_hz, bits } = self;
        if channels == 0 || rate_hz == 0 {
            return Err(format!("a WAV file of {channels} channels at {rate_hz} Hz"));
        }
        let samples: Vec<f32> = match (kind, bits) {
            (1, 16) => data
                .chunks_exact(2)
                .map(|b| pressel_dsp::from_i16(i16::from_le_bytes([b[0], b[1]])))
                .collect(),
            (1, 24) => data
                .chunks_exact(3)
                .map(|b| (i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8) as f32 / 8_388_608.0)
                .collect(),
            (1, 32) => data
                .chunks_exact(4)
                .map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32 / 2_147_483_648.0)
                .collect(),
            (3, 32) => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            (1, bits) => return Err(format!("{bits}-bit integers; {ALLOWED}")),
            (3, bits) => return Err(format!("{bits}-bit float; {ALLOWED}")),
            (kind, bits) => return Err(format!("WAV format {kind:#x} of {bits} bits; {ALLOWED}")),
        };
        let channels = usize::from(channels);
        let whole = samples.len() / channels * channels;
        if whole == 0 {
            return Err("a WAV file without sound in it".into());
        }
        Ok(Wav { rate_hz, channels, samples: samples[..whole].to_vec() })
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(kind: u16, bits: u16, channels: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = header(44_100, usize::from(channels), 0);
        bytes[20..22].copy_from_slice(&kind.to_le_bytes());
        bytes[34..36].copy_from_slice(&bits.to_le_bytes());
        bytes[40..44].copy_from_slice(&(data.len() as u32).to_le_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    fn samples(kind: u16, bits: u16, data: &[u8]) -> Vec<f32> {
        Wav::parse(&file(kind, bits, 1, data)).unwrap().samples
    }

    #[test]
    fn every_sample_format_that_cards_and_editors_write_is_read() {
        assert_eq!(samples(1, 16, &[0, 0x40, 0, 0x80]), [0.5, -1.0]);
        assert_eq!(
            samples(1, 24, &[0, 0, 0x40, 0, 0, 0x80, 0xff, 0xff, 0xff]),
            [0.5, -1.0, -1.0 / 8_388_608.0]
        );
        assert_eq!(samples(1, 32, &[0, 0, 0, 0x40, 0, 0, 0, 0x80]), [0.5, -1.0]);
        assert_eq!(samples(3, 32, &0.25f32.to_le_bytes()), [0.25]);
        // extensible, 16 bits
        let mut bytes = file(0xfffe, 16, 1, &[0, 0x40]);
        bytes[16..20].copy_from_slice(&40_u32.to_le_bytes());
        let rest =
            [22, 0, 16, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
        bytes.splice(36..36, rest);
        assert_eq!(Wav::parse(&bytes).unwrap().samples, [0.5]);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_what_can() {
        let refused = |bytes: &[u8]| Wav::parse(bytes).unwrap_err();
        let allowed = "allowed are WAV files of 16, 24 or 32-bit integers or 32-bit float";
        assert_eq!(refused(b"ID3 and what follows"), format!("not a WAV file; {allowed}"));
        assert_eq!(refused(b""), format!("an empty file; {allowed}"));
        assert_eq!(refused(&file(1, 8, 1, &[1, 2])), format!("8-bit integers; {allowed}"));
        assert_eq!(refused(&file(2, 4, 1, &[1, 2])), format!("WAV format 0x2 of 4 bits; {allowed}"));
        assert_eq!(refused(&file(1, 16, 1, &[])), "a WAV file without sound in it");
        assert_eq!(refused(&file(1, 16, 0, &[1, 2])), "a WAV file of 0 channels at 44100 Hz");
        assert_eq!(refused(&file(1, 16, 1, &[1, 2])[..30]), "a WAV file that is cut short");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let path = std::env::temp_dir().join(format!("pressel-offline-{}.wav", std::process::id()));
        let wav = Wav { rate_hz: 48_000, channels: 2, samples: vec![0.5, -0.5, 0.25, -1.0] };
        wav.write(&path).unwrap();
        let back = Wav::read(&path);
        fs::remove_file(&path).unwrap();
        assert_eq!(back.unwrap(), wav);
    }
}
