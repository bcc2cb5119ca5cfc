//! What libasound's error numbers mean for who uses a card.

use std::io;

use super::cards::{self, Direction};
use crate::{Error, ErrorKind};

/// Opening or setting up failed with `errno` (positive). `said` is what libasound printed, often the better story.
pub(super) fn while_opening(direction: Direction, device: &str, errno: i32, said: &str) -> Error {
    let (kind, what) = match errno {
        libc::EBUSY | libc::EAGAIN => {
            let held = cards::holder(device, direction);
            (ErrorKind::Busy, held.map_or("busy".into(), |holder| format!("busy (held by {holder})")))
        }
        libc::ENOENT | libc::ENODEV | libc::ENXIO | libc::ECONNREFUSED => {
            (ErrorKind::NotFound, format!("not there ({})", cards_there()))
        }
        libc::EACCES | libc::EPERM => {
            (ErrorKind::PermissionDenied, "not allowed (the user must be in group audio)".into())
        }
        libc::EINVAL | libc::ENOSYS | libc::ENOTTY => (ErrorKind::Unsupported, "not possible".into()),
        // What USB says of a device that is going or coming.
        libc::EBADFD | libc::EIO | libc::ESHUTDOWN | libc::EPROTO | libc::ETIMEDOUT => {
            (ErrorKind::Lost, "lost".into())
        }
        _ => (ErrorKind::Other, "failed".into()),
    };
    let said = said.lines().next().map(str::trim).filter(|line| !line.is_empty());
    let said = said.map(|line| format!(" [{line}]")).unwrap_or_default();
    let name = direction.name();
    Error::new(kind, format!("open {name} \"{device}\": {what}{said}"))
        .caused_by(io::Error::from_raw_os_error(errno))
}

fn cards_there() -> String {
    let ids: Vec<String> = cards::cards().into_iter().map(|card| format!("hw:CARD={}", card.id)).collect();
    if ids.is_empty() { "there is no card at all".into() } else { format!("there are: {}", ids.join(", ")) }
}

/// A running stream failed at `what`: whatever the number, it has to be opened again.
pub(super) fn while_running(direction: Direction, device: &str, what: &str, errno: i32) -> Error {
    let name = direction.name();
    Error::new(ErrorKind::Lost, format!("{name} \"{device}\": {what}"))
        .caused_by(io::Error::from_raw_os_error(errno))
}
