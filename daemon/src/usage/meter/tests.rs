use fastrand::Rng;

use super::super::ledger;
use super::*;

const TODAY: Day = Day(20_261_120);

fn prices() -> Prices {
    Prices::listed("gemini-3.8-live")
}

fn meter(limits: Limits, totals: Totals) -> Meter {
    Meter::new(prices(), limits, 400, totals, TODAY)
}

fn per_day(micro: u64) -> Limits {
    Limits { day: Some(Money(micro)), ..Limits::default() }
}

#[test]
fn the_servers_numbers_count_and_seconds_where_there_are_none() {
    let mut meter = meter(Limits::default(), Totals::default());
    meter.talk_begins(false);
    meter.sent(2000);
    meter.received(4000);
    let usage =
        Usage { prompt: 200, prompt_text: 150, response: 100, thoughts: 10, total: 310, ..Usage::default() };
    meter.usage(&usage);
    meter.turn_complete();
    let tokens = Tokens { text_in: 150, audio_in: 50, text_out: 10, audio_out: 100 };
    let first = meter.totals().day(TODAY);
    assert_eq!((first.tokens, first.money), (tokens, prices().of(&tokens)));
    assert_eq!((first.talks, first.turns, first.sent_ms, first.received_ms), (1, 1, 2000, 4000));
    // No numbers at all: the context of before, what was said since, what was heard.
    meter.sent(1000);
    meter.received(2000);
    meter.words("eight letters are two");
    meter.link_down();
    let mut more = tokens;
    more += Tokens { text_in: 150, audio_in: 150 + 25, text_out: 5, audio_out: 50 };
    assert_eq!(meter.totals().day(TODAY).tokens, more);
}

#[test]
fn numbers_that_are_left_out_are_taken_from_the_seconds() {
    let cost = |usage: Usage| {
        let mut meter = meter(Limits::default(), Totals::default());
        meter.sent(1000);
        meter.received(2000);
        meter.usage(&usage);
        meter.totals().day(TODAY).tokens
    };
    let all = Tokens { text_in: 150, audio_in: 25, text_out: 0, audio_out: 50 };
    assert_eq!(cost(Usage::default()), all);
    assert_eq!(cost(Usage { prompt: 90, ..Usage::default() }), Tokens { text_in: 0, audio_in: 90, ..all });
    let total = Usage { prompt: 90, total: 190, ..Usage::default() };
    assert_eq!(cost(total), Tokens { text_in: 0, audio_in: 90, audio_out: 100, ..all });
}

#[test]
fn a_warning_at_80_percent_and_an_end_at_100_that_lasts_for_the_day() {
    let mut meter = meter(per_day(100_000), Totals::default());
    meter.talk_begins(false);
    let mut seen = Vec::new();
    for _ in 0..2000 {
        meter.received(200);
        let budget = meter.budget();
        if seen.last() != Some(&budget) {
            seen.push(budget);
        }
    }
    assert_eq!(seen, [Budget::Fine, Budget::Low, Budget::Spent, Budget::Over]);
    meter.talk_ends(true);
    assert!(meter.entry(0).is_some());
    meter.talk_begins(false);
    assert!(matches!(meter.budget(), Budget::Spent | Budget::Over), "another talk brings no money");
    meter.day_is(Day(20_261_121));
    assert_eq!(meter.budget(), Budget::Fine);
}

#[test]
fn a_talk_s_budget_comes_back_with_the_next_talk_and_a_month_s_with_the_month() {
    let limits = Limits { talk: Some(Money(20_000)), month: Some(Money(30_000)), ..Limits::default() };
    let mut meter = meter(limits, Totals::default());
    meter.talk_begins(false);
    meter.received(66_500);
    assert_eq!(meter.budget(), Budget::Spent);
    meter.talk_ends(true);
    assert_eq!(meter.budget(), Budget::Fine);
    meter.talk_begins(false);
    meter.received(20_000);
    assert_eq!(meter.budget(), Budget::Low);
    meter.received(13_500);
    assert!(matches!(meter.budget(), Budget::Spent | Budget::Over));
    meter.talk_ends(true);
    assert!(meter.entry(0).is_some());
    meter.day_is(Day(20_261_130));
    assert!(matches!(meter.budget(), Budget::Spent | Budget::Over));
    meter.day_is(Day(20_261_201));
    assert_eq!(meter.budget(), Budget::Fine);
}

