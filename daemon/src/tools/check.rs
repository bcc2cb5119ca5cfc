//! What would fail at the first call, found before it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pressel_hal::gpio::{self, LineName};

use super::builtin::Builtin;
use super::consent::Agreeing;
use super::rights::{READ, User, WRITE};
use super::tool::{Command, Tool, Way};
use crate::config::{ButtonKind, Config, LightKind, MuteKind};

/// What is wrong around a tool, each with what to do. Files are looked for below `root`; lines and secrets only where that
/// is this system.
pub fn problems(tool: &Tool, config: &Config, root: &Path) -> Vec<String> {
    let mut problems = faults(tool, config, root);
    if let (Way::Gpio(contact), true, true) = (&tool.way, problems.is_empty(), root == Path::new("/")) {
        let looked = gpio::look(&contact.keys.line).err();
        problems.extend(looked.map(|error| format!("{error}; see what there is: pressel devices")));
    }
    problems
}

/// Why no call of it can succeed, as far as that is seen without trying: it is not offered then.
pub fn unusable(tool: &Tool, config: &Config, root: &Path) -> Option<String> {
    faults(tool, config, root).into_iter().next()
}

fn faults(tool: &Tool, config: &Config, root: &Path) -> Vec<String> {
    if let Some(problem) = Agreeing::on(config).problem(tool) {
        return vec![problem];
    }
    let problem = match &tool.way {
        Way::Command(command, _) => return of_command(tool, command, config, root),
        Way::Http(ask) if root == Path::new("/") => ask.problem(),
        Way::Server(keys) => keys
            .command
            .first()
            .and_then(|program| program_problem(program, &below(root, program), false, "[mcp] command")),
        Way::Http(_) | Way::Mcp(_) => None,
        Way::Builtin(Builtin::Remember | Builtin::Recall | Builtin::Forget)
            if config.tools.notes_folder.is_empty() =>
        {
            Some("no notes are kept: [tools] notes_folder is empty".to_owned())
        }
        Way::Builtin(_) => None,
        Way::Gpio(contact) => whose(&contact.line(), config).map(|table| {
            let line = &contact.keys.line;
            format!("\"{line}\" is the line of [{table}] already; give each a line of its own")
        }),
    };
    problem.into_iter().collect()
}

/// What keeps a program from being run, or from what it shall read and change.
fn of_command(tool: &Tool, command: &Command, config: &Config, root: &Path) -> Vec<String> {
    let own = is_own_user(config, root);
    let mut problems = Vec::new();
    if let Some(program) = command.argv.first() {
        let path = below(root, program);
        let problem = program_problem(program, &path, own, "[command] argv");
        let problem = problem.or_else(|| (!own).then(|| hidden(program)).flatten());
        problems.extend(problem);
    }
    let read = command.read.iter().map(|path| (path, READ));
    for (path, right) in read.chain(command.write.iter().map(|path| (path, WRITE))) {
        if let Some(problem) = (!own).then(|| hidden(path)).flatten() {
            problems.push(problem);
            continue;
        }
        match fs::metadata(below(root, path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                problems
                    .push(format!("\"{path}\" is not there, so it cannot be read or changed; make it first"));
            }
            // Another user is to get there, and may.
            Err(error) if error.kind() == ErrorKind::PermissionDenied && !own => {}
            Err(error) => problems.push(format!("\"{path}\": {error}")),
            Ok(_) => {}
        }
        if !own && right == WRITE {
            problems.extend(kept_from(path, root));
        }
    }
    if !own {
        problems.extend(elsewhere(config, root));
        if let Some(user) = User::named(TOOLS_USER, root) {
            problems.extend(user.kept_from(tool, command, root));
        }
    }
    problems
}

/// Whether programs run as the daemon's own user: nobody listens at the socket.
fn is_own_user(config: &Config, root: &Path) -> bool {
    let socket = &config.tools.socket;
    socket.is_empty() || !below(root, socket).exists()
}

/// Whom `pressel-tool@.service` runs programs as.
const TOOLS_USER: &str = "pressel-tool";
/// Folders that `pressel-tool@.service` hides from every call.
const HIDDEN: [&str; 5] = ["/home", "/root", "/run/user", "/etc/pressel/key", "/var/lib/pressel"];
/// Where a call may write without being told so.
const OWN: &str = "/var/lib/pressel-tool";
const DROP_INS: &str = "/etc/systemd/system/pressel-tool@.service.d";

fn hidden(path: &str) -> Option<String> {
    let folder = HIDDEN.iter().find(|folder| Path::new(path).starts_with(folder))?;
    Some(format!("\"{path}\" is denied: pressel-tool@.service hides {folder} from tools; put it elsewhere"))
}

/// Why a path cannot be changed although the file allows it.
fn kept_from(path: &str, root: &Path) -> Option<String> {
    if Path::new(path).starts_with(OWN) {
        return None;
    }
    let lines = drop_ins(root);
    let paths = lines.iter().filter_map(|line| line.trim().strip_prefix("ReadWritePaths="));
    let named = paths
        .flat_map(str::split_whitespace)
        .any(|named| Path::new(path).starts_with(named.trim_start_matches(['-', '+'])));
    (!named).then(|| {
        format!(
            "\"{path}\" is denied: tools change files below {OWN} alone; or type: systemctl edit pressel-tool@, and add \
             [Service] ReadWritePaths={path}"
        )
    })
}

