//! Three lights of one colour each as one that has them all.

use crate::{Error, Indicator, Rgb};

/// Red, green and blue, in that order.
pub struct Trio([Box<dyn Indicator>; 3]);

impl Trio {
    /// Makes one light of three.
    pub fn new(lights: [Box<dyn Indicator>; 3]) -> Self {
        Trio(lights)
    }
}

impl Indicator for Trio {
    fn set(&mut self, brightness: f32) -> Result<(), Error> {
        self.show(&[Rgb { r: brightness, g: brightness, b: brightness }])
    }

    fn dims(&self) -> bool {
        self.0.iter().all(|light| light.dims())
    }

    fn show(&mut self, pixels: &[Rgb]) -> Result<(), Error> {
        let Rgb { r, g, b } = pixels.first().copied().unwrap_or_default();
        // On lights that know no half, a colour is made of what is strong in it.
        let brightest = r.max(g).max(b);
        let of = |part: f32| if self.dims() || 2.0 * part >= brightest { part } else { 0.0 };
        let parts = [of(r), of(g), of(b)];
        self.0.iter_mut().zip(parts).try_for_each(|(light, part)| light.set(part))
    }

    fn describe(&self) -> String {
        self.0.each_ref().map(|light| light.describe()).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::probe::indicator;

    #[test]
    fn each_light_gets_its_part() {
        let lights = [indicator(), indicator(), indicator()];
        let records = lights.each_ref().map(|(_, record)| record.clone());
        let mut trio = Trio::new(lights.map(|(light, _)| -> Box<dyn Indicator> { Box::new(light) }));
        trio.show(&[Rgb { r: 1.0, g: 0.5, b: 0.0 }]).unwrap();
        assert_eq!(records.each_ref().map(|record| record.now()), [1.0, 0.5, 0.0]);
        trio.set(0.25).unwrap();
        assert_eq!(records.each_ref().map(|record| record.now()), [0.25; 3]);
        assert_eq!((trio.describe().as_str(), trio.pixels()), ("probe, probe, probe", 1));
    }
}
