//! The capture path, as the daemon runs it, over one scene.

use pressel_dsp::{
    BLOCK, BargeIn, Block, EchoSettings, FrontEnd, FrontEndSettings, GainSettings, Reading, block_level_dbfs,
};
use pressel_rooms::level::{amplitude, rms};
use pressel_rooms::{Kind, RATE, Row, Scene, Script, Speaking, Speex, erle_db, judge, run};

use super::array;
#[cfg(feature = "aec3")]
use super::figures::AEC3;
use super::figures::{AEC3_LINEAR, LATER, LINEAR, Measured};

/// A duck has reached 12 dB so long after it was asked for: 70 % of its 8 ms ramp.
const DUCK_MS: f32 = 5.6;

/// Everything on, as in the product, but the gain: it would count as echo that is not taken off.
fn settings() -> FrontEndSettings {
    FrontEndSettings { gain: GainSettings::OFF, ..FrontEndSettings::new(16_000, 1) }
}

fn front_end(settings: FrontEndSettings) -> FrontEnd {
    FrontEnd::new(settings).expect("one channel at 16 kHz is possible")
}

/// What came out of a scene, and what was said of barge-ins: (block, word).
struct Pass {
    out: Vec<f32>,
    words: Vec<(usize, BargeIn)>,
    /// The same in words, with what was known when it was said.
    told: Vec<String>,
    /// Nanoseconds of each block.
    cost_ns: Vec<u64>,
}

impl Pass {
    fn of(scene: &Scene, path: FrontEnd) -> Pass {
        Self::over(scene, &scene.mic, path)
    }

    /// The same with frames of several microphones in the scene.
    fn over(scene: &Scene, frames: &[f32], mut path: FrontEnd) -> Pass {
        let width = frames.len() / scene.mic.len();
        let blocks = scene.mic.len() / BLOCK;
        let mut pass = Pass {
            out: vec![0.0; scene.mic.len()],
            words: Vec::new(),
            told: Vec::new(),
            cost_ns: Vec::with_capacity(blocks),
        };
        let mut losses = scene.losses.iter().map(|at| at / BLOCK).peekable();
        for n in 0..blocks {
            if losses.next_if_eq(&n).is_some() {
                path.reset();
            }
            let range = n * BLOCK..(n + 1) * BLOCK;
            let far: &Block = scene.far[range.clone()].try_into().expect("a block long");
            let out: &mut Block = (&mut pass.out[range.clone()]).try_into().expect("a block long");
            let begun = cpu_ns();
            let reading = path.process(&frames[range.start * width..range.end * width], far, out);
            pass.cost_ns.push(cpu_ns() - begun);
            if let Some(word) = reading.barge_in {
                pass.words.push((n, word));
                pass.told.push(tell(n, word, &path, &reading));
            }
        }
        pass
    }

    /// How often this was said in a stretch.
    fn count(&self, word: BargeIn, range: std::ops::Range<usize>) -> usize {
        let said = |&&(n, found): &&(usize, BargeIn)| found == word && range.contains(&(n * BLOCK));
        self.words.iter().filter(said).count()
    }

    /// Whether the answer is turned down when this sample is heard.
    fn is_down(&self, at: usize) -> bool {
        let before = self.words.iter().rev().find(|(n, _)| (n + 1) * BLOCK <= at);
        before.is_some_and(|(_, word)| *word == BargeIn::Suspected)
    }

    /// Milliseconds from a sample until this is said, within a stretch after it.
    fn after_ms(&self, word: BargeIn, from: usize, until: usize) -> Option<f32> {
        let ends = |n: usize| (n + 1) * BLOCK;
        let mut said = self.words.iter().filter(|(n, found)| *found == word && ends(*n) > from);
        let (n, _) = said.find(|(n, _)| ends(*n) <= until)?;
        Some((ends(*n) - from) as f32 * 1000.0 / RATE as f32)
    }
}

