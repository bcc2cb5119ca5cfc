//! One open PCM: opening, setting up, and the calls that both directions need.
//!
//! The `alsa` crate keeps its PCM handle to itself and wraps neither rewinding nor driver silence, so the handle is
//! ours, and every call to libasound is here, in `params` and in `wait`.

// C's long, and the members of a timespec, are narrower on 32-bit targets.
#![allow(clippy::unnecessary_cast)]

use std::ffi::c_int;
use std::ptr;
use std::time::{Duration, Instant};

use alsa_sys as sys;

use super::cards::Direction;
use super::error;
use super::open::{Errno, check, opening};
use super::params::{self, HwParams};
use crate::{Error, Format, StreamRequest, Timing, monotonic};

/// An open PCM, not blocking.
pub(super) struct Pcm {
    pub(super) handle: *mut sys::snd_pcm_t,
    sw_params: *mut sys::snd_pcm_sw_params_t,
    status: *mut sys::snd_pcm_status_t,
    pub(super) direction: Direction,
    pub(super) device: String,
    pub(super) format: Format,
    /// Positions of libasound wrap here.
    pub(super) boundary: i64,
    /// The hardware pointer moves by whole periods, or so the driver says.
    pub(super) coarse: bool,
    avail_min: i64,
}

// SAFETY: libasound's handles may be used from any thread, by one at a time: `&mut self` sees to that.
unsafe impl Send for Pcm {}

/// How a stream starts, stops and is filled, in frames.
pub(super) struct Thresholds {
    pub(super) start: i64,
    pub(super) stop: i64,
    /// Playback: what was played is overwritten with silence, so that a ring nobody writes to is silent.
    pub(super) driver_silence: bool,
}

/// Where a stream stands.
pub(super) struct Status {
    pub(super) avail: i64,
    /// As `avail`, and what lies in the hardware's own buffers.
    pub(super) delay: i64,
    /// When this was true.
    pub(super) at: Instant,
    /// Whether the driver said so.
    pub(super) timing: Timing,
}

/// A driver's timestamp that is older than this was not taken with the position.
const STALE: Duration = Duration::from_secs(1);

/// The same for a count of frames.
fn check_frames(result: sys::snd_pcm_sframes_t) -> Result<i64, Errno> {
    if result < 0 { Err(i32::try_from(-result).unwrap_or(libc::EIO)) } else { Ok(result as i64) }
}

impl Pcm {
    /// Opens and sets up a PCM.
    pub(super) fn open(request: &StreamRequest, direction: Direction) -> Result<Self, Error> {
        opening(direction, &request.device, |name| {
            let stream = match direction {
                Direction::Capture => sys::SND_PCM_STREAM_CAPTURE,
                Direction::Playback => sys::SND_PCM_STREAM_PLAYBACK,
            };
            let mut handle = ptr::null_mut();
            // SAFETY: a local pointer to write to, and a C string that outlives the call.
            check(unsafe {
                sys::snd_pcm_open(&mut handle, name.as_ptr(), stream, sys::SND_PCM_NONBLOCK as c_int)
            })?;
            let mut pcm = Pcm {
                handle,
                sw_params: ptr::null_mut(),
                status: ptr::null_mut(),
                direction,
                device: request.device.clone(),
                format: params::NONE,
                boundary: 0,
                coarse: false,
                avail_min: 0,
            };
            pcm.set_up(request)?;
            Ok(pcm)
        })
    }

    fn set_up(&mut self, request: &StreamRequest) -> Result<(), Errno> {
        let hw = HwParams::new(self.handle)?;
        self.format = hw.negotiate(request)?;
        self.coarse = hw.is_batch();
        // SAFETY: local pointers to write to; both are freed in `drop`.
        unsafe {
            check(sys::snd_pcm_sw_params_malloc(&mut self.sw_params))?;
            check(sys::snd_pcm_status_malloc(&mut self.status))?;
            check(sys::snd_pcm_sw_params_current(self.handle, self.sw_params))?;
            let mut boundary = 0;
            check(sys::snd_pcm_sw_params_get_boundary(self.sw_params, &mut boundary))?;
            self.boundary = boundary as i64;
        }
        Ok(())
    }

    /// Sets when the stream starts and stops. Timestamps become those of `Instant`.
    pub(super) fn set_thresholds(&mut self, thresholds: &Thresholds) -> Result<(), Errno> {
        let (handle, params) = (self.handle, self.sw_params);
        let silence = if thresholds.driver_silence { self.boundary } else { 0 };
        self.avail_min = self.format.period_frames as i64;
        // SAFETY: both were allocated by libasound and live as long as `self`.
        unsafe {
            check(sys::snd_pcm_sw_params_set_tstamp_mode(handle, params, sys::SND_PCM_TSTAMP_ENABLE))?;
            // Older plugins know only one type; their times are told apart by `at`.
            sys::snd_pcm_sw_params_set_tstamp_type(handle, params, sys::SND_PCM_TSTAMP_TYPE_MONOTONIC);
            check(sys::snd_pcm_sw_params_set_start_threshold(handle, params, thresholds.start as _))?;
            check(sys::snd_pcm_sw_params_set_stop_threshold(handle, params, thresholds.stop as _))?;
            if self.direction == Direction::Playback {
                check(sys::snd_pcm_sw_params_set_silence_threshold(handle, params, 0))?;
                check(sys::snd_pcm_sw_params_set_silence_size(handle, params, silence as _))?;
            }
            check(sys::snd_pcm_sw_params_set_avail_min(handle, params, self.avail_min as _))?;
            check(sys::snd_pcm_sw_params(handle, params))?;
        }
        Ok(())
    }

