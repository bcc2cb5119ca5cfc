//! Finds a line by what people call it.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::{Chip, Line};
use crate::os::some_of;
use crate::{Error, ErrorKind};

/// Chips behind the 40-pin header: Pi 5; Pi 4; Pi 3, Zero 2 W and before.
const PI_LABELS: [&str; 3] = ["pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835"];
/// Lines of the header are GPIO0 to GPIO27 on every Pi.
const PI_LINES: u32 = 28;

/// Whether this is the chip behind a Pi's header.
pub(crate) fn is_header(chip: &Chip) -> bool {
    PI_LABELS.contains(&chip.label.as_str())
}

/// How a configuration names a line.
///
/// - `GPIO17`: the line's own name; where no line has it, line 17 of the Pi's header chip
/// - `17`: short for `GPIO17`
/// - `pinctrl-rp1:17` or `pinctrl-rp1:GPIO17`: chip label, number or name
/// - `gpiochip0:17`, `/dev/gpiochip0:17`: a chip by its present number; may be another after an update
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineName {
    chip: Option<String>,
    line: String,
}

impl FromStr for LineName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // Labels may hold colons themselves, so the last one divides.
        let (chip, line) = match text.rsplit_once(':') {
            Some((chip, line)) => (Some(chip.trim().to_owned()), line.trim()),
            None => (None, text.trim()),
        };
        if line.is_empty() || chip.as_deref() == Some("") {
            let allowed =
                "expected a line name such as \"GPIO17\" or chip label and number, \"pinctrl-rp1:17\"";
            return Err(Error::new(ErrorKind::Unsupported, format!("line \"{text}\": {allowed}")));
        }
        let bare = chip.is_none() && line.bytes().all(|b| b.is_ascii_digit());
        let line = if bare { format!("GPIO{line}") } else { line.to_owned() };
        Ok(LineName { chip, line })
    }
}

impl fmt::Display for LineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.chip {
            Some(chip) => write!(f, "{chip}:{}", self.line),
            None => f.write_str(&self.line),
        }
    }
}

impl LineName {
    /// The number in `GPIO17`, if that is how the line is named.
    pub(crate) fn pi_number(&self) -> Option<u32> {
        let number = self.line.strip_prefix("GPIO")?.parse().ok()?;
        (number < PI_LINES).then_some(number)
    }

    /// Whether the name may mean a line of the Pi's header chip.
    pub(crate) fn names_pi_chip(&self) -> bool {
        self.chip.as_deref().is_none_or(|chip| PI_LABELS.contains(&chip))
    }

    /// With the chip's device file followed to where it points: Pi 5 keeps gpiochip4 as a link to gpiochip0.
    pub(crate) fn resolved(&self) -> LineName {
        let target = self
            .chip
            .as_ref()
            .filter(|chip| chip.starts_with('/'))
            .and_then(|p| std::fs::canonicalize(p).ok());
        let chip = target.map(|path| path.display().to_string()).or_else(|| self.chip.clone());
        LineName { chip, line: self.line.clone() }
    }

    /// Number on the chip, whichever way it is written.
    pub(crate) fn number(&self) -> Option<u32> {
        self.line.parse().ok().or_else(|| self.pi_number())
    }
}

/// A line and its chip.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) chip: &'a Chip,
    pub(crate) line: &'a Line,
}

impl Found<'_> {
    /// For log and doctor: `GPIO17 (pinctrl-rp1, line 17)`.
    pub(crate) fn describe(&self) -> String {
        let name = if self.line.name.is_empty() { &self.chip.name } else { &self.line.name };
        format!("{name} ({}, line {})", self.chip.label, self.line.offset)
    }

    /// Who holds the line: `line 17 of gpiochip0 is used by "onoff"`.
    pub(crate) fn held(&self) -> String {
        let by = match self.line.consumer.as_str() {
            "" => "is used by the kernel or a program without a name".to_owned(),
            "sysfs" => "is used by \"sysfs\", exported through /sys/class/gpio".to_owned(),
            consumer => format!("is used by \"{consumer}\""),
        };
        format!("line {} of {} {by}", self.line.offset, self.chip.name)
    }
}

