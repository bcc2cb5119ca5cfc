//! As much of libasound as the tests need, by its own names.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use alsa_sys as alsa;
use pressel_world::card::{Card, Direction};

/// What a test asks a PCM for. Zero of a software parameter means alsa-lib's default.
#[derive(Clone, Copy)]
pub struct Ask {
    pub rate: u32,
    pub channels: u32,
    pub format: alsa::snd_pcm_format_t,
    pub period: u64,
    pub buffer: u64,
    pub avail_min: u64,
    pub start_threshold: u64,
    /// Never stops by itself.
    pub free_running: bool,
    /// The driver fills with silence what it has played.
    pub silence: bool,
}

pub fn ask(channels: u32) -> Ask {
    Ask {
        rate: 48_000,
        channels,
        format: alsa::SND_PCM_FORMAT_S16_LE,
        period: 480,
        buffer: 48_000,
        avail_min: 0,
        start_threshold: 0,
        free_running: false,
        silence: false,
    }
}

pub struct Pcm {
    handle: *mut alsa::snd_pcm_t,
    frame_bytes: usize,
}

/// A negative errno, positive.
pub type Errno = i32;

fn check(result: i64) -> Result<u64, Errno> {
    if result < 0 { Err(-result as Errno) } else { Ok(result as u64) }
}

