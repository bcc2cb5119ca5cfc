//! Lines of a Raspberry Pi's header by the crate `rppal`: levels and pull resistors through the chip's registers,
//! edges through the kernel.
//!
//! Not the default, because its author archived it on 2025-07-01: no fixes will come. Known and left in it:
//!
//! - it looks at `/dev/gpiochip0`, `1`, … and gives up at the first number that is missing, so it finds nothing on
//!   kernels that number the header's chip differently
//! - registers know no owner: it would take a line from another program without a word, so that is checked here
//! - a request the kernel refuses ends its interrupt thread in silence, leaving a button that never fires; here
//!   that thread's end is seen and told, and a button counts as open only once the kernel says so
//! - levels read from registers are not debounced, so its edges are debounced here, never in the kernel
//!
//! Tested here: all of that except the crate's own calls, which need a Pi. Unproven until run on one.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use rppal::gpio::{Error as GpioError, Event, Gpio, InputPin, Level, OutputPin, Trigger};

use super::button::{BATCH, InputLine, RawEdge};
use super::find::{LineName, find, is_header};
use super::light::OutputLine;
use super::pin::PinLine;
use super::{Bias, ButtonSettings, LightSettings, LineButton, LineLight, LinePin, PinSettings, cdev};
use crate::monotonic::instant_of;
use crate::os::{kind_of, wait_readable};
use crate::{Error, ErrorKind, Wait, Wake};

/// Edges between rppal's thread and ours; what does not fit is found by reading the level.
const QUEUE: usize = 64;
/// The kernel answers a request within microseconds; a machine under full load within this.
const CONFIRM: Duration = Duration::from_secs(1);

/// Opens a button; `line` is a BCM number, `GPIO17` or `17`.
///
/// # Errors
/// `Unsupported` where this is no Raspberry Pi that rppal knows or the line is not on its header, `Busy` with who
/// holds it, `PermissionDenied`.
pub fn open_button(settings: &ButtonSettings) -> Result<LineButton, Error> {
    let what = format!("open button \"{}\" by rppal", settings.line);
    let name = header_line(&settings.line, &what)?;
    let gpio = Gpio::new().map_err(|error| refused(&what, error))?;
    let watched = Watched::new(&name, &what)?;
    let pin = gpio.get(watched.number as u8).map_err(|error| refused(&what, error))?;
    let mut pin = match settings.bias {
        Bias::PullUp => pin.into_input_pullup(),
        Bias::PullDown => pin.into_input_pulldown(),
        Bias::None => pin.into_input(),
    };
    let active_low = settings.active_low;
    let (sink, edges) = queue();
    let pass_on = move |event: Event| {
        let active = (event.trigger == Trigger::RisingEdge) != active_low;
        sink.send(RawEdge { active, at: instant_of(event.timestamp), count: event.seqno });
    };
    pin.set_async_interrupt(Trigger::Both, None, pass_on).map_err(|error| refused(&what, error))?;
    if !watched.is_requested(&edges)? {
        return Err(why_ended(&mut pin, &what));
    }
    let description = format!("GPIO{} (rppal)", watched.number);
    let input = Input { pin, edges, active_low, what };
    LineButton::new(Box::new(input), settings.debounce, settings.switch, description)
}

/// Opens a light, off; `line` is a BCM number, `GPIO27` or `27`.
///
/// # Errors
/// As for [`open_button`].
pub fn open_light(settings: &LightSettings) -> Result<LineLight, Error> {
    let what = format!("open light \"{}\" by rppal", settings.line);
    let name = header_line(&settings.line, &what)?;
    let gpio = Gpio::new().map_err(|error| refused(&what, error))?;
    let number = Watched::new(&name, &what)?.number;
    let pin = gpio.get(number as u8).map_err(|error| refused(&what, error))?;
    let pin = if settings.active_low { pin.into_output_high() } else { pin.into_output_low() };
    let output = Output { pin, active_low: settings.active_low };
    Ok(LineLight::new(Box::new(output), format!("GPIO{number} (rppal)")))
}

