//! Figures of the sound threads alone, on the virtual card: `cargo run --release -p tests --example sound`.
//! With `load` as argument both cores are kept busy at normal priority and the threads ask for no real time.

#![allow(clippy::print_stdout)] // its whole purpose

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use pressel::sound::{Sound, SoundEvent, SoundSettings};
use pressel_hal::alsa::{AlsaMicrophone, AlsaSpeaker};
use pressel_live::event::{Listen, MicrophoneInput, SpeakerInput};
use pressel_world::card::{Card, CardOptions, Direction, Noise, StreamOptions, monotonic_ns};
use tests::measure::percentile;

const MIC: u32 = 16_000;

struct Figures {
    card: Card,
    sound: Sound,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let loaded = std::env::args().nth(1).is_some_and(|argument| argument == "load");
    let done = Arc::new(AtomicBool::new(false));
    let burners: Vec<_> = (0..if loaded { 4 } else { 0 })
        .map(|_| {
            let done = done.clone();
            std::thread::spawn(move || while !done.load(Relaxed) {})
        })
        .collect();
    for speaker in [24_000, 48_000] {
        let mut figures = Figures::start(speaker, loaded).await;
        println!(
            "speaker at {speaker} Hz, microphone at {MIC} Hz{}",
            if loaded { ", under load" } else { "" }
        );
        figures.idle().await;
        figures.first_sound().await;
        figures.flush().await;
        figures.chunks().await;
        figures.answering().await;
    }
    done.store(true, Relaxed);
    for burner in burners {
        burner.join().ok();
    }
}

fn show(what: &str, values: &mut [f64], unit: &str) {
    let (median, p99) = (percentile(values, 0.5), percentile(values, 0.99));
    let worst = values.iter().copied().fold(0.0, f64::max);
    println!("  {what:<34} median {median:6.2}  p99 {p99:6.2}  worst {worst:6.2} {unit}");
}

impl Figures {
    async fn start(speaker: u32, loaded: bool) -> Figures {
        let folder = std::env::temp_dir().join(format!("pressel-sound-{}-{speaker}", std::process::id()));
        let options = CardOptions {
            microphone: StreamOptions::new(MIC, 1),
            speaker: StreamOptions::new(speaker, if speaker == 24_000 { 1 } else { 2 }),
        };
        let card = Card::create(&folder, options).expect("a virtual card");
        card.fill_noise(1, 8_000).expect("noise");
        let (name, path) = card.env();
        // SAFETY: no card is being opened, and only one thread runs that reads the environment.
        unsafe { std::env::set_var(name, path) };
        let mut settings = SoundSettings { pre_roll_ms: 300, ..SoundSettings::default() };
        settings.realtime_priority = if loaded { 0 } else { 60 };
        settings.capture.device = "pressel_mic".into();
        settings.capture.high_pass_hz = 0;
        settings.playback.device = "pressel_speaker".into();
        settings.playback.rate_hz = speaker;
        let (capture, playback) = (settings.capture.request(), settings.playback.request());
        let mut sound = Sound::start(
            settings,
            Box::new(move || Ok(Box::new(AlsaMicrophone::open(&capture)?))),
            Box::new(move || Ok(Box::new(AlsaSpeaker::open(&playback)?))),
        )
        .expect("threads");
        for _ in 0..2 {
            println!("{:?}", sound.next().await);
        }
        Figures { card, sound }
    }

