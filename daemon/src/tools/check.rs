//! What would fail at the first call, found before it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pressel_hal::gpio::{self, LineName};

use super::builtin::Builtin;
use super::consent::Agreeing;
use super::tool::{Tool, Way};
use crate::config::{ButtonKind, Config, LightKind, MuteKind};

/// What is wrong around a tool, each with what to do. Files are looked for below `root`; lines and secrets only where that
/// is this system.
pub fn problems(tool: &Tool, config: &Config, root: &Path) -> Vec<String> {
    let mut problems: Vec<String> = unusable(tool, config, root).into_iter().collect();
    let command = match &tool.way {
        Way::Command(command, _) => command,
        Way::Gpio(contact) if problems.is_empty() && root == Path::new("/") => {
            let looked = gpio::look(&contact.keys.line).err();
            return looked
                .map(|error| format!("{error}; see what there is: pressel devices"))
                .into_iter()
                .collect();
        }
        _ => return problems,
    };
    let own = is_own_user(config, root);
    for path in command.read.iter().chain(&command.write) {
        if !below(root, path).exists() {
            problems.push(format!("\"{path}\" is not there, so it cannot be read or changed; make it first"));
        } else if !own {
            problems.extend(hidden(path));
        }
    }
    if !own {
        problems.extend(command.argv.first().and_then(|program| hidden(program)));
        problems.extend(command.write.iter().filter_map(|path| kept_from(path, root)));
    }
    problems
}

/// Whether programs run as the daemon's own user: nobody listens at the socket.
fn is_own_user(config: &Config, root: &Path) -> bool {
    let socket = &config.tools.socket;
    socket.is_empty() || !below(root, socket).exists()
}

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
    let drop_ins = fs::read_dir(below(root, DROP_INS)).into_iter().flatten().flatten();
    let texts = drop_ins.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let lines: Vec<String> =
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
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

/// Why no call of it can succeed, as far as that is seen without trying: it is not offered then.
pub fn unusable(tool: &Tool, config: &Config, root: &Path) -> Option<String> {
    if let Some(problem) = Agreeing::on(config).problem(tool) {
        return Some(problem);
    }
    match &tool.way {
        Way::Command(command, _) => {
            let program = command.argv.first()?;
            program_problem(program, &below(root, program), is_own_user(config, root), "[command] argv")
        }
        Way::Http(_) if root != Path::new("/") => None,
        Way::Http(ask) => ask.problem(),
        Way::Server(keys) => {
            let program = keys.command.first()?;
            program_problem(program, &below(root, program), false, "[mcp] command")
        }
        Way::Mcp(_) => None,
        Way::Builtin(Builtin::Remember | Builtin::Recall | Builtin::Forget)
            if config.tools.notes_folder.is_empty() =>
        {
            Some("no notes are kept: [tools] notes_folder is empty".to_owned())
        }
        Way::Builtin(_) => None,
        Way::Gpio(contact) => {
            let table = whose(&contact.line(), config)?;
            Some(format!(
                "\"{}\" is the line of [{table}] already; give each a line of its own",
                contact.keys.line
            ))
        }
    }
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

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// `key`: where it is named.
fn program_problem(name: &str, program: &Path, own: bool, key: &str) -> Option<String> {
    match fs::metadata(program) {
        // Another user runs it, who may well see it.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && !own => None,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
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
