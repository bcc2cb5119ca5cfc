//! The threads of button and mute switch: each waits for edges of one line, passes them on, decides nothing. A line that
//! is missing, or goes away, is looked for once a second.
//!
//! The switch is the exception: its thread turns the microphone off by itself, whatever the loop is doing, and whenever it
//! does not surely know that it is on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pressel_hal::{Button, Edge, Error, Wake};
use tokio::sync::mpsc;

use crate::notify::{Pulse, Watch};
use crate::sound::Facts;

/// Opens a button, again after each loss.
pub type OpenButton = Box<dyn FnMut() -> Result<Box<dyn Button>, Error> + Send>;

/// What the threads are called where the watchdog speaks of them.
const WATCHED: &str = "button";
/// Edges wait here for the loop; a person cannot press this fast.
const EDGES_MAX: usize = 32;
const RETRY: Duration = Duration::from_secs(1);
/// So often a thread shows that it turns although nothing happens: a switch that nobody hears leaves a microphone on.
const LOOK_UP: Duration = Duration::from_secs(2);

/// Which line has news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A line of the button, from 0.
    Line(usize),
    /// The mute switch: down is on.
    Mute,
}

/// What a thread reports.
#[derive(Debug)]
pub enum ButtonNews {
    /// It is there: what it is.
    Found(String),
    /// Down or up.
    Edge(Edge),
    /// It is not there, said once until it is found.
    Missing(Error),
}

/// The threads and their queue.
pub struct ButtonThreads {
    news: mpsc::Receiver<(Source, ButtonNews)>,
    /// Kept, so that `next` waits instead of ending where there is no thread.
    _tell: mpsc::Sender<(Source, ButtonNews)>,
    wakes: Vec<Wake>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    turning: Vec<Arc<Turning>>,
}

/// A thread's signs of life.
#[derive(Default)]
struct Turning {
    /// Counts up while the thread turns.
    beats: AtomicU64,
    /// It is inside a driver that may take its time.
    opening: AtomicBool,
}

impl ButtonThreads {
    /// Starts waiting, for each line and for the switch. Where there is a switch the microphone is off from now on, until
    /// it says that it is on.
    ///
    /// # Errors
    /// When the system grants no thread.
    pub fn start(
        lines: Vec<OpenButton>,
        mute: Option<OpenButton>,
        facts: &Arc<Facts>,
    ) -> std::io::Result<Self> {
        let (tell, news) = mpsc::channel(EDGES_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = ButtonThreads {
            news,
            _tell: tell.clone(),
            wakes: vec![],
            stop,
            threads: vec![],
            turning: vec![],
        };
        facts.capture.muted.store(mute.is_some(), Ordering::SeqCst);
        for (index, open) in lines.into_iter().enumerate() {
            let tell = tell.clone();
            // Blocking would be right too, but a loop this far behind is being killed by the watchdog.
            let told = move |news| drop(tell.try_send((Source::Line(index), news)));
            threads.spawn(open, told)?;
        }
        if let Some(open) = mute {
            let facts = facts.clone();
            let told = move |news| {
                let on = matches!(news, ButtonNews::Edge(Edge { pressed: true, .. }));
                if !matches!(news, ButtonNews::Found(_)) {
                    facts.capture.muted.store(!on, Ordering::SeqCst);
                }
                // Where there is no room the loop has news to look at, and looks at the fact itself.
                let _ = tell.try_send((Source::Mute, news));
            };
            threads.spawn(open, told)?;
        }
        Ok(threads)
    }

    fn spawn(
        &mut self,
        open: OpenButton,
        tell: impl FnMut(ButtonNews) + Send + 'static,
    ) -> std::io::Result<()> {
        let (wake, stop) = (Wake::new(), self.stop.clone());
        self.wakes.push(wake.clone());
        let turning = Arc::<Turning>::default();
        self.turning.push(turning.clone());
        let body = move || listen(open, tell, &wake, &stop, &turning);
        self.threads
            .push(std::thread::Builder::new().name("button".into()).stack_size(128 << 10).spawn(body)?);
        Ok(())
    }

    /// The next news. Cancel safe.
    pub async fn next(&mut self) -> (Source, ButtonNews) {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await, // cannot be: a sender is kept here
        }
    }

    /// Has the watchdog look at the threads, and at no former ones.
    pub fn watch(&self, watch: &mut Watch, now: Instant) {
        watch.forget(WATCHED);
        for turning in &self.turning {
            let turning = turning.clone();
            let pulse = move || Pulse {
                beats: turning.beats.load(Ordering::Relaxed),
                waiting: Some("an edge"),
                opening: turning.opening.load(Ordering::Relaxed),
            };
            watch.add(WATCHED, pulse, now);
        }
    }

    /// Ends the threads.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wakes.iter().for_each(Wake::signal);
        for thread in self.threads.drain(..) {
            // A panic in it has been printed; there is nothing to add at the end of the program.
            let _ = thread.join();
        }
    }
}