/// Finds the one line that `wanted` names.
///
/// # Errors
/// `NotFound` with what there is instead, `PermissionDenied` where a chip that might have it may not be opened,
/// `Unsupported` where several lines have the name.
pub(crate) fn find<'a>(wanted: &LineName, chips: &'a [Chip]) -> Result<Found<'a>, Error> {
    let mut matches = match &wanted.chip {
        Some(chip) => on_chip(chip, &wanted.line, chips),
        None => by_name(&wanted.line, chips),
    };
    if matches.is_empty() && wanted.chip.is_none() {
        // Kernels without line names in their device tree: go by the chips we know.
        if let Some(number) = wanted.pi_number() {
            matches = PI_LABELS.iter().flat_map(|label| on_chip(label, &number.to_string(), chips)).collect();
        }
    }
    if matches.len() > 1 {
        // Add-on chips may repeat the header's names; a person who says GPIO17 means the header.
        if matches.iter().filter(|found| is_header(found.chip)).count() == 1 {
            matches.retain(|found| is_header(found.chip));
        }
    }
    match matches.len() {
        1 => Ok(matches.remove(0)),
        0 => Err(missing(wanted, chips)),
        _ => {
            let exact = matches.iter().map(|found| format!("{}:{}", found.chip.name, found.line.offset));
            let text = format!("several lines are called that; say which: {}", some_of(exact));
            Err(Error::new(ErrorKind::Unsupported, text))
        }
    }
}

fn by_name<'a>(name: &str, chips: &'a [Chip]) -> Vec<Found<'a>> {
    let lines = chips.iter().flat_map(|chip| chip.lines.iter().map(move |line| Found { chip, line }));
    lines.filter(|found| found.line.name == name).collect()
}

fn on_chip<'a>(wanted: &str, line: &str, chips: &'a [Chip]) -> Vec<Found<'a>> {
    let is_wanted =
        |chip: &&Chip| chip.label == wanted || chip.name == wanted || chip.path == Path::new(wanted);
    let lines = chips
        .iter()
        .filter(is_wanted)
        .flat_map(|chip| chip.lines.iter().map(move |l| Found { chip, line: l }));
    let number: Option<u32> = line.parse().ok();
    lines.filter(|found| number == Some(found.line.offset) || found.line.name == line).collect()
}

fn missing(wanted: &LineName, chips: &[Chip]) -> Error {
    let denied: Vec<_> =
        chips.iter().filter(|c| is_denied(c)).map(|chip| chip.path.display().to_string()).collect();
    if !denied.is_empty() {
        let text = format!("{} may not be opened; {}", some_of(denied), super::cdev::JOIN_GROUP);
        return Error::new(ErrorKind::PermissionDenied, text);
    }
    if chips.is_empty() {
        return Error::new(ErrorKind::NotFound, "there is no GPIO chip, no /dev/gpiochip*");
    }
    let looked = match &wanted.chip {
        Some(chip) => format!("no line \"{}\" on a chip \"{chip}\"", wanted.line),
        None if wanted.pi_number().is_some() => {
            format!("no line named \"{}\", and no chip labelled {}", wanted.line, PI_LABELS.join(", "))
        }
        None => format!("no line named \"{}\"", wanted.line),
    };
    let there = chips.iter().map(|chip| {
        let named = nearby(wanted, chip);
        let lines = if named.is_empty() { String::new() } else { format!(": {named}") };
        format!("{} ({}, {} lines{lines})", chip.name, chip.label, chip.lines.len())
    });
    let there: Vec<String> = there.collect();
    Error::new(ErrorKind::NotFound, format!("{looked}; there are {}", some_of(there)))
}

fn is_denied(chip: &Chip) -> bool {
    chip.problem.as_ref().is_some_and(|problem| problem.kind == ErrorKind::PermissionDenied)
}