// Every unsafe block below calls libasound with a handle that `open` made and `drop` closes, and with pointers to
// locals that outlive the call.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Pcm {
    pub fn open(card: &Card, name: &str, direction: Direction) -> Result<Self, Errno> {
        let path = CString::new(card.env().1.as_os_str().as_bytes()).unwrap();
        let name = CString::new(name).unwrap();
        let stream = match direction {
            Direction::Capture => alsa::SND_PCM_STREAM_CAPTURE,
            Direction::Playback => alsa::SND_PCM_STREAM_PLAYBACK,
        };
        let mut handle = ptr::null_mut();
        unsafe {
            let (mut config, mut input) = (ptr::null_mut(), ptr::null_mut());
            check(alsa::snd_config_top(&raw mut config).into())?;
            check(alsa::snd_input_stdio_open(&raw mut input, path.as_ptr(), c"r".as_ptr()).into())?;
            check(alsa::snd_config_load(config, input).into())?;
            alsa::snd_input_close(input);
            let opened = alsa::snd_pcm_open_lconf(&raw mut handle, name.as_ptr(), stream, 0, config);
            alsa::snd_config_delete(config);
            check(opened.into())?;
        }
        Ok(Pcm { handle, frame_bytes: 0 })
    }

    pub fn with(card: &Card, direction: Direction, ask: Ask) -> Self {
        let name = match direction {
            Direction::Capture => "pressel_mic",
            Direction::Playback => "pressel_speaker",
        };
        let mut pcm = Self::open(card, name, direction).unwrap();
        pcm.set_up(ask).unwrap();
        pcm
    }

    pub fn set_up(&mut self, ask: Ask) -> Result<(), Errno> {
        self.frame_bytes =
            unsafe { alsa::snd_pcm_format_physical_width(ask.format) } as usize / 8 * ask.channels as usize;
        let pcm = self.handle;
        unsafe {
            let mut hw = ptr::null_mut();
            check(alsa::snd_pcm_hw_params_malloc(&raw mut hw).into())?;
            let set = [
                alsa::snd_pcm_hw_params_any(pcm, hw).min(0),
                alsa::snd_pcm_hw_params_set_access(pcm, hw, alsa::SND_PCM_ACCESS_RW_INTERLEAVED),
                alsa::snd_pcm_hw_params_set_format(pcm, hw, ask.format),
                alsa::snd_pcm_hw_params_set_channels(pcm, hw, ask.channels),
                alsa::snd_pcm_hw_params_set_rate(pcm, hw, ask.rate, 0),
                alsa::snd_pcm_hw_params_set_period_size(pcm, hw, ask.period as _, 0),
                alsa::snd_pcm_hw_params_set_buffer_size(pcm, hw, ask.buffer as _),
            ];
            let set = set
                .into_iter()
                .find(|result| *result < 0)
                .unwrap_or_else(|| alsa::snd_pcm_hw_params(pcm, hw));
            alsa::snd_pcm_hw_params_free(hw);
            check(set.into())?;
            let mut sw = ptr::null_mut();
            let mut boundary = 0;
            check(alsa::snd_pcm_sw_params_malloc(&raw mut sw).into())?;
            alsa::snd_pcm_sw_params_current(pcm, sw);
            alsa::snd_pcm_sw_params_get_boundary(sw, &raw mut boundary);
            if ask.avail_min > 0 {
                alsa::snd_pcm_sw_params_set_avail_min(pcm, sw, ask.avail_min as _);
            }
            if ask.start_threshold > 0 {
                alsa::snd_pcm_sw_params_set_start_threshold(pcm, sw, ask.start_threshold as _);
            }
            if ask.free_running {
                alsa::snd_pcm_sw_params_set_stop_threshold(pcm, sw, boundary);
            }
            if ask.silence {
                alsa::snd_pcm_sw_params_set_silence_size(pcm, sw, boundary);
            }
            let set = alsa::snd_pcm_sw_params(pcm, sw);
            alsa::snd_pcm_sw_params_free(sw);
            check(set.into()).map(drop)
        }
    }

    pub fn start(&self) -> Result<u64, Errno> {
        check(unsafe { alsa::snd_pcm_start(self.handle) }.into())
    }
    pub fn prepare(&self) -> Result<u64, Errno> {
        check(unsafe { alsa::snd_pcm_prepare(self.handle) }.into())
    }
    pub fn drop_sound(&self) -> Result<u64, Errno> {
        check(unsafe { alsa::snd_pcm_drop(self.handle) }.into())
    }
    pub fn drain(&self) -> Result<u64, Errno> {
        check(unsafe { alsa::snd_pcm_drain(self.handle) }.into())
    }
    pub fn wait(&self, timeout_ms: i32) -> Result<u64, Errno> {
        check(unsafe { alsa::snd_pcm_wait(self.handle, timeout_ms) }.into())
    }
    pub fn avail_update(&self) -> Result<u64, Errno> {
        check(unsafe { alsa::snd_pcm_avail_update(self.handle) } as i64)
    }
    pub fn rewindable(&self) -> Result<u64, Errno> {
        check(unsafe { alsa::snd_pcm_rewindable(self.handle) } as i64)
    }
    pub fn rewind(&self, frames: u64) -> Result<u64, Errno> {
        check(unsafe { alsa::snd_pcm_rewind(self.handle, frames as _) } as i64)
    }
    pub fn forward(&self, frames: u64) -> Result<u64, Errno> {
        check(unsafe { alsa::snd_pcm_forward(self.handle, frames as _) } as i64)
    }
    pub fn state(&self) -> alsa::snd_pcm_state_t {
        unsafe { alsa::snd_pcm_state(self.handle) }
    }
    pub fn nonblock(&self) {
        unsafe { alsa::snd_pcm_nonblock(self.handle, 1) };
    }

    /// May be negative.
    pub fn delay(&self) -> Result<i64, Errno> {
        let mut delay = 0;
        check(unsafe { alsa::snd_pcm_delay(self.handle, &raw mut delay) }.into()).map(|_| delay)
    }

    /// Frames available, frames of delay, and when, in nanoseconds of CLOCK_MONOTONIC.
    pub fn status(&self) -> (u64, i64, u64) {
        unsafe {
            let mut status = ptr::null_mut();
            assert_eq!(alsa::snd_pcm_status_malloc(&raw mut status), 0);
            assert_eq!(alsa::snd_pcm_status(self.handle, status), 0);
            let mut time = std::mem::zeroed();
            alsa::snd_pcm_status_get_htstamp(status, &raw mut time);
            let avail = alsa::snd_pcm_status_get_avail(status);
            let delay = alsa::snd_pcm_status_get_delay(status);
            alsa::snd_pcm_status_free(status);
            (avail as u64, delay as i64, time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
        }
    }

    pub fn write_bytes(&self, bytes: &[u8]) -> Result<u64, Errno> {
        let frames = bytes.len() / self.frame_bytes;
        check(unsafe { alsa::snd_pcm_writei(self.handle, bytes.as_ptr().cast(), frames as _) } as i64)
    }
    pub fn read_bytes(&self, frames: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; frames * self.frame_bytes];
        let read = check(
            unsafe { alsa::snd_pcm_readi(self.handle, bytes.as_mut_ptr().cast(), frames as _) } as i64,
        )?;
        bytes.truncate(read as usize * self.frame_bytes);
        Ok(bytes)
    }
    pub fn write(&self, samples: &[i16]) -> Result<u64, Errno> {
        self.write_bytes(&samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>())
    }
    pub fn read(&self, frames: usize) -> Result<Vec<i16>, Errno> {
        let bytes = self.read_bytes(frames)?;
        Ok(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
    }

    /// The poll descriptor, fetched once as programs do that keep it.
    pub fn descriptor(&self) -> libc::pollfd {
        let mut descriptor = libc::pollfd { fd: -1, events: 0, revents: 0 };
        unsafe {
            assert_eq!(alsa::snd_pcm_poll_descriptors_count(self.handle), 1);
            assert_eq!(alsa::snd_pcm_poll_descriptors(self.handle, (&raw mut descriptor).cast(), 1), 1);
        }
        descriptor
    }

    /// Polls it once; `None` when nothing came in time, else what it means.
    pub fn poll(&self, descriptor: &mut libc::pollfd, timeout_ms: i32) -> Option<i16> {
        let mut revents = 0;
        unsafe {
            if libc::poll(descriptor, 1, timeout_ms) != 1 {
                return None;
            }
            let pfd = ptr::from_mut(descriptor).cast();
            assert_eq!(alsa::snd_pcm_poll_descriptors_revents(self.handle, pfd, 1, &raw mut revents), 0);
        }
        Some(revents as i16)
    }
}

impl Drop for Pcm {
    fn drop(&mut self) {
        // SAFETY: opened in `open`, closed only here.
        unsafe { alsa::snd_pcm_close(self.handle) };
    }
}
