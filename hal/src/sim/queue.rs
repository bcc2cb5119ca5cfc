//! A button worked by other threads: presses that come in through a socket, or from a test.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use crate::os::{kind_of, wait_readable};
use crate::{Button, Edge, Error, ErrorKind, Wait, Wake};

/// Edges that may wait. Beyond it the newest is refused; the button then goes by the last level it was told.
const QUEUE: usize = 64;

/// Creates a button and the handle that works it. Nothing is allocated after this.
pub fn button() -> (ButtonSender, QueueButton) {
    let (send, edges) = sync_channel(QUEUE);
    let shared = Arc::new(Shared {
        ready: Wake::new(),
        senders: AtomicUsize::new(1),
        refused: AtomicBool::new(false),
        torn_off: AtomicBool::new(false),
        level: AtomicBool::new(false),
    });
    (ButtonSender { edges: send, shared: shared.clone() }, QueueButton { edges, shared, pressed: false })
}

struct Shared {
    ready: Wake,
    senders: AtomicUsize,
    /// An edge did not fit.
    refused: AtomicBool,
    torn_off: AtomicBool,
    /// What was sent last, whether it fitted or not.
    level: AtomicBool,
}

/// Works a [`QueueButton`]. May be cloned; when the last one is dropped while pressed, the button is released.
pub struct ButtonSender {
    edges: SyncSender<Edge>,
    shared: Arc<Shared>,
}

impl ButtonSender {
    /// Sends an edge, without waiting. False when the queue is full or the button is gone: the edge is then lost,
    /// but the button ends up at its level all the same.
    pub fn send(&self, edge: Edge) -> bool {
        self.shared.level.store(edge.pressed, Ordering::Release);
        let sent = match self.edges.try_send(edge) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.shared.refused.store(true, Ordering::Release);
                false
            }
            Err(TrySendError::Disconnected(_)) => false,
        };
        self.shared.ready.signal();
        sent
    }

    /// Tears the button off: it fails from now on.
    pub fn tear_off(&self) {
        self.shared.torn_off.store(true, Ordering::Release);
        self.shared.ready.signal();
    }

    /// Presses or releases now.
    pub fn set(&self, pressed: bool) -> bool {
        self.send(Edge { pressed, at: Instant::now() })
    }
}

impl Clone for ButtonSender {
    fn clone(&self) -> Self {
        self.shared.senders.fetch_add(1, Ordering::Relaxed);
        ButtonSender { edges: self.edges.clone(), shared: self.shared.clone() }
    }
}

impl Drop for ButtonSender {
    fn drop(&mut self) {
        // Counted here, because the channel itself notices only after this has signalled.
        if self.shared.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.ready.signal();
        }
    }
}

/// A button that does what its [`ButtonSender`]s say; the same level twice is told once.
pub struct QueueButton {
    edges: Receiver<Edge>,
    shared: Arc<Shared>,
    pressed: bool,
}

impl QueueButton {
    fn pending(&mut self) -> Option<Edge> {
        // Read before the queue is found empty, so that an edge sent in between is not mistaken for a lost one.
        let deserted = self.shared.senders.load(Ordering::Acquire) == 0;
        loop {
            match self.edges.try_recv() {
                Ok(edge) if edge.pressed == self.pressed => {}
                Ok(edge) => return Some(edge),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        let level = if self.shared.refused.swap(false, Ordering::AcqRel) {
            self.shared.level.load(Ordering::Acquire)
        } else {
            self.pressed
        };
        let level = level && !deserted;
        (level != self.pressed).then(|| Edge { pressed: level, at: Instant::now() })
    }
}

impl Button for QueueButton {
    fn next(&mut self, wake: &Wake, timeout: Duration) -> Result<Option<Edge>, Error> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            self.shared.ready.take();
            if self.shared.torn_off.load(Ordering::Acquire) {
                return Err(Error::new(ErrorKind::Lost, "read button: torn off, as told"));
            }
            if let Some(edge) = self.pending() {
                self.pressed = edge.pressed;
                self.shared.ready.signal(); // perhaps more
                return Ok(Some(edge));
            }
            let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            let wait = wait_readable(self.shared.ready.as_raw_fd(), wake, left);
            match wait.map_err(|error| Error::new(kind_of(&error), "wait for a button").caused_by(error))? {
                Wait::Ready => {}
                Wait::Woken | Wait::TimedOut => return Ok(None),
            }
        }
    }

    fn describe(&self) -> String {
        "worked by other programs".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    fn drain(button: &mut QueueButton) -> Vec<bool> {
        let wake = Wake::new();
        std::iter::from_fn(|| button.next(&wake, SOON).unwrap()).map(|edge| edge.pressed).collect()
    }

    #[test]
    fn edges_of_another_thread_arrive_at_once_and_in_order() {
        let (sender, mut button) = button();
        let thread = std::thread::spawn(move || {
            let at = Instant::now();
            assert!(sender.send(Edge { pressed: true, at }) && sender.set(false));
            at
        });
        let wake = Wake::new();
        let edge = button.next(&wake, Duration::from_secs(5)).unwrap().unwrap();
        assert_eq!((edge.pressed, edge.at), (true, thread.join().unwrap()));
        assert_eq!(drain(&mut button), [false]);
    }

    #[test]
    fn the_same_level_twice_is_told_once() {
        let (sender, mut button) = button();
        for pressed in [false, true, true, false, false, true] {
            sender.set(pressed);
        }
        assert_eq!(drain(&mut button), [true, false, true]);
    }

    #[test]
    fn a_full_queue_refuses_and_the_button_still_ends_released() {
        let (sender, mut button) = button();
        let sent = (0..=QUEUE).filter(|n| sender.set(n % 2 == 0)).count();
        assert_eq!(sent, QUEUE, "one more than fits");
        assert!(!sender.set(true));
        assert_eq!(drain(&mut button).len(), QUEUE + 1, "the refused press is made up for");
        for n in 0..=QUEUE {
            sender.set(n % 2 == 1); // ends with a press that fits and a release that does not
        }
        assert_eq!(drain(&mut button).last(), Some(&false));
        assert_eq!(drain(&mut button), [] as [bool; 0]);
    }

    #[test]
    fn when_the_last_sender_goes_the_button_is_released_and_rests() {
        let (sender, mut button) = button();
        let other = sender.clone();
        sender.set(true);
        drop(sender);
        assert_eq!(drain(&mut button), [true], "one sender is left");
        let thread = std::thread::spawn(move || drop(other));
        let wake = Wake::new();
        assert!(!button.next(&wake, Duration::from_secs(5)).unwrap().unwrap().pressed);
        thread.join().unwrap();
        let start = Instant::now();
        assert_eq!(button.next(&wake, SOON).unwrap(), None);
        assert!(start.elapsed() >= SOON, "it does not spin");
    }

    #[test]
    fn torn_off_it_fails_at_once_and_for_ever() {
        let (sender, mut button) = button();
        let thread = std::thread::spawn(move || sender.tear_off());
        let wake = Wake::new();
        for _ in 0..2 {
            assert_eq!(button.next(&wake, Duration::from_secs(5)).unwrap_err().kind, ErrorKind::Lost);
        }
        thread.join().unwrap();
    }

    #[test]
    fn a_wake_ends_the_wait() {
        let (_sender, mut button) = button();
        let wake = Wake::new();
        wake.signal();
        assert_eq!(button.next(&wake, Duration::MAX).unwrap(), None);
    }
}
