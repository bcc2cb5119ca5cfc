//! Lines through the kernel's GPIO character device (uAPI v2, Linux 5.10 and later), by the crate `gpiocdev`.
//!
//! The kernel owns the line while it is open here, so nobody else can drive it, and frees it if we die. It debounces,
//! inverts, stamps edges with the monotonic clock and applies the pull resistor. Where it refuses to debounce, the
//! same is done here with its timestamps.
//!
//! Tested here on a simulated line. Unproven until run on a kernel with chips: the requests themselves, whether
//! drivers apply the bias they accept, and what a chip that is unbound reports (expected: POLLHUP, then `ENODEV`).

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{self, EdgeDetection, EdgeKind, Value};
use gpiocdev::request::Builder;
use gpiocdev_uapi::Error as Refusal;

use super::button::{BATCH, InputLine, RawEdge};
use super::find::{Found, LineName, find};
use super::light::OutputLine;
use super::pin::PinLine;
use super::{
    Bias, ButtonSettings, Chip, LightSettings, Line, LineButton, LineLight, LinePin, PIN_CONSUMER,
    PinSettings,
};
use crate::monotonic::instant_of;
use crate::os::{kind_of, wait_readable};
use crate::{Error, ErrorKind, Wait, Wake};

/// What to do about a chip that may not be opened.
pub(crate) const JOIN_GROUP: &str =
    "add the user to group gpio (sudo usermod -aG gpio USER, then log in again)";

/// Edges the kernel keeps while nobody reads; a chattering contact makes a few hundred per second.
const KERNEL_QUEUE: u32 = 64;

/// Opens a button.
///
/// # Errors
/// `NotFound` with what there is instead, `Busy` with who holds the line, `PermissionDenied`, `Unsupported` for a
/// line that cannot report edges or a name that means several.
pub fn open_button(settings: &ButtonSettings) -> Result<LineButton, Error> {
    let what = format!("open button \"{}\"", settings.line);
    let name: LineName = settings.line.parse()?;
    let chips = scan()?;
    let found = find(&name.resolved(), &chips).map_err(|error| under(&what, error))?;
    let offset = found.line.offset;
    let request = |debounce: Option<Duration>| {
        let mut builder = Request::builder();
        builder.on_chip(&found.chip.path).with_consumer("pressel button").with_line(offset).as_input();
        builder.with_edge_detection(EdgeDetection::BothEdges).with_kernel_event_buffer_size(KERNEL_QUEUE);
        builder.with_bias(kernel_bias(settings.bias));
        if let Some(period) = debounce {
            builder.with_debounce_period(period);
        }
        request(&mut builder, settings.active_low, &what, &found)
    };
    let (request, settle) = debounced(settings.debounce, request)?;
    let description = found.describe();
    let buffer = vec![0; BATCH * request.edge_event_u64_size()];
    LineButton::new(Box::new(Input { request, offset, buffer, what }), settle, settings.switch, description)
}

/// Opens a light, off.
///
/// # Errors
/// As for [`open_button`].
pub fn open_light(settings: &LightSettings) -> Result<LineLight, Error> {
    let what = format!("open light \"{}\"", settings.line);
    let name: LineName = settings.line.parse()?;
    let chips = scan()?;
    let found = find(&name.resolved(), &chips).map_err(|error| under(&what, error))?;
    let offset = found.line.offset;
    let mut builder = Request::builder();
    builder
        .on_chip(&found.chip.path)
        .with_consumer("pressel light")
        .with_line(offset)
        .as_output(Value::Inactive);
    let request = request(&mut builder, settings.active_low, &what, &found)?;
    Ok(LineLight::new(Box::new(Output { request, offset, what }), found.describe()))
}

/// Opens a pin; one that is driven is in its safe state from the first moment on.
///
/// # Errors
/// As for [`open_button`].
pub fn open_pin(settings: &PinSettings) -> Result<LinePin, Error> {
    let what = format!("open line \"{}\"", settings.line);
    let name: LineName = settings.line.parse()?;
    let chips = scan()?;
    let found = find(&name.resolved(), &chips).map_err(|error| under(&what, error))?;
    let offset = found.line.offset;
    let mut builder = Request::builder();
    builder.on_chip(&found.chip.path).with_consumer(PIN_CONSUMER).with_line(offset);
    match settings.safe {
        Some(safe) => builder.as_output(if safe { Value::Active } else { Value::Inactive }),
        None => builder.as_input().with_bias(kernel_bias(settings.bias)),
    };
    let request = request(&mut builder, settings.active_low, &what, &found)?;
    Ok(LinePin::new(Box::new(Output { request, offset, what }), settings.safe, found.describe()))
}