/// Why the unit does not find the tool's file.
fn elsewhere(config: &Config, root: &Path) -> Option<String> {
    let (folder, usual) = (&config.tools.folder, Config::default().tools.folder);
    let same = |other: &str| Path::new(other) == Path::new(folder);
    let named = |line: &String| line.split_once("--folder").is_some_and(|(_, path)| same(path.trim()));
    let found = same(&usual) || drop_ins(root).iter().any(named);
    (!found).then(|| {
        format!(
            "[tools] folder is \"{folder}\", and pressel-tool@.service reads {usual}; put the file there, or type: \
             systemctl edit pressel-tool@, and add [Service] ExecStart= and ExecStart=/usr/bin/pressel tools run --folder \
             {folder}"
        )
    })
}

/// The lines that this device adds to the unit of a call.
fn drop_ins(root: &Path) -> Vec<String> {
    let drop_ins = fs::read_dir(below(root, DROP_INS)).into_iter().flatten().flatten();
    let texts = drop_ins.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The table of the configuration that has a line.
fn whose(line: &str, config: &Config) -> Option<&'static str> {
    let (button, mute, light) = (&config.button, &config.mute, &config.light);
    let more = crate::gesture::lines(&button.lines).unwrap_or_default().into_iter().map(|line| line.line);
    let mut lines: Vec<(&'static str, String)> = Vec::new();
    if matches!(button.kind, ButtonKind::Gpio | ButtonKind::Rppal) {
        lines.extend(more.chain([button.line.clone()]).map(|line| ("button", line)));
    }
    if matches!(mute.kind, MuteKind::Gpio | MuteKind::Rppal) {
        lines.push(("mute", mute.line.clone()));
    }
    if matches!(light.kind, LightKind::Gpio | LightKind::Rppal) {
        lines.extend(light.line.split(',').map(|line| ("light", line.trim().to_owned())));
    }
    let same = |other: &str| other.parse::<LineName>().is_ok_and(|name| name.to_string() == line);
    lines.into_iter().find(|(_, other)| same(other)).map(|(table, _)| table)
}

pub(super) fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// `key`: where it is named.
fn program_problem(name: &str, program: &Path, own: bool, key: &str) -> Option<String> {
    match fs::metadata(program) {
        // Another user runs it, who may well see it.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && !own => None,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Some(format!("there is no program {name}; install it or mend {key}"))
        }
        Err(error) => Some(format!("the program {name}: {error}")),
        Ok(facts) if !facts.is_file() => Some(format!("{name} is no program")),
        Ok(facts) if facts.permissions().mode() & 0o111 == 0 => {
            Some(format!("{name} is not executable; type: chmod a+x {name}"))
        }
        // Whoever may write it decides what the device runs.
        Ok(facts) if facts.permissions().mode() & 0o002 != 0 => {
            Some(format!("everybody on this device can change {name}; type: chmod o-w {name}"))
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_unit_hides_from_tools_is_denied_and_nothing_beside_it() {
        for path in ["/home/anna/log.csv", "/root", "/etc/pressel/key", "/var/lib/pressel/tools.log"] {
            let told = hidden(path).unwrap();
            assert!(told.contains(path) && told.contains("put it elsewhere"), "{told}");
        }
        for path in ["/homeless", "/srv/home", "/var/lib/pressel-tool/log.csv", "/etc/pressel/key.example"] {
            assert_eq!(hidden(path), None, "{path}");
        }
    }

    #[test]
    fn a_path_can_be_changed_below_the_tools_own_folder_or_where_a_drop_in_says_so() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(kept_from("/var/lib/pressel-tool/log.csv", root.path()), None);
        let told = kept_from("/srv/logs/a.csv", root.path()).unwrap();
        assert!(told.contains("ReadWritePaths=/srv/logs/a.csv"), "{told}");
        let drop_ins = below(root.path(), DROP_INS);
        fs::create_dir_all(&drop_ins).unwrap();
        fs::write(drop_ins.join("override.conf"), "[Service]\nReadWritePaths=/opt -/srv/logs\n").unwrap();
        assert_eq!(kept_from("/srv/logs/a.csv", root.path()), None);
        assert!(kept_from("/srv/logs-of-others/a.csv", root.path()).is_some());
    }

    #[test]
    fn what_is_denied_is_found_only_where_calls_run_as_another_user() {
        let root = tempfile::tempdir().unwrap();
        let text = "name = \"log\"\ndescription = \"x\"\n[command]\nargv = [\"/bin/true\"]\nwrite = [\"/srv/log\"]\n";
        fs::create_dir_all(below(root.path(), "/bin")).unwrap();
        fs::create_dir_all(below(root.path(), "/srv/log")).unwrap();
        let program = below(root.path(), "/bin/true");
        fs::write(&program, "").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let file = root.path().join("log.toml");
        fs::write(&file, text).unwrap();
        let tool = super::super::read_file(&file).unwrap();
        let config = Config::default();
        assert_eq!(problems(&tool, &config, root.path()), [""; 0]);
        let socket = below(root.path(), &config.tools.socket);
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        fs::write(&socket, "").unwrap();
        let told = problems(&tool, &config, root.path());
        assert!(told.len() == 1 && told[0].contains("\"/srv/log\" is denied"), "{told:?}");
    }
}
