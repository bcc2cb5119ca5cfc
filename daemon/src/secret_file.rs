//! Short secrets in files of their own: one way to read them, whatever they are for.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

/// Why a file gives no secret. Its words name no path and quote nothing.
#[derive(Debug)]
pub enum Unusable {
    /// The system refuses it, or it is not there.
    Unreadable(io::Error),
    /// It is a folder, a pipe or a device.
    NoFile,
    /// Everybody on the device can read it.
    Exposed,
    /// Longer than any such secret: it is some other file.
    TooLong,
    /// Not UTF-8.
    NoText,
}

impl Unusable {
    /// The reason, to stand behind the file's name.
    pub fn about(&self, path: &Path) -> String {
        match self {
            Unusable::Exposed => {
                format!("everybody on this device can read it; type: chmod o= {}", path.display())
            }
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Unreadable(error) => error.fmt(f),
            Unusable::NoFile => f.write_str("is not a file"),
            Unusable::Exposed => f.write_str("everybody on this device can read it"),
            Unusable::TooLong => f.write_str("is far too long; is it the right file?"),
            Unusable::NoText => f.write_str("is not a text"),
        }
    }
}

/// The whole file, of `length_max` bytes at the most.
///
/// # Errors
/// [`Unusable`]; a file that everybody can read is refused unless systemd guards it.
pub fn read(path: &Path, length_max: u64) -> Result<Zeroizing<String>, Unusable> {
    // A pipe that nobody writes to must not hold us up.
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(Unusable::Unreadable)?;
    let facts = file.metadata().map_err(Unusable::Unreadable)?;
    if !facts.is_file() {
        return Err(Unusable::NoFile);
    }
    if facts.permissions().mode() & 0o004 != 0 && !is_credential(path) {
        return Err(Unusable::Exposed);
    }
    if facts.len() > length_max {
        return Err(Unusable::TooLong);
    }
    // Room for all of it, so that no half of it stays behind where a text grew.
    let mut text = Zeroizing::new(String::with_capacity(length_max as usize));
    match file.take(length_max).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Unusable::NoText),
        Err(error) => Err(Unusable::Unreadable(error)),
    }
}

/// systemd guards its credentials by the folder they lie in.
fn is_credential(path: &Path) -> bool {
    std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|folder| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_or_refused_without_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let put = |text: &[u8], mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            read(&path, 10)
        };
        assert_eq!(*put(b"0123456789", 0o640).unwrap(), "0123456789");
        assert!(matches!(put(b"0123456789A", 0o600), Err(Unusable::TooLong)));
        assert!(matches!(put(&[0xff, 0xfe], 0o600), Err(Unusable::NoText)));
        let exposed = put(b"hush", 0o604).unwrap_err();
        assert!(exposed.about(&path).ends_with(&format!("type: chmod o= {}", path.display())), "{exposed}");
        assert!(matches!(read(folder.path(), 10), Err(Unusable::NoFile)));
        let missing = read(&folder.path().join("none"), 10).unwrap_err();
        assert!(matches!(missing, Unusable::Unreadable(ref e) if e.kind() == io::ErrorKind::NotFound));
    }
}