fn kernel_bias(bias: Bias) -> line::Bias {
    match bias {
        Bias::PullUp => line::Bias::PullUp,
        Bias::PullDown => line::Bias::PullDown,
        Bias::None => line::Bias::Disabled,
    }
}

/// Reads all chips; those that may not be opened are there with their problem.
pub(crate) fn scan() -> Result<Vec<Chip>, Error> {
    let entries = std::fs::read_dir("/dev")
        .map_err(|error| Error::new(kind_of(&error), "list GPIO chips in /dev").caused_by(error))?;
    // The kernel's own names first: to ask of every file in /dev whether it is a chip costs more than all the rest, and a
    // chip that is missing is looked for every second.
    let named =
        entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"gpiochip"));
    let mut paths: Vec<_> = named.filter_map(|entry| gpiocdev::chip::is_chip(entry.path()).ok()).collect();
    paths.sort_unstable_by(|a, b| gpiocdev::chip::path_compare(a, b));
    paths.dedup();
    let read = |path: std::path::PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut chip = Chip { path, name, ..Chip::default() };
        if let Err(error) = read_chip(&mut chip) {
            chip.problem = Some(failed(&format!("read {}", chip.path.display()), error));
        }
        chip
    };
    Ok(paths.into_iter().map(read).collect())
}

fn read_chip(chip: &mut Chip) -> gpiocdev::Result<()> {
    let device = gpiocdev::Chip::from_path(&chip.path)?;
    chip.label = device.info()?.label;
    for info in device.line_info_iter()? {
        let line::Info { offset, name, consumer, used, direction, .. } = info?;
        chip.lines.push(Line { offset, name, used, consumer, output: direction == line::Direction::Output });
    }
    Ok(())
}

fn request(builder: &mut Builder, active_low: bool, what: &str, found: &Found<'_>) -> Result<Request, Error> {
    if active_low {
        builder.as_active_low();
    }
    builder.request().map_err(|error| {
        let errno = errno_of(&error);
        let mut error = failed(what, error);
        match (error.kind, errno) {
            (ErrorKind::Busy, _) => {
                // The list may be older than whoever took the line, so ask again who that is.
                let holder =
                    gpiocdev::Chip::from_path(&found.chip.path).and_then(|c| c.line_info(found.line.offset));
                let consumer = holder.map(|info| info.consumer).unwrap_or_default();
                let line = Line { consumer, ..found.line.clone() };
                error.context = format!("{what}: {}", Found { chip: found.chip, line: &line }.held());
            }
            (_, Some(libc::ENXIO)) => {
                error.kind = ErrorKind::Unsupported;
                error.context =
                    format!("{what}: {} cannot report edges, it has no interrupt", found.describe());
            }
            (ErrorKind::Lost, _) => error.kind = ErrorKind::NotFound, // gone between listing and opening
            _ => {}
        }
        error
    })
}

/// Asks for kernel debounce; where that is refused, asks again without, and returns how long to settle in software.
fn debounced<R>(
    period: Duration,
    mut request: impl FnMut(Option<Duration>) -> Result<R, Error>,
) -> Result<(R, Duration), Error> {
    if period.is_zero() {
        return Ok((request(None)?, Duration::ZERO));
    }
    match request(Some(period)) {
        Ok(request) => Ok((request, Duration::ZERO)),
        Err(error) if matches!(error.kind, ErrorKind::Unsupported | ErrorKind::Other) => {
            // If it fails without as well, debounce was not the reason, and the second error says more.
            Ok((request(None)?, period))
        }
        Err(error) => Err(error),
    }
}

struct Input {
    request: Request,
    offset: u32,
    buffer: Vec<u64>,
    what: String,
}

impl InputLine for Input {
    fn wait(&mut self, wake: &Wake, timeout: Duration) -> Result<Wait, Error> {
        wait_readable(self.request.as_raw_fd(), wake, timeout)
            .map_err(|error| Error::new(kind_of(&error), self.lost()).caused_by(error))
    }

    fn read(&mut self, edges: &mut [RawEdge; BATCH]) -> Result<usize, Error> {
        // Not `read_edge_event`: in gpiocdev 0.8 built for uAPI v2 alone it takes up to eight edges from the kernel
        // and gives back the first.
        let words = self
            .request
            .read_edge_events_into_slice(&mut self.buffer)
            .map_err(|e| failed(&self.lost(), e))?;
        let mut n = 0;
        for event in self.buffer[..words].chunks_exact(self.request.edge_event_u64_size()) {
            let event = self.request.edge_event_from_slice(event).map_err(|e| failed(&self.lost(), e))?;
            let at = instant_of(Duration::from_nanos(event.timestamp_ns));
            edges[n] = RawEdge { active: event.kind == EdgeKind::Rising, at, count: event.line_seqno };
            n += 1;
        }
        Ok(n)
    }

