//! What a tool's program may touch, put on the runner itself and so on everything that it starts.
//!
//! Under systemd the unit of the call does more of it (a user of its own, a file system of its own); this holds in both
//! cases. Landlock names what may be read and changed, a seccomp filter takes sockets away, limits bound the rest.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::tool::Command;

/// What programs read to start at all: themselves, libraries, names, certificates, the time zone.
const READ: [&str; 26] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/timezone",
    "/run/systemd/resolve",
    "/proc",
];
/// Devices that hold nothing.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
/// The newest rules that are asked for; an older kernel does what it can.
const RULES: ABI = ABI::V6;
/// Bytes of a file that a program writes.
const FILE_MAX: u64 = 64 << 20;
/// Files it may have open.
const OPEN_MAX: u64 = 256;
/// Threads that are begun beside those that the machine has (a limit is for all of a user's together).
const THREADS_MAX: u64 = 64;

/// What holds and what does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Files outside of the list are out of reach.
    pub files: bool,
    /// There are no sockets but local ones (or they were allowed).
    pub sockets: bool,
}

/// Restricts this process and its children for good. It must have one thread.
///
/// # Errors
/// The step that failed. Nothing may be run then.
pub fn enter(command: &Command, program: &Path) -> Result<Held, String> {
    limits(command).map_err(|error| format!("limits: {error}"))?;
    // SAFETY: prctl with these arguments changes flags of this process and touches no memory.
    let done = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if done != 0 {
        return Err(format!("no new privileges: {}", io::Error::last_os_error()));
    }
    let files = files(command, program).map_err(|error| format!("landlock: {error}"))?;
    if !command.network {
        no_sockets().map_err(|error| format!("seccomp: {error}"))?;
    }
    Ok(Held { files, sockets: true })
}

/// Whether this kernel keeps programs from files at all.
pub fn kernel_has_landlock() -> bool {
    landlock_version() > 0
}

/// Whether it keeps them from signals to others, and from sockets that have a name and no file (Linux 6.12).
pub fn kernel_has_scopes() -> bool {
    landlock_version() >= 6
}

fn landlock_version() -> libc::c_long {
    // SAFETY: with a null pointer, no size and this flag the call only tells its version.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, 1_u32) }
}

/// Threads of the machine now.
fn threads() -> u64 {
    let told = std::fs::read_to_string("/proc/loadavg").unwrap_or_default(); // 0.20 0.18 0.12 1/80 11206
    let total = told.split(' ').nth(3).and_then(|of| of.split('/').nth(1)).and_then(|n| n.parse().ok());
    total.unwrap_or(1024)
}

fn limits(command: &Command) -> io::Result<()> {
    let set = |what, soft: u64, hard: u64| {
        // A limit that is lower already (a container's) cannot be raised, and need not.
        let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `now` is a rlimit of this function's own, written by the call.
        if unsafe { libc::getrlimit(what, &mut now) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let hard = libc::rlim_t::try_from(hard).unwrap_or(libc::rlim_t::MAX).min(now.rlim_max);
        let soft = libc::rlim_t::try_from(soft).unwrap_or(libc::rlim_t::MAX).min(hard);
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        // SAFETY: `limit` is a whole rlimit that the call only reads.
        if unsafe { libc::setrlimit(what, &limit) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    let memory = u64::from(command.memory_max_mb) << 20;
    let cpu = u64::from(command.cpu_max_s);
    set(libc::RLIMIT_CORE, 0, 0)?;
    set(libc::RLIMIT_DATA, memory, memory)?;
    set(libc::RLIMIT_CPU, cpu, cpu + 1)?;
    set(libc::RLIMIT_FSIZE, FILE_MAX, FILE_MAX)?;
    let threads = threads() + THREADS_MAX;
    set(libc::RLIMIT_NPROC, threads, threads)?;
    set(libc::RLIMIT_NOFILE, OPEN_MAX, OPEN_MAX)
}

/// False on a kernel without Landlock.
fn files(command: &Command, program: &Path) -> Result<bool, landlock::RulesetError> {
    let (read, all) = (AccessFs::from_read(RULES), AccessFs::from_all(RULES));
    let rules = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    let mut rules = rules.handle_access(all)?.scope(Scope::from_all(RULES))?.create()?;
    let readable = READ.iter().map(Path::new).chain(command.read.iter().map(Path::new)).chain([program]);
    let changeable = DEVICES.iter().map(Path::new).chain(command.write.iter().map(Path::new));
    let paths = readable.map(|path| (path, read)).chain(changeable.map(|path| (path, all)));
    for (path, access) in paths {
        // What is not there cannot be touched.
        let Ok(file) = PathFd::new(path) else { continue };
        // Rights of folders mean nothing on a file.
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(RULES) };
        rules = rules.add_rule(PathBeneath::new(file, access))?;
    }
    Ok(rules.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
}

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xC000_003E; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xC000_00B7; // AUDIT_ARCH_AARCH64
#[cfg(target_arch = "arm")]
const ARCH: u32 = 0x4000_0028; // AUDIT_ARCH_ARM

/// No socket but a local one (AF_UNIX), and no io_uring, which makes sockets without that call.
fn no_sockets() -> io::Result<()> {
    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EACCES as u32;
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    // Offsets in `struct seccomp_data`: number, architecture, low half of the first argument.
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    const FIRST: u32 = 16;
    let step = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let number = |call: libc::c_long| u32::try_from(call).expect("call numbers are small");
    let filter = [
        step(LOAD, ARCHITECTURE, 0, 0),
        step(EQUAL, ARCH, 0, 7), // another architecture's calls have other numbers: refuse
        step(LOAD, NUMBER, 0, 0),
        step(AT_LEAST, 0x4000_0000, 5, 0), // x32 calls on x86-64
        step(EQUAL, number(libc::SYS_io_uring_setup), 4, 0),
        step(EQUAL, number(libc::SYS_socket), 0, 2),
        step(LOAD, FIRST, 0, 0),
        step(EQUAL, libc::AF_UNIX as u32, 0, 1),
        step(RETURN, ALLOW, 0, 0),
        step(RETURN, REFUSE, 0, 0),
    ];
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).expect("ten steps"),
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: `program` points to `filter`, which lives past the call; the kernel copies and checks both.
    let done = unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, std::ptr::from_ref(&program), 0, 0)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
