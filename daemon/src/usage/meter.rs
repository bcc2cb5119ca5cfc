//! Counts what a talk uses, as it happens: sound by the second until the server's own numbers come, then those.
//!
//! Each turn is billed for all that the model remembers (the context), so that what the next turn costs at least is
//! known before it begins. No clock and no file: the day is an argument, and entries for the ledger are handed out.

use pressel_live::event::{Budget, Usage};

use super::count::{Count, Tokens};
use super::day::Day;
use super::ledger::{Entry, Totals};
use super::money::{Money, Prices};

/// Tokens of a second of sound, in and out, as the service counts them.
const AUDIO_TOKENS_PER_S: u64 = 25;
/// Letters of a token, roughly, in the languages of Europe.
const LETTERS_PER_TOKEN: u64 = 4;
/// A warning at so many thousandths.
const LOW: u64 = 800;
/// Beyond so many thousandths an answer is cut in the middle: the bound of 20 less what is under way.
const OVER: u64 = 1010;
/// A part of the smallest budget, in thousandths, that is set aside at a time.
const STEP: u64 = 5;

/// What may be spent; `None` = as much as it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// In one talk.
    pub talk: Option<Money>,
    /// In a day.
    pub day: Option<Money>,
    /// In a month.
    pub month: Option<Money>,
}

impl Limits {
    fn smallest(&self) -> Option<Money> {
        [self.talk, self.day, self.month].into_iter().flatten().min()
    }
}

/// The turn in hand, as far as the server has not said what it takes.
#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    sent_ms: u64,
    received_ms: u64,
    letters: u64,
    /// The model has begun to answer: the context is billed.
    answered: bool,
    /// The turn is over; its numbers may still come.
    complete: bool,
    /// The server has told numbers for it.
    told: bool,
}

/// The meter.
#[derive(Clone, Debug)]
pub struct Meter {
    prices: Prices,
    limits: Limits,
    /// Tokens of the instruction and of what every session begins with.
    setup: u64,
    totals: Totals,
    day: Day,
    turn: Turn,
    /// What the model remembers, as far as is known.
    context: Tokens,
    /// How far the numbers of the server were beyond what was expected, lately.
    surprise: Money,
    talk: Money,
    talking: bool,
    /// The budgets that are used up, each until its time is over.
    spent: Spent,
    /// Still to be written.
    unwritten: Count,
    /// What the newest entry has set aside and what was spent of it since is in `unwritten` and `turn`.
    lease: Money,
}

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    talk: bool,
    day: Option<Day>,
    month: Option<u32>,
}

impl Meter {
    /// Goes on from what a ledger holds. `letters` is the length of the instruction.
    pub fn new(prices: Prices, limits: Limits, letters: usize, totals: Totals, day: Day) -> Self {
        let setup = letters as u64 / LETTERS_PER_TOKEN + 50;
        Meter {
            prices,
            limits,
            setup,
            talk: totals.last.talk,
            totals,
            day,
            turn: Turn::default(),
            context: Tokens { text_in: setup, ..Tokens::default() },
            surprise: Money(0),
            talking: false,
            spent: Spent::default(),
            unwritten: Count::default(),
            lease: Money(0),
        }
    }

    /// Other prices and limits from now on; what was used up under the former ones is looked at again.
    pub fn renew(&mut self, prices: Prices, limits: Limits) {
        (self.prices, self.limits, self.spent) = (prices, limits, Spent::default());
    }

    /// The day that counts from now on.
    pub fn day_is(&mut self, day: Day) {
        if day != self.day {
            self.day = day;
            self.spent.day = self.spent.day.filter(|spent| *spent == day);
            self.spent.month = self.spent.month.filter(|spent| *spent == day.month());
        }
    }

    /// The day that counts.
    pub fn day(&self) -> Day {
        self.day
    }

    /// A talk begins; `goes_on`: it is the one that a restart broke off.
    pub fn talk_begins(&mut self, goes_on: bool) {
        self.talking = true;
        if !goes_on {
            self.talk = Money(0);
            self.unwritten.talks += 1;
        }
    }

    /// The talk is over; `forgotten`: the next one begins with a session that remembers nothing.
    pub fn talk_ends(&mut self, forgotten: bool) {
        self.settle();
        if forgotten {
            self.fresh();
        }
        self.talking = false;
        self.talk = Money(0);
        self.spent.talk = false;
    }

    /// A link was accepted. A fresh session remembers nothing.
    pub fn link_up(&mut self, resumed: bool) {
        self.settle();
        if !resumed {
            self.fresh();
        }
    }

