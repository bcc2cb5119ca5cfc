//! The software bill of materials: every crate that is linked in, as CycloneDX 1.5 (https://cyclonedx.org).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command;

use crate::root;

/// The bill of a program, by its package and manifest, for a compiler's target.
pub fn of(package: &str, manifest: &str, target: &str) -> Result<String, String> {
    let arguments = [
        "tree",
        "--locked",
        "--manifest-path",
        manifest,
        "-p",
        package,
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}|{l}",
        "--target",
    ];
    let output = Command::new("cargo")
        .args(arguments)
        .arg(target)
        .current_dir(root())
        .output()
        .map_err(|e| format!("cargo tree: {e}"))?;
    if !output.status.success() {
        return Err(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let lock = root().join(manifest).with_file_name("Cargo.lock");
    let lock = std::fs::read_to_string(&lock).map_err(|e| format!("{}: {e}", lock.display()))?;
    Ok(bill(package, &String::from_utf8_lossy(&output.stdout), &checksums(&lock)))
}

/// From lines `name vVERSION …|LICENCE` and the checksums of `name VERSION`.
fn bill(package: &str, tree: &str, checksums: &BTreeMap<String, String>) -> String {
    let mut crates: Vec<(&str, &str, &str)> = tree.lines().filter_map(parts).collect();
    crates.sort_unstable();
    crates.dedup();
    let mut json = format!(
        "{{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.5\",\n  \"version\": 1,\n  \"metadata\": {{ \
         \"component\": {{ \"type\": \"application\", \"name\": \"{package}\", \"version\": \"{}\" }} }},\n  \
         \"components\": [\n",
        env!("CARGO_PKG_VERSION")
    );
    for (n, (name, version, licence)) in crates.iter().enumerate() {
        let hash = checksums.get(&format!("{name} {version}")).map_or(String::new(), |sum| {
            format!(", \"hashes\": [{{ \"alg\": \"SHA-256\", \"content\": \"{sum}\" }}]")
        });
        let comma = if n + 1 < crates.len() { "," } else { "" };
        // writing to a String cannot fail
        writeln!(
            json,
            "    {{ \"type\": \"library\", \"name\": \"{name}\", \"version\": \"{version}\", \
             \"purl\": \"pkg:cargo/{name}@{version}\", \
             \"licenses\": [{{ \"expression\": \"{licence}\" }}]{hash} }}{comma}"
        )
        .ok();
    }
    json += "  ]\n}\n";
    json
}

fn parts(line: &str) -> Option<(&str, &str, &str)> {
    let (package, licence) = line.split_once('|')?;
    let mut words = package.split_whitespace();
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    let own = name == "pressel" || name.starts_with("pressel-");
    // Repeated parts of the tree are marked with an asterisk.
    (!own).then(|| (name, version, licence.trim_end_matches(" (*)")))
}

/// What Cargo.lock says of each package that comes from a registry.
fn checksums(lock: &str) -> BTreeMap<String, String> {
    let value = |line: &str, key: &str| {
        line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"').map(str::to_owned)
    };
    let package = |text: &str| {
        let find = |key| text.lines().find_map(|line| value(line, key));
        Some((format!("{} {}", find("name")?, find("version")?), find("checksum")?))
    };
    lock.split("[[package]]").filter_map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_is_listed_once_with_licence_and_checksum() {
        let tree = "pressel v0.1.0 (/src/daemon)|MIT\nring v0.17.14|Apache-2.0 AND ISC\nalsa v0.12.0|MIT\n\
                    ring v0.17.14|Apache-2.0 AND ISC (*)\n";
        let lock =
            "version = 4\n\n[[package]]\nname = \"ring\"\nversion = \"0.17.14\"\nchecksum = \"ab12\"\n";
        let bill = bill("pressel", tree, &checksums(lock));
        assert_eq!(bill.matches("\"name\": \"ring\"").count(), 1);
        assert!(bill.contains("pkg:cargo/ring@0.17.14") && bill.contains("\"content\": \"ab12\""), "{bill}");
        assert!(bill.contains("\"expression\": \"Apache-2.0 AND ISC\""), "{bill}");
        assert_eq!(bill.matches("\"type\": \"library\"").count(), 2, "our own crates are no material");
    }
}
