//! Picks the device that a configuration means.

use crate::os::some_of;
use crate::{Error, ErrorKind};

/// What is known of a device.
pub(super) struct Candidate {
    pub(super) path: String,
    pub(super) name: String,
    pub(super) has_key: bool,
    pub(super) denied: bool,
}

/// Index of the one device that `wanted` names and that has the key: by full name, else by part of it, else, if
/// nothing is wanted, by the key alone. One pedal often shows up as several devices of one name; only those with
/// the key count.
pub(super) fn choose(wanted: &str, key: &str, devices: &[Candidate]) -> Result<usize, Error> {
    let matching = |matches: &dyn Fn(&Candidate) -> bool| -> Vec<usize> {
        (0..devices.len()).filter(|n| !devices[*n].denied && matches(&devices[*n])).collect()
    };
    let lower = wanted.to_lowercase();
    let mut named = matching(&|device| wanted.is_empty() || device.name == wanted);
    if named.is_empty() {
        named = matching(&|device| device.name.to_lowercase().contains(&lower));
    }
    let able: Vec<usize> = named.iter().copied().filter(|n| devices[*n].has_key).collect();
    let names =
        |of: &[usize]| some_of(of.iter().map(|n| format!("\"{}\" ({})", devices[*n].name, devices[*n].path)));
    match able[..] {
        [one] => return Ok(one),
        [] => {}
        _ => {
            let text = format!("several devices have {key}: {}; give the path of one", names(&able));
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
    }
    if !wanted.is_empty() && !named.is_empty() {
        return Err(Error::new(ErrorKind::Unsupported, format!("{} has no {key}", names(&named))));
    }
    let denied: Vec<&str> =
        devices.iter().filter(|device| device.denied).map(|device| device.path.as_str()).collect();
    if !denied.is_empty() {
        let text = format!("{} may not be opened; {}", some_of(denied), super::JOIN_GROUP);
        return Err(Error::new(ErrorKind::PermissionDenied, text));
    }
    let all: Vec<usize> = (0..devices.len()).collect();
    let looked =
        if wanted.is_empty() { format!("no device with {key}") } else { format!("no device \"{wanted}\"") };
    Err(Error::new(ErrorKind::NotFound, format!("{looked}; there are {}", names(&all))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Devices as (name, has the key, denied).
    fn check(wanted: &str, devices: &[(&str, bool, bool)], expected: Result<usize, (ErrorKind, &str)>) {
        let candidate = |(n, device): (usize, &(&str, bool, bool))| Candidate {
            path: format!("/dev/input/event{n}"),
            name: device.0.into(),
            has_key: device.1,
            denied: device.2,
        };
        let devices: Vec<Candidate> = devices.iter().enumerate().map(candidate).collect();
        match (choose(wanted, "KEY_B", &devices), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(error), Err((kind, text))) => {
                assert_eq!(error.kind, kind, "{error}");
                assert!(error.to_string().contains(text), "{error}");
            }
            (found, _) => panic!("{wanted:?}: {found:?}"),
        }
    }

    #[test]
    fn the_full_name_wins_over_a_part_and_the_key_decides_between_twins() {
        let pedal =
            [("FootSwitch Mouse", false, false), ("FootSwitch", false, false), ("FootSwitch", true, false)];
        check("FootSwitch", &pedal, Ok(2));
        check("footsw", &pedal, Ok(2));
        check("", &pedal, Ok(2));
        check("Pedal", &[("Pedal", true, false), ("Pedal Pro", true, false)], Ok(0));
    }

    #[test]
    fn what_cannot_be_chosen_is_explained() {
        let two = [("A", true, false), ("B", true, false)];
        check(
            "",
            &two,
            Err((ErrorKind::Unsupported, "several devices have KEY_B: \"A\" (/dev/input/event0), \"B\"")),
        );
        check("C", &two, Err((ErrorKind::NotFound, "no device \"C\"; there are \"A\"")));
        check(
            "A",
            &[("A", false, false)],
            Err((ErrorKind::Unsupported, "\"A\" (/dev/input/event0) has no KEY_B")),
        );
        check("", &[("A", false, false)], Err((ErrorKind::NotFound, "no device with KEY_B")));
        check("C", &[("", false, true), two[0]], Err((ErrorKind::PermissionDenied, "group input")));
        check("C", &[], Err((ErrorKind::NotFound, "there are none")));
    }
}
