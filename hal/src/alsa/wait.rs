//! Waiting for a PCM, a wake-up call or a time, whichever comes first.

use std::ffi::c_uint;
use std::os::fd::AsRawFd;
use std::ptr;
use std::time::{Duration, Instant};

use alsa_sys as sys;

use super::open::check;
use super::pcm::{Pcm, duration};
use crate::{Error, Wait, Wake};

/// Descriptors of a PCM beside the wake; plugins over several cards have some, hardware has one.
const FDS_MAX: usize = 15;

impl Pcm {
    /// Waits until `frames` can be moved (`None`: never mind), `wake` is signalled or `timeout` is over.
    pub(super) fn wait(
        &mut self,
        frames: Option<usize>,
        wake: &Wake,
        timeout: Duration,
    ) -> Result<Wait, Error> {
        let deadline = Instant::now() + timeout;
        let wanted = frames.map(|frames| frames as i64);
        // What is never there wakes nobody: a quiet stream costs nothing.
        self.set_avail_min(wanted.unwrap_or(self.boundary))
            .map_err(|errno| self.lost("set_avail_min", errno))?;
        let period = duration(self.format.period_frames as i64, self.format.rate_hz);
        let (mut looked, mut false_alarms) = (0, 0);
        loop {
            let mut left = deadline.saturating_duration_since(Instant::now());
            // A plugin may call itself ready all the time: it is not listened to, or this would never sleep.
            let deaf = false_alarms >= 3;
            // The card speaks up at the ends of its periods only; what is complete in between is looked for.
            let mut look = false;
            if let Some(wanted) = wanted {
                match self.avail() {
                    Ok(avail) if avail < wanted => {
                        let missing =
                            duration(wanted - avail, self.format.rate_hz) + Duration::from_millis(1);
                        // A card that moves in steps is left to speak for itself after two looks.
                        if missing < left && (deaf || looked < 2 || missing > period) {
                            left = missing;
                            look = true;
                            looked += 1;
                        }
                    }
                    // Also an xrun: what comes next recovers it.
                    Ok(_) | Err(libc::EPIPE | libc::ESTRPIPE) => {
                        return Ok(if wake.take() { Wait::Woken } else { Wait::Ready });
                    }
                    Err(errno) => return Err(self.lost("position", errno)),
                }
            }
            match self.poll(wake, left, wanted.is_some() && !deaf)? {
                Polled::Wake => return Ok(Wait::Woken),
                Polled::Timeout if !look => return Ok(Wait::TimedOut),
                Polled::Timeout => {}
                Polled::Ready => false_alarms += 1,
                Polled::Error => {
                    match self.state() {
                        sys::SND_PCM_STATE_XRUN | sys::SND_PCM_STATE_SUSPENDED if wanted.is_some() => {
                            return Ok(Wait::Ready);
                        }
                        // Stopped while nobody wants it to play: seen when it is to play again.
                        sys::SND_PCM_STATE_XRUN
                        | sys::SND_PCM_STATE_SUSPENDED
                        | sys::SND_PCM_STATE_PREPARED => {
                            let left = deadline.saturating_duration_since(Instant::now());
                            return Ok(if wake.wait(left) { Wait::Woken } else { Wait::TimedOut });
                        }
                        sys::SND_PCM_STATE_DISCONNECTED => return Err(self.lost("unplugged", libc::ENODEV)),
                        _ => return Err(self.lost("poll", libc::EIO)),
                    }
                }
            }
        }
    }

    /// One poll. With `frames` false, only errors of the card count.
    fn poll(&mut self, wake: &Wake, timeout: Duration, frames: bool) -> Result<Polled, Error> {
        let mut fds = [libc::pollfd { fd: -1, events: 0, revents: 0 }; FDS_MAX + 1];
        fds[0] = libc::pollfd { fd: wake.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // Asked for anew each time: plugins may change them, and some arm their timer here.
        // SAFETY: writes at most FDS_MAX entries behind the first one.
        let count =
            unsafe { sys::snd_pcm_poll_descriptors(self.handle, fds[1..].as_mut_ptr(), FDS_MAX as c_uint) };
        let count = check(count).map_err(|errno| self.lost("poll descriptors", errno))? as usize;
        if !frames {
            fds[1..=count].iter_mut().for_each(|fd| fd.events = 0);
        }
        // SAFETY: plain numbers; some targets have padding that cannot be named.
        let mut time: libc::timespec = unsafe { std::mem::zeroed() };
        time.tv_sec = timeout.as_secs().min(3600) as _;
        time.tv_nsec = timeout.subsec_nanos() as _;
        // SAFETY: the entries and the time are local, no signal mask.
        let ready = unsafe { libc::ppoll(fds.as_mut_ptr(), (count + 1) as _, &time, ptr::null()) };
        if ready < 0 {
            let error = std::io::Error::last_os_error();
            return match error.raw_os_error() {
                Some(libc::EINTR) => Ok(Polled::Ready), // looks again
                errno => Err(self.lost("poll", errno.unwrap_or(libc::EIO))),
            };
        }
        if fds[0].revents != 0 && wake.take() {
            return Ok(Polled::Wake);
        }
        if fds[1..=count].iter().all(|fd| fd.revents == 0) {
            return Ok(if ready == 0 { Polled::Timeout } else { Polled::Ready });
        }
        let mut events = 0;
        // SAFETY: the entries that libasound filled in, as poll left them.
        let translated = unsafe {
            sys::snd_pcm_poll_descriptors_revents(
                self.handle,
                fds[1..].as_mut_ptr(),
                count as c_uint,
                &mut events,
            )
        };
        check(translated).map_err(|errno| self.lost("poll", errno))?;
        let bad = (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) as u16;
        Ok(if events & bad != 0 { Polled::Error } else { Polled::Ready })
    }
}

enum Polled {
    Wake,
    Timeout,
    /// Something may be there.
    Ready,
    /// The card reports an error.
    Error,
}
