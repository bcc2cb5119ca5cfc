//! Real-time scheduling and locked memory for the sound threads.
//!
//! Both are asked for, never required: a refusal is a finding to show, and the deep rings of the sound threads
//! keep a machine without either from losing samples. systemd grants them with `LimitRTPRIO=` and
//! `LimitMEMLOCK=infinity`.

use std::fmt;
use std::hint::black_box;
use std::io;

/// What became of the wish to be scheduled before everybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// Nobody asked.
    Off,
    /// SCHED_FIFO at this priority.
    RealTime(u8),
    /// Refused, but ordinary time sharing favours the thread now: this nice value.
    Nice(i32),
    /// Refused altogether: the thread is one among all others. Sound may crackle under load.
    Refused,
}

impl fmt::Display for Scheduling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scheduling::Off => f.write_str("off"),
            Scheduling::RealTime(priority) => write!(f, "SCHED_FIFO {priority}"),
            Scheduling::Nice(nice) => write!(f, "refused, nice {nice} instead"),
            Scheduling::Refused => f.write_str("refused"),
        }
    }
}

/// What became of the wish to keep the program's memory out of the swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locking {
    /// Pages stay in memory once they were touched.
    Locked,
    /// The limit on locked memory is too small to be safe: later allocations could fail.
    Limited,
    /// The kernel said no.
    Refused,
}

/// Asks for SCHED_FIFO at `priority` (1 to 99; 0 asks for nothing) for the calling thread, or for the best nice
/// value to be had. Threads and processes started from here do not inherit it.
pub fn schedule(priority: u8) -> Scheduling {
    if priority == 0 {
        return Scheduling::Off;
    }
    let param = libc::sched_param { sched_priority: i32::from(priority) };
    // SAFETY: reads one struct; 0 is the calling thread.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &param) } == 0 {
        return Scheduling::RealTime(priority);
    }
    favour(-15).map_or(Scheduling::Refused, Scheduling::Nice)
}

/// Asks for a better nice value for the calling thread, this one or the next best; what was granted. Threads and
/// processes started from here inherit it.
pub fn favour(best: i32) -> Option<i32> {
    [-15, -10, -5].into_iter().filter(|nice| *nice >= best).find(|nice| {
        // SAFETY: no pointers; on Linux the id of a thread names that thread alone.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, libc::gettid() as libc::id_t, *nice) == 0 }
    })
}

/// Takes the calling thread back to ordinary time sharing, for work that may take long (opening a device).
pub fn ordinary() {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: reads one struct; 0 is the calling thread.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK, &param) };
}

/// Takes back what was inherited from a favoured thread: real time, a better nice value, and that the kernel spares the
/// process when memory runs out. For a program that is about to run somebody else's.
pub fn unfavoured() {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: reads one struct; 0 is the calling thread. A worse value than ordinary stays as it is.
    unsafe {
        if libc::sched_getscheduler(0) & !libc::SCHED_RESET_ON_FORK != libc::SCHED_OTHER {
            libc::sched_setscheduler(0, libc::SCHED_OTHER, &param);
        }
        if libc::getpriority(libc::PRIO_PROCESS, 0) < 0 {
            libc::setpriority(libc::PRIO_PROCESS, 0, 0);
        }
    }
    let spared = "/proc/self/oom_score_adj";
    let score = std::fs::read_to_string(spared).ok().and_then(|text| text.trim().parse::<i32>().ok());
    if score.is_some_and(|score| score < 0) {
        let _ = std::fs::write(spared, "0"); // anybody may give up a privilege
    }
}

/// Keeps the pages of this process in memory once they were touched; costs no memory by itself.
///
/// Only where the limit on locked memory is infinite or does not count: under a finite limit every later
/// mapping could be refused, and a daemon that dies of it is worse than a page fault.
pub fn lock_memory() -> Locking {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes one local struct.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) } == 0;
    if !known || (limit.rlim_cur != libc::RLIM_INFINITY && !may_lock_without_limit()) {
        return Locking::Limited;
    }
    // ONFAULT: without it, every stack and every mapped file would be read in, many megabytes.
    // SAFETY: no pointers.
    match unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) } {
        0 => Locking::Locked,
        _ => Locking::Refused,
    }
}

/// Whether the process holds CAP_IPC_LOCK, for which the limit does not count.
fn may_lock_without_limit() -> bool {
    const CAP_IPC_LOCK: u64 = 14;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .is_some_and(|caps| caps >> CAP_IPC_LOCK & 1 == 1)
}

/// Touches the part of the calling thread's stack that a sound thread will use, so that no page of it has to be
/// found while sound runs.
#[inline(never)]
pub fn touch_stack() {
    let mut pages = [0_u8; 48 * 1024];
    for page in pages.chunks_mut(1024) {
        page[0] = 1;
    }
    black_box(&mut pages);
}

/// The kernel's id of the calling thread, as `ps -L` and /proc/self/task show it.
pub fn thread_id() -> u32 {
    // SAFETY: no pointers; cannot fail.
    unsafe { libc::gettid() }.unsigned_abs()
}

/// Starts a thread with a name (15 bytes at most, as `ps -L` shows it) and a stack of `stack_kb`.
///
/// # Errors
/// When the system has no thread left.
pub fn spawn<T: Send + 'static>(
    name: &str,
    stack_kb: usize,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<std::thread::JoinHandle<T>> {
    std::thread::Builder::new().name(name.into()).stack_size(stack_kb * 1024).spawn(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Policy and nice value of the calling thread, as the kernel tells them.
    fn actual() -> (i32, i32) {
        // SAFETY: no pointers.
        unsafe {
            (libc::sched_getscheduler(0), libc::getpriority(libc::PRIO_PROCESS, libc::gettid() as libc::id_t))
        }
    }

    #[test]
    fn what_is_reported_is_what_the_kernel_did() {
        let body = || (schedule(5), actual());
        let (said, (policy, nice)) = spawn("rt-test", 128, body).unwrap().join().unwrap();
        match said {
            Scheduling::RealTime(5) => assert_eq!(policy & !libc::SCHED_RESET_ON_FORK, libc::SCHED_FIFO),
            Scheduling::Nice(value) => assert_eq!((policy, nice), (libc::SCHED_OTHER, value)),
            other => assert_eq!((other, policy), (Scheduling::Refused, libc::SCHED_OTHER)),
        }
    }

    #[test]
    fn ordinary_takes_it_back() {
        let body = || {
            schedule(5);
            ordinary();
            actual().0 & !libc::SCHED_RESET_ON_FORK
        };
        assert_eq!(spawn("rt-test", 128, body).unwrap().join().unwrap(), libc::SCHED_OTHER);
    }

    #[test]
    fn nothing_that_was_granted_is_handed_on() {
        let body = || {
            let granted = favour(-10).is_some();
            unfavoured();
            (granted, actual())
        };
        let (granted, after) = spawn("nice-test", 128, body).unwrap().join().unwrap();
        let before = actual();
        assert_eq!(after, if granted { (libc::SCHED_OTHER, 0.max(before.1)) } else { before });
    }

    #[test]
    fn priority_0_changes_nothing() {
        let before = actual();
        assert_eq!(schedule(0), Scheduling::Off);
        assert_eq!(actual(), before);
    }

    #[test]
    fn a_small_stack_holds_what_is_touched() {
        let name = spawn("stack-test", 128, || {
            touch_stack();
            std::thread::current().name().map(str::to_owned)
        });
        assert_eq!(name.unwrap().join().unwrap().as_deref(), Some("stack-test"));
    }
}
