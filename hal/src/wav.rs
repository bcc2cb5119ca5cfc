//! WAV files: what simulated microphones hear, what simulated speakers played, sounds the device plays by itself,
//! recordings to measure.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::os::kind_of;
use crate::{Error, ErrorKind};

/// What a file may hold.
const ALLOWED: &str = "allowed are WAV files of 8, 16, 24 or 32-bit integers or 32 or 64-bit float";

/// Sound in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Wav {
    /// Frames per second.
    pub rate_hz: u32,
    /// Samples per frame.
    pub channels: u32,
    /// Interleaved, full scale ±1.0.
    pub samples: Vec<f32>,
}

const CHANNELS_MAX: u32 = 32;
const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

impl Wav {
    /// Frames in it.
    pub fn frames(&self) -> usize {
        self.samples.len() / (self.channels as usize).max(1)
    }

    /// One channel, from 0.
    pub fn channel(&self, channel: u32) -> Vec<f32> {
        self.samples.iter().skip(channel as usize).step_by(self.channels as usize).copied().collect()
    }

    /// The average of all channels.
    pub fn mono(&self) -> Vec<f32> {
        let share = 1.0 / self.channels as f32;
        let frames = self.samples.chunks_exact(self.channels as usize);
        frames.map(|frame| frame.iter().sum::<f32>() * share).collect()
    }

    /// Reads a file: PCM of 8, 16, 24 or 32 bits or float of 32 or 64. One that was cut off gives what is there.
    ///
    /// # Errors
    /// `NotFound` and the like from the system; `Unsupported` with what is wrong in it.
    pub fn read(path: &Path) -> Result<Wav, Error> {
        let what = || format!("read \"{}\"", path.display());
        let bytes = fs::read(path).map_err(|error| Error::new(kind_of(&error), what()).caused_by(error))?;
        Wav::parse(&bytes).map_err(|why| Error::new(ErrorKind::Unsupported, format!("{}: {why}", what())))
    }

    /// Reads a file that is in memory already.
    ///
    /// # Errors
    /// What is wrong in it.
    pub fn parse(bytes: &[u8]) -> Result<Wav, String> {
        if bytes.is_empty() {
            return Err(format!("an empty file; {ALLOWED}"));
        }
        if bytes.len() < 12 || &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WAVE" {
            return Err(format!("not a WAV file; {ALLOWED}"));
        }
        let mut rest = &bytes[12..];
        let mut layout = None;
        while rest.len() >= 8 {
            let (head, body) = rest.split_at(8);
            let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            // Programs that write to a pipe do not know the length and put in a huge one, or none.
            let chunk = &body[..length.min(body.len())];
            match &head[..4] {
                b"fmt " => layout = Some(Layout::parse(chunk)?),
                b"data" => {
                    let layout: Layout = layout.ok_or("data comes before its format")?;
                    return layout.samples(if length == 0 { body } else { chunk });
                }
                _ => {}
            }
            rest = body.get(length + length % 2..).unwrap_or_default();
        }
        Err("no sound in it".into())
    }

    /// Writes 16-bit PCM; samples are rounded and clamped.
    ///
    /// # Errors
    /// What the system said.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&header(self.rate_hz, self.channels, self.samples.len()))?;
        for &sample in &self.samples {
            file.write_all(&to_i16(sample).to_le_bytes())?;
        }
        file.flush()
    }
}

/// The header of a file with so many samples of 16 bits.
fn header(rate_hz: u32, channels: u32, samples: usize) -> Vec<u8> {
    // A file of more than 4 GiB cannot say how long it is; readers then take it to its end.
    let length = u32::try_from(2 * samples).ok().filter(|length| *length < u32::MAX - 36).unwrap_or(0);
    let frame = 2 * channels;
    let mut bytes = Vec::with_capacity(44);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + length).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    bytes.extend_from_slice(&16u32.to_le_bytes());
    bytes.extend_from_slice(&1u16.to_le_bytes());
    bytes.extend_from_slice(&(channels as u16).to_le_bytes());
    bytes.extend_from_slice(&rate_hz.to_le_bytes());
    bytes.extend_from_slice(&(rate_hz * frame).to_le_bytes());
    bytes.extend_from_slice(&(frame as u16).to_le_bytes());
    bytes.extend_from_slice(&16u16.to_le_bytes());
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes
}