    /// Wakes the process only when so many frames are there; a system call only when it changes.
    pub(super) fn set_avail_min(&mut self, frames: i64) -> Result<(), Errno> {
        let frames = frames.max(self.format.period_frames as i64);
        if frames != self.avail_min {
            // SAFETY: as in `set_thresholds`; neither call allocates.
            unsafe {
                check(sys::snd_pcm_sw_params_set_avail_min(self.handle, self.sw_params, frames as _))?;
                check(sys::snd_pcm_sw_params(self.handle, self.sw_params))?;
            }
            self.avail_min = frames;
        }
        Ok(())
    }

    /// Makes an error of a failed call. Not for `EPIPE` and `ESTRPIPE` while there is hope.
    pub(super) fn lost(&self, what: &str, errno: Errno) -> Error {
        error::while_running(self.direction, &self.device, what, errno)
    }

    pub(super) fn prepare(&mut self) -> Result<(), Errno> {
        // SAFETY: the handle is open.
        check(unsafe { sys::snd_pcm_prepare(self.handle) }).map(drop)
    }

    pub(super) fn start(&mut self) -> Result<(), Errno> {
        // SAFETY: the handle is open.
        check(unsafe { sys::snd_pcm_start(self.handle) }).map(drop)
    }

    pub(super) fn stop(&mut self) -> Result<(), Errno> {
        // SAFETY: the handle is open.
        check(unsafe { sys::snd_pcm_drop(self.handle) }).map(drop)
    }

    /// Gets a suspended or broken stream ready to start again.
    pub(super) fn recover(&mut self, errno: Errno) -> Result<(), Errno> {
        if errno == libc::ESTRPIPE {
            // SAFETY: the handle is open.
            let resumed = check(unsafe { sys::snd_pcm_resume(self.handle) });
            if resumed.is_ok() {
                return Ok(());
            }
        }
        self.prepare()
    }

    pub(super) fn state(&self) -> sys::snd_pcm_state_t {
        // SAFETY: the handle is open.
        unsafe { sys::snd_pcm_state(self.handle) }
    }

    pub(super) fn is_running(&self) -> bool {
        self.state() == sys::SND_PCM_STATE_RUNNING
    }

    /// Frames that can be moved now, by the hardware's present position. While playback runs freely it grows
    /// beyond the ring.
    pub(super) fn avail(&mut self) -> Result<i64, Errno> {
        // SAFETY: the handle is open.
        check_frames(unsafe { sys::snd_pcm_avail(self.handle) })
    }

    /// Both at once, consistent.
    pub(super) fn avail_delay(&mut self) -> Result<(i64, i64), Errno> {
        let (mut avail, mut delay) = (0, 0);
        // SAFETY: the handle is open, the numbers are local.
        check(unsafe { sys::snd_pcm_avail_delay(self.handle, &mut avail, &mut delay) })?;
        Ok((avail as i64, delay as i64))
    }

    /// Where the stream stands, with the driver's time.
    pub(super) fn read_status(&mut self) -> Result<Status, Errno> {
        // SAFETY: all zeros is a valid timespec; handle and status are open.
        let (avail, delay, state, stamp) = unsafe {
            check(sys::snd_pcm_status(self.handle, self.status))?;
            let mut stamp: sys::timespec = std::mem::zeroed();
            sys::snd_pcm_status_get_htstamp(self.status, &mut stamp);
            (
                sys::snd_pcm_status_get_avail(self.status) as i64,
                sys::snd_pcm_status_get_delay(self.status) as i64,
                sys::snd_pcm_status_get_state(self.status),
                stamp,
            )
        };
        match state {
            sys::SND_PCM_STATE_XRUN => Err(libc::EPIPE),
            sys::SND_PCM_STATE_SUSPENDED => Err(libc::ESTRPIPE),
            sys::SND_PCM_STATE_DISCONNECTED => Err(libc::ENODEV),
            _ => {
                let (at, timing) = time_of(&stamp, Instant::now());
                Ok(Status { avail, delay, at, timing })
            }
        }
    }

    /// Reads whole frames; `out` is in the card's format.
    pub(super) fn read(&mut self, out: &mut [u8], frames: usize) -> Result<usize, Errno> {
        assert!(out.len() >= frames * self.frame_bytes(), "room for {frames} frames");
        // SAFETY: `out` holds that many frames, as asserted.
        check_frames(unsafe { sys::snd_pcm_readi(self.handle, out.as_mut_ptr().cast(), frames as _) })
            .map(|frames| frames as usize)
    }

