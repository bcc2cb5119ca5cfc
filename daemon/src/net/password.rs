//! The password of a proxy, read each time it is needed, so that a new one takes effect by itself.

use std::path::Path;

use zeroize::Zeroizing;

use crate::secret_file;

/// Passwords are shorter than this; a longer file is some other file.
const LENGTH_MAX: u64 = 512;

/// The file's text without the white space around it.
///
/// # Errors
/// The path and what is wrong with it; never what the file holds.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let name = path.display();
    let text = secret_file::read(path, LENGTH_MAX).map_err(|why| format!("{name}: {}", why.about(path)))?;
    let text = Zeroizing::new(text.trim().to_owned());
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(format!("{name}: one line is wanted"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_read_or_refused_without_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let check = |text: &str, mode: u32, expected: Result<&str, &str>| {
            let path = folder.path().join("password");
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match (read(&path), expected) {
                (Ok(found), Ok(text)) => assert_eq!(found.as_str(), text),
                (Err(why), Err(part)) => assert!(why.contains(part) && !why.contains("s3cret"), "{why}"),
                (got, expected) => panic!("{got:?}, expected {expected:?}"),
            }
        };
        check(" s3cret word\n", 0o600, Ok("s3cret word"));
        check("s3cret", 0o644, Err("chmod o= "));
        check("\n", 0o600, Err("one line"));
        check("s3cret\ntwo", 0o600, Err("one line"));
        check(&"s3cret".repeat(100), 0o600, Err("too long"));
        let missing = read(&folder.path().join("none")).unwrap_err();
        assert!(missing.contains("No such file"), "{missing}");
    }
}
