//! Observations of a quarter of a second, summed up; and what eight of them say together.

/// Stretches that make a long one: extremes gain most from many observations.
pub(super) const LONG: usize = 8;

/// What is kept of the observations: times and leads in s.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stretch {
    from_s: f64,
    count: f64,
    times: f64,
    leads: f64,
    least: (f64, f64),
    most: (f64, f64),
}

impl Stretch {
    pub(super) fn new(time_s: f64, lead_s: f64) -> Self {
        Self {
            from_s: time_s,
            count: 1.0,
            times: time_s,
            leads: lead_s,
            least: (time_s, lead_s),
            most: (time_s, lead_s),
        }
    }

    pub(super) fn start_s(&self) -> f64 {
        self.from_s
    }

    pub(super) fn add(&mut self, time_s: f64, lead_s: f64) {
        self.count += 1.0;
        self.times += time_s;
        self.leads += lead_s;
        if lead_s < self.least.1 {
            self.least = (time_s, lead_s);
        }
        if lead_s > self.most.1 {
            self.most = (time_s, lead_s);
        }
    }

    /// Middle of the time, mean lead, and a guess at the mean's variance: as if observations were spread evenly
    /// over what is left of their range when `slope` is taken out.
    pub(super) fn mean(&self, slope: f64) -> (f64, f64, f64) {
        let tilt = slope * (self.most.0 - self.least.0);
        let spread = self.most.1 - self.least.1 - tilt;
        (self.times / self.count, self.leads / self.count, spread * spread / 12.0 / self.count)
    }
}

/// Of stretches tilted by `slope`: middle of the time, least and most lead there, and a guess at the variance of
/// either, which shrinks with the square of the count.
pub(super) fn extremes(long: &[Stretch], slope: f64) -> (f64, f64, f64, f64) {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut count, mut times) = (0.0, 0.0);
    for stretch in long {
        count += stretch.count;
        times += stretch.times;
    }
    let at_s = times / count;
    for stretch in long {
        least = least.min(stretch.least.1 + slope * (at_s - stretch.least.0));
        most = most.max(stretch.most.1 + slope * (at_s - stretch.most.0));
    }
    let width = (most - least) / count;
    (at_s, least, most, width * width)
}
