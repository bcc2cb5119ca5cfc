//! The main loop's side of the sound threads: never waits, hands over to bounded queues, and assembles what comes
//! back into the conversation's words.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use heapless::spsc::{Consumer, Producer, Queue};
use pressel_dsp::BargeIn;
use pressel_hal::Wake;
use pressel_hal::realtime::{self, Locking};
use pressel_live::event::{Listen, MicrophoneInput, SpeakerInput};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::capture::{COMMANDS, Capture, NewMicrophone};
use super::chunk::Chunk;
use super::device::{DeviceNews, OpenMicrophone, OpenSpeaker, Renewal, Side, Thread};
use super::facts::Facts;
use super::far::{self, FarReader};
use super::feed::{Fed, Feed};
use super::jitter::JitterBuffer;
use super::outlet::{Captured, QUEUE};
use super::playback::{NOTES, NewSpeaker, Note, Orders, Playback};
use super::rate::{self, AnswerRate};
use super::reference::{Converters, Reference};
use super::settings::{PlaybackSettings, SoundSettings};
use super::source::QUEUE_RATE;
use super::trouble::Trouble;

/// Opening a card walks libasound's configuration, which is deep, and builds the capture path, whose filters are large
/// before they are put where they stay (an unoptimised build moves them several times); running takes a fraction.
const STACK_KB: usize = 1024;
/// Threads that do not end within this are left behind: something blocks in a driver.
const STOP_WITHIN: Duration = Duration::from_millis(200);
/// Shortest message of an answer that is reckoned with, when the queue's slots are counted.
const MESSAGE_MS: usize = 20;
/// Slots kept for ends of turns: those are never dropped.
const ENDS: usize = 64;
/// Local sounds that may wait.
const LOCAL: usize = 16;

