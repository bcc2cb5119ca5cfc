//! The capture path, as the daemon runs it, over one scene.

use std::time::Instant;

use pressel_dsp::{BLOCK, BargeIn, Block, EchoSettings, FrontEnd, FrontEndSettings, GainSettings};
use pressel_rooms::level::{amplitude, rms};
use pressel_rooms::{Kind, RATE, Row, Scene, Script, Speaking, Speex, erle_db, judge, run};

use super::figures::Measured;

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
    /// Nanoseconds of each block.
    cost_ns: Vec<u64>,
}

impl Pass {
    fn of(scene: &Scene, mut path: FrontEnd) -> Pass {
        let blocks = scene.mic.len() / BLOCK;
        let mut pass =
            Pass { out: vec![0.0; scene.mic.len()], words: Vec::new(), cost_ns: Vec::with_capacity(blocks) };
        let mut losses = scene.losses.iter().map(|at| at / BLOCK).peekable();
        for n in 0..blocks {
            if losses.next_if_eq(&n).is_some() {
                path.reset();
            }
            let range = n * BLOCK..(n + 1) * BLOCK;
            let far: &Block = scene.far[range.clone()].try_into().expect("a block long");
            let out: &mut Block = (&mut pass.out[range.clone()]).try_into().expect("a block long");
            let begun = Instant::now();
            let reading = path.process(&scene.mic[range], far, out);
            pass.cost_ns.push(begun.elapsed().as_nanos() as u64);
            pass.words.extend(reading.barge_in.map(|word| (n, word)));
        }
        pass
    }

    /// How often this was said in a stretch.
    fn count(&self, word: BargeIn, range: std::ops::Range<usize>) -> usize {
        let said = |&&(n, found): &&(usize, BargeIn)| found == word && range.contains(&(n * BLOCK));
        self.words.iter().filter(said).count()
    }

    /// Milliseconds from a sample until this is said, within a stretch after it.
    fn after_ms(&self, word: BargeIn, from: usize, until: usize) -> Option<f32> {
        let ends = |n: usize| (n + 1) * BLOCK;
        let mut said = self.words.iter().filter(|(n, found)| *found == word && ends(*n) > from);
        let (n, _) = said.find(|(n, _)| ends(*n) <= until)?;
        Some((ends(*n) - from) as f32 * 1000.0 / RATE as f32)
    }
}

/// Everything that one script tells of the capture path in one room.
pub fn measure(kind: Kind, script: Script, seed: u64) -> Measured {
    let scene = Scene::play(kind, script, seed);
    let pass = Pass::of(&scene, front_end(settings()));
    let mut found = Measured::default();
    match script {
        Script::Talk => talk(kind, &scene, &pass, &mut found),
        Script::Monologue(seconds) => {
            found.answer_s += seconds as f32;
            let whole = 0..scene.mic.len();
            found.interruptions.push((kind, pass.count(BargeIn::Confirmed, whole.clone())));
            found.ducks_in_vain += pass.count(BargeIn::Suspected, whole);
        }
        Script::BargeIns => {
            for onset in &scene.onsets {
                let end = onset.range.end + RATE / 4;
                let heard = pass.after_ms(BargeIn::Confirmed, onset.range.start, end).is_some();
                found.barge_ins.push((kind, heard));
                found
                    .duck_ms
                    .extend(pass.after_ms(BargeIn::Suspected, onset.range.start, end).map(|ms| ms + DUCK_MS));
            }
        }
        Script::Bangs => {
            for (n, onset) in scene.onsets.iter().enumerate() {
                let next = scene.onsets.get(n + 1).map_or(scene.mic.len(), |next| next.range.start);
                let cut = pass.after_ms(BargeIn::Confirmed, onset.range.start, next).is_some();
                let last = pass.words.iter().rev().find(|(n, word)| {
                    *word != BargeIn::Confirmed && (onset.range.start..next).contains(&(n * BLOCK))
                });
                let back = last.is_none_or(|&(n, word)| {
                    word == BargeIn::Dismissed && (n + 1) * BLOCK <= onset.range.end + 2 * RATE / 5
                });
                found.bangs.push((kind, !cut && back));
            }
        }
    }
    found
}

fn talk(kind: Kind, scene: &Scene, pass: &Pass, found: &mut Measured) {
    found.rows.push((kind, "pressel", judge(scene, &pass.out)));
    found.rows.push((kind, "raw", judge(scene, &scene.mic)));
    let linear = FrontEndSettings {
        high_pass_hz: 0.0,
        echo: EchoSettings { suppress: false, ..EchoSettings::default() },
        ..FrontEndSettings::bare(16_000, 1)
    };
    found.rows.push((kind, "linear", judge(scene, &Pass::of(scene, front_end(linear)).out)));
    if let Some(mut speex) = Speex::new(400) {
        let out = run(scene, |far, mic, out| speex.process(far, mic, out));
        found.rows.push((kind, "speex", judge(scene, &out)));
    }
    let cut: usize = scene.parts_of(Speaking::Far).map(|range| pass.count(BargeIn::Confirmed, range)).sum();
    found.false_barge_ins.push((kind, cut));
    for &at in &scene.moves {
        found.recovery_s.push((kind, recovery_s(scene, &pass.out, at)));
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

/// What a block costs while an answer is cancelled, everything on.
pub fn cost(seed: u64) -> Measured {
    let scene = Scene::new(Kind::Room40, seed);
    let path = front_end(FrontEndSettings::new(16_000, 1));
    let mut found = Measured { path_delay_ms: path.delay_ms(), ..Measured::default() };
    // The same samples cost the same: what took longer in one of three passes was somebody else's work.
    let passes: Vec<Pass> = (0..3).map(|_| Pass::of(&scene, path.clone())).collect();
    let least = |n: usize| passes.iter().map(|pass| pass.cost_ns[n]).min().unwrap_or(0);
    found.cost_us = (0..passes[0].cost_ns.len()).map(|n| least(n) as f32 / 1000.0).collect();
    found
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