/// Opens a pin, safe if it is driven; `line` is a BCM number, `GPIO22` or `22`.
///
/// # Errors
/// As for [`open_button`].
pub fn open_pin(settings: &PinSettings) -> Result<LinePin, Error> {
    let what = format!("open line \"{}\" by rppal", settings.line);
    let name = header_line(&settings.line, &what)?;
    let gpio = Gpio::new().map_err(|error| refused(&what, error))?;
    let number = Watched::new(&name, &what)?.number;
    let pin = gpio.get(number as u8).map_err(|error| refused(&what, error))?;
    let active_low = settings.active_low;
    let line: Box<dyn PinLine> = match (settings.safe, settings.bias) {
        (Some(safe), _) => {
            let pin = if safe != active_low { pin.into_output_high() } else { pin.into_output_low() };
            Box::new(Output { pin, active_low })
        }
        (None, Bias::PullUp) => Box::new(Sensed { pin: pin.into_input_pullup(), active_low }),
        (None, Bias::PullDown) => Box::new(Sensed { pin: pin.into_input_pulldown(), active_low }),
        (None, Bias::None) => Box::new(Sensed { pin: pin.into_input(), active_low }),
    };
    Ok(LinePin::new(line, settings.safe, format!("GPIO{number} (rppal)")))
}

fn header_line(line: &str, what: &str) -> Result<LineName, Error> {
    let name: LineName = line.parse()?;
    if name.names_pi_chip() && name.number().is_some() {
        return Ok(name);
    }
    let text = format!("{what}: rppal knows only the header's BCM numbers, \"GPIO17\"; set kind = \"gpio\"");
    Err(Error::new(ErrorKind::Unsupported, text))
}

/// The line as the kernel sees it, to know who has it.
struct Watched {
    chip: gpiocdev::Chip,
    number: u32,
    what: String,
}

impl Watched {
    fn new(name: &LineName, what: &str) -> Result<Self, Error> {
        let mut chips = cdev::scan()?;
        chips.retain(|chip| chip.problem.is_some() || is_header(chip)); // an expander may have lines of these names
        let found = find(name, &chips)
            .map_err(|error| Error { context: format!("{what}: {}", error.context), ..error })?;
        if found.line.used && !found.line.consumer.is_empty() {
            return Err(Error::new(ErrorKind::Busy, format!("{what}: {}", found.held())));
        }
        let number = found.line.offset;
        let chip = gpiocdev::Chip::from_path(&found.chip.path).map_err(|error| unreadable(what, error))?;
        chip.watch_line_info(number).map_err(|error| unreadable(what, error))?;
        Ok(Watched { chip, number, what: what.to_owned() })
    }

    /// Waits until the kernel reports that the line is held (true) or rppal's thread ends (false).
    fn is_requested(&self, edges: &Edges) -> Result<bool, Error> {
        let deadline = Instant::now() + CONFIRM;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match wait_readable(self.chip.as_raw_fd(), &edges.ready, left) {
                Ok(Wait::Woken) if edges.ended.load(Ordering::Acquire) => return Ok(false),
                Ok(Wait::Woken) => {
                    edges.ready.signal(); // an edge already: it works, and is read later
                    return Ok(true);
                }
                Ok(Wait::Ready) => {
                    let change = self.chip.read_line_info_change_event();
                    let change = change.map_err(|error| unreadable(&self.what, error))?;
                    if change.info.offset == self.number && change.info.used {
                        return Ok(true);
                    }
                }
                Ok(Wait::TimedOut) => {
                    let text = format!("{}: rppal never asked the kernel for the line", self.what);
                    return Err(Error::new(ErrorKind::Other, text));
                }
                Err(error) => return Err(Error::new(kind_of(&error), &self.what).caused_by(error)),
            }
        }
    }
}

fn unreadable(what: &str, error: gpiocdev::Error) -> Error {
    Error::new(ErrorKind::Other, what).caused_by(error)
}

/// The sending end, owned by rppal's callback: dropped when its thread ends, for whatever reason.
struct Sink {
    edges: SyncSender<RawEdge>,
    ready: Wake,
    ended: Arc<AtomicBool>,
}

