//! Rings and strips of coloured lights on SPI: APA102 (clock and data) and WS281x (data alone), through spidev.
//!
//! WS281x have a code of their own; at 2.4 MHz three bits of SPI are one of theirs: `110` for one, `100` for nought.
//!
//! Tested here: every bit that goes out. Unproven until run on a board: whether its SPI keeps the line low at rest and the
//! clock steady, which WS281x want.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use crate::os::kind_of;
use crate::{Error, ErrorKind, Indicator, Rgb};

/// Longest strip: a frame takes 2 ms at most.
pub const PIXELS_MAX: usize = 60;

/// How the lights are talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StripKind {
    /// APA102, SK9822, DotStar.
    Apa102,
    /// WS2812, SK6812, NeoPixel.
    Ws281x,
}

/// A strip.
#[derive(Clone, Debug)]
pub struct StripSettings {
    /// Device file, `/dev/spidev0.0`.
    pub device: String,
    /// How it is talked to.
    pub kind: StripKind,
    /// How many lights it has.
    pub pixels: usize,
}

/// Rings and strips; dark when dropped.
pub struct Strip {
    file: File,
    kind: StripKind,
    pixels: usize,
    bytes: Vec<u8>,
    device: String,
}

impl Strip {
    /// Opens the strip, dark.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied` with what to do, `Unsupported` for a file that is no SPI device.
    pub fn open(settings: &StripSettings) -> Result<Self, Error> {
        let what = format!("open light \"{}\"", settings.device);
        let failed = |error: io::Error| {
            let kind = kind_of(&error);
            let hint = match kind {
                ErrorKind::NotFound => ": is SPI on? dtparam=spi=on in config.txt",
                ErrorKind::PermissionDenied => ": add the user to group spi (sudo usermod -aG spi USER)",
                ErrorKind::Unsupported => ": it is no SPI device",
                _ => "",
            };
            Error::new(kind, format!("{what}{hint}")).caused_by(error)
        };
        let file =
            OpenOptions::new().read(true).write(true).open(Path::new(&settings.device)).map_err(failed)?;
        set_up(&file, settings.kind).map_err(failed)?;
        Strip::on(file, settings)
    }

    fn on(file: File, settings: &StripSettings) -> Result<Self, Error> {
        let pixels = settings.pixels.clamp(1, PIXELS_MAX);
        let mut strip =
            Strip { file, kind: settings.kind, pixels, bytes: Vec::new(), device: settings.device.clone() };
        strip.set(0.0)?;
        Ok(strip)
    }
}

