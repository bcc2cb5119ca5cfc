//! The main loop's side of the sound threads: never waits, hands over to bounded queues (`answers`), and assembles what
//! comes back into the conversation's words (`events`).

mod answers;
mod events;

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use heapless::spsc::{Consumer, Producer, Queue};
use pressel_hal::Wake;
use pressel_hal::realtime::{self, Locking};
use pressel_live::event::Listen;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::capture::{COMMANDS, Capture, NewMicrophone};
use super::chunk::Chunk;
use super::device::{DeviceNews, OpenMicrophone, OpenSpeaker, Renewal, Side, Thread};
use super::facts::Facts;
use super::far::{self, FarReader};
use super::feed::Fed;
use super::jitter::JitterBuffer;
use super::outlet::{Captured, QUEUE};
use super::playback::{NOTES, NewSpeaker, Note, Orders, Playback};
use super::rate::AnswerRate;
use super::reference::{Converters, Reference};
use super::settings::{PlaybackSettings, SoundSettings};
use super::source::QUEUE_RATE;
use answers::{ENDS, LOCAL, MESSAGE_MS, feed};

pub use events::SoundEvent;

/// Opening a card walks libasound's configuration, which is deep, and builds the capture path, whose filters are large
/// before they are put where they stay (an unoptimised build moves them several times); running takes a fraction.
const STACK_KB: usize = 1024;
/// Threads that do not end within this are left behind: something blocks in a driver.
const STOP_WITHIN: Duration = Duration::from_millis(200);

/// Both sound threads, seen from the main loop.
pub struct Sound {
    facts: Arc<Facts>,
    far: FarReader,
    orders: Arc<Orders>,
    stop: Arc<AtomicBool>,
    from_threads: AsyncFd<Wake>,
    news: mpsc::Receiver<DeviceNews>,
    threads: Vec<JoinHandle<()>>,
    /// Ends when the last thread does.
    ended: mpsc::Receiver<()>,
    /// What the threads were told last.
    settings: SoundSettings,
    converters: Arc<Converters>,
    new_microphone: Arc<Renewal<NewMicrophone>>,
    new_speaker: Arc<Renewal<NewSpeaker>>,

    capture_wake: Wake,
    commands: Producer<'static, Listen, COMMANDS>,
    /// A command that found no room; the thread is stuck in a driver, and only the newest counts.
    owed_command: Option<Listen>,
    captured: Consumer<'static, Captured, QUEUE>,
    chunk: Chunk,

    playback_wake: Wake,
    answer: rtrb::Producer<Fed>,
    local: rtrb::Producer<Fed>,
    spent: [rtrb::Consumer<Box<[i16]>>; 2],
    notes: Consumer<'static, Note, NOTES>,
    queued_samples: u64,
    queue_max_samples: u64,
    local_number: u32,
    answer_rate: AnswerRate,
    jitter: JitterBuffer,
    /// What was told of the microphone: troubles, channels left out.
    told_troubles: u32,
    told_left_out: u32,
}

/// A queue that lives as long as the program: the daemon starts sound once.
fn queue<T, const N: usize>() -> (Producer<'static, T, N>, Consumer<'static, T, N>) {
    Box::leak(Box::new(Queue::new())).split()
}