    /// Processor time of both threads, in ns.
    fn spent(&self) -> [f64; 2] {
        let facts = self.sound.facts();
        [facts.capture.thread.load(Relaxed), facts.playback.thread.load(Relaxed)].map(|thread| {
            let text =
                std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0.0)
        })
    }

    async fn cpu(&mut self, what: &str, time: Duration) {
        let facts = self.sound.facts();
        let wakes = || [facts.capture.wakes.load(Relaxed), facts.playback.wakes.load(Relaxed)];
        let (before, woken) = (self.spent(), wakes());
        let deadline = tokio::time::Instant::now() + time;
        while tokio::time::timeout_at(deadline, self.sound.next()).await.is_ok() {}
        let (after, seconds) = (self.spent(), time.as_secs_f64());
        for (n, thread) in ["capture", "playback"].iter().enumerate() {
            println!(
                "  {what} {thread:<8} {:5.3} % of a core, {:5.1} wake-ups/s",
                (after[n] - before[n]) / 1e7 / seconds,
                (wakes()[n] - woken[n]) as f64 / seconds
            );
        }
    }

    async fn idle(&mut self) {
        self.cpu("idle     ", Duration::from_secs(10)).await;
    }

    async fn answering(&mut self) {
        let answer = Noise::new(3, 9_000).take(24_000 * 12);
        for message in answer.chunks(5_760) {
            self.sound.play(1_000, message.to_vec(), 24_000);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.cpu("answering", Duration::from_secs(10)).await;
        self.sound.flush(1_000);
        self.sound.listen(Listen::All { number: 9, since: Instant::now() });
        self.cpu("listening", Duration::from_secs(10)).await;
        self.sound.listen(Listen::Rest);
        let facts = self.sound.facts();
        println!(
            "  capture xruns {}, playback xruns {}, starved {}, late {}",
            facts.capture.xruns.load(Relaxed),
            facts.playback.xruns.load(Relaxed),
            facts.playback.starved.load(Relaxed),
            facts.playback.late.load(Relaxed)
        );
    }

    fn played(&self, from: u64) -> Vec<i16> {
        let now = self.card.now_sample(Direction::Playback);
        self.card.channel(Direction::Playback, 0, from..now).expect("within the file")
    }

    async fn first_sound(&mut self) {
        let mut times = Vec::new();
        for turn in 1..=50 {
            tokio::time::sleep(Duration::from_millis(37 + 3 * u64::from(turn))).await;
            let (asked, from) = (monotonic_ns(), self.card.now_sample(Direction::Playback));
            self.sound.play(turn, vec![8_000; 1_200], 24_000);
            self.sound.end_of_turn(turn);
            while !matches!(self.sound.next().await, SoundEvent::Speaker(SpeakerInput::Drained { .. }, _)) {}
            let first = self.played(from).iter().position(|&sample| sample > 4_000).expect("a sound") as u64;
            times.push(self.ms_since(asked, from + first));
        }
        show("message to first sound", &mut times, "ms");
    }

    async fn flush(&mut self) {
        let mut times = Vec::new();
        for turn in 100..150 {
            let from = self.card.now_sample(Direction::Playback);
            self.sound.play(turn, vec![8_000; 48_000], 24_000);
            tokio::time::sleep(Duration::from_millis(100 + u64::from(turn))).await;
            let asked = monotonic_ns();
            self.sound.flush(turn);
            tokio::time::sleep(Duration::from_millis(300)).await;
            let last =
                self.played(from).iter().rposition(|&sample| sample.abs() > 8).expect("a sound") as u64;
            times.push(self.ms_since(asked, from + last + 1));
        }
        show("flush to silence, fade included", &mut times, "ms");
    }

    fn ms_since(&self, asked: u64, sample: u64) -> f64 {
        (self.card.time_of(Direction::Playback, sample) as f64 - asked as f64) / 1e6
    }

    async fn chunks(&mut self) {
        self.sound.listen(Listen::All { number: 1, since: Instant::now() });
        let (mut oldest, mut mean) = (Vec::new(), Vec::new());
        let (mut expected, mut lost) = (None, 0);
        for n in 0..1_500 {
            let SoundEvent::Microphone(input) = self.sound.next().await else { continue };
            let MicrophoneInput::Chunk { samples, .. } = input else {
                println!("  {input:?}");
                continue;
            };
            let now = monotonic_ns();
            let first = match expected {
                Some(position) => position,
                None => self.said_at(&samples),
            };
            let there = self.card.mic_slice(first..first + samples.len() as u64).expect("within the file");
            lost += u64::from(there != samples);
            expected = Some(first + samples.len() as u64);
            if n > 30 {
                let age = (now - self.card.time_of(Direction::Capture, first)) as f64 / 1e6;
                oldest.push(age);
                mean.push(age - samples.len() as f64 * 500.0 / f64::from(MIC));
            }
        }
        self.sound.listen(Listen::Rest);
        show("oldest sample of a 20 ms chunk", &mut oldest, "ms");
        show("mean age of its samples", &mut mean, "ms");
        println!("  chunks that were not what was said: {lost}");
    }

    fn said_at(&self, heard: &[i16]) -> u64 {
        let now = self.card.now_sample(Direction::Capture);
        let from = now.saturating_sub(u64::from(MIC) * 3);
        let said = self.card.mic_slice(from..now).expect("within the file");
        from + said.windows(heard.len()).position(|window| window == heard).expect("it was said") as u64
    }
}
