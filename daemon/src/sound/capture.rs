//! The microphone's thread: frames in, blocks out to whoever listens; the last moments kept while nobody does.
//!
//! While at rest the card wakes it only every `rest_ms`, and a press (the command and its wake-up) makes it fetch
//! at once what the card holds. Once running it neither allocates, locks, logs nor waits for anything but the
//! card.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use heapless::spsc::{Consumer, Producer};
use pressel_dsp::{BLOCK, Block, PreRoll, Reading, blocks_of_ms};
use pressel_hal::{Error, ErrorKind, Wait, Wake, realtime};
use pressel_live::event::Listen;

use super::SoundSettings;
use super::device::{Ended, OpenMicrophone, Renewal, Thread, Work};
use super::facts::Facts;
use super::outlet::{Captured, Outlet, QUEUE, Stamp};
use super::reference::Reference;
use super::stream::{Learnt, Stream};
use super::suspicion::Suspicion;

/// Commands that may wait for the thread: far more than a person can press while it is opening a card.
pub(super) const COMMANDS: usize = 32;

/// A card that delivers nothing for this long is taken for lost: some drivers stop without an error. Less would close a
/// card that only pauses, or whose machine stood still for a moment, and lose what its ring holds; with more a person has
/// pressed and spoken in vain. The watchdog (5 s) does not mind: the thread ticks meanwhile.
const SILENT_CARD: Duration = Duration::from_secs(3);
/// A press may reach this thread late, when the machine is busy: 500 ms more than the pre-roll are kept.
const LATE_BLOCKS: usize = 50;
/// Blocks taken at one wake-up, so that commands are seen whatever the card does.
const AT_ONCE: u64 = 200;
/// A PCM that is this far ahead of the clock (libasound's `null`, a file) would eat all processor time.
const UNPACED_MS: u64 = 5_000;
/// Longest sleep.
const LOOK_UP: Duration = Duration::from_millis(500);

/// Another microphone, or the same in another way.
pub(super) type NewMicrophone = (SoundSettings, OpenMicrophone);

/// The thread's state over all openings of the card.
pub(super) struct Capture {
    open: OpenMicrophone,
    settings: SoundSettings,
    renewal: Arc<Renewal<NewMicrophone>>,
    facts: Arc<Facts>,
    commands: Consumer<'static, Listen, COMMANDS>,
    outlet: Outlet,
    /// What the speaker plays.
    reference: Reference,
    listen: Listen,
    /// Blocks not delivered to anybody: the pre-roll, and what a late wake-up may add to it.
    ring: PreRoll<Stamp>,
    pre_roll_blocks: usize,
    rest_blocks: usize,
    chunk_blocks: usize,
    /// Blocks of the chunk that is being delivered.
    in_chunk: usize,
    /// Gated: between `Opened` and `Closed`.
    passing: bool,
    /// The gate's state at the last block.
    gate_open: bool,
    /// Speech over the answer.
    suspicion: Suspicion,
    /// `Lost` was told and `Back` is due.
    away: bool,
    /// Of the card that was open last.
    learnt: Option<Learnt>,
}

impl Capture {
    pub(super) fn new(
        open: OpenMicrophone,
        settings: SoundSettings,
        facts: Arc<Facts>,
        reference: Reference,
        commands: Consumer<'static, Listen, COMMANDS>,
        queue: Producer<'static, Captured, QUEUE>,
    ) -> Self {
        let mut capture = Capture {
            open,
            outlet: Outlet::new(queue, facts.clone()),
            facts,
            reference,
            commands,
            renewal: Renewal::none(),
            listen: Listen::Rest,
            ring: PreRoll::new(0),
            pre_roll_blocks: 0,
            rest_blocks: 0,
            chunk_blocks: 0,
            in_chunk: 0,
            passing: false,
            gate_open: false,
            suspicion: Suspicion::new(0),
            away: false,
            learnt: None,
            settings,
        };
        capture.set_up();
        capture
    }

    /// What another microphone, or another way to use it, is put into.
    pub(super) fn renewal(&self) -> Arc<Renewal<NewMicrophone>> {
        self.renewal.clone()
    }

    /// Makes what follows from the settings; nothing is under way.
    fn set_up(&mut self) {
        let settings = &self.settings;
        self.pre_roll_blocks = blocks_of_ms(settings.pre_roll_ms);
        self.rest_blocks = blocks_of_ms(settings.capture.rest_ms).max(1);
        self.ring = PreRoll::new(self.pre_roll_blocks + self.rest_blocks + LATE_BLOCKS);
        self.chunk_blocks = blocks_of_ms(settings.capture.chunk_ms).max(1);
        self.suspicion = Suspicion::new(blocks_of_ms(settings.gate.hangover_ms));
        (self.in_chunk, self.passing, self.gate_open) = (0, false, false);
    }