impl Sound {
    /// Starts both threads; they open their cards, and wait for them if need be. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// When the system grants no thread.
    pub fn start(
        settings: SoundSettings,
        microphone: OpenMicrophone,
        speaker: OpenSpeaker,
    ) -> io::Result<Self> {
        let facts = Arc::new(Facts::default());
        if settings.realtime_priority > 0 {
            let locked = realtime::lock_memory() == Locking::Locked;
            facts.memory_locked.store(locked, Ordering::Relaxed);
        }
        let orders = Arc::new(Orders {
            cut_below: AtomicU64::new(0),
            volume: AtomicU32::new((settings.playback.volume_percent as f32).to_bits()),
            ducked: AtomicBool::new(false),
            hungry: AtomicBool::new(true),
        });
        let stop = Arc::new(AtomicBool::new(false));
        let (tell_news, news) = mpsc::channel();
        let (tell_ended, ended) = mpsc::channel::<()>();
        let (main, capture_wake, playback_wake) = (Wake::new(), Wake::new(), Wake::new());
        let thread = |side, wake: &Wake| Thread {
            side,
            priority: settings.realtime_priority,
            wake: wake.clone(),
            main: main.clone(),
            stop: stop.clone(),
            news: tell_news.clone(),
            facts: facts.clone(),
            absence: RefCell::new(None),
        };

        let (commands, for_capture) = queue();
        let (from_capture, captured) = queue();
        let (far_in, far) = far::mirror();
        let converters = Arc::new(Converters::default());
        let speaker = converters.at_opening(speaker);
        let mut capture = Capture::new(
            microphone,
            settings.clone(),
            facts.clone(),
            Reference::new(far.clone(), converters.clone()),
            for_capture,
            from_capture,
        );

        let slots = settings.playback.queue_max_s as usize * 1000 / MESSAGE_MS + ENDS;
        let (answer, answer_feed, answer_spent) = feed(slots, &facts);
        let (local, local_feed, local_spent) = feed(2 * LOCAL, &facts);
        let (notes_in, notes) = queue();
        let mut playback = Playback::new(
            speaker,
            settings.playback.clone(),
            facts.clone(),
            orders.clone(),
            (answer_feed, local_feed),
            far_in,
            notes_in,
        );

        let (for_mic, for_speaker) =
            (thread(Side::Microphone, &capture_wake), thread(Side::Speaker, &playback_wake));
        let (new_microphone, new_speaker) = (capture.renewal(), playback.renewal.clone());
        let (mic_ended, speaker_ended) = (tell_ended.clone(), tell_ended);
        let threads = vec![
            realtime::spawn("capture", STACK_KB, move || {
                for_mic.run(&mut capture);
                drop(mic_ended);
            })?,
            realtime::spawn("playback", STACK_KB, move || {
                for_speaker.run(&mut playback);
                drop(speaker_ended);
            })?,
        ];
        // SAFETY: a Wake owns its descriptor as long as it or a clone lives, and never replaces it.
        let from_threads = unsafe { AsyncFd::register_with_interest(main, Interest::READABLE) }?;
        Ok(Sound {
            from_threads,
            queue_max_samples: u64::from(settings.playback.queue_max_s) * u64::from(QUEUE_RATE),
            queued_samples: 0,
            local_number: 0,
            answer_rate: AnswerRate::default(),
            jitter: JitterBuffer::new(settings.playback.jitter_max_ms, Instant::now()),
            told_troubles: 0,
            told_left_out: 0,
            owed_command: None,
            chunk: Chunk::default(),
            spent: [answer_spent, local_spent],
            facts,
            far,
            orders,
            stop,
            news,
            threads,
            ended,
            settings,
            converters,
            new_microphone,
            new_speaker,
            capture_wake,
            commands,
            captured,
            playback_wake,
            answer,
            local,
            notes,
        })
    }

    /// Counters and levels, readable at any time.
    pub fn facts(&self) -> Arc<Facts> {
        self.facts.clone()
    }

    /// What the speaker plays, readable at any time.
    pub fn far_end(&self) -> FarReader {
        self.far.clone()
    }

    /// What the microphone is to deliver from now on.
    pub fn listen(&mut self, listen: Listen) {
        self.owed_command = self.commands.enqueue(listen).err();
        self.capture_wake.signal();
    }

    /// The microphone was switched off: what is there of a chunk does not become one.
    pub fn forget_chunk(&mut self) {
        self.chunk = Chunk::default();
    }

    /// Other settings, and what opens the cards from now on. A card whose settings differ is closed and opened again: at
    /// once, so that this is for a moment in which nobody speaks. The volume, the queue's length and the threads' priority
    /// stay.
    pub fn renew(&mut self, settings: SoundSettings, microphone: OpenMicrophone, speaker: OpenSpeaker) {
        let before = std::mem::replace(&mut self.settings, settings.clone());
        let SoundSettings { playback, .. } = &settings;
        if before.playback.jitter_max_ms != playback.jitter_max_ms {
            self.jitter = JitterBuffer::new(playback.jitter_max_ms, Instant::now());
        }
        // What was seen to above, and what is not for a card.
        let of_card = |settings: &PlaybackSettings| PlaybackSettings {
            volume_percent: 0,
            jitter_max_ms: 0,
            queue_max_s: 0,
            ..settings.clone()
        };
        if of_card(&before.playback) != of_card(playback) {
            self.new_speaker.put((playback.clone(), self.converters.at_opening(speaker)));
            self.playback_wake.signal();
        }
        let of_microphone = |settings: &SoundSettings| SoundSettings {
            playback: PlaybackSettings::default(),
            realtime_priority: 0,
            ..settings.clone()
        };
        if of_microphone(&before) != of_microphone(&settings) {
            self.new_microphone.put((settings, microphone));
            self.capture_wake.signal();
        }
    }

    /// Ends both threads: playback fades out, the cards are closed. Waits 200 ms at most.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.capture_wake.signal();
        self.playback_wake.signal();
        // Nothing is ever sent: it ends when both have.
        if self.ended.recv_timeout(STOP_WITHIN) == Err(mpsc::RecvTimeoutError::Disconnected) {
            for thread in self.threads.drain(..) {
                // A panic in it has been printed; there is nothing to add at the end of the program.
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.stop();
    }
}
