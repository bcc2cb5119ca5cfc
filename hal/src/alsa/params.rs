//! What a card can do, and what we take of it.

use std::ptr;

use alsa_sys as sys;

use super::open::{Errno, check};
use crate::{Format, SampleFormat, StreamRequest};

/// Before anything was agreed on.
pub(super) const NONE: Format =
    Format { rate_hz: 0, channels: 0, sample: SampleFormat::S16Le, period_frames: 0, buffer_frames: 0 };

/// Formats in order of preference: the wire carries 16 bits, more is only taken where it must be.
const SAMPLES: [(SampleFormat, sys::snd_pcm_format_t); 4] = [
    (SampleFormat::S16Le, sys::SND_PCM_FORMAT_S16_LE),
    (SampleFormat::S24Le3, sys::SND_PCM_FORMAT_S24_3LE),
    (SampleFormat::S32Le, sys::SND_PCM_FORMAT_S32_LE),
    (SampleFormat::S24Le, sys::SND_PCM_FORMAT_S24_LE),
];

/// Rates that everything here converts well, where the wished one is not on offer. After them, the nearest.
const RATES: [u32; 3] = [48_000, 96_000, 44_100];

/// libasound's space of configurations.
pub(super) struct HwParams {
    pcm: *mut sys::snd_pcm_t,
    params: *mut sys::snd_pcm_hw_params_t,
}

impl HwParams {
    /// Everything the PCM offers, without rates that libasound would resample to.
    pub(super) fn new(pcm: *mut sys::snd_pcm_t) -> Result<Self, Errno> {
        let mut params = ptr::null_mut();
        // SAFETY: a local pointer to write to; freed in `drop`. The handle is open.
        unsafe {
            check(sys::snd_pcm_hw_params_malloc(&mut params))?;
            let this = HwParams { pcm, params };
            check(sys::snd_pcm_hw_params_any(pcm, params))?;
            check(sys::snd_pcm_hw_params_set_rate_resample(pcm, params, 0))?;
            check(sys::snd_pcm_hw_params_set_access(pcm, params, sys::SND_PCM_ACCESS_RW_INTERLEAVED))?;
            Ok(this)
        }
    }

    /// Narrows down to one configuration, sets it and says what it is.
    pub(super) fn negotiate(&self, request: &StreamRequest) -> Result<Format, Errno> {
        let (pcm, params) = (self.pcm, self.params);
        let offered = |&&(_, format): &&(SampleFormat, sys::snd_pcm_format_t)| self.offers_format(format);
        let &(sample, format) = SAMPLES.iter().find(offered).ok_or(libc::EINVAL)?;
        let mut channels = request.channels;
        let mut rate_hz = request.rate_hz;
        // SAFETY: handle and parameters are open, the numbers are local.
        unsafe {
            check(sys::snd_pcm_hw_params_set_format(pcm, params, format))?;
            check(sys::snd_pcm_hw_params_set_channels_near(pcm, params, &mut channels))?;
            if !self.offers_rate(rate_hz) {
                rate_hz = RATES.into_iter().find(|&rate| self.offers_rate(rate)).unwrap_or(rate_hz);
            }
            check(sys::snd_pcm_hw_params_set_rate_near(pcm, params, &mut rate_hz, &mut 0))?;
            let frames = |ms: u32| u64::from(rate_hz) * u64::from(ms) / 1000;
            let mut period = frames(request.period_ms) as sys::snd_pcm_uframes_t;
            let mut buffer = frames(request.buffer_ms) as sys::snd_pcm_uframes_t;
            check(sys::snd_pcm_hw_params_set_period_size_near(pcm, params, &mut period, &mut 0))?;
            check(sys::snd_pcm_hw_params_set_buffer_size_near(pcm, params, &mut buffer))?;
            check(sys::snd_pcm_hw_params(pcm, params))?;
            // What it became in the end.
            check(sys::snd_pcm_hw_params_get_period_size(params, &mut period, &mut 0))?;
            check(sys::snd_pcm_hw_params_get_buffer_size(params, &mut buffer))?;
            let (period_frames, buffer_frames) = (period as usize, buffer as usize);
            Ok(Format { rate_hz, channels, sample, period_frames, buffer_frames })
        }
    }

    fn offers_format(&self, format: sys::snd_pcm_format_t) -> bool {
        // SAFETY: handle and parameters are open.
        unsafe { sys::snd_pcm_hw_params_test_format(self.pcm, self.params, format) == 0 }
    }

    fn offers_rate(&self, rate_hz: u32) -> bool {
        // SAFETY: handle and parameters are open.
        unsafe { sys::snd_pcm_hw_params_test_rate(self.pcm, self.params, rate_hz, 0) == 0 }
    }

    /// Whether the hardware pointer may move by whole periods. Only once negotiated.
    pub(super) fn is_batch(&self) -> bool {
        // SAFETY: the parameters are open and hold one configuration.
        unsafe { sys::snd_pcm_hw_params_is_batch(self.params) != 0 }
    }
}

impl Drop for HwParams {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`.
        unsafe { sys::snd_pcm_hw_params_free(self.params) };
    }
}