/// Scaled by 32768 both ways, so that 16-bit samples survive a round trip unchanged.
fn to_i16(sample: f32) -> i16 {
    (sample * 32768.0).round() as i16 // saturates; not-a-number becomes 0
}

struct Layout {
    rate_hz: u32,
    channels: u32,
    bits: u16,
    float: bool,
}

impl Layout {
    fn parse(chunk: &[u8]) -> Result<Layout, String> {
        const EXTENSIBLE: u16 = 0xFFFE;
        let short = |at: usize| chunk.get(at..at + 2).map(|b| u16::from_le_bytes([b[0], b[1]]));
        let (Some(mut tag), Some(channels), Some(low), Some(high), Some(bits)) =
            (short(0), short(2), short(4), short(6), short(14))
        else {
            return Err("its format is cut off".into());
        };
        if tag == EXTENSIBLE {
            tag = short(24).ok_or("its format is cut off")?;
        }
        let rate_hz = u32::from(high) << 16 | u32::from(low);
        let float = match (tag, bits) {
            (1, 8 | 16 | 24 | 32) => false,
            (3, 32 | 64) => true,
            (1, _) => return Err(format!("{bits}-bit integers; {ALLOWED}")),
            (3, _) => return Err(format!("{bits}-bit float; {ALLOWED}")),
            _ => return Err(format!("WAV format {tag:#x} of {bits} bits; {ALLOWED}")),
        };
        if !RATES.contains(&rate_hz) || !(1..=CHANNELS_MAX).contains(&u32::from(channels)) {
            return Err(format!(
                "{channels} channels at {rate_hz} Hz; 1 to {CHANNELS_MAX} channels at {} to {} Hz are allowed",
                RATES.start(),
                RATES.end()
            ));
        }
        Ok(Layout { rate_hz, channels: channels.into(), bits, float })
    }

