//! The control file, shared with the plugin: `tests/card/card.h` is the same layout in C.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering, fence};

use super::clock::Clock;
use super::{CardFormat, Direction};

const MAGIC: u32 = 0x6472_6163;
const VERSION: u32 = 2;

#[repr(C)]
struct Anchor {
    sequence: AtomicU32,
    stalled: AtomicU32,
    at_ns: AtomicU64,
    position: AtomicI64,
    drift_ppb: AtomicI64,
}

#[repr(C)]
pub(super) struct Faults {
    /// Even: unplugged.
    pub(super) plugs: AtomicU32,
    pub(super) open_errno: AtomicU32,
    pub(super) forced_xruns: AtomicU32,
    kicks: AtomicU32,
    pub(super) echo_gain_q16: AtomicU32,
    pub(super) stream_errno: AtomicU32,
    pub(super) echo_delay_ns: AtomicU64,
}

#[repr(C)]
struct RawReport {
    state: AtomicU32,
    pid: AtomicU32,
    rate: AtomicU32,
    channels: AtomicU32,
    format: AtomicU32,
    period: AtomicU32,
    buffer: AtomicU32,
    free_running: AtomicU32,
    opens: AtomicU64,
    starts: AtomicU64,
    xruns: AtomicU64,
    wakeups: AtomicU64,
    spurious: AtomicU64,
    late: AtomicU64,
    start: AtomicU64,
    transferred: AtomicU64,
    queued_until: AtomicU64,
}

#[repr(C)]
struct RawDirection {
    clock: Anchor,
    faults: Faults,
    report: RawReport,
}

#[repr(C)]
struct Layout {
    magic: AtomicU32,
    version: AtomicU32,
    size: AtomicU32,
    reserved: AtomicU32,
    t0_ns: AtomicU64,
    direction: [RawDirection; 2],
}

/// Where one direction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// Nobody has it.
    Closed,
    /// Opened, not yet set up.
    Open,
    /// Set up, not started.
    Prepared,
    /// The card moves.
    Running,
    /// Dropped or drained.
    Stopped,
    /// Stopped by an overrun or underrun.
    Xrun,
    /// Unplugged while open.
    Gone,
}

/// What the plugin says about one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where it stands. An xrun or unplug shows once the process has looked at the card.
    pub state: StreamState,
    /// The last process that opened it; 0 = none yet.
    pub pid: u32,
    /// Negotiated frames per second; 0 = not yet.
    pub rate_hz: u32,
    /// Negotiated channels.
    pub channels: u32,
    /// Negotiated format.
    pub format: Option<CardFormat>,
    /// Negotiated frames per period.
    pub period_frames: u32,
    /// Negotiated frames in the ring.
    pub buffer_frames: u32,
    /// It never stops by itself (stop_threshold is the boundary).
    pub free_running: bool,
    /// Successful opens.
    pub opens: u64,
    /// Starts of the stream.
    pub starts: u64,
    /// Overruns or underruns.
    pub xruns: u64,
    /// Times the process was woken and had something to do.
    pub wakeups: u64,
    /// Times it was woken for nothing.
    pub spurious: u64,
    /// Frames written after the moment they should have been heard.
    pub late: u64,
    /// Absolute number of the running stream's first frame, at the stream's rate.
    pub start: u64,
    /// Frames the process has read or written.
    pub transferred: u64,
    /// Playback: nothing has been written into the sound file from this sample on.
    pub queued_until: u64,
}

/// The mapped file.
#[derive(Debug)]
pub(super) struct Control {
    layout: *mut Layout,
}

// SAFETY: the mapping lives as long as the value and holds nothing but atomics.
unsafe impl Send for Control {}
// SAFETY: as above.
unsafe impl Sync for Control {}

impl Control {
    pub(super) fn create(path: &Path, t0_ns: u64) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        let size = size_of::<Layout>();
        file.set_len(size as u64)?;
        // SAFETY: a new shared mapping of a file that is long enough; it is zero, a valid value of every field.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let control = Control { layout: address.cast() };
        let layout = control.layout();
        for direction in &layout.direction {
            direction.clock.at_ns.store(t0_ns, Ordering::Relaxed);
            direction.faults.plugs.store(1, Ordering::Relaxed);
        }
        layout.t0_ns.store(t0_ns, Ordering::Relaxed);
        layout.size.store(size as u32, Ordering::Relaxed);
        layout.version.store(VERSION, Ordering::Relaxed);
        layout.magic.store(MAGIC, Ordering::Release);
        Ok(control)
    }

    fn layout(&self) -> &Layout {
        // SAFETY: mapped in `create`, unmapped in `drop`, page-aligned.
        unsafe { &*self.layout }
    }

    fn direction(&self, direction: Direction) -> &RawDirection {
        &self.layout().direction[direction as usize]
    }

    pub(super) fn faults(&self, direction: Direction) -> &Faults {
        &self.direction(direction).faults
    }

    pub(super) fn count_kick(&self, direction: Direction) {
        self.faults(direction).kicks.fetch_add(1, Ordering::AcqRel);
    }

    /// The clock of one direction, whose file has the given rate. Only this side ever changes it.
    pub(super) fn clock(&self, direction: Direction, rate_hz: u32) -> Clock {
        let anchor = &self.direction(direction).clock;
        Clock {
            rate_hz,
            stalled: anchor.stalled.load(Ordering::Acquire) != 0,
            at_ns: anchor.at_ns.load(Ordering::Acquire),
            position: anchor.position.load(Ordering::Acquire),
            drift_ppb: anchor.drift_ppb.load(Ordering::Acquire),
        }
    }

    pub(super) fn set_clock(&self, direction: Direction, clock: &Clock) {
        let anchor = &self.direction(direction).clock;
        anchor.sequence.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        anchor.stalled.store(u32::from(clock.stalled), Ordering::Release);
        anchor.at_ns.store(clock.at_ns, Ordering::Release);
        anchor.position.store(clock.position, Ordering::Release);
        anchor.drift_ppb.store(clock.drift_ppb, Ordering::Release);
        anchor.sequence.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn report(&self, direction: Direction) -> Report {
        let raw = &self.direction(direction).report;
        let small = |field: &AtomicU32| field.load(Ordering::Acquire);
        let large = |field: &AtomicU64| field.load(Ordering::Acquire);
        Report {
            state: match small(&raw.state) {
                0 => StreamState::Closed,
                1 => StreamState::Open,
                2 => StreamState::Prepared,
                3 => StreamState::Running,
                4 => StreamState::Stopped,
                5 => StreamState::Xrun,
                _ => StreamState::Gone,
            },
            pid: small(&raw.pid),
            rate_hz: small(&raw.rate),
            channels: small(&raw.channels),
            format: CardFormat::from_number(small(&raw.format)),
            period_frames: small(&raw.period),
            buffer_frames: small(&raw.buffer),
            free_running: small(&raw.free_running) != 0,
            opens: large(&raw.opens),
            starts: large(&raw.starts),
            xruns: large(&raw.xruns),
            wakeups: large(&raw.wakeups),
            spurious: large(&raw.spurious),
            late: large(&raw.late),
            start: large(&raw.start),
            transferred: large(&raw.transferred),
            queued_until: large(&raw.queued_until),
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // SAFETY: mapped in `create` with this size; nothing borrowed from it outlives the value.
        unsafe { libc::munmap(self.layout.cast(), size_of::<Layout>()) };
    }
}

pub(super) fn make_fifo(path: &Path) -> io::Result<()> {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a valid C string that outlives the call.
    if unsafe { libc::mkfifo(path.as_ptr(), 0o600) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
}