    /// Writes whole frames in the card's format.
    pub(super) fn write(&mut self, frames: &[u8]) -> Result<usize, Errno> {
        let count = frames.len() / self.frame_bytes();
        // SAFETY: `frames` holds that many.
        check_frames(unsafe { sys::snd_pcm_writei(self.handle, frames.as_ptr().cast(), count as _) })
            .map(|frames| frames as usize)
    }

    pub(super) fn rewindable(&mut self) -> Result<i64, Errno> {
        // SAFETY: the handle is open.
        check_frames(unsafe { sys::snd_pcm_rewindable(self.handle) })
    }

    /// Takes frames back; how many it were.
    pub(super) fn rewind(&mut self, frames: i64) -> Result<i64, Errno> {
        // SAFETY: the handle is open.
        check_frames(unsafe { sys::snd_pcm_rewind(self.handle, frames as _) })
    }

    /// Passes over frames; how many it were.
    pub(super) fn forward(&mut self, frames: i64) -> Result<i64, Errno> {
        // SAFETY: the handle is open.
        check_frames(unsafe { sys::snd_pcm_forward(self.handle, frames as _) })
    }

    pub(super) fn frame_bytes(&self) -> usize {
        self.format.channels as usize * self.format.sample.bytes()
    }

    /// The number of the card at the end of all plugins, if there is one.
    pub(super) fn card(&self) -> Option<u32> {
        let mut info = ptr::null_mut();
        // SAFETY: `info` is allocated and freed here, the handle is open.
        unsafe {
            if sys::snd_pcm_info_malloc(&mut info) < 0 {
                return None;
            }
            let card =
                if sys::snd_pcm_info(self.handle, info) < 0 { -1 } else { sys::snd_pcm_info_get_card(info) };
            sys::snd_pcm_info_free(info);
            u32::try_from(card).ok()
        }
    }

    /// libasound's description of this PCM and of what lies below it.
    pub(super) fn describe(&self) -> String {
        let mut output = ptr::null_mut();
        let mut text = ptr::null_mut();
        // SAFETY: the buffer is made and closed here; its text is `len` bytes and copied before.
        unsafe {
            if sys::snd_output_buffer_open(&mut output) < 0 {
                return String::new();
            }
            sys::snd_pcm_dump(self.handle, output);
            let len = sys::snd_output_buffer_string(output, &mut text);
            let bytes = if len == 0 { &[][..] } else { std::slice::from_raw_parts(text.cast::<u8>(), len) };
            let description = String::from_utf8_lossy(bytes).into_owned();
            sys::snd_output_close(output);
            description
        }
    }
}

/// How long so many frames last.
pub(super) fn duration(frames: i64, rate_hz: u32) -> Duration {
    let frames = u64::try_from(frames).unwrap_or(0);
    Duration::from_nanos(frames.saturating_mul(1_000_000_000) / u64::from(rate_hz))
}

/// The driver's time. Where it gives none (zero), or that of another clock (plugins that know the wall clock only,
/// a driver that stamps its interrupts and had none for long), it is `now`, our own.
fn time_of(stamp: &sys::timespec, now: Instant) -> (Instant, Timing) {
    let stamp = Duration::new(stamp.tv_sec.try_into().unwrap_or(0), stamp.tv_nsec.try_into().unwrap_or(0));
    match monotonic::exact_instant_of(stamp) {
        Some(at) if !stamp.is_zero() && at <= now && now - at < STALE => (at, Timing::Driver),
        _ => (now, Timing::Clock),
    }
}

impl Drop for Pcm {
    fn drop(&mut self) {
        // SAFETY: opened and allocated in `open`; libasound's free functions take null.
        unsafe {
            sys::snd_pcm_close(self.handle);
            if !self.sw_params.is_null() {
                sys::snd_pcm_sw_params_free(self.sw_params);
            }
            if !self.status.is_null() {
                sys::snd_pcm_status_free(self.status);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stamp: Duration, now: Instant, expected: (Instant, Timing)) {
        // SAFETY: plain numbers; some targets have padding that cannot be named.
        let mut time: sys::timespec = unsafe { std::mem::zeroed() };
        time.tv_sec = stamp.as_secs() as _;
        time.tv_nsec = stamp.subsec_nanos() as _;
        assert_eq!(time_of(&time, now), expected, "{stamp:?}");
    }

    #[test]
    fn a_driver_s_time_is_believed_and_what_is_none_is_told_from_it() {
        let now = Instant::now();
        let ns = Duration::from_nanos(monotonic::monotonic_ns(now));
        let ms = Duration::from_millis;
        check(ns, now, (now, Timing::Driver));
        check(ns - ms(7), now, (now - ms(7), Timing::Driver));
        check(Duration::ZERO, now, (now, Timing::Clock));
        // The wall clock, and a stamp of long ago.
        check(ns + ms(1_700_000_000_000), now, (now, Timing::Clock));
        check(ns - ms(1_500), now, (now, Timing::Clock));
    }
}