    fn fresh(&mut self) {
        self.context = Tokens { text_in: self.setup, ..Tokens::default() };
        self.surprise = self.surprise.permille(500);
    }

    /// A link is gone: what is open is counted by the seconds.
    pub fn link_down(&mut self) {
        self.settle();
    }

    /// Somebody else used this; it is no part of the talk.
    pub fn add(&mut self, count: Count) {
        self.unwritten += count;
    }

    /// Sound went up, in ms.
    pub fn sent(&mut self, ms: u64) {
        self.turn_goes_on();
        self.turn.sent_ms += ms;
        self.unwritten.sent_ms += ms;
    }

    /// Sound of an answer came, in ms, heard or not.
    pub fn received(&mut self, ms: u64) {
        self.turn_goes_on();
        self.turn.answered = true;
        self.turn.received_ms += ms;
        self.unwritten.received_ms += ms;
    }

    /// Words came: a transcript of either side.
    pub fn words(&mut self, text: &str) {
        self.turn.letters += text.len() as u64;
    }

    /// Text of so many bytes went up.
    pub fn typed(&mut self, letters: usize) {
        self.turn_goes_on();
        self.context.text_in += letters as u64 / LETTERS_PER_TOKEN + 1;
    }

    /// The text of so many bytes that every session begins with: instruction and tools.
    pub fn session_begins_with(&mut self, letters: usize) {
        self.setup = letters as u64 / LETTERS_PER_TOKEN + 50;
    }

    /// The server says that the turn is over.
    pub fn turn_complete(&mut self) {
        self.turn.complete = true;
        if self.turn.told {
            self.turn = Turn::default();
        }
    }

    /// The server's own numbers, one message of them.
    pub fn usage(&mut self, usage: &Usage) {
        let expected = self.open_cost();
        let tokens = self.billed(usage);
        let cost = self.prices.of(&tokens);
        self.surprise = cost.less(expected).max(self.surprise.permille(875));
        self.count(tokens, cost);
        if usage.prompt > 0 {
            self.context = Tokens { text_in: tokens.text_in, audio_in: tokens.audio_in, ..Tokens::default() };
        } else {
            self.context.audio_in += seconds(self.turn.sent_ms);
        }
        // What was said belongs to the context from now on.
        self.context.audio_in += tokens.audio_out;
        self.turn = Turn { told: true, complete: self.turn.complete, ..Turn::default() };
    }

    /// What a message of numbers means in money: what it leaves out is taken from the seconds, and what it does
    /// not split is counted as sound, the dearer kind.
    fn billed(&self, usage: &Usage) -> Tokens {
        let open = self.open();
        let mut tokens = Tokens::default();
        if usage.prompt > 0 || self.turn.told {
            tokens.text_in = usage.prompt_text.min(usage.prompt);
            tokens.audio_in = usage.prompt - tokens.text_in;
        } else {
            (tokens.text_in, tokens.audio_in) = (open.text_in, open.audio_in);
        }
        let mut made = usage.response;
        if made == 0 {
            let rest = usage.total.saturating_sub(usage.prompt + usage.thoughts + usage.tool_use);
            made = rest.max(seconds(self.turn.received_ms));
        }
        tokens.audio_out = made.saturating_sub(usage.response_text.min(made));
        // Transcripts are billed as text out, and are in no number of their own.
        tokens.text_out =
            usage.response_text.min(made) + usage.thoughts + self.turn.letters / LETTERS_PER_TOKEN;
        tokens.text_in += usage.tool_use;
        tokens
    }

    /// The tokens of the turn in hand, by the seconds.
    fn open(&self) -> Tokens {
        let mut tokens = Tokens {
            audio_in: seconds(self.turn.sent_ms),
            audio_out: seconds(self.turn.received_ms),
            text_out: self.turn.letters / LETTERS_PER_TOKEN,
            ..Tokens::default()
        };
        if self.turn.answered {
            tokens.text_in += self.context.text_in;
            tokens.audio_in += self.context.audio_in;
        }
        tokens
    }

    fn open_cost(&self) -> Money {
        self.prices.of(&self.open())
    }

    /// What the next answer costs before it says a word.
    fn next_cost(&self) -> Money {
        let known = if self.turn.answered { Money(0) } else { self.prices.of(&self.context) };
        known.plus(self.surprise)
    }

    /// Another turn begins: what the last one left open is counted by the seconds.
    fn turn_goes_on(&mut self) {
        if self.turn.complete {
            self.settle();
        }
    }

