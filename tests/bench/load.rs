//! Both cores busy at normal priority.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;

/// Two busy threads for each core, until dropped.
pub struct Load {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
}

impl Load {
    /// Begins.
    pub fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let cores = std::thread::available_parallelism().map_or(2, |n| n.get());
        let busy = || {
            let over = over.clone();
            std::thread::spawn(move || {
                let mut n: u64 = 1;
                while !over.load(Relaxed) {
                    for _ in 0..10_000 {
                        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    }
                }
                n
            })
        };
        let threads = (0..2 * cores).map(|_| busy()).collect();
        Load { over, threads }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            std::hint::black_box(thread.join().unwrap_or_default());
        }
    }
}
