//! A secret from a file or a credential of systemd's.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Secrets are shorter.
const LENGTH_MAX: u64 = 8 * 1024;

/// What is in the file that a setting names, if it names one.
///
/// # Errors
/// Why not; it quotes nothing.
pub fn read(setting: &str) -> Result<Option<Zeroizing<String>>, String> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let path = match setting {
        "" => return Ok(None),
        path if path.starts_with('/') => PathBuf::from(path),
        name => credentials.clone().unwrap_or_default().join(name),
    };
    let guarded = credentials.is_some_and(|folder| path.starts_with(folder));
    text(&path, guarded).map(Some).map_err(|why| format!("its secret {}: {why}", path.display()))
}

fn text(path: &Path, guarded: bool) -> Result<Zeroizing<String>, String> {
    let file = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(|error| error.to_string())?;
    let facts = file.metadata().map_err(|error| error.to_string())?;
    if !facts.is_file() || facts.len() > LENGTH_MAX {
        return Err("is no file with a secret".to_owned());
    }
    if facts.permissions().mode() & 0o004 != 0 && !guarded {
        return Err(format!("everybody on this device can read it; type: chmod o= {}", path.display()));
    }
    let mut text = Zeroizing::new(String::with_capacity(LENGTH_MAX as usize));
    file.take(LENGTH_MAX).read_to_string(&mut text).map_err(|_| "is not a text".to_owned())?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_unless_everybody_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "hush\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(read(path.to_str().unwrap()).unwrap().unwrap().as_str(), "hush");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let told = read(path.to_str().unwrap()).unwrap_err();
        assert!(told.contains("type: chmod o=") && !told.contains("hush"), "{told}");
        assert_eq!(read("").unwrap(), None);
        assert!(read("/nowhere/secret").is_err());
    }
}