    /// Waits for the first frames: a card that can be opened and delivers nothing is not there yet. False: something
    /// else is to be done.
    fn await_frames(&self, thread: &Thread, stream: &mut Stream) -> Result<bool, Error> {
        let opened_at = Instant::now();
        while !thread.stopping() && !self.renewal.is_due() {
            let ready = stream.microphone.wait(stream.frames_for(1), &thread.wake, LOOK_UP)? == Wait::Ready;
            self.facts.capture.beats.fetch_add(1, Relaxed);
            if ready {
                return Ok(true);
            }
            if opened_at.elapsed() > SILENT_CARD {
                return Err(silent());
            }
        }
        Ok(false)
    }

    /// From an opened card to its end.
    fn use_stream(&mut self, thread: &Thread, stream: &mut Stream) -> Result<(), Error> {
        let format = stream.microphone.format();
        let facts = &self.facts.capture;
        facts.thread.store(realtime::thread_id(), Relaxed);
        facts.rate_hz.store(format.rate_hz, Relaxed);
        facts.channels.store(format.channels, Relaxed);
        facts.running.store(true, Relaxed);
        self.reference.opened(format.rate_hz);
        let scheduling = thread.hurry();
        if !self.await_frames(thread, stream)? {
            return Ok(());
        }
        thread.opened(format, scheduling, false);
        if std::mem::take(&mut self.away) {
            self.outlet.mark(Captured::Back);
            thread.main.signal();
        }
        self.listen_to(thread, stream)
    }

    /// The loop. Nothing in it allocates.
    fn listen_to(&mut self, thread: &Thread, stream: &mut Stream) -> Result<(), Error> {
        let opened_at = Instant::now();
        let (mut heard_at, mut blocks) = (opened_at, 0);
        while !thread.stopping() && !self.renewal.is_due() {
            let frames = stream.frames_for(self.blocks_wanted());
            stream.microphone.wait(frames, &thread.wake, LOOK_UP)?;
            self.facts.capture.wakes.fetch_add(1, Relaxed);
            self.facts.capture.beats.fetch_add(1, Relaxed);
            let before = blocks;
            blocks += self.fetch(stream, &thread.main)?;
            let now = Instant::now();
            if blocks > before {
                heard_at = now;
            } else if now.duration_since(heard_at) > SILENT_CARD {
                return Err(silent());
            }
            if 10 * blocks > 2 * now.duration_since(opened_at).as_millis() as u64 + UNPACED_MS {
                return Err(Error::new(ErrorKind::Unsupported, "capture: the PCM delivers without a clock"));
            }
        }
        Ok(())
    }

    /// Takes what the card holds, then commands; how many blocks it was.
    pub(super) fn fetch(&mut self, stream: &mut Stream, main: &Wake) -> Result<u64, Error> {
        let mut block = [0.0; BLOCK];
        let (mut blocks, mut tell) = (0, false);
        let wrong = self.wrong();
        while let Some((stamp, reading)) = stream.next_block(&mut block, &self.facts, &mut self.reference)? {
            blocks += 1;
            // Asked for each block: nothing comes out that was captured before and not yet handed over, either.
            match self.facts.capture.muted.load(SeqCst) {
                true => self.forget_heard(),
                false => tell |= self.take(&block, stamp, reading),
            }
            if blocks == AT_ONCE {
                break;
            }
        }
        if self.facts.capture.muted.load(SeqCst) {
            self.forget_heard(); // a press is not given what lay in the ring
        }
        // Only now: what the card held belongs to the listening that ends, or into the ring that a new one begins
        // with.
        tell |= self.obey();
        stream.watch(is_watched(self.listen));
        if tell || self.wrong() != wrong {
            main.signal();
        }
        Ok(blocks)
    }

    /// What the main loop tells of the card when it changes.
    fn wrong(&self) -> (u32, u32) {
        let facts = &self.facts.capture;
        (facts.troubles.load(Relaxed), facts.dead_channels.load(Relaxed))
    }

    /// How many more blocks are worth a wake-up.
    pub(super) fn blocks_wanted(&self) -> usize {
        match self.listen {
            Listen::Rest => self.rest_blocks,
            // Whoever talks over an answer is to hear at once that it gives way.
            Listen::Gated { watch: true, .. } => 1,
            Listen::All { .. } | Listen::Gated { .. } => self.chunk_blocks - self.in_chunk,
        }
    }

    /// The card is gone. What was under way does not go on when another sound comes: the next speech begins a segment
    /// of its own. True if that is news.
    pub(super) fn lose_card(&mut self) -> bool {
        let news = !std::mem::replace(&mut self.away, true);
        if news {
            self.forget_heard();
            self.outlet.mark(Captured::Lost);
        }
        news
    }

    /// Nothing of what was heard so far is handed over any more.
    fn forget_heard(&mut self) {
        self.ring.clear();
        self.gate_open = false;
        self.passing = false;
        self.suspicion.forget();
        self.in_chunk = 0;
    }

