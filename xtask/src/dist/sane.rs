//! What Debian's policy asks of a package, as far as it concerns this one (https://www.debian.org/doc/debian-policy).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Looks at a package as it will be installed, with these files below /usr/share (pages of its manual, completions); every
/// fault is named.
pub fn check(package: &Path, shared: &[&str]) -> Result<(), String> {
    let name = package.display().to_string();
    let field = |field: &str| said(&["--field", &name, field]);
    let control = |file: &str| said(&["--info", &name, file]);
    let mut faults = Vec::new();
    for required in ["Package", "Version", "Architecture", "Maintainer", "Depends", "Section", "Priority"] {
        if field(required)?.trim().is_empty() {
            faults.push(format!("no field {required}"));
        }
    }
    faults.extend(description(&field("Description")?));
    let contents = said(&["--contents", &name])?;
    let files: BTreeSet<&str> = contents.lines().filter_map(|line| file(line, &mut faults)).collect();
    let own = field("Package")?.trim().to_owned();
    let conffiles = control("conffiles").unwrap_or_default(); // a package without any has no such file
    let conffiles: BTreeSet<&str> = conffiles.lines().collect();
    let below_etc: BTreeSet<&str> = files.iter().copied().filter(|path| path.starts_with("/etc/")).collect();
    if conffiles != below_etc {
        faults.push(format!("conffiles are {conffiles:?}, below /etc there are {below_etc:?}"));
    }
    for required in ["changelog.gz", "copyright", &format!("{own}.cdx.json")] {
        if !files.contains(format!("/usr/share/doc/{own}/{required}").as_str()) {
            faults.push(format!("no {required} in /usr/share/doc/{own}"));
        }
    }
    for required in shared {
        if !files.contains(format!("/usr/share/{required}").as_str()) {
            faults.push(format!("no {required} in /usr/share"));
        }
    }
    let summed = control("md5sums")?.lines().count();
    if summed != files.len() {
        faults.push(format!("md5sums has {summed} lines for {} files", files.len()));
    }
    for script in ["postinst", "prerm", "postrm"] {
        faults.extend(shell(script, &control(script)?));
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("{name}: {}", faults.join("; "))) }
}

/// The oldest libc that has everything a program asks of one: the highest version it names.
pub fn libc_of(program: &[u8]) -> Result<String, String> {
    let word = b"GLIBC_2.";
    let versions = program.windows(word.len() + 2).filter(|bytes| bytes.starts_with(word));
    let minor = versions.filter_map(|bytes| {
        let digits: String =
            bytes[word.len()..].iter().map(|b| char::from(*b)).take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    });
    match minor.max() {
        Some(minor) => Ok(format!("2.{minor}")),
        None => Err("the program asks for no libc: is it a Linux program?".into()),
    }
}

/// One line of `dpkg-deb --contents`: the path, unless it is a folder's.
fn file<'a>(line: &'a str, faults: &mut Vec<String>) -> Option<&'a str> {
    let mut words = line.split_whitespace();
    let (mode, owner) = (words.next()?, words.next()?);
    let path = words.nth(3)?.strip_prefix('.')?;
    if owner != "root/root" {
        faults.push(format!("{path} belongs to {owner}"));
    }
    let folder = mode.starts_with('d');
    let right = match path {
        _ if folder => "drwxr-xr-x",
        path if path.starts_with("/usr/bin/") => "-rwxr-xr-x",
        _ => "-rw-r--r--",
    };
    if mode != right {
        faults.push(format!("{path} has the mode {mode}, not {right}"));
    }
    if !folder && !["/usr/bin/", "/usr/lib/", "/usr/share/", "/etc/"].iter().any(|at| path.starts_with(at)) {
        faults.push(format!("{path} is no place for a package's file"));
    }
    (!folder).then_some(path)
}

fn description(text: &str) -> Vec<String> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut faults = Vec::new();
    if first.len() > 80 || first.ends_with('.') || first.starts_with("A ") || first.starts_with("pressel") {
        faults.push(format!("the synopsis is no short phrase: {first}"));
    }
    if let Some(line) = rest.lines().find(|line| !line.starts_with(' ') || line.len() > 81) {
        faults.push(format!("the description has a line that is too long or not indented: {line}"));
    }
    faults
}

fn shell(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("#!/bin/sh\nset -e\n") {
        faults.push(format!("{name} does not begin with #!/bin/sh and set -e"));
    }
    let checked = Command::new("sh").args(["-n", "-c", text]).output();
    if !checked.is_ok_and(|output| output.status.success()) {
        faults.push(format!("{name} is no shell script"));
    }
    faults
}

fn said(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("dpkg-deb").args(arguments).output().map_err(|e| format!("dpkg-deb: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("dpkg-deb {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libc_is_the_highest_that_is_named() {
        let program = b"\x7fELF GLIBC_2.4\0GLIBC_2.39\0GLIBC_2.17\0GLIBC_PRIVATE";
        assert_eq!(libc_of(program).unwrap(), "2.39");
        assert!(libc_of(b"MZ").is_err());
    }

    #[test]
    fn a_file_that_is_wrong_is_named() {
        let at = |line: &str| {
            let mut faults = Vec::new();
            let path = file(line, &mut faults).map(str::to_owned);
            (path, faults.join("; "))
        };
        let day = "2026-01-01 00:00";
        assert_eq!(
            at(&format!("-rwxr-xr-x root/root 5 {day} ./usr/bin/pressel")),
            (Some("/usr/bin/pressel".into()), String::new())
        );
        assert_eq!(at(&format!("drwxr-xr-x root/root 0 {day} ./usr/bin/")), (None, String::new()));
        assert!(at(&format!("-rw-rw-r-- root/root 5 {day} ./etc/x")).1.contains("-rw-rw-r--"));
        assert!(at(&format!("-rw-r--r-- me/root 5 {day} ./etc/x")).1.contains("me/root"));
        assert!(at(&format!("-rw-r--r-- root/root 5 {day} ./opt/x")).1.contains("no place"));
    }

    #[test]
    fn a_script_that_goes_on_after_a_failure_is_named() {
        assert_eq!(shell("postinst", "#!/bin/sh\nset -e\ntrue\n"), [""; 0]);
        assert_eq!(shell("postinst", "#!/bin/sh\ntrue\n").len(), 1);
        assert_eq!(shell("postinst", "#!/bin/sh\nset -e\nif true\n").len(), 1);
    }
}
