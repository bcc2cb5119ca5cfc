//! Where the socket lies: its folder, a socket left over from a crash, who may use it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Members of this group may use the socket, where the group exists.
const GROUP: &str = "pressel";

/// Makes room for a socket at `path`: creates its folder, removes what a crash left behind.
pub fn clear(path: &Path) -> Result<(), super::BindError> {
    use super::BindError;
    let failed = |step, error| BindError { path: path.to_owned(), step, error };
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(folder)
            .map_err(|e| failed("create its folder", e))?;
    }
    let facts = match fs::symlink_metadata(path) {
        Ok(facts) => facts,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at it", error)),
    };
    if !facts.file_type().is_socket() {
        let error = io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket");
        return Err(failed("replace it", error));
    }
    match UnixStream::connect(path) {
        // ECONNREFUSED: nobody holds the other end.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|e| failed("remove a left-over", e))
        }
        Err(error) => Err(failed("try who answers", error)),
        Ok(_) => {
            let error = io::Error::new(io::ErrorKind::AddrInUse, "another pressel answers there");
            Err(failed("replace it", error))
        }
    }
}

/// Lets owner and group in. Until then the usual umask keeps everybody but the owner from connecting, which takes
/// the right to write.
pub fn open_to_group(path: &Path) -> io::Result<()> {
    if let Some(group) = group_id(&fs::read_to_string("/etc/group").unwrap_or_default(), GROUP) {
        // Only members may give a file to a group; others keep their own.
        let _ = chown(path, None, Some(group));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))
}

/// Device and inode: is the file at `path` still the one we made?
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|facts| (facts.dev(), facts.ino()))
}

fn group_id(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let groups = "root:x:0:\npressels:x:7:\npressel:x:998:kim,lee\n";
        assert_eq!(group_id(groups, "pressel"), Some(998));
        assert_eq!(group_id(groups, "press"), None);
        assert_eq!(group_id("pressel:x:none:", "pressel"), None);
    }
}
