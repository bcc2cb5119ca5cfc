//! WAV files of 16-bit PCM: as much as recordings and test sounds need.

use std::fs;
use std::io;
use std::path::Path;

/// A sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wav {
    /// Frames per second.
    pub rate_hz: u32,
    /// Samples per frame.
    pub channels: u16,
    /// Interleaved.
    pub samples: Vec<i16>,
}

impl Wav {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is not 16-bit PCM; the path is named.
    pub fn read(path: &Path) -> io::Result<Self> {
        fs::read(path)
            .and_then(|bytes| Self::parse(&bytes))
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// Reads a file's bytes. A data chunk that was never closed (length 0 or too long) ends with the file.
    ///
    /// # Errors
    /// When it is not 16-bit PCM.
    pub fn parse(bytes: &[u8]) -> io::Result<Self> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
            return Err(wrong("not a WAV file"));
        }
        let u16_at = |at: usize| bytes.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        let u32_at = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let mut format = None;
        let mut at = 12;
        while let (Some(id), Some(length)) = (bytes.get(at..at + 4), u32_at(at + 4)) {
            let body = at + 8;
            if id == b"fmt " {
                let kind = u16_at(body).ok_or_else(|| wrong("cut short"))?;
                let bits = u16_at(body + 14).ok_or_else(|| wrong("cut short"))?;
                // 0xfffe: extensible; with 16 bits per sample it is PCM all the same
                if !matches!(kind, 1 | 0xfffe) || bits != 16 {
                    return Err(wrong("not 16-bit PCM"));
                }
                format = u16_at(body + 2)
                    .zip(u32_at(body + 4))
                    .filter(|(channels, rate)| *channels > 0 && *rate > 0);
            }
            if id == b"data" {
                let (channels, rate_hz) = format.ok_or_else(|| wrong("no format before the data"))?;
                let rest = &bytes[body..];
                let open_ended = length == 0 || length as usize > rest.len();
                let data = if open_ended { rest } else { &rest[..length as usize] };
                let samples = data.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
                return Ok(Wav { rate_hz, channels, samples });
            }
            at = body.saturating_add(length as usize).saturating_add(length as usize % 2);
        }
        Err(wrong("no data"))
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let length = self.samples.len() as u32 * 2;
        let frame = self.channels * 2;
        let mut bytes = Vec::with_capacity(44 + self.samples.len() * 2);
        bytes.extend_from_slice(b"RIFF");
        bytes.extend_from_slice(&(36 + length).to_le_bytes());
        bytes.extend_from_slice(b"WAVEfmt ");
        bytes.extend_from_slice(&16_u32.to_le_bytes());
        bytes.extend_from_slice(&1_u16.to_le_bytes());
        bytes.extend_from_slice(&self.channels.to_le_bytes());
        bytes.extend_from_slice(&self.rate_hz.to_le_bytes());
        bytes.extend_from_slice(&(self.rate_hz * u32::from(frame)).to_le_bytes());
        bytes.extend_from_slice(&frame.to_le_bytes());
        bytes.extend_from_slice(&16_u16.to_le_bytes());
        bytes.extend_from_slice(b"data");
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend(self.samples.iter().flat_map(|sample| sample.to_le_bytes()));
        fs::write(path, bytes)
    }

    /// One channel.
    pub fn channel(&self, channel: usize) -> Vec<i16> {
        self.samples.iter().skip(channel).step_by(usize::from(self.channels)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(wav: &Wav) -> Vec<u8> {
        let path = std::env::temp_dir().join(format!("pressel-wav-{}-{}", std::process::id(), wav.channels));
        wav.write(&path).unwrap();
        assert_eq!(&Wav::read(&path).unwrap(), wav);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        round_trip(&Wav { rate_hz: 48_000, channels: 2, samples: vec![1, -1, i16::MAX, i16::MIN] });
    }

    #[test]
    fn chunks_before_the_data_are_passed_over_and_an_open_end_is_read_to_the_end() {
        let wav = Wav { rate_hz: 16_000, channels: 1, samples: vec![5, 6, 7] };
        let bytes = round_trip(&wav);
        let mut other = bytes[..12].to_vec();
        other.extend_from_slice(b"LIST\x03\x00\x00\x00abc\x00");
        other.extend_from_slice(&bytes[12..40]);
        other.extend_from_slice(&[0xff; 4]);
        other.extend_from_slice(&bytes[44..]);
        assert_eq!(Wav::parse(&other).unwrap(), wav);
    }

    #[test]
    fn anything_else_is_refused() {
        let mut bytes = round_trip(&Wav { rate_hz: 8000, channels: 3, samples: vec![0; 3] });
        bytes[34] = 24;
        assert_eq!(Wav::parse(&bytes).unwrap_err().to_string(), "not 16-bit PCM");
        assert_eq!(Wav::parse(b"RIFF").unwrap_err().to_string(), "not a WAV file");
        assert_eq!(Wav::parse(&bytes[..30]).unwrap_err().to_string(), "cut short");
    }
}
