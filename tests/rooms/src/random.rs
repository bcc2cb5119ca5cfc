//! Random numbers that are the same on every machine.

/// xorshift64*: the same seed gives the same sound everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts from a seed; neighbouring seeds give unrelated rows.
    pub fn new(seed: u64) -> Self {
        // splitmix64's finaliser spreads small seeds over all bits
        let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self((z ^ (z >> 31)) | 1)
    }

    /// A generator for one purpose, unrelated to those for others.
    pub fn of(seed: u64, purpose: &str) -> Self {
        let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Self::new(hash ^ seed.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    /// Even in 0.0 to 1.0.
    pub fn even(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Even between two numbers.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.even()
    }

    /// Bell-shaped, deviation 1 (a sum of six: no tails beyond 4.2).
    pub fn bell(&mut self) -> f32 {
        (0..6).map(|_| self.even() - 0.5).sum::<f32>() * std::f32::consts::SQRT_2
    }

    /// True in this share of all calls.
    pub fn chance(&mut self, share: f32) -> bool {
        self.even() < share
    }

    /// One of a list.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[((self.even() * list.len() as f32) as usize).min(list.len() - 1)]
    }
}