impl Sink {
    fn send(&self, edge: RawEdge) {
        // A full queue leaves a gap in the count, which makes the button read the level.
        let _ = self.edges.try_send(edge);
        self.ready.signal();
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        self.ready.signal();
    }
}

struct Edges {
    edges: Receiver<RawEdge>,
    ready: Wake,
    ended: Arc<AtomicBool>,
}

fn queue() -> (Sink, Edges) {
    let (send, receive) = sync_channel(QUEUE);
    let (ready, ended) = (Wake::new(), Arc::new(AtomicBool::new(false)));
    let sink = Sink { edges: send, ready: ready.clone(), ended: ended.clone() };
    (sink, Edges { edges: receive, ready, ended })
}

impl Edges {
    /// `None` once the sender is gone and everything it sent is read.
    fn read(&self, out: &mut [RawEdge; BATCH]) -> Option<usize> {
        self.ready.take();
        for (n, slot) in out.iter_mut().enumerate() {
            match self.edges.try_recv() {
                Ok(edge) => *slot = edge,
                Err(TryRecvError::Disconnected) if n == 0 => return None,
                Err(TryRecvError::Disconnected) => {
                    self.ready.signal(); // come back for the end
                    return Some(n);
                }
                Err(TryRecvError::Empty) => return Some(n),
            }
        }
        self.ready.signal(); // perhaps more
        Some(BATCH)
    }
}

struct Input {
    pin: InputPin,
    edges: Edges,
    active_low: bool,
    what: String,
}

impl InputLine for Input {
    fn wait(&mut self, wake: &Wake, timeout: Duration) -> Result<Wait, Error> {
        wait_readable(self.edges.ready.as_raw_fd(), wake, timeout)
            .map_err(|error| Error::new(kind_of(&error), &self.what).caused_by(error))
    }

    fn read(&mut self, edges: &mut [RawEdge; BATCH]) -> Result<usize, Error> {
        match self.edges.read(edges) {
            Some(n) => Ok(n),
            None => Err(why_ended(&mut self.pin, &self.what)),
        }
    }

    fn level(&mut self) -> Result<bool, Error> {
        Ok((self.pin.read() == Level::High) != self.active_low)
    }
}

struct Output {
    pin: OutputPin,
    active_low: bool,
}

impl OutputLine for Output {
    fn drive(&mut self, on: bool) -> Result<(), Error> {
        self.pin.write(if on != self.active_low { Level::High } else { Level::Low });
        Ok(())
    }
}

impl PinLine for Output {
    fn drive(&mut self, on: bool) -> Result<(), Error> {
        OutputLine::drive(self, on)
    }

    fn level(&mut self) -> Result<bool, Error> {
        Ok(self.pin.is_set_high() != self.active_low)
    }
}

/// A line that is read, and watched by nobody.
struct Sensed {
    pin: InputPin,
    active_low: bool,
}

impl PinLine for Sensed {
    fn drive(&mut self, _on: bool) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Unsupported, "a line that is read cannot be driven"))
    }

    fn level(&mut self) -> Result<bool, Error> {
        Ok((self.pin.read() == Level::High) != self.active_low)
    }
}

/// What rppal's thread ended with: it only says so when it is joined.
fn why_ended(pin: &mut InputPin, what: &str) -> Error {
    match pin.clear_async_interrupt() {
        Err(error) => refused(what, error),
        Ok(()) => Error::new(ErrorKind::Lost, format!("{what}: rppal's thread ended")),
    }
}

