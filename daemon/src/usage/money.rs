//! Money as whole numbers, and what a token costs.

use std::fmt;
use std::ops::AddAssign;

use pressel_live::profile::Profile;
use serde::{Deserialize, Serialize};

use super::count::Tokens;

/// An amount in millionths of a unit of the currency. Sums never round and never wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Money(pub u64);

impl Money {
    /// From a number of the configuration, in units of the currency; below 0 is 0.
    pub fn of_units(units: f32) -> Self {
        Money((f64::from(units.max(0.0)) * 1e6).round() as u64)
    }

    /// The sum; at the end of the range it stays there.
    #[must_use]
    pub fn plus(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }

    /// What is left; nothing where `other` is more.
    #[must_use]
    pub fn less(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }

    /// So many thousandths of it.
    #[must_use]
    pub fn permille(self, part: u64) -> Money {
        Money((u128::from(self.0) * u128::from(part) / 1000).min(u128::from(u64::MAX)) as u64)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Money) {
        *self = self.plus(other);
    }
}

impl fmt::Display for Money {
    /// With four digits behind the point: a short question costs some ten thousandths.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = self.0.saturating_add(50) / 100;
        write!(f, "{}.{:04}", rounded / 10_000, rounded % 10_000)
    }
}

/// Prices in billionths of a unit of the currency per token: a price per million tokens, times a thousand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Text the model reads: instruction, tools, typed questions.
    pub text_in: u64,
    /// Sound the model hears.
    pub audio_in: u64,
    /// Text the model writes: thoughts, transcripts.
    pub text_out: u64,
    /// Sound the model speaks.
    pub audio_out: u64,
}

impl Prices {
    /// The price list of the service for this model, of 2026-10-09, in US dollars. A model that is not known is
    /// taken for one of the dearest.
    pub fn listed(model: &str) -> Self {
        // Per million tokens: 0.75, 3, 4.50, 12; the older native-audio models 0.50, 3, 2, 12.
        let old = Profile::of(model) == Profile::of("gemini-2.5-flash-native-audio-latest")
            && (model.starts_with("gemini-2.5") || model.starts_with("gemini-live-2.5"));
        let (text_in, text_out) = if old { (500, 2_000) } else { (750, 4_500) };
        Prices { text_in, audio_in: 3_000, text_out, audio_out: 12_000 }
    }

    /// What these tokens cost, rounded up once.
    pub fn of(&self, tokens: &Tokens) -> Money {
        let sum: u128 = [
            (tokens.text_in, self.text_in),
            (tokens.audio_in, self.audio_in),
            (tokens.text_out, self.text_out),
            (tokens.audio_out, self.audio_out),
        ]
        .into_iter()
        .map(|(count, price)| u128::from(count) * u128::from(price))
        .sum();
        Money(u64::try_from(sum.div_ceil(1000)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_costs_what_the_price_list_says() {
        let prices = Prices::listed("gemini-3.8-live");
        let minute = |tokens| prices.of(&tokens);
        assert_eq!(minute(Tokens { audio_in: 1500, ..Tokens::default() }), Money(4_500));
        assert_eq!(minute(Tokens { audio_out: 1500, ..Tokens::default() }), Money(18_000));
        assert_eq!(minute(Tokens { text_in: 1, ..Tokens::default() }), Money(1), "rounded up");
        let old = Prices::listed("gemini-2.5-flash-native-audio-latest");
        assert_eq!((old.text_in, old.text_out), (500, 2_000));
        assert_eq!(Prices::listed("what-comes-next"), prices);
    }

    #[test]
    fn amounts_neither_wrap_nor_lose_what_is_small() {
        assert_eq!(Money(u64::MAX).plus(Money(1)), Money(u64::MAX));
        assert_eq!(Money(3).less(Money(5)), Money(0));
        assert_eq!(Money(u64::MAX).permille(2000), Money(u64::MAX));
        assert_eq!(Money(500_000).permille(800), Money(400_000));
        assert_eq!(Money::of_units(0.25), Money(250_000));
        assert_eq!(Money::of_units(-1.0), Money(0));
        assert_eq!(Money(1_234_567).to_string(), "1.2346");
        assert_eq!(Money(49).to_string(), "0.0000");
    }
}