    /// Takes the newest command and begins what it asks for. True if there is something for the main loop.
    fn obey(&mut self) -> bool {
        let mut newest = None;
        while let Some(command) = self.commands.dequeue() {
            newest = Some(command);
        }
        let Some(command) = newest else { return false };
        let goes_on = number_of(command).is_some_and(|number| number_of(self.listen) == Some(number));
        self.listen = command;
        if !goes_on {
            self.in_chunk = 0;
            self.passing = false;
            self.suspicion.forget();
            self.outlet.begin();
        }
        match command {
            Listen::Gated { watch: false, .. } => self.suspicion.end_watch(),
            Listen::Gated { .. } => {}
            Listen::Rest | Listen::All { .. } => self.suspicion.forget(),
        }
        match command {
            Listen::Rest => false,
            Listen::All { number, since } => {
                self.passing = false; // what the gate let through is not in the ring
                let pre_roll = Duration::from_millis(u64::from(self.settings.pre_roll_ms));
                while self.ring.oldest().is_some_and(|stamp| stamp.at + pre_roll <= since) {
                    self.ring.pop();
                }
                self.deliver_ring(number)
            }
            // Somebody is speaking already: as if the gate had opened now.
            Listen::Gated { number, .. } => !self.passing && self.gate_open && self.pass(number),
        }
    }

    /// Takes a block as the listening wants it. True if there is something for the main loop.
    fn take(&mut self, block: &Block, stamp: Stamp, reading: Reading) -> bool {
        self.gate_open = reading.open;
        match self.listen {
            Listen::Rest => {
                self.ring.push(block, stamp);
                false
            }
            Listen::All { number, .. } => self.deliver(number, block, stamp, false),
            Listen::Gated { number, .. } => self.take_gated(number, block, stamp, reading),
        }
    }

    /// The same where only speech passes: what opens the gate, or is suspected over an answer.
    fn take_gated(&mut self, number: u32, block: &Block, stamp: Stamp, reading: Reading) -> bool {
        let said = self.suspicion.take(&reading, is_watched(self.listen));
        let open = reading.open || self.suspicion.holds();
        let mut told = match self.passing {
            true => self.deliver(number, block, stamp, !open),
            false => {
                self.ring.push(block, stamp);
                open && self.pass(number)
            }
        };
        if let Some(said) = said {
            self.outlet.mark(Captured::BargeIn { listen: number, said });
            told = true;
        }
        if self.passing && !open {
            self.passing = false;
            self.outlet.mark(Captured::Closed { listen: number });
        }
        told
    }

    /// Begins a segment: the gate's pre-roll and the block that opened it.
    fn pass(&mut self, number: u32) -> bool {
        self.passing = true;
        while self.ring.len() > self.pre_roll_blocks + 1 {
            self.ring.pop();
        }
        self.outlet.mark(Captured::Opened { listen: number });
        self.deliver_ring(number);
        true
    }

    /// Hands over what was kept. What was lost before its first block is not missing in it.
    fn deliver_ring(&mut self, number: u32) -> bool {
        let (mut told, mut first) = (false, true);
        while let Some((&block, mut stamp)) = self.ring.pop() {
            if std::mem::take(&mut first) {
                stamp.lost = 0;
            }
            told |= self.deliver(number, &block, stamp, false);
        }
        told
    }

    /// Hands one block over; with `last` it ends its chunk, however short. True if the chunk is complete.
    fn deliver(&mut self, number: u32, block: &Block, stamp: Stamp, last: bool) -> bool {
        self.in_chunk += 1;
        let ends_chunk = last || self.in_chunk == self.chunk_blocks;
        if ends_chunk {
            self.in_chunk = 0;
        }
        self.outlet.sound(number, block, stamp, ends_chunk);
        ends_chunk
    }
}

fn silent() -> Error {
    Error::new(ErrorKind::Lost, "capture: the card has delivered nothing for 3 s")
}

fn is_watched(listen: Listen) -> bool {
    matches!(listen, Listen::Gated { watch: true, .. })
}

fn number_of(listen: Listen) -> Option<u32> {
    match listen {
        Listen::Rest => None,
        Listen::All { number, .. } | Listen::Gated { number, .. } => Some(number),
    }
}

impl Work for Capture {
    fn use_card(&mut self, thread: &Thread) -> Ended {
        if let Some((settings, open)) = self.renewal.take() {
            (self.settings, self.open) = (settings, open);
            self.set_up();
        }
        let opened =
            (self.open)().and_then(|microphone| Stream::new(microphone, &self.settings, self.learnt.take()));
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(error) => return Ended::Failed(error),
        };
        let ended = self.use_stream(thread, &mut stream);
        self.learnt = Some(stream.close());
        ended.map_or_else(Ended::Failed, |()| Ended::Stopped)
    }

    fn is_renewed(&self) -> bool {
        self.renewal.is_due()
    }

    fn pass_time(&mut self, thread: &Thread) {
        self.facts.capture.beats.fetch_add(1, Relaxed);
        self.facts.capture.running.store(false, Relaxed);
        let news = self.lose_card();
        if self.obey() || news {
            thread.main.signal();
        }
    }
}