fn refused(what: &str, error: GpioError) -> Error {
    let (kind, hint) = match &error {
        GpioError::UnknownModel => (
            ErrorKind::Unsupported,
            "this is not a Raspberry Pi, or one newer than rppal; set kind = \"gpio\"".to_owned(),
        ),
        GpioError::PermissionDenied(path) => {
            (ErrorKind::PermissionDenied, format!("{path} may not be opened; {}", cdev::JOIN_GROUP))
        }
        GpioError::PinUsed(pin) => (ErrorKind::Busy, format!("GPIO{pin} is used twice in this configuration")),
        GpioError::PinNotAvailable(pin) => (ErrorKind::Unsupported, format!("this board has no GPIO{pin}")),
        GpioError::Io(error) if kind_of(error) == ErrorKind::NotFound => (
            ErrorKind::Unsupported,
            "rppal does not find the chip, it stops at the first missing /dev/gpiochip number; set kind = \"gpio\""
                .to_owned(),
        ),
        GpioError::Io(error) => (kind_of(error), "the kernel refused".to_owned()),
        GpioError::ThreadPanic => (ErrorKind::Lost, "rppal's thread panicked".to_owned()),
    };
    Error::new(kind, format!("{what}: {hint}")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(count: u32) -> RawEdge {
        RawEdge { active: count % 2 == 1, at: Instant::now(), count }
    }

    #[test]
    fn edges_cross_the_threads_in_order_and_the_end_comes_last() {
        let (sink, edges) = queue();
        let sender = std::thread::spawn(move || (1..=20).for_each(|n| sink.send(edge(n))));
        sender.join().unwrap();
        let wake = Wake::new();
        let (mut batch, mut seen) = ([edge(0); BATCH], Vec::new());
        loop {
            let wait = wait_readable(edges.ready.as_raw_fd(), &wake, Duration::from_secs(5)).unwrap();
            assert_eq!(wait, Wait::Ready, "the end is told, not waited for");
            match edges.read(&mut batch) {
                Some(n) => seen.extend(batch[..n].iter().map(|edge| edge.count)),
                None => break,
            }
        }
        assert_eq!(seen, (1..=20).collect::<Vec<_>>());
        assert!(edges.ended.load(Ordering::Acquire));
    }

    #[test]
    fn a_full_queue_drops_the_newest_and_leaves_a_gap() {
        let (sink, edges) = queue();
        (1..=QUEUE as u32 + 5).for_each(|n| sink.send(edge(n)));
        let (mut batch, mut last) = ([edge(0); BATCH], 0);
        for _ in 0..QUEUE / BATCH {
            assert_eq!(edges.read(&mut batch), Some(BATCH));
            last = batch[BATCH - 1].count;
        }
        assert_eq!(last as usize, QUEUE);
        sink.send(edge(100));
        assert_eq!(edges.read(&mut batch), Some(1));
        assert_eq!(batch[0].count, 100);
    }

    #[test]
    fn only_header_lines_are_taken() {
        for line in ["GPIO17", "17", "pinctrl-rp1:17"] {
            assert!(header_line(line, "open").is_ok(), "{line}");
        }
        for line in ["expander:17", "BUTTON", "GPIO40"] {
            assert_eq!(header_line(line, "open").unwrap_err().kind, ErrorKind::Unsupported, "{line}");
        }
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let io = |errno| GpioError::Io(std::io::Error::from_raw_os_error(errno));
        let check = |error, kind, text: &str| {
            let error = refused("open", error);
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.to_string().contains(text), "{error}");
        };
        check(GpioError::UnknownModel, ErrorKind::Unsupported, "set kind = \"gpio\"");
        check(GpioError::PermissionDenied("/dev/gpiomem".into()), ErrorKind::PermissionDenied, "group gpio");
        check(io(libc::ENOENT), ErrorKind::Unsupported, "first missing /dev/gpiochip");
        check(io(libc::EBUSY), ErrorKind::Busy, "kernel refused");
        check(GpioError::PinUsed(17), ErrorKind::Busy, "GPIO17");
    }

    #[test]
    fn a_machine_that_is_no_pi_is_refused() {
        let is_pi =
            std::fs::read_to_string("/proc/device-tree/model").is_ok_and(|m| m.contains("Raspberry Pi"));
        if is_pi {
            eprintln!("skipped: this is a Raspberry Pi");
            return;
        }
        let settings = LightSettings { line: "GPIO27".into(), active_low: false };
        let error = open_light(&settings).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(error.to_string().contains("not a Raspberry Pi"), "{error}");
    }
}