/// Names a person may have meant: those that begin alike, else the first few.
fn nearby(wanted: &LineName, chip: &Chip) -> String {
    const SHOWN: usize = 6;
    let names: Vec<&str> =
        chip.lines.iter().map(|line| line.name.as_str()).filter(|name| name.len() > 1).collect();
    let stem = wanted.line.trim_end_matches(|c: char| c.is_ascii_digit());
    let alike = |name: &&&str| !stem.is_empty() && name.to_lowercase().starts_with(&stem.to_lowercase());
    let mut close: Vec<&str> = names.iter().filter(alike).copied().collect();
    if close.is_empty() {
        close = names;
    }
    // Numbers next to the wanted one first.
    let number = |name: &str| -> i64 {
        name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(i64::from(u32::MAX))
    };
    let aim = number(&wanted.line);
    close.sort_by_key(|name| (number(name) - aim).abs());
    close.truncate(SHOWN);
    close.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chip(name: &str, label: &str, lines: &[&str]) -> Chip {
        let line = |(offset, name): (usize, &&str)| Line {
            offset: offset as u32,
            name: (*name).to_owned(),
            ..Line::default()
        };
        Chip {
            path: format!("/dev/{name}").into(),
            name: name.into(),
            label: label.into(),
            lines: lines.iter().enumerate().map(line).collect(),
            problem: None,
        }
    }

    fn header(name: &str, label: &str, named: bool) -> Chip {
        let names: Vec<String> =
            (0..54).map(|n| if named { format!("GPIO{n}") } else { String::new() }).collect();
        chip(name, label, &names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn check(wanted: &str, chips: &[Chip], expected: &str) {
        let name: LineName = wanted.parse().unwrap();
        let found = find(&name, chips).map(|found| format!("{}:{}", found.chip.name, found.line.offset));
        assert_eq!(found.map_err(|error| error.to_string()).as_deref(), Ok(expected), "{wanted}");
    }

    fn refused(wanted: &str, chips: &[Chip]) -> Error {
        find(&wanted.parse().unwrap(), chips).unwrap_err()
    }

    #[test]
    fn a_line_is_found_by_its_name_whatever_number_the_chip_has() {
        let other = chip("gpiochip11", "gpio-brcmstb@107d508500", &["-", "2712_BOOT_CS_N"]);
        let chips = [other, header("gpiochip15", "pinctrl-rp1", true)];
        for wanted in
            ["GPIO17", "17", "pinctrl-rp1:17", "pinctrl-rp1:GPIO17", "gpiochip15:17", "/dev/gpiochip15:17"]
        {
            check(wanted, &chips, "gpiochip15:17");
        }
    }

    #[test]
    fn a_kernel_without_line_names_falls_back_to_the_known_chips() {
        for label in PI_LABELS {
            let chips =
                [chip("gpiochip0", "raspberrypi-exp-gpio", &["BT_ON"]), header("gpiochip4", label, false)];
            check("GPIO17", &chips, "gpiochip4:17");
        }
        let other = [header("gpiochip0", "some-expander", false)];
        assert_eq!(refused("GPIO17", &other).kind, ErrorKind::NotFound);
        let beyond = [header("gpiochip0", "pinctrl-rp1", false)];
        assert_eq!(refused("GPIO40", &beyond).kind, ErrorKind::NotFound, "the header ends at GPIO27");
    }

    #[test]
    fn a_label_may_hold_colons() {
        check("gpio-sim.0-node0:x:1", &[chip("gpiochip2", "gpio-sim.0-node0:x", &["a", "b"])], "gpiochip2:1");
    }

    #[test]
    fn the_header_wins_over_an_expander_with_the_same_name_and_two_equals_are_refused() {
        let chips = [header("gpiochip0", "expander", true), header("gpiochip1", "pinctrl-bcm2711", true)];
        check("GPIO17", &chips, "gpiochip1:17");
        let twins = [header("gpiochip3", "twin", true), header("gpiochip4", "twin", true)];
        let error = refused("GPIO17", &twins);
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(error.to_string().contains("gpiochip3:17, gpiochip4:17"), "{error}");
        assert!(refused("twin:17", &twins).to_string().contains("gpiochip4:17"));
    }

    #[test]
    fn what_is_missing_is_named_with_what_there_is() {
        let error = refused("GPI017", &[header("gpiochip0", "pinctrl-bcm2711", true)]); // a zero for an O
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.to_string().contains("gpiochip0 (pinctrl-bcm2711, 54 lines: GPIO"), "{error}");
        let error = refused("pinctrl-rp1:17", &[header("gpiochip0", "pinctrl-bcm2711", true)]);
        assert!(error.to_string().contains("no line \"17\" on a chip \"pinctrl-rp1\""), "{error}");
        assert!(refused("GPIO17", &[]).to_string().contains("no /dev/gpiochip*"));
        let shifted = chip("gpiochip0", "x", &["A", "GPIO15", "GPIO2", "GPIO18"]);
        assert!(refused("GPIO99", &[shifted]).to_string().contains("GPIO18 GPIO15 GPIO2)"));
    }

    #[test]
    fn a_closed_chip_is_a_matter_of_permission() {
        let mut closed = chip("gpiochip0", "", &[]);
        closed.problem = Some(Error::new(ErrorKind::PermissionDenied, "open"));
        let error = refused("GPIO17", &[closed, chip("gpiochip1", "x", &["y"])]);
        assert_eq!(error.kind, ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("group gpio"), "{error}");
    }

    #[test]
    fn a_name_that_names_nothing_is_refused() {
        for text in ["", ":17", "pinctrl-rp1:", " "] {
            assert!(text.parse::<LineName>().is_err(), "{text:?}");
        }
        let name: LineName = "pinctrl-rp1:17".parse().unwrap();
        assert_eq!(
            (name.number(), name.names_pi_chip(), name.to_string().as_str()),
            (Some(17), true, "pinctrl-rp1:17")
        );
    }

    #[test]
    fn who_holds_a_line_is_said() {
        let mut chips = [chip("gpiochip0", "pinctrl-rp1", &["GPIO0"])];
        chips[0].lines[0].consumer = "onoff".into();
        let name: LineName = "GPIO0".parse().unwrap();
        assert_eq!(find(&name, &chips).unwrap().held(), "line 0 of gpiochip0 is used by \"onoff\"");
        assert_eq!(find(&name, &chips).unwrap().describe(), "GPIO0 (pinctrl-rp1, line 0)");
    }
}
