//! Buttons, lights and pins on GPIO lines.
//!
//! [`cdev`] talks to the kernel's GPIO character device and is the default; [`rppal`] drives the Pi's registers and
//! is there for those who chose it. Both hand raw edges to the same [`LineButton`], which makes presses and releases
//! of them, and both are found by name rather than by number: chips change their numbers between kernels.

use std::path::PathBuf;
use std::time::Duration;

pub mod cdev;
pub mod rppal;

mod button;
mod find;
mod light;
mod pin;

pub use button::LineButton;
pub use find::LineName;
pub use light::LineLight;
pub use pin::LinePin;

use crate::{Error, ErrorKind};

/// Which resistor inside the chip holds an open line at a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// To 3.3 V: for a button to ground.
    PullUp,
    /// To ground: for a button to 3.3 V.
    PullDown,
    /// None: the board has its own.
    None,
}

/// A button on a line.
#[derive(Clone, Debug)]
pub struct ButtonSettings {
    /// Which line, see [`LineName`].
    pub line: String,
    /// Pressed pulls the line to ground.
    pub active_low: bool,
    /// What holds the line while the button is open.
    pub bias: Bias,
    /// How long a level has to last to count; zero for a button that is clean already.
    pub debounce: Duration,
    /// It stays where it is put: its first edge is where it stands, and it is looked at four times a second.
    pub switch: bool,
}

/// A light on a line.
#[derive(Clone, Debug)]
pub struct LightSettings {
    /// Which line, see [`LineName`].
    pub line: String,
    /// The light is on while the line is at ground.
    pub active_low: bool,
}

/// A line that is switched, or read as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinSettings {
    /// Which line, see [`LineName`].
    pub line: String,
    /// It is on while the line is at ground.
    pub active_low: bool,
    /// What holds a line that is read.
    pub bias: Bias,
    /// A line that is driven is in this state from when it is opened, and again once it is closed; `None`: it is read.
    pub safe: Option<bool>,
}

/// Who holds lines of ours, as other programs see it.
pub const PIN_CONSUMER: &str = "pressel tool";

/// Whether a line is there and can be had; held by a pin of ours is well, too.
///
/// # Errors
/// As opening it would tell.
pub fn look(line: &str) -> Result<String, Error> {
    let name: LineName = line.parse()?;
    let chips = list()?;
    let found = find::find(&name.resolved(), &chips)?;
    if found.line.used && found.line.consumer != PIN_CONSUMER {
        return Err(Error::new(ErrorKind::Busy, found.held()));
    }
    Ok(found.describe())
}

/// One line of a chip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Number on its chip.
    pub offset: u32,
    /// Its name, `GPIO17`; often empty.
    pub name: String,
    /// Somebody holds it.
    pub used: bool,
    /// Who holds it, as far as they said.
    pub consumer: String,
    /// It drives its pin.
    pub output: bool,
}

/// One GPIO chip.
#[derive(Debug, Default)]
pub struct Chip {
    /// Device file.
    pub path: PathBuf,
    /// Kernel's name, `gpiochip0`: changes between kernels.
    pub name: String,
    /// Driver's name, `pinctrl-rp1`: stays. Empty if the chip could not be opened.
    pub label: String,
    /// All its lines.
    pub lines: Vec<Line>,
    /// Why it could not be read.
    pub problem: Option<Error>,
}

/// Lists all chips with their lines and who holds them; empty where there are none. A chip that cannot be read is
/// listed with its [`Chip::problem`].
///
/// # Errors
/// When `/dev` cannot be read.
pub fn list() -> Result<Vec<Chip>, Error> {
    cdev::scan()
}
