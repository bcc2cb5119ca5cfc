//! What was measured, and the figures made of it.

use pressel_rooms::{Kind, Row};
use pressel_world::table::{Bar, Table};

use super::pass::mean;
use super::worth::Worth;

/// Engines beside the product: the canceller without its suppressor, the suppressor by overlap-add, and WebRTC's.
pub const LINEAR: &str = "linear";
pub const LATER: &str = "pressel, 10 ms later";
pub const AEC3_LINEAR: &str = "aec3 linear";
pub const AEC3: &str = "aec3";

/// Near speech alone, in ESTOI.
const ALONE: f64 = 0.95;

/// Everything that all passes found.
#[derive(Debug, Default)]
pub struct Measured {
    /// Kind, engine, row.
    pub rows: Vec<(Kind, &'static str, Row)>,
    /// Confirmed barge-ins in a talk while only the far end spoke.
    pub false_barge_ins: Vec<(Kind, usize)>,
    /// Seconds until 10 dB were off again, once for each change of the echo's path.
    pub recovery_s: Vec<(Kind, f32)>,
    /// Whether a person who spoke over the answer was heard.
    pub barge_ins: Vec<(Kind, bool)>,
    /// From the first sample of speech until the answer is down by 12 dB, in ms: 0 where it was already, infinite where
    /// it never was.
    pub duck_ms: Vec<(Kind, f32)>,
    /// Whether the sentence came back 400 ms after a cough or a door.
    pub bangs: Vec<(Kind, bool)>,
    /// The same after an "mm-hm".
    pub nods: Vec<(Kind, bool)>,
    /// Seconds of answers that nobody spoke over, and what was cut or turned down in them.
    pub answer_s: f32,
    pub interruptions: Vec<(Kind, usize)>,
    pub ducks_in_vain: usize,
    /// What was said while nobody spoke, and who was not heard.
    pub told: Vec<String>,
    /// Microseconds of each block.
    pub cost_us: Vec<f32>,
    pub path_delay_ms: f32,
    /// The same with four microphones and a beam.
    pub beam_cost_us: Vec<f32>,
    pub beam_delay_ms: f32,
    /// Nanoseconds of each block in a talk, while other cores measured, too: caches and memory are shared.
    pub scene_ns: Vec<(Kind, Vec<u64>)>,
    /// The same for engines beside the product.
    pub beside_cost: Vec<(&'static str, Vec<f32>, f32)>,
    /// Spatial gain in dB, ESTOI of one channel and of the beam.
    pub array: Vec<(f32, f32, f32)>,
    /// What single stages are good for.
    pub worth: Vec<Worth>,
}

impl Measured {
    /// Takes over what another pass found.
    pub fn add(&mut self, mut other: Measured) {
        self.rows.append(&mut other.rows);
        self.false_barge_ins.append(&mut other.false_barge_ins);
        self.recovery_s.append(&mut other.recovery_s);
        self.barge_ins.append(&mut other.barge_ins);
        self.duck_ms.append(&mut other.duck_ms);
        self.bangs.append(&mut other.bangs);
        self.nods.append(&mut other.nods);
        self.answer_s += other.answer_s;
        self.interruptions.append(&mut other.interruptions);
        self.ducks_in_vain += other.ducks_in_vain;
        self.told.append(&mut other.told);
        self.cost_us.append(&mut other.cost_us);
        self.path_delay_ms = self.path_delay_ms.max(other.path_delay_ms);
        self.beam_cost_us.append(&mut other.beam_cost_us);
        self.beam_delay_ms = self.beam_delay_ms.max(other.beam_delay_ms);
        self.scene_ns.append(&mut other.scene_ns);
        self.beside_cost.append(&mut other.beside_cost);
        self.array.append(&mut other.array);
        self.worth.append(&mut other.worth);
    }

    fn row(&self, kind: Kind, engine: &str) -> Option<Row> {
        let of = self.rows.iter().filter(|(k, e, _)| *k == kind && *e == engine);
        mean(&of.map(|(_, _, row)| *row).collect::<Vec<Row>>())
    }

    /// Where somebody who speaks alone is understood less than the bar of the known scenes asks for, and what the columns
    /// of the scenes mean.
    pub fn misses(&self) -> String {
        let rows =
            Kind::all().filter_map(|kind| Some((kind, self.row(kind, "pressel")?, self.row(kind, "raw")?)));
        let below: Vec<String> = rows
            .filter(|(_, ours, _)| f64::from(ours.estoi_alone) < ALONE)
            .map(|(kind, ours, raw)| {
                format!("{} {:.3} (the raw microphone {:.3})", kind.name(), ours.estoi_alone, raw.estoi_alone)
            })
            .collect();
        let mut text = String::new();
        if !below.is_empty() {
            text += &format!(
                "\nNear speech alone misses {ALONE} in {}: noise that the microphone hears there with the person is turned\n\
                 down, not taken away. The bar is held in the known scenes, and against the raw microphone in all.\n",
                below.join(", ")
            );
        }
        text += "\nIn the scenes' table `down ms` is from speech to the answer 12 dB down (median / 95 %), `µs` the cost of a \
                 block (mean / 99 %)\nwhile every core measures; the rows of figures have it with one at work.\n";
        text
    }

    /// One line per scene and engine.
    pub fn scenes(&self) -> String {
        let mut text = String::from(
            "| scene | engine | ERLE dB | 10 dB after s | ESTOI both | ESTOI alone | delay ms | false | missed | down ms | µs |\n\
             |---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for kind in Kind::all() {
            for engine in ["raw", LINEAR, "speex", AEC3_LINEAR, AEC3, LATER, "pressel"] {
                let Some(row) = self.row(kind, engine) else {
                    if [AEC3_LINEAR, AEC3].contains(&engine) {
                        continue;
                    }
                    text += &format!("| {} | {engine} | skipped | | | | | | | | |\n", kind.name());
                    continue;
                };
                let (mut cut, mut missed, mut down, mut us) =
                    (String::new(), String::new(), String::new(), String::new());
                if engine == "pressel" {
                    let all = self.false_barge_ins.iter().chain(&self.interruptions);
                    cut = all.filter(|(k, _)| *k == kind).map(|(_, n)| n).sum::<usize>().to_string();
                    let of: Vec<bool> =
                        self.barge_ins.iter().filter(|(k, _)| *k == kind).map(|(_, heard)| *heard).collect();
                    if !of.is_empty() {
                        missed = format!("{} of {}", of.iter().filter(|heard| !**heard).count(), of.len());
                    }
                    let mut ms: Vec<f32> =
                        self.duck_ms.iter().filter(|(k, _)| *k == kind).map(|(_, ms)| *ms).collect();
                    if !ms.is_empty() {
                        let (median, late) = (percentile(&mut ms, 0.5), percentile(&mut ms, 0.95));
                        down = format!("{median:.0} / {late:.0}");
                    }
                    let of = self.scene_ns.iter().filter(|(k, _)| *k == kind).flat_map(|(_, ns)| ns);
                    let mut all: Vec<f32> = of.map(|ns| *ns as f32 / 1000.0).collect();
                    let mean = all.iter().sum::<f32>() / all.len().max(1) as f32;
                    us = format!("{mean:.0} / {:.0}", percentile(&mut all, 0.99));
                }
                let converged =
                    if row.converged_s.is_finite() { format!("{:.2}", row.converged_s) } else { "-".into() };
                text += &format!(
                    "| {} | {engine} | {:.1} | {converged} | {:.3} | {:.3} | {:.1} | {cut} | {missed} | {down} | {us} |\n",
                    kind.name(),
                    row.erle_db,
                    row.estoi_double,
                    row.estoi_alone,
                    row.delay_ms
                );
            }
        }
        text
    }

    /// The figures that have a bar, and some that are only told.
    pub fn fill(&self, table: &mut Table) {
        // One seed is no likeness yet, three are.
        let several = self.rows.iter().filter(|(k, e, _)| *k == Kind::Room40 && *e == "raw").count() > 1;
        let at_most = |most: f64| if several { Bar::AtMost(most) } else { Bar::None };
        // Without it nobody knows whether the scenes are as hard as they should be, and nothing else counts.
        let bare = Kind::KNOWN.into_iter().filter(|kind| self.row(*kind, "speex").is_none()).count();
        table.put("known scenes without a Speex row (apt: libspeexdsp1)", bare as f32, "", Bar::AtMost(0.0));
        for kind in Kind::KNOWN {
            let (Some(known), name) = (kind.known(), kind.name()) else { continue };
            if let Some(raw) = self.row(kind, "raw") {
                let off = (raw.estoi_double - known.raw_estoi).abs();
                table.put(format!("scene {name}: raw ESTOI off the known one"), off, "", at_most(0.03));
            }
            if let Some(speex) = self.row(kind, "speex") {
                let off = (speex.estoi_double - known.speex_estoi).abs();
                table.put(format!("scene {name}: Speex ESTOI off the known one"), off, "", at_most(0.04));
                let off = (speex.erle_db - known.speex_erle_db).abs();
                table.put(format!("scene {name}: Speex ERLE off the known one"), off, "dB", at_most(3.0));
            }
        }
        for (kind, least) in [
            (Kind::Clean40, None),
            (Kind::Room40, Some(30.0)),
            (Kind::Room120, Some(30.0)),
            (Kind::Drift3, None),
            (Kind::Drift30, Some(28.0)),
            (Kind::Loud, None),
            (Kind::Hard, Some(18.0)),
            (Kind::Hard180, None),
            (Kind::Hard500, None),
            (Kind::HardEdge, None),
        ] {
            if let Some(row) = self.row(kind, "pressel") {
                let bar = least.map_or(Bar::None, Bar::AtLeast);
                table.put(format!("ERLE, {}", kind.name()), row.erle_db, "dB", bar);
            }
        }
        for (kind, least) in [
            (Kind::Clean40, None),
            (Kind::Room40, Some(0.92)),
            (Kind::Room120, Some(0.90)),
            (Kind::Drift3, None),
            (Kind::Drift30, Some(0.88)),
            (Kind::Loud, Some(0.84)),
            (Kind::Hard, Some(0.50)),
            (Kind::Hard180, None),
            (Kind::Hard500, None),
            (Kind::HardEdge, None),
        ] {
            if let Some(row) = self.row(kind, "pressel") {
                let bar = least.map_or(Bar::None, Bar::AtLeast);
                table.put(format!("ESTOI in double talk, {}", kind.name()), row.estoi_double, "", bar);
            }
        }
        self.alone(table);
        self.worth(table);
        self.events(table);
        self.barge_in(table);
        self.cost(table);
    }

    fn alone(&self, table: &mut Table) {
        let mut least = f32::INFINITY;
        let mut below_raw = f32::MIN;
        let mut worst: Option<(Kind, f32, f32)> = None;
        for kind in Kind::all() {
            let (Some(ours), Some(raw)) = (self.row(kind, "pressel"), self.row(kind, "raw")) else {
                continue;
            };
            // A microphone that hears .9 of a person in a compressor's noise cannot be made to hear .95: `misses` says so.
            if kind.known().is_some() {
                least = least.min(ours.estoi_alone);
            }
            below_raw = below_raw.max(raw.estoi_alone - ours.estoi_alone);
            if worst.is_none_or(|(_, least, _)| ours.estoi_alone < least) {
                worst = Some((kind, ours.estoi_alone, raw.estoi_alone));
            }
        }
        table.put("ESTOI alone, worst known scene", least, "", Bar::AtLeast(ALONE));
        // To the thousandth, as every ESTOI here: a canceller that rests differs from the microphone by rounding.
        let below_raw = (below_raw * 1000.0).round() / 1000.0;
        table.put("ESTOI alone below the raw microphone's, worst scene", below_raw, "", Bar::AtMost(0.0));
        if let Some((kind, ours, raw)) = worst {
            table.put("ESTOI alone, worst of all scenes", ours, "", Bar::AtLeast(raw.into()));
            table.put(format!("  the raw microphone there ({})", kind.name()), raw, "", Bar::None);
        }
        if let Some((gain_db, one, beam)) = self.array_mean() {
            table.put("array at 60°: spatial gain over one channel", gain_db, "dB", Bar::AtLeast(3.0));
            table.put("array at 60°: ESTOI rise over one channel", beam - one, "", Bar::AtLeast(0.15));
            table.put("array at 60°: ESTOI of one channel", one, "", Bar::None);
        }
    }

    /// Each stage with and without, the means of all voices: it has to help.
    fn worth(&self, table: &mut Table) {
        let mut names: Vec<&str> = Vec::new();
        for worth in &self.worth {
            if names.contains(&worth.name) {
                continue;
            }
            names.push(worth.name);
            let of: Vec<&Worth> = self.worth.iter().filter(|other| other.name == worth.name).collect();
            let mean = |figure: fn(&Worth) -> f32| {
                of.iter().map(|worth| figure(worth)).sum::<f32>() / of.len() as f32
            };
            let (without, with) = (mean(|worth| worth.without), mean(|worth| worth.with));
            let bar = match worth.more {
                true => Bar::AtLeast((without + worth.gains).into()),
                false => Bar::AtMost((without - worth.gains).into()),
            };
            table.put(format!("{}: without", worth.name), without, worth.unit, Bar::None);
            table.put(format!("{}: with", worth.name), with, worth.unit, bar);
        }
    }

    fn array_mean(&self) -> Option<(f32, f32, f32)> {
        let mean = |of: fn(&(f32, f32, f32)) -> f32| {
            self.array.iter().map(of).sum::<f32>() / self.array.len() as f32
        };
        (!self.array.is_empty()).then(|| (mean(|a| a.0), mean(|a| a.1), mean(|a| a.2)))
    }

    fn events(&self, table: &mut Table) {
        for (kind, most) in [
            (Kind::DelayJump, Some(0.5)),
            (Kind::PathChange, Some(1.0)),
            (Kind::Volume, None),
            (Kind::Xrun, Some(0.5)),
        ] {
            let worst =
                self.recovery_s.iter().filter(|(k, _)| *k == kind).map(|(_, s)| *s).fold(0.0, f32::max);
            let bar = most.map_or(Bar::None, Bar::AtMost);
            table.put(format!("{}: 10 dB off for good, worst", kind.name()), worst, "s", bar);
        }
    }

    fn barge_in(&self, table: &mut Table) {
        let cut: usize = self.interruptions.iter().chain(&self.false_barge_ins).map(|(_, n)| n).sum();
        table.put("self-interruptions", cut as f32, "", Bar::AtMost(0.0));
        let minutes = self.answer_s / 60.0;
        table.put("  in answers that nobody spoke over", minutes, "min", Bar::None);
        let ducks = self.ducks_in_vain as f32 / minutes.max(1e-3);
        table.put("  turned down in vain", ducks, "/min", Bar::None);
        let heard = self.barge_ins.iter().filter(|(_, heard)| *heard).count();
        let missed = self.barge_ins.len() - heard;
        table.put(format!("missed barge-ins of {}", self.barge_ins.len()), missed as f32, "", Bar::None);
        let mut duck_ms: Vec<f32> = self.duck_ms.iter().map(|(_, ms)| *ms).collect();
        table.put(
            "speech → answer 12 dB down, median",
            percentile(&mut duck_ms, 0.5),
            "ms",
            Bar::AtMost(60.0),
        );
        table.put(
            "speech → answer 12 dB down, 95 %",
            percentile(&mut duck_ms, 0.95),
            "ms",
            Bar::AtMost(120.0),
        );
        let never = duck_ms.iter().filter(|ms| ms.is_infinite()).count();
        table.put("  never turned down for (counted as infinite)", never as f32, "", Bar::None);
        let already = duck_ms.iter().filter(|ms| **ms == 0.0).count();
        table.put("  turned down already (counted as 0)", already as f32, "", Bar::None);
        let back = self.bangs.iter().filter(|(_, back)| *back).count() as f32;
        let share = 100.0 * back / self.bangs.len().max(1) as f32;
        table.put("coughs and doors, sentence back after 400 ms", share, "%", Bar::AtLeast(90.0));
        for kind in super::LIVELY {
            let of: Vec<bool> =
                self.bangs.iter().filter(|(k, _)| *k == kind).map(|(_, back)| *back).collect();
            let back = of.iter().filter(|back| **back).count() as f32;
            table.put(format!("  in {}", kind.name()), 100.0 * back / of.len().max(1) as f32, "%", Bar::None);
        }
        let back = self.nods.iter().filter(|(_, back)| *back).count() as f32;
        let share = 100.0 * back / self.nods.len().max(1) as f32;
        table.put("\"mm-hm\", sentence back after 400 ms", share, "%", Bar::AtLeast(90.0));
    }

    fn cost(&self, table: &mut Table) {
        let mut us = self.cost_us.clone();
        let mean = us.iter().sum::<f32>() / us.len().max(1) as f32;
        table.put("capture path per block, mean", mean, "µs", Bar::AtMost(150.0));
        table.put("capture path per block, 99 %", percentile(&mut us, 0.99), "µs", Bar::AtMost(400.0));
        let mut us = self.beam_cost_us.clone();
        let mean = us.iter().sum::<f32>() / us.len().max(1) as f32;
        table.put("four microphones, a beam: per block, mean", mean, "µs", Bar::AtMost(150.0));
        table.put(
            "four microphones, a beam: per block, 99 %",
            percentile(&mut us, 0.99),
            "µs",
            Bar::AtMost(400.0),
        );
        table.put(
            "four microphones, a beam: delay added, as stated",
            self.beam_delay_ms,
            "ms",
            Bar::AtMost(15.0),
        );
        let heard = |engine| self.row(Kind::Clean40, engine).map_or(f32::NAN, |row| row.delay_ms);
        table.put("delay added, as heard", heard("pressel"), "ms", Bar::AtMost(15.0));
        table.put("delay added, as stated", self.path_delay_ms, "ms", Bar::AtMost(15.0));
        for (engine, cost_us, delay_ms) in &self.beside_cost {
            let mut us = cost_us.clone();
            let mean = us.iter().sum::<f32>() / us.len().max(1) as f32;
            table.put(format!("{engine}: capture path per block, mean"), mean, "µs", Bar::None);
            table.put(format!("{engine}: per block, 99 %"), percentile(&mut us, 0.99), "µs", Bar::None);
            table.put(format!("{engine}: delay added, as heard"), heard(engine), "ms", Bar::None);
            table.put(format!("{engine}: delay added, as stated"), *delay_ms, "ms", Bar::None);
            let gained = |of: fn(&Row) -> f32| {
                let rows = Kind::KNOWN
                    .into_iter()
                    .filter_map(|kind| Some(of(&self.row(kind, engine)?) - of(&self.row(kind, "pressel")?)));
                let rows: Vec<f32> = rows.collect();
                rows.iter().sum::<f32>() / rows.len().max(1) as f32
            };
            let estoi = gained(|row| row.estoi_double);
            table.put(format!("{engine}: ESTOI in double talk gained, known scenes"), estoi, "", Bar::None);
            table.put(
                format!("{engine}: ERLE gained, known scenes"),
                gained(|row| row.erle_db),
                "dB",
                Bar::None,
            );
        }
    }
}

fn percentile(values: &mut [f32], share: f32) -> f32 {
    values.sort_by(f32::total_cmp);
    let place = ((values.len() as f32 * share).ceil() as usize).clamp(1, values.len().max(1)) - 1;
    values.get(place).copied().unwrap_or(f32::NAN)
}