#[test]
fn a_context_that_no_longer_fits_is_not_billed_once_more() {
    let mut meter = meter(per_day(100_000), Totals::default());
    meter.talk_begins(false);
    meter.sent(1000);
    meter.received(200);
    meter.usage(&Usage { prompt: 20_000, response: 50, total: 20_050, ..Usage::default() }); // 60,000 and some
    meter.turn_complete();
    assert_eq!(meter.budget(), Budget::Spent, "the next turn costs as much again");
}

#[test]
fn without_limits_nothing_is_set_aside() {
    let mut meter = meter(Limits::default(), Totals::default());
    meter.talk_begins(false);
    assert_eq!(meter.entry(0).unwrap().count.talks, 1);
    meter.sent(1000);
    meter.received(1000);
    assert_eq!((meter.entry(0), meter.budget()), (None, Budget::Fine));
    meter.settle();
    assert!(meter.entry(0).is_some_and(|entry| entry.lease == Money(0)));
    assert_eq!(meter.entry(0), None);
}

/// What the service bills, to the token, and the disk of the device.
struct World {
    rng: Rng,
    bill: u64,
    context: u64,
    disk: Vec<u8>,
    meter: Meter,
    limits: Limits,
}

impl World {
    fn bills(&mut self, tokens: Tokens) {
        self.bill += prices().of(&tokens).0;
    }

    /// Writes what is due. Now and then the power goes in the middle of that, at any byte: true.
    fn write(&mut self) -> bool {
        while let Some(entry) = self.meter.entry(0) {
            let line = ledger::line(&entry);
            if self.rng.u32(..40) == 0 {
                let cut = self.rng.usize(..=line.len());
                self.disk.extend(&line.as_bytes()[..cut]);
                self.restart();
                return true;
            }
            self.disk.extend(line.as_bytes());
        }
        false
    }

    fn restart(&mut self) {
        let mut found = ledger::read(&self.disk);
        assert_eq!((found.damaged, found.foreign), (0, false));
        found.totals.settle();
        self.disk = found.totals.lines().into_bytes();
        self.meter = meter(self.limits, found.totals);
        self.context = 150;
    }

    /// A question and its answer; true when the power went.
    fn turn(&mut self) -> bool {
        for _ in 0..self.rng.u32(5..40) {
            self.meter.sent(100);
            self.context += 2 + self.context % 2; // 2.5 tokens in 100 ms
            if self.write() {
                return true;
            }
            if !matches!(self.meter.budget(), Budget::Fine | Budget::Low) {
                self.meter.talk_ends(true);
                self.context = 150;
                return false;
            }
        }
        let prompt = self.context;
        self.bills(Tokens { audio_in: prompt.saturating_sub(150), text_in: 150, ..Tokens::default() });
        let mut said = 0;
        for _ in 0..self.rng.u32(1..300) {
            self.bills(Tokens { audio_out: 5, ..Tokens::default() });
            said += 5;
            self.meter.received(200);
            if self.write() {
                return true;
            }
            if self.meter.budget() == Budget::Over {
                self.meter.link_down();
                return self.write();
            }
        }
        let thoughts = self.rng.u64(..40);
        self.bills(Tokens { text_out: thoughts, ..Tokens::default() });
        let named = self.rng.bool();
        self.meter.usage(&Usage {
            prompt: if named { prompt } else { 0 },
            prompt_text: if named { 150 } else { 0 },
            response: if self.rng.bool() { said } else { 0 },
            thoughts,
            ..Usage::default()
        });
        self.meter.turn_complete();
        self.context += said;
        self.write()
    }
}

#[test]
fn a_budget_is_overrun_by_2_percent_at_most_whenever_the_power_goes() {
    let (mut spent, mut cuts) = (0, 0);
    for seed in 0..120 {
        let mut rng = Rng::with_seed(seed);
        let limit = rng.u64(50_000..1_000_000);
        let limits = per_day(limit);
        let totals = Totals::default();
        let disk = totals.lines().into_bytes();
        let mut world = World { rng, bill: 0, context: 150, disk, meter: meter(limits, totals), limits };
        for _ in 0..400 {
            if !matches!(world.meter.budget(), Budget::Fine | Budget::Low) {
                spent += 1;
                break;
            }
            world.meter.talk_begins(true);
            cuts += u32::from(world.turn());
            assert!(world.bill <= limit * 102 / 100, "seed {seed}: {} of {limit}", world.bill);
        }
        let known = world.meter.totals().day(TODAY).money.0;
        assert!(known + limit / 50 >= world.bill, "seed {seed}: {known} known of {}", world.bill);
    }
    assert!(spent > 100 && cuts > 120, "{spent} budgets used up, {cuts} power cuts");
}