    /// Counts what is open by the seconds: no numbers came.
    pub fn settle(&mut self) {
        let tokens = self.open();
        if tokens != Tokens::default() {
            let cost = self.prices.of(&tokens);
            self.count(tokens, cost);
            self.context.audio_in += seconds(self.turn.sent_ms) + tokens.audio_out;
        }
        self.turn = Turn::default();
    }

    fn count(&mut self, tokens: Tokens, cost: Money) {
        self.unwritten += Count { turns: 1, tokens, money: cost, ..Count::default() };
        self.talk += cost;
    }

    /// What was spent in each of the times, with what is under way: talk, day, month.
    fn sums(&self) -> [Money; 3] {
        let open = self.unwritten.money.plus(self.open_cost());
        [
            self.talk.plus(self.open_cost()),
            self.totals.day(self.day).money.plus(open),
            self.totals.month(self.day.month()).money.plus(open),
        ]
    }

    /// What is left of the money. A budget that was used up stays so until its time is over.
    pub fn budget(&mut self) -> Budget {
        let [talk, day, month] = self.sums();
        let (next, surprise) = (self.next_cost(), self.surprise);
        let limits = self.limits;
        let over = |sum: Money, limit: Option<Money>| {
            limit.is_some_and(|limit| sum.plus(surprise) > limit.permille(OVER) && sum >= limit)
        };
        let full = |sum: Money, limit: Option<Money>| {
            limit.is_some_and(|limit| sum >= limit || sum.plus(next) > limit.permille(OVER))
        };
        let low = |sum: Money, limit: Option<Money>| limit.is_some_and(|limit| sum >= limit.permille(LOW));
        self.spent.talk |= self.talking && full(talk, limits.talk);
        if full(day, limits.day) {
            self.spent.day = Some(self.day);
        }
        if full(month, limits.month) {
            self.spent.month = Some(self.day.month());
        }
        let spent = self.spent.talk || self.spent.day.is_some() || self.spent.month.is_some();
        let talk_over = self.talking && over(talk, limits.talk);
        if spent && (talk_over || over(day, limits.day) || over(month, limits.month)) {
            Budget::Over
        } else if spent {
            Budget::Spent
        } else if (self.talking && low(talk, limits.talk)) || low(day, limits.day) || low(month, limits.month)
        {
            Budget::Low
        } else {
            Budget::Fine
        }
    }

    /// An entry that has to be in the ledger before more is spent, or `None` when all is written. `at_s` is the time
    /// by the device's clock.
    pub fn entry(&mut self, at_s: u64) -> Option<Entry> {
        let step = self.limits.smallest().map(|limit| limit.permille(STEP).max(Money(1)));
        let open = self.open_cost();
        let ahead = match step {
            Some(step) if self.turn.sent_ms + self.turn.received_ms > 0 => {
                open.plus(self.next_cost()).plus(step)
            }
            _ => Money(0),
        };
        let counted = self.unwritten.turns > 0 || self.unwritten.talks > 0;
        let short = ahead > self.lease;
        let idle = ahead == Money(0) && self.lease > Money(0);
        if !(counted || short || idle) {
            return None;
        }
        let lease = step.filter(|_| ahead > Money(0)).map_or(Money(0), |step| ahead.plus(step));
        let entry = Entry { day: self.day, at_s, count: self.unwritten, talk: self.talk, lease };
        self.totals.add(&entry);
        self.unwritten = Count::default();
        self.lease = lease;
        Some(entry)
    }

    /// What was used up to now, with what is not written yet.
    pub fn totals(&self) -> Totals {
        let mut totals = self.totals.clone();
        let mut open = self.unwritten;
        open.turns += u64::from(self.open() != Tokens::default());
        open.tokens += self.open();
        open.money += self.open_cost();
        totals.add(&Entry { day: self.day, count: open, talk: self.talk, ..Entry::default() });
        totals
    }

    /// Days after today are counted for today: the clock is right now, and was not. Returns what the ledger is to
    /// hold instead, where that changes it.
    pub fn bring_back(&mut self, today: Day) -> Option<Totals> {
        let moved = self.totals.bring_back(today);
        self.day_is(today);
        moved.then(|| self.totals.clone())
    }

    /// What may be spent.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What the talk in hand has cost, the day and the month: in the order of [`Limits`].
    pub fn spent(&self) -> [Money; 3] {
        self.sums()
    }
}

fn seconds(ms: u64) -> u64 {
    (ms * AUDIO_TOKENS_PER_S).div_ceil(1000)
}

#[cfg(test)]
mod tests;
