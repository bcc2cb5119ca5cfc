//! Killed, or with a thread that stands still: systemd starts the daemon again.

use std::time::Duration;

use pressel_world::card::monotonic_ns;

use super::machine;

/// From SIGKILL to ready.
pub const KILLED: Duration = Duration::from_secs(1);
/// From a thread that stands still to ready: the watchdog's 5 s, the kill, the start.
pub const FROZEN: Duration = Duration::from_secs(10);

#[test]
fn a_killed_daemon_is_ready_within_a_second() {
    let Some(installed) = machine() else { return };
    installed.install(true);
    let former = installed.property("MainPID");
    let killed = monotonic_ns();
    // SAFETY: a plain system call on a process that the machine still has.
    unsafe { libc::kill(installed.pid() as i32, libc::SIGKILL) };
    let took = Duration::from_nanos(installed.ready_again(&former) - killed);
    println!("SIGKILL → ready: {:.0} ms", took.as_secs_f64() * 1e3);
    assert!(took < KILLED, "{took:?}");
    installed.talk();
}

#[test]
fn a_thread_that_stands_still_starves_the_watchdog() {
    let Some(installed) = machine() else { return };
    // There is no such line here: its thread waits for it.
    let button = "[button]\nkind = \"gpio\"\nline = \"GPIO17\"\n";
    installed.machine.write("/etc/pressel/config.d/button.toml", button).unwrap();
    installed.install(true);
    installed.talk();
    // The loop runs in the first thread, which has the process' number.
    for name in ["capture", "playback", "button", "the loop"] {
        let former = installed.property("MainPID");
        let pid = installed.pid();
        let thread = if name == "the loop" { pid } else { thread_of(pid, name) };
        let before = installed.journal().len();
        let frozen = monotonic_ns();
        freeze(thread);
        let took = Duration::from_nanos(installed.ready_again(&former) - frozen);
        println!("{name} frozen → ready: {:.1} s", took.as_secs_f64());
        assert!(took < FROZEN, "{name}: {took:?}");
        let said = installed.journal().split_off(before);
        // A loop that stands still cannot say so: the manager has waited in vain.
        let who = if name == "the loop" {
            "Watchdog timeout".into()
        } else {
            format!("thread does not turn (thread: {name},")
        };
        assert!(said.contains(&who), "nobody said who stood still, {name}:\n{said}");
    }
    installed.talk();
}

#[track_caller]
pub fn thread_of(pid: u32, name: &str) -> u32 {
    let mut tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let named = |task: &std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.contains(name))
    };
    let task = tasks.find(named).unwrap_or_else(|| panic!("no thread {name}"));
    task.file_name().to_str().unwrap().parse().unwrap()
}

/// Stops one thread and no other, for good: a tracer that takes it, and lets go of it when it is killed.
#[track_caller]
pub fn freeze(thread: u32) {
    let (told, done) = std::sync::mpsc::channel();
    // Only the thread that began to trace may wait for what it traces; unwaited for, the process would never end.
    std::thread::spawn(move || {
        let none = std::ptr::null_mut::<libc::c_void>();
        let thread = thread as libc::pid_t;
        for request in [libc::PTRACE_SEIZE, libc::PTRACE_INTERRUPT] {
            // SAFETY: neither request reads or writes memory of ours.
            let result = unsafe { libc::ptrace(request, thread, none, none) };
            let error = std::io::Error::last_os_error();
            told.send(if result == 0 { Ok(()) } else { Err(error) }).unwrap();
        }
        let mut status = 0;
        loop {
            // SAFETY: `status` outlives the call.
            let waited = unsafe { libc::waitpid(thread, &mut status, libc::__WALL) };
            if waited != thread || libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
                return;
            }
        }
    });
    for _ in 0..2 {
        done.recv().unwrap().unwrap();
    }
}