/// Mode 0, eight bits, and the clock that the lights want.
fn set_up(file: &File, kind: StripKind) -> io::Result<()> {
    /// `_IOW('k', 1, u8)`, `_IOW('k', 3, u8)` and `_IOW('k', 4, u32)` of linux/spi/spidev.h.
    const SPI_IOC_WR_MODE: u32 = 0x4001_6b01;
    const SPI_IOC_WR_BITS_PER_WORD: u32 = 0x4001_6b03;
    const SPI_IOC_WR_MAX_SPEED_HZ: u32 = 0x4004_6b04;
    let (mode, bits) = (0u8, 8u8);
    let hz: u32 = match kind {
        StripKind::Apa102 => 4_000_000,
        StripKind::Ws281x => 2_400_000,
    };
    let fd = file.as_raw_fd();
    // SAFETY: the descriptor is open; each call reads one number, a local.
    let results = unsafe {
        [
            libc::ioctl(fd, SPI_IOC_WR_MODE as _, &raw const mode),
            libc::ioctl(fd, SPI_IOC_WR_BITS_PER_WORD as _, &raw const bits),
            libc::ioctl(fd, SPI_IOC_WR_MAX_SPEED_HZ as _, &raw const hz),
        ]
    };
    if results.iter().all(|result| *result >= 0) { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn byte(part: f32) -> u8 {
    (part.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// A frame of APA102: a start of zeros, four bytes per light, and clocks until the last one has got its bits.
fn apa102(pixels: impl ExactSizeIterator<Item = Rgb>, out: &mut Vec<u8>) {
    let end = 4 + pixels.len().div_ceil(16);
    out.extend([0; 4]);
    for Rgb { r, g, b } in pixels {
        out.extend([0xff, byte(b), byte(g), byte(r)]);
    }
    out.resize(out.len() + end, 0);
}

/// A frame of WS281x: green, red, blue, each bit as three; before and after them the line is low until they take it over.
fn ws281x(pixels: impl Iterator<Item = Rgb>, out: &mut Vec<u8>) {
    /// 300 µs.
    const RESET: usize = 90;
    out.push(0);
    for Rgb { r, g, b } in pixels {
        for part in [g, r, b].map(byte) {
            let bits =
                (0..8).rev().fold(0u32, |bits, n| bits << 3 | if part >> n & 1 == 1 { 0b110 } else { 0b100 });
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
    }
    out.resize(out.len() + RESET, 0);
}

impl Indicator for Strip {
    fn set(&mut self, brightness: f32) -> Result<(), Error> {
        self.show(&vec![Rgb { r: brightness, g: brightness, b: brightness }; self.pixels])
    }

    fn pixels(&self) -> usize {
        self.pixels
    }

    fn show(&mut self, pixels: &[Rgb]) -> Result<(), Error> {
        self.bytes.clear();
        let all = (0..self.pixels).map(|n| pixels.get(n).copied().unwrap_or_default());
        match self.kind {
            StripKind::Apa102 => apa102(all, &mut self.bytes),
            StripKind::Ws281x => ws281x(all, &mut self.bytes),
        }
        self.file.write_all(&self.bytes).map_err(|error| {
            Error::new(kind_of(&error), format!("set light \"{}\"", self.device)).caused_by(error)
        })
    }

    fn describe(&self) -> String {
        let kind = match self.kind {
            StripKind::Apa102 => "APA102",
            StripKind::Ws281x => "WS281x",
        };
        format!("{} {kind} on {}", self.pixels, self.device)
    }
}

impl Drop for Strip {
    fn drop(&mut self) {
        // Best effort: whoever drops a light has nobody left to tell.
        let _ = self.set(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORANGE: Rgb = Rgb { r: 1.0, g: 0.5, b: 0.0 };

    #[test]
    fn apa102_get_start_colours_and_enough_clocks() {
        let mut out = Vec::new();
        apa102([ORANGE, Rgb::default()].into_iter(), &mut out);
        assert_eq!(out, [0, 0, 0, 0, 0xff, 0, 128, 255, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.clear();
        apa102(vec![ORANGE; PIXELS_MAX].into_iter(), &mut out);
        assert!(8 * (out.len() - 4 - 4 * PIXELS_MAX) >= 32 + PIXELS_MAX / 2, "half a clock for each light");
    }

    #[test]
    fn ws281x_get_green_first_and_three_bits_for_one() {
        let mut out = Vec::new();
        ws281x([ORANGE].into_iter(), &mut out);
        let bits: String = out[1..10].iter().map(|byte| format!("{byte:08b}")).collect();
        let decoded: String = (0..24)
            .map(|n| match &bits[3 * n..3 * n + 3] {
                "110" => '1',
                "100" => '0',
                other => panic!("{other} is no bit"),
            })
            .collect();
        assert_eq!(decoded, "100000001111111100000000", "green 128, red 255, blue 0");
        assert!(out[0] == 0 && out[10..].iter().all(|byte| *byte == 0));
        assert!(out[10..].len() * 8 * 1_000_000 / 2_400_000 >= 280, "too short a pause to be taken over");
    }

    #[test]
    fn a_frame_is_one_write_and_the_end_is_dark() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings =
            StripSettings { device: file.path().display().to_string(), kind: StripKind::Apa102, pixels: 2 };
        let mut strip = Strip::on(file.reopen().unwrap(), &settings).unwrap();
        strip.show(&[ORANGE]).unwrap();
        drop(strip);
        let written = std::fs::read(file.path()).unwrap();
        let frames: Vec<&[u8]> = written.chunks(17).collect();
        assert_eq!(frames.len(), 3, "dark, orange, dark");
        assert_eq!(&frames[1][4..12], [0xff, 0, 128, 255, 0xff, 0, 0, 0], "what is not told is dark");
        assert_eq!(frames[0], frames[2]);
    }

    #[test]
    fn what_is_no_spi_device_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = |device: String| {
            let settings = StripSettings { device, kind: StripKind::Ws281x, pixels: 12 };
            Strip::open(&settings).err().unwrap().to_string()
        };
        assert!(open(file.path().display().to_string()).contains("it is no SPI device"));
        assert!(open("/dev/spidev9.9".into()).contains("dtparam=spi=on"));
    }
}