/// What the sound threads have to say.
#[derive(Clone, Debug, PartialEq)]
pub enum SoundEvent {
    /// For the conversation.
    Microphone(MicrophoneInput),
    /// For the conversation, with the time at which it is (or was) true for somebody in the room: a start is told
    /// a few ms ahead.
    Speaker(SpeakerInput, Instant),
    /// For log and status: a card was opened, or is waited for.
    Device(DeviceNews),
}

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
            told: RefCell::new(None),
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

    /// Queues answer sound. Returns how many samples (at 24 kHz) were dropped because the queue holds its bound.
    pub fn play(&mut self, turn: u32, samples: Vec<i16>, rate_hz: u32) -> usize {
        self.free_spent();
        let samples = self.answer_rate.convert(turn, samples, rate_hz);
        if samples.is_empty() {
            return 0;
        }
        if u64::from(turn) < self.orders.cut_below.load(Ordering::Relaxed) {
            return self.enqueue(turn, samples); // the thread throws it away, and counts it
        }
        self.jitter.arrived(turn, samples, Instant::now());
        self.enqueue_released()
    }

    /// Queues what has waited long enough.
    fn enqueue_released(&mut self) -> usize {
        let mut dropped = 0;
        while let Some((turn, samples)) = self.jitter.pop() {
            dropped += self.enqueue(turn, samples);
        }
        self.facts.playback.jitter_ms.store(self.jitter.depth().as_millis() as u32, Ordering::Relaxed);
        dropped
    }

    fn enqueue(&mut self, turn: u32, samples: Vec<i16>) -> usize {
        let waiting = self.queued_samples - self.facts.playback.taken_samples.load(Ordering::Relaxed);
        let len = samples.len() as u64;
        let fits = waiting + len <= self.queue_max_samples && self.answer.slots() > ENDS;
        if !fits || self.answer.push(Fed::Sound { turn, samples: samples.into() }).is_err() {
            self.facts.playback.dropped_samples.fetch_add(len, Ordering::Relaxed);
            return len as usize;
        }
        self.queued_samples += len;
        self.feed_hungry();
        0
    }

    /// Nothing more comes for this turn: `Drained` is reported when it has been heard.
    pub fn end_of_turn(&mut self, turn: u32) {
        self.jitter.ended(turn, Instant::now());
        self.enqueue_released();
        // Slots are kept for ends; without one the thread has not turned for a hundred turns.
        let _ = self.answer.push(Fed::End { turn });
        self.feed_hungry();
    }

    /// Silences all turns up to this one, at once.
    pub fn flush(&mut self, turn: u32) {
        self.orders.cut_below.fetch_max(u64::from(turn) + 1, Ordering::AcqRel);
        let held = self.jitter.flush(turn, Instant::now());
        self.facts.playback.dropped_samples.fetch_add(held, Ordering::Relaxed);
        self.playback_wake.signal();
    }

    /// Turns the answer down at once, or lets the same sentence come back; sounds of the device's own stay as loud
    /// as they are.
    pub fn duck(&mut self, ducked: bool) {
        self.orders.ducked.store(ducked, Ordering::Release);
        self.playback_wake.signal();
    }

    /// Plays a sound of the device's own, mixed with whatever else sounds, at once; several are played one after
    /// the other. False if too many wait already.
    pub fn play_local(&mut self, samples: &[i16], rate_hz: u32) -> bool {
        self.free_spent();
        if self.local.slots() < 2 {
            return false;
        }
        let turn = self.local_number;
        let Some(samples) = rate::whole(samples, rate_hz) else { return false };
        self.queued_samples += samples.len() as u64;
        self.local_number += 1;
        let sound = Fed::Sound { turn, samples: samples.into() };
        let done = self.local.push(sound).is_ok() && self.local.push(Fed::End { turn }).is_ok();
        self.playback_wake.signal();
        done
    }

    /// The microphone was switched off: what is there of a chunk does not become one.
    pub fn forget_chunk(&mut self) {
        self.chunk = Chunk::default();
    }

    /// Sets the volume, 0 to 100 percent; it moves there without a click.
    pub fn set_volume(&mut self, percent: f32) {
        self.orders.volume.store(percent.to_bits(), Ordering::Release);
        self.playback_wake.signal();
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

    /// The next event. Cancel safe.
    pub async fn next(&mut self) -> SoundEvent {
        loop {
            if let Some(event) = self.poll() {
                return event;
            }
            let release_at = self.jitter.release_at();
            let released = async {
                match release_at {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                ready = self.from_threads.readable() => match ready {
                    Ok(mut ready) => {
                        ready.get_inner().take();
                        ready.clear_ready();
                    }
                    // The runtime is going down.
                    Err(_) => std::future::pending().await,
                },
                () = released => {}
            }
        }
    }

    /// The next event, if there is one now.
    pub fn poll(&mut self) -> Option<SoundEvent> {
        if let Some(command) = self.owed_command.take() {
            self.listen(command);
        }
        self.free_spent();
        if self.jitter.release_at().is_some() {
            self.jitter.due(Instant::now());
            self.enqueue_released();
        }
        if let Some(note) = self.notes.dequeue() {
            let now = Instant::now();
            let (input, at) = match note {
                Note::Started { turn, at } => (SpeakerInput::Started { turn }, at),
                Note::Drained { turn, at } => (SpeakerInput::Drained { turn }, at),
                Note::Lost => (SpeakerInput::Lost, now),
                Note::Back => (SpeakerInput::Back, now),
            };
            return Some(SoundEvent::Speaker(input, at));
        }
        if let Some(input) = self.poll_microphone() {
            return Some(SoundEvent::Microphone(input));
        }
        self.news.try_recv().ok().or_else(|| self.poll_facts()).map(SoundEvent::Device)
    }

    /// What the microphone's facts have that was not told.
    fn poll_facts(&mut self) -> Option<DeviceNews> {
        let troubles = self.facts.capture.troubles.load(Ordering::Relaxed);
        let changed = troubles ^ self.told_troubles;
        if changed != 0 {
            let bit = changed.trailing_zeros();
            self.told_troubles ^= 1 << bit;
            let trouble = *Trouble::ALL.get(bit as usize)?;
            return Some(DeviceNews::Trouble { trouble, over: troubles >> bit & 1 == 0 });
        }
        let channels = self.facts.capture.dead_channels.load(Ordering::Relaxed);
        (channels != self.told_left_out).then(|| {
            self.told_left_out = channels;
            DeviceNews::LeftOut { channels }
        })
    }

    fn poll_microphone(&mut self) -> Option<MicrophoneInput> {
        while let Some(captured) = self.captured.dequeue() {
            let input = match captured {
                Captured::Sound { listen, samples, speech, at, ends_chunk } => {
                    match self.chunk.add(listen, &samples, speech, at, ends_chunk) {
                        Some(chunk) => chunk,
                        None => continue,
                    }
                }
                Captured::Gap { listen, samples } => MicrophoneInput::Gap { listen, samples },
                Captured::Opened { listen } => MicrophoneInput::Opened { listen },
                Captured::Closed { listen } => MicrophoneInput::Closed { listen },
                Captured::BargeIn { listen, said } => match said {
                    BargeIn::Suspected => MicrophoneInput::Suspected { listen },
                    BargeIn::Confirmed => MicrophoneInput::Confirmed { listen },
                    BargeIn::Dismissed => MicrophoneInput::Dismissed { listen },
                },
                Captured::Lost => {
                    self.chunk = Chunk::default(); // its last block has no neighbour any more
                    MicrophoneInput::Lost
                }
                Captured::Back => MicrophoneInput::Back,
            };
            return Some(input);
        }
        None
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

    /// Wakes the thread if it has nothing left to write; otherwise it comes by itself.
    fn feed_hungry(&self) {
        fence(Ordering::SeqCst);
        if self.orders.hungry.load(Ordering::SeqCst) {
            self.playback_wake.signal();
        }
    }

    fn free_spent(&mut self) {
        for spent in &mut self.spent {
            while spent.pop().is_ok() {}
        }
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Both ends of a queue of sound, and the way back for what is used up.
fn feed(slots: usize, facts: &Arc<Facts>) -> (rtrb::Producer<Fed>, Feed, rtrb::Consumer<Box<[i16]>>) {
    let (producer, consumer) = rtrb::RingBuffer::new(slots);
    // Twice as many can be under way: in the queue, and used up since the main loop last looked.
    let (spent_in, spent) = rtrb::RingBuffer::new(2 * slots);
    (producer, Feed::new(consumer, spent_in, facts.clone()), spent)
}
