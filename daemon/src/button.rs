//! The button's thread: waits for edges, passes them on, decides nothing. A button that is missing, or goes away,
//! is looked for once a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use pressel_hal::{Button, Edge, Error, Wake};
use tokio::sync::mpsc;

/// Opens the button, again after each loss.
pub type OpenButton = Box<dyn FnMut() -> Result<Box<dyn Button>, Error> + Send>;

/// Edges wait here for the loop; a person cannot press this fast.
const EDGES_MAX: usize = 32;
const RETRY: Duration = Duration::from_secs(1);
/// Nothing happens this often; it only bounds how long a hung driver goes unnoticed.
const LOOK_UP: Duration = Duration::from_secs(3600);

/// What the thread reports.
#[derive(Debug)]
pub enum ButtonNews {
    /// It is there: what it is.
    Found(String),
    /// Down or up.
    Edge(Edge),
    /// It is not there, said once until it is found.
    Missing(Error),
}

/// The thread and its queue.
pub struct ButtonThread {
    news: mpsc::Receiver<ButtonNews>,
    wake: Wake,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ButtonThread {
    /// Starts waiting. Without an opener there is no thread and never any news.
    ///
    /// # Errors
    /// When the system grants no thread.
    pub fn start(open: Option<OpenButton>) -> std::io::Result<Self> {
        let (tell, news) = mpsc::channel(EDGES_MAX);
        let (wake, stop) = (Wake::new(), Arc::new(AtomicBool::new(false)));
        let thread = match open {
            None => {
                // Kept alive for ever, so that `next` waits instead of ending.
                std::mem::forget(tell);
                None
            }
            Some(open) => {
                let (wake, stop) = (wake.clone(), stop.clone());
                let body = move || listen(open, &tell, &wake, &stop);
                Some(std::thread::Builder::new().name("button".into()).stack_size(128 << 10).spawn(body)?)
            }
        };
        Ok(ButtonThread { news, wake, stop, thread })
    }

    /// The next news. Cancel safe.
    pub async fn next(&mut self) -> ButtonNews {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await, // the thread has ended: we are stopping
        }
    }

    /// Ends the thread.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake.signal();
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed; there is nothing to add at the end of the program.
            let _ = thread.join();
        }
    }
}

fn listen(mut open: OpenButton, tell: &mpsc::Sender<ButtonNews>, wake: &Wake, stop: &AtomicBool) {
    let stopped = || stop.load(Ordering::Relaxed);
    let mut missing = false;
    while !stopped() {
        let mut button = match open() {
            Ok(button) => button,
            Err(error) => {
                if !missing {
                    missing = true;
                    let _ = tell.try_send(ButtonNews::Missing(error));
                }
                wake.wait(RETRY);
                continue;
            }
        };
        let _ = tell.try_send(ButtonNews::Found(button.describe()));
        let mut pressed = false;
        let lost = loop {
            if stopped() {
                return;
            }
            match button.next(wake, LOOK_UP) {
                Ok(None) => {}
                Ok(Some(edge)) => {
                    pressed = edge.pressed;
                    // Blocking would be right too, but a loop this far behind is being killed by the watchdog.
                    let _ = tell.try_send(ButtonNews::Edge(edge));
                }
                Err(error) => break error,
            }
        };
        if pressed {
            // A press is always followed by its release, also when the button is torn off.
            let edge = Edge { pressed: false, at: std::time::Instant::now() };
            let _ = tell.try_send(ButtonNews::Edge(edge));
        }
        missing = true;
        let _ = tell.try_send(ButtonNews::Missing(lost));
        wake.wait(RETRY);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

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
        let mut button = ButtonThread::start(Some(open)).unwrap();
        let mut seen = Vec::new();
        for _ in 0..6 {
            seen.push(match button.next().await {
                ButtonNews::Found(what) => what,
                ButtonNews::Edge(edge) => if edge.pressed { "down" } else { "up" }.into(),
                ButtonNews::Missing(error) => error.to_string(),
            });
        }
        assert_eq!(seen, ["not yet", "frail", "down", "up", "torn off", "frail"]);
        button.stop();
    }
}