    fn samples(&self, data: &[u8]) -> Result<Wav, String> {
        let width = usize::from(self.bits / 8);
        let whole = data.len() - data.len() % (width * self.channels as usize);
        let sample = |b: &[u8]| match (width, self.float) {
            (1, _) => (f32::from(b[0]) - 128.0) / 128.0,
            (2, _) => f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0,
            (3, _) => (i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8) as f32 / 8_388_608.0,
            (8, _) => f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32,
            (_, true) => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            (_, false) => i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32 / 2_147_483_648.0,
        };
        let samples = data[..whole].chunks_exact(width).map(sample).collect();
        Ok(Wav { rate_hz: self.rate_hz, channels: self.channels, samples })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with this format chunk and data.
    fn file(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
        bytes.extend_from_slice(b"LIST\x03\0\0\0abc\0fmt \x10\0\0\0"); // an odd chunk is padded
        bytes.extend([tag.to_le_bytes(), channels.to_le_bytes()].concat());
        bytes.extend([rate.to_le_bytes(), 0u32.to_le_bytes()].concat());
        bytes.extend([0u16.to_le_bytes(), bits.to_le_bytes()].concat());
        bytes.extend_from_slice(b"data");
        bytes.extend_from_slice(&(data.len() as u32).to_le_bytes());
        bytes.extend_from_slice(data);
        bytes
    }

    fn check(tag: u16, bits: u16, data: &[u8], expected: &[f32]) {
        let wav = Wav::parse(&file(tag, 1, 16_000, bits, data)).unwrap();
        assert_eq!(wav, Wav { rate_hz: 16_000, channels: 1, samples: expected.to_vec() }, "{bits} bits");
    }

    #[test]
    fn every_width_is_read() {
        check(1, 8, &[128, 255, 0], &[0.0, 127.0 / 128.0, -1.0]);
        check(1, 16, &[0, 0x40, 0, 0x80], &[0.5, -1.0]);
        check(1, 24, &[0, 0, 0x40, 0, 0, 0x80, 0xff, 0xff, 0xff], &[0.5, -1.0, -1.0 / 8_388_608.0]);
        check(1, 32, &[0, 0, 0, 0x40, 0, 0, 0, 0x80], &[0.5, -1.0]);
        check(3, 32, &0.25f32.to_le_bytes(), &[0.25]);
        check(3, 64, &(-0.125f64).to_le_bytes(), &[-0.125]);
    }

    #[test]
    fn the_extensible_format_names_its_kind_further_on() {
        let mut bytes = file(0xFFFE, 1, 44_100, 16, &[0, 0x40]);
        let at = bytes.windows(4).position(|id| id == b"fmt ").unwrap();
        bytes[at + 4] = 40;
        let rest =
            [22, 0, 16, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
        bytes.splice(at + 24..at + 24, rest);
        assert_eq!(Wav::parse(&bytes).unwrap().samples, [0.5]);
    }

    #[test]
    fn channels_are_taken_apart_and_averaged() {
        let wav = Wav { rate_hz: 8_000, channels: 2, samples: vec![0.5, 0.25, -0.5, 0.25] };
        assert_eq!((wav.frames(), wav.channel(0), wav.channel(1)), (2, vec![0.5, -0.5], vec![0.25, 0.25]));
        assert_eq!(wav.mono(), [0.375, -0.125]);
    }

    #[test]
    fn sixteen_bits_survive_a_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        let samples = (i16::MIN..=i16::MAX).map(|sample| f32::from(sample) / 32768.0).collect();
        let wav = Wav { rate_hz: 48_000, channels: 2, samples };
        wav.write(&path).unwrap();
        assert_eq!(Wav::read(&path).unwrap(), wav);
        let loud = Wav { rate_hz: 8000, channels: 1, samples: vec![2.0, -2.0, f32::NAN] };
        loud.write(&path).unwrap();
        assert_eq!(Wav::read(&path).unwrap().samples, [32767.0 / 32768.0, -1.0, 0.0]);
    }

    #[test]
    fn a_file_of_unknown_length_gives_what_is_there() {
        let mut bytes = file(1, 2, 22_050, 16, &[0, 0x40, 0, 0x20, 0, 0x10]); // one frame and a half
        let at = bytes.len() - 6 - 4;
        for unknown in [0x7FFF_F000u32, 0] {
            bytes[at..at + 4].copy_from_slice(&unknown.to_le_bytes());
            assert_eq!(Wav::parse(&bytes).unwrap().samples, [0.5, 0.25], "length {unknown}");
        }
    }

    #[test]
    fn what_is_no_wav_is_refused_and_nothing_panics() {
        let check = |bytes: &[u8], expected: &str| {
            let error = Wav::parse(bytes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        let allowed = "allowed are WAV files of 8, 16, 24 or 32-bit integers or 32 or 64-bit float";
        check(b"OggS", &format!("not a WAV file; {allowed}"));
        check(b"", &format!("an empty file; {allowed}"));
        check(&file(1, 0, 16_000, 16, &[]), "0 channels");
        check(&file(1, 1, 5, 16, &[]), "5 Hz");
        check(&file(1, 1, 16_000, 20, &[1, 2, 3]), &format!("20-bit integers; {allowed}"));
        check(&file(2, 1, 16_000, 4, &[]), &format!("WAV format 0x2 of 4 bits; {allowed}"));
        let whole = file(1, 1, 16_000, 16, &[1, 2, 3, 4]);
        check(&whole[..24], "no sound");
        for cut in 0..whole.len() {
            let _ = Wav::parse(&whole[..cut]);
        }
        let missing = Wav::read(Path::new("/no/such.wav")).unwrap_err();
        assert_eq!(missing.kind, ErrorKind::NotFound);
    }
}