    fn level(&mut self) -> Result<bool, Error> {
        let value = self.request.value(self.offset).map_err(|e| failed(&self.lost(), e))?;
        Ok(value == Value::Active)
    }
}

impl Input {
    fn lost(&self) -> String {
        self.what.replacen("open", "read", 1)
    }
}

struct Output {
    request: Request,
    offset: u32,
    what: String,
}

impl OutputLine for Output {
    fn drive(&mut self, on: bool) -> Result<(), Error> {
        let value = if on { Value::Active } else { Value::Inactive };
        let set = self.request.set_value(self.offset, value);
        set.map_err(|error| failed(&self.what.replacen("open", "set", 1), error))
    }
}

impl PinLine for Output {
    fn drive(&mut self, on: bool) -> Result<(), Error> {
        OutputLine::drive(self, on)
    }

    fn level(&mut self) -> Result<bool, Error> {
        let value = self.request.value(self.offset);
        let value = value.map_err(|error| failed(&self.what.replacen("open", "read", 1), error))?;
        Ok(value == Value::Active)
    }
}

fn errno_of(error: &gpiocdev::Error) -> Option<i32> {
    match error {
        gpiocdev::Error::Os(errno) | gpiocdev::Error::Uapi(_, Refusal::Os(errno)) => Some(errno.0),
        _ => None,
    }
}

fn failed(what: &str, error: gpiocdev::Error) -> Error {
    let Some(errno) = errno_of(&error) else {
        return Error::new(ErrorKind::Other, what).caused_by(error);
    };
    let system = io::Error::from_raw_os_error(errno);
    let kind = kind_of(&system);
    let hint = if kind == ErrorKind::PermissionDenied { format!("; {JOIN_GROUP}") } else { String::new() };
    Error::new(kind, format!("{what}{hint}")).caused_by(system)
}

fn under(what: &str, error: Error) -> Error {
    Error { context: format!("{what}: {}", error.context), ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        period_ms: u64,
        answers: &[Result<(), ErrorKind>],
        expected: Result<u64, ErrorKind>,
        asked: &[u64],
    ) {
        let mut answers = answers.iter();
        let mut seen = Vec::new();
        let result = debounced(Duration::from_millis(period_ms), |period| {
            seen.push(period.map_or(0, |period| period.as_millis() as u64));
            answers.next().unwrap().map_err(|kind| Error::new(kind, "request"))
        });
        assert_eq!(result.map(|(_, settle)| settle.as_millis() as u64).map_err(|error| error.kind), expected);
        assert_eq!(seen, asked);
    }

    #[test]
    fn the_kernel_debounces_where_it_can_and_we_do_where_it_refuses() {
        check(10, &[Ok(())], Ok(0), &[10]);
        check(0, &[Ok(())], Ok(0), &[0]);
        check(10, &[Err(ErrorKind::Unsupported), Ok(())], Ok(10), &[10, 0]);
        check(10, &[Err(ErrorKind::Busy)], Err(ErrorKind::Busy), &[10]);
        check(10, &[Err(ErrorKind::Other), Err(ErrorKind::Lost)], Err(ErrorKind::Lost), &[10, 0]);
    }

    #[test]
    fn an_errno_becomes_a_kind_and_permission_a_hint() {
        let error = |errno| failed("open button \"GPIO17\"", io::Error::from_raw_os_error(errno).into());
        assert_eq!(error(libc::EBUSY).kind, ErrorKind::Busy);
        assert_eq!(error(libc::ENODEV).kind, ErrorKind::Lost);
        assert_eq!(error(524).kind, ErrorKind::Unsupported);
        let denied = error(libc::EACCES);
        assert_eq!(denied.kind, ErrorKind::PermissionDenied);
        assert!(
            denied.to_string().starts_with("open button \"GPIO17\"; add the user to group gpio"),
            "{denied}"
        );
    }

    #[test]
    fn a_machine_without_the_line_says_what_it_looked_for() {
        let settings = LightSettings { line: "no such line".into(), active_low: false };
        let error = open_light(&settings).err().unwrap();
        assert!(matches!(error.kind, ErrorKind::NotFound | ErrorKind::PermissionDenied), "{error}");
        assert!(error.to_string().starts_with("open light \"no such line\": "), "{error}");
    }
}
