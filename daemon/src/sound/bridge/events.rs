//! What the sound threads have to say, in the conversation's words.

use std::sync::atomic::Ordering;
use std::time::Instant;

use pressel_dsp::BargeIn;
use pressel_live::event::{MicrophoneInput, SpeakerInput};

use super::Sound;
use crate::sound::chunk::Chunk;
use crate::sound::device::DeviceNews;
use crate::sound::outlet::Captured;
use crate::sound::playback::Note;
use crate::sound::trouble::Trouble;

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

impl Sound {
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
}