/// Processor time of this thread in ns: what others do meanwhile does not count.
fn cpu_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock is one that Linux has, and the place for its answer lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Engines that stand beside the product, each a row of the scenes' table.
pub type Beside = Vec<(&'static str, FrontEndSettings)>;

/// The filter alone, the suppressor's other point, and WebRTC's canceller where it is wished for.
pub fn beside(aec3: bool) -> Beside {
    let alone = |echo| FrontEndSettings { high_pass_hz: 0.0, echo, ..FrontEndSettings::bare(16_000, 1) };
    let whole = |echo| FrontEndSettings { echo, ..settings() };
    let default = EchoSettings::default();
    #[cfg(not(feature = "aec3"))]
    assert!(!aec3, "refused with the arguments");
    let ours = [
        (LINEAR, alone(EchoSettings { suppress: false, ..default })),
        (LATER, whole(EchoSettings { suppress_delay_ms: 10, ..default })),
    ];
    #[cfg(feature = "aec3")]
    if aec3 {
        let aec3 = EchoSettings { engine: pressel_dsp::EchoEngine::Aec3, ..default };
        let theirs = [(AEC3_LINEAR, alone(EchoSettings { suppress: false, ..aec3 })), (AEC3, whole(aec3))];
        return ours.into_iter().chain(theirs).collect();
    }
    ours.into()
}

/// A word of the detector, and what was known when it said it.
fn tell(block: usize, word: BargeIn, path: &FrontEnd, reading: &Reading) -> String {
    let (echo, heard) = (path.echo(), block_level_dbfs(&path.stages().microphone));
    format!(
        "{:.2} s {word:?}: microphone {heard:.0} dBFS, echo {:.0}, left {:.0}, floor {:.0}, near end {:.2}, explained {:.2}{}",
        block as f32 / 100.0,
        echo.echo_dbfs,
        reading.level_dbfs,
        reading.floor_dbfs,
        echo.near_end,
        echo.explained,
        if echo.unsettled { ", unsettled" } else { "" },
    )
}

/// Everything that one script tells of the capture path in one room.
pub fn measure(kind: Kind, script: Script, seed: u64, beside: &Beside) -> Measured {
    let scene = Scene::play(kind, script, seed);
    let pass = Pass::of(&scene, front_end(settings()));
    let mut found = Measured::default();
    match script {
        Script::Talk => talk(kind, seed, (&scene, &pass), beside, &mut found),
        Script::Monologue(seconds) => {
            found.answer_s += seconds as f32;
            let whole = 0..scene.mic.len();
            found.interruptions.push((kind, pass.count(BargeIn::Confirmed, whole.clone())));
            found.ducks_in_vain += pass.count(BargeIn::Suspected, whole);
            found.told.extend(pass.told.iter().map(|told| format!("{} {seed}: {told}", kind.name())));
        }
        Script::BargeIns => {
            for onset in &scene.onsets {
                let end = onset.range.end + RATE / 4;
                let heard = pass.after_ms(BargeIn::Confirmed, onset.range.start, end).is_some();
                found.barge_ins.push((kind, heard));
                if !heard {
                    let at = onset.range.start as f32 / RATE as f32;
                    found.told.push(format!("{} {seed}: {at:.2} s Missed", kind.name()));
                }
                let suspected = pass.after_ms(BargeIn::Suspected, onset.range.start, end);
                // Where something was suspected when the person began, the answer is down already; where nothing
                // was, it stays as it is for ever.
                let already = pass.is_down(onset.range.start);
                let duck_ms = match suspected {
                    _ if already => 0.0,
                    Some(ms) => ms + DUCK_MS,
                    None => f32::INFINITY,
                };
                found.duck_ms.push((kind, duck_ms));
            }
        }
        Script::Bangs | Script::Nods => {
            let of = if script == Script::Nods { &mut found.nods } else { &mut found.bangs };
            for (n, onset) in scene.onsets.iter().enumerate() {
                let next = scene.onsets.get(n + 1).map_or(scene.mic.len(), |next| next.range.start);
                let cut = pass.after_ms(BargeIn::Confirmed, onset.range.start, next).is_some();
                let last = pass.words.iter().rev().find(|(n, word)| {
                    *word != BargeIn::Confirmed && (onset.range.start..next).contains(&(n * BLOCK))
                });
                let back = last.is_none_or(|&(n, word)| {
                    word == BargeIn::Dismissed && (n + 1) * BLOCK <= onset.range.end + 2 * RATE / 5
                });
                of.push((kind, !cut && back));
            }
        }
    }
    found
}

fn talk(kind: Kind, seed: u64, (scene, pass): (&Scene, &Pass), beside: &Beside, found: &mut Measured) {
    found.rows.push((kind, "pressel", judge(scene, &pass.out)));
    found.scene_ns.push((kind, pass.cost_ns.clone()));
    found.rows.push((kind, "raw", judge(scene, &scene.mic)));
    for (engine, settings) in beside {
        let out = Pass::of(scene, front_end(settings.clone())).out;
        found.rows.push((kind, engine, judge(scene, &out)));
    }
    if let Some(mut speex) = Speex::new(400) {
        let out = run(scene, |far, mic, out| speex.process(far, mic, out));
        found.rows.push((kind, "speex", judge(scene, &out)));
    }
    let cut: usize = scene.parts_of(Speaking::Far).map(|range| pass.count(BargeIn::Confirmed, range)).sum();
    found.false_barge_ins.push((kind, cut));
    for &at in &scene.moves {
        let recovery_s = recovery_s(scene, &pass.out, at);
        found.recovery_s.push((kind, recovery_s));
        let at = at as f32 / RATE as f32;
        found
            .told
            .push(format!("{} {seed}: {at:.2} s 10 dB off for good after {recovery_s:.2} s", kind.name()));
    }
}

/// Seconds after a change of the echo's path until 10 dB are off for good, looked at wherever the echo is loud.
fn recovery_s(scene: &Scene, out: &[f32], at: usize) -> f32 {
    const WINDOW: usize = RATE / 5;
    const HOP: usize = RATE / 50;
    let end = scene.parts_of(Speaking::Far).find(|range| range.contains(&at)).map_or(at, |range| range.end);
    let bad = |start: &usize| {
        let range = *start..*start + WINDOW;
        rms(&scene.echo[range.clone()]) > amplitude(-40.0) && erle_db(scene, out, range) < 10.0
    };
    let mut windows = (at..end.saturating_sub(WINDOW)).step_by(HOP);
    windows.rfind(bad).map_or(0.0, |start| (start + HOP - at) as f32 / RATE as f32)
}

/// What a block costs while an answer is cancelled, everything on; with the suppressor's other point and with other
/// engines, what they add to it.
pub fn cost(seed: u64, beside: &Beside) -> Measured {
    let scene = Scene::new(Kind::Room40, seed);
    let mut found = Measured::default();
    (found.cost_us, found.path_delay_ms) = cost_of(&scene, &scene.mic, FrontEndSettings::new(16_000, 1));
    let frames = array::hears(&scene, seed);
    let settings = FrontEndSettings::new(16_000, (frames.len() / scene.mic.len()) as u32);
    let beam = FrontEndSettings { array: array::settings(), ..settings };
    (found.beam_cost_us, found.beam_delay_ms) = cost_of(&scene, &frames, beam);
    for (engine, settings) in beside.iter().filter(|(engine, _)| ![LINEAR, AEC3_LINEAR].contains(engine)) {
        let echo = settings.echo;
        let (cost_us, delay_ms) =
            cost_of(&scene, &scene.mic, FrontEndSettings { echo, ..FrontEndSettings::new(16_000, 1) });
        found.beside_cost.push((engine, cost_us, delay_ms));
    }
    found
}

/// Microseconds of each block, and the delay that is stated.
fn cost_of(scene: &Scene, frames: &[f32], settings: FrontEndSettings) -> (Vec<f32>, f32) {
    let path = front_end(settings);
    // The same samples cost the same: what took longer in one of three passes was somebody else's work.
    let passes: Vec<Pass> = (0..3).map(|_| Pass::over(scene, frames, path.clone())).collect();
    let least = |n: usize| passes.iter().map(|pass| pass.cost_ns[n]).min().unwrap_or(0);
    ((0..passes[0].cost_ns.len()).map(|n| least(n) as f32 / 1000.0).collect(), path.delay_ms())
}

/// The mean of several rows.
pub fn mean(rows: &[Row]) -> Option<Row> {
    let of = |figure: fn(&Row) -> f32| rows.iter().map(figure).sum::<f32>() / rows.len() as f32;
    (!rows.is_empty()).then(|| Row {
        erle_db: of(|row| row.erle_db),
        converged_s: of(|row| row.converged_s),
        estoi_double: of(|row| row.estoi_double),
        estoi_alone: of(|row| row.estoi_alone),
        delay_ms: of(|row| row.delay_ms),
    })
}
