//! What the user may do who runs the programs of tools, by the modes of files: seen before the first call.

use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::check::below;
use super::tool::{Command, Tool};

/// Bits of a mode, as for everybody else.
pub(super) const READ: u32 = 4;
pub(super) const WRITE: u32 = 2;
const RUN: u32 = 1;

/// Somebody other than root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    name: String,
    uid: u32,
    groups: Vec<u32>,
}

impl User {
    /// As `/etc/passwd` and `/etc/group` below `root` have it.
    pub(super) fn named(name: &str, root: &Path) -> Option<User> {
        let text = |path| fs::read_to_string(below(root, path)).unwrap_or_default();
        let (users, all) = (text("/etc/passwd"), text("/etc/group"));
        let fields: Vec<&str> =
            users.lines().map(|line| line.split(':').collect()).find(|f: &Vec<&str>| f[0] == name)?;
        let (uid, own) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        let others = all.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            fields.get(3)?.split(',').find(|member| *member == name)?;
            fields[2].parse().ok()
        });
        Some(User { name: name.to_owned(), uid, groups: others.chain([own]).collect() })
    }

    /// What its program, its paths and its file keep from this user.
    pub(super) fn kept_from(&self, tool: &Tool, command: &Command, root: &Path) -> Vec<String> {
        let name = &self.name;
        let program = command.argv.first().map(|path| (path, RUN, "run", "a+rx"));
        let read = command.read.iter().map(|path| (path, READ, "read", "a+r"));
        let write = command.write.iter().map(|path| (path, WRITE, "change", "a+w"));
        let denied = program.into_iter().chain(read).chain(write).filter_map(|(path, bits, verb, mode)| {
            let at = below(root, path);
            if let Some(folder) = self.kept_out(&at, root) {
                let folder = Path::new("/").join(folder.strip_prefix(root).unwrap_or(folder));
                let folder = folder.display();
                return Some(format!(
                    "\"{path}\" is denied: {name} may not enter {folder}; type: chmod a+x {folder}"
                ));
            }
            let fix = if verb == "change" {
                format!("chown {name} {path}")
            } else {
                format!("chmod {mode} {path}")
            };
            let denied = format!("\"{path}\" is denied: {name} may not {verb} it; type: {fix}");
            (!self.may(&at, bits)).then_some(denied)
        });
        let file = tool.file.display();
        let unread = (!self.may(&tool.file, READ))
            .then(|| format!("{name}, who runs its program, may not read this file; type: chmod a+r {file}"));
        denied.chain(unread).collect()
    }

    /// The folder above a path that lets nobody of these through.
    fn kept_out<'a>(&self, path: &'a Path, root: &Path) -> Option<&'a Path> {
        let folders =
            path.ancestors().skip(1).take_while(|folder| *folder != root && folder.starts_with(root));
        folders.filter(|folder| !self.may(folder, RUN)).last()
    }

    /// True also where nothing can be said: it is not there, or has an access list that says more than its mode.
    fn may(&self, path: &Path, bits: u32) -> bool {
        let Ok(facts) = fs::metadata(path) else { return true };
        self.has(&facts, bits) || has_list(path)
    }

    fn has(&self, facts: &Metadata, bits: u32) -> bool {
        let mode = facts.permissions().mode();
        let mine = if facts.uid() == self.uid {
            mode >> 6
        } else if self.groups.contains(&facts.gid()) {
            mode >> 3
        } else {
            mode
        };
        mine & bits == bits
    }
}

/// Whether a file has an access list (acl(5)).
fn has_list(path: &Path) -> bool {
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: both names end with a zero byte and live past the call; without a place to put it only its length is told.
    let length = unsafe {
        libc::getxattr(path.as_ptr(), c"system.posix_acl_access".as_ptr(), std::ptr::null_mut(), 0)
    };
    length > 0
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::Config;
    use crate::tools::check::problems;

    /// A system where calls run as another user.
    struct Ground(tempfile::TempDir);

    impl Ground {
        fn new() -> Ground {
            let ground = Ground(tempfile::tempdir().unwrap());
            ground.put(
                "/etc/passwd",
                "root:x:0:0::/:/bin/sh\npressel-tool:x:4242:4243::/:/bin/false\n",
                0o644,
            );
            ground.put(
                "/etc/group",
                "root:x:0:\npressel-tool:x:4243:\ndialout:x:4250:me,pressel-tool\n",
                0o644,
            );
            ground.put(&Config::default().tools.socket, "", 0o666);
            ground.put("/usr/local/bin/torque", "", 0o755);
            ground.put("/srv/table.csv", "", 0o644);
            ground
        }

        fn at(&self, path: &str) -> PathBuf {
            below(self.0.path(), path)
        }

        fn put(&self, path: &str, text: &str, mode: u32) {
            fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
            fs::write(self.at(path), text).unwrap();
            self.mode(path, mode);
        }

        fn mode(&self, path: &str, mode: u32) {
            fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
        }

        fn told(&self, config: &Config) -> Vec<String> {
            let text = "name = \"torque\"\ndescription = \"x\"\n[command]\nargv = [\"/usr/local/bin/torque\"]\nread = [\"/srv/table.csv\"]\n";
            let file = self.at("/etc/pressel/tools.d/torque.toml");
            if !file.exists() {
                self.put("/etc/pressel/tools.d/torque.toml", text, 0o644);
            }
            problems(&crate::tools::read_file(&file).unwrap(), config, self.0.path())
        }

        #[track_caller]
        fn tells(&self, words: &str) {
            let told = self.told(&Config::default());
            assert!(told.len() == 1 && told[0].contains(words), "{words}: {told:?}");
        }
    }

    #[test]
    fn what_the_tools_user_may_not_do_is_found_with_what_to_type() {
        let ground = Ground::new();
        assert_eq!(ground.told(&Config::default()), [""; 0]);
        ground.mode("/usr/local/bin/torque", 0o700);
        ground.tells("pressel-tool may not run it; type: chmod a+rx /usr/local/bin/torque");
        ground.mode("/usr/local/bin/torque", 0o755);
        ground.mode("/srv/table.csv", 0o640);
        ground.tells("pressel-tool may not read it; type: chmod a+r /srv/table.csv");
        ground.mode("/srv", 0o750);
        ground.mode("/srv/table.csv", 0o644);
        ground.tells("pressel-tool may not enter /srv; type: chmod a+x /srv");
        ground.mode("/srv", 0o755);
        ground.mode("/etc/pressel/tools.d/torque.toml", 0o640);
        ground.tells("may not read this file; type: chmod a+r ");
    }

    #[test]
    fn a_folder_that_the_unit_does_not_read_is_found_unless_a_drop_in_names_it() {
        let ground = Ground::new();
        let mut config = Config::default();
        config.tools.folder = "/srv/tools".into();
        let told = ground.told(&config);
        assert!(
            told.len() == 1 && told[0].contains("pressel-tool@.service reads /etc/pressel/tools.d"),
            "{told:?}"
        );
        let text = "[Service]\nExecStart=\nExecStart=/usr/bin/pressel tools run --folder /srv/tools/\n";
        ground.put("/etc/systemd/system/pressel-tool@.service.d/folder.conf", text, 0o644);
        assert_eq!(ground.told(&config), [""; 0]);
    }

    #[test]
    fn a_user_has_the_groups_that_name_it() {
        let ground = Ground::new();
        let user = User::named("pressel-tool", ground.0.path()).unwrap();
        assert_eq!((user.uid, user.groups.as_slice()), (4242, &[4250, 4243][..]));
        assert_eq!(User::named("nobody-else", ground.0.path()), None);
    }
}