fn listen(
    mut open: OpenButton,
    mut tell: impl FnMut(ButtonNews),
    wake: &Wake,
    stop: &AtomicBool,
    turning: &Turning,
) {
    let stopped = || stop.load(Ordering::Relaxed);
    let mut missing = false;
    while !stopped() {
        turning.beats.fetch_add(1, Ordering::Relaxed);
        turning.opening.store(true, Ordering::Relaxed);
        let opened = open();
        turning.opening.store(false, Ordering::Relaxed);
        let mut button = match opened {
            Ok(button) => button,
            Err(error) => {
                if !missing {
                    missing = true;
                    tell(ButtonNews::Missing(error));
                }
                wake.wait(RETRY);
                continue;
            }
        };
        tell(ButtonNews::Found(button.describe()));
        let mut pressed = false;
        let lost = loop {
            if stopped() {
                return;
            }
            turning.beats.fetch_add(1, Ordering::Relaxed);
            match button.next(wake, LOOK_UP) {
                Ok(None) => {}
                Ok(Some(edge)) => {
                    pressed = edge.pressed;
                    tell(ButtonNews::Edge(edge));
                }
                Err(error) => break error,
            }
        };
        if pressed {
            // A press is always followed by its release, also when the button is torn off.
            tell(ButtonNews::Edge(Edge { pressed: false, at: std::time::Instant::now() }));
        }
        missing = true;
        tell(ButtonNews::Missing(lost));
        wake.wait(RETRY);
    }
}

#[cfg(test)]
mod tests {
    use pressel_hal::ErrorKind;

    use super::*;

    /// Presses once, then is torn off.
    struct Frail(u32);

    impl Button for Frail {
        fn next(&mut self, _: &Wake, _: Duration) -> Result<Option<Edge>, Error> {
            self.0 += 1;
            match self.0 {
                1 => Ok(Some(Edge { pressed: true, at: Instant::now() })),
                _ => Err(Error::new(ErrorKind::Lost, "torn off")),
            }
        }
        fn describe(&self) -> String {
            "frail".into()
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_button_torn_off_while_down_is_released_and_looked_for_again() {
        let mut opened = 0;
        let open: OpenButton = Box::new(move || {
            opened += 1;
            match opened {
                1 => Err(Error::new(ErrorKind::NotFound, "not yet")),
                _ => Ok(Box::new(Frail(0))),
            }
        });
        let mut button = ButtonThreads::start(vec![open], None, &Arc::default()).unwrap();
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push(match button.next().await {
                (Source::Line(0), ButtonNews::Found(what)) => what,
                (Source::Line(0), ButtonNews::Edge(edge)) => if edge.pressed { "down" } else { "up" }.into(),
                (Source::Line(0), ButtonNews::Missing(error)) => error.to_string(),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(seen, ["not yet", "frail", "down", "up", "torn off", "frail"]);
        button.stop();
    }

    /// A switch that says what it is told to.
    struct Scripted(std::sync::mpsc::Receiver<Result<bool, Error>>);

    impl Button for Scripted {
        fn next(&mut self, _: &Wake, _: Duration) -> Result<Option<Edge>, Error> {
            match self.0.recv() {
                Ok(Ok(pressed)) => Ok(Some(Edge { pressed, at: Instant::now() })),
                Ok(Err(error)) => Err(error),
                Err(_) => Ok(None), // the test is over
            }
        }
        fn describe(&self) -> String {
            "switch".into()
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_driver_that_does_not_come_back_starves_the_watchdog() {
        let (say, said) = std::sync::mpsc::channel();
        let mut said = Some(said);
        let open: OpenButton = Box::new(move || Ok(Box::new(Scripted(said.take().expect("opened once")))));
        let mut threads = ButtonThreads::start(vec![open], None, &Arc::default()).unwrap();
        let (mut watch, start) = (Watch::new(), Instant::now());
        threads.watch(&mut watch, start);
        threads.watch(&mut watch, start); // as after a reload
        threads.next().await;
        say.send(Ok(true)).unwrap();
        threads.next().await;
        let at = |s| start + Duration::from_secs(s);
        while watch.check(at(1)) != Ok(()) || threads.turning[0].beats.load(Ordering::Relaxed) < 3 {
            std::thread::yield_now(); // it is about to wait again
        }
        assert_eq!(watch.check(at(2)), Ok(()));
        let stuck = watch.check(at(7)).unwrap_err();
        assert_eq!(stuck.thread, "button");
        say.send(Ok(false)).unwrap();
        threads.next().await;
        drop(say);
        threads.stop();
    }

    #[tokio::test(flavor = "current_thread")]
    async fn the_microphone_is_off_whenever_the_switch_does_not_say_that_it_is_on() {
        let (say, said) = std::sync::mpsc::channel();
        let mut said = Some(said);
        let mut opened = 0;
        let open: OpenButton = Box::new(move || {
            opened += 1;
            match opened {
                2 => Ok(Box::new(Scripted(said.take().expect("opened once")))),
                _ => Err(Error::new(ErrorKind::NotFound, "no chip")),
            }
        });
        let facts: Arc<Facts> = Arc::default();
        assert!(!facts.capture.muted.load(Ordering::SeqCst), "without a switch it is on");
        let mut threads = ButtonThreads::start(vec![], Some(open), &facts).unwrap();
        let muted = || facts.capture.muted.load(Ordering::SeqCst);
        assert!(muted(), "nobody has looked yet");
        let mut after = async |expected: &str, off: bool| {
            let (source, news) = threads.next().await;
            assert_eq!(source, Source::Mute);
            assert!(format!("{news:?}").starts_with(expected), "{news:?}");
            assert_eq!(muted(), off, "{expected}");
        };
        after("Missing", true).await;
        after("Found", true).await;
        for on in [true, false, true] {
            say.send(Ok(on)).unwrap();
            after("Edge", !on).await;
        }
        say.send(Err(Error::new(ErrorKind::Lost, "chip gone"))).unwrap();
        after("Edge", true).await;
        after("Missing", true).await;
        threads.stop();
    }
}
