//! The light: phase in, pattern out, as bright as the hour allows.

mod pattern;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use pressel_hal::{Error, Indicator, Rgb};
use pressel_live::event::Phase;
use tracing::{info, warn};

use crate::config;
use crate::warm::{Hours, local_hour};
use pattern::Pattern;

pub use pattern::patterns;

/// Opens the light, again after each loss.
pub type OpenLight = Box<dyn FnMut() -> Result<Box<dyn Indicator>, Error>>;

/// A light that is missing is looked for this often.
const RETRY: Duration = Duration::from_secs(1);
/// The clock may be set at any time: the hour is looked at again this often.
const LOOK: Duration = Duration::from_secs(600);

/// Shows phases on a light, and keeps it moving.
pub struct Panel {
    open: Option<OpenLight>,
    light: Option<Box<dyn Indicator>>,
    /// Why there is none, as it was said.
    problem: Option<String>,
    retry: Option<Instant>,
    own: HashMap<Phase, Pattern>,
    phase: Phase,
    pattern: Pattern,
    since: Instant,
    /// What is shown now is over then, and the phase is shown again.
    until: Option<Instant>,
    next: Option<Instant>,
    shown: Vec<Rgb>,
    brightness: f32,
    night: Night,
}

/// The hours in which the light is dimmed.
struct Night {
    hours: Option<Hours>,
    brightness: f32,
    is: bool,
    look: Option<Instant>,
}

impl Panel {
    /// Starts with the light off. A light that cannot be opened is looked for once a second.
    pub fn new(open: Option<OpenLight>, settings: &config::Light) -> Self {
        let now = Instant::now();
        let share = |percent: u32| percent as f32 / 100.0;
        // Texts that are not read have been refused before.
        let hours = Hours::parse(&settings.night).ok().filter(|_| settings.night != "never");
        let night =
            Night { hours, brightness: share(settings.night_percent), is: false, look: hours.map(|_| now) };
        let mut panel = Panel {
            retry: open.is_some().then_some(now),
            open,
            light: None,
            problem: None,
            own: patterns(&settings.patterns).unwrap_or_default(),
            phase: Phase::Idle,
            pattern: pattern::default(Phase::Idle),
            since: now,
            until: None,
            next: None,
            shown: Vec::new(),
            brightness: share(settings.brightness_percent),
            night,
        };
        panel.tick(now);
        panel
    }

    /// What the light is, if there is one.
    pub fn describe(&self) -> Option<String> {
        self.light.as_ref().map(|light| light.describe())
    }

    /// Why there is none, where there should be one.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Starts the pattern of a phase at once.
    pub fn show(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.begin(self.pattern_of(phase), now);
    }

    /// Flashes so many times, then goes on with the phase; a phase that begins meanwhile is shown at once.
    pub fn flash(&mut self, times: u32, now: Instant) {
        let (pattern, length) = Pattern::flashes(times);
        self.begin(pattern, now);
        self.until = Some(now + length);
    }

    fn pattern_of(&self, phase: Phase) -> Pattern {
        self.own.get(&phase).cloned().unwrap_or_else(|| pattern::default(phase))
    }

    fn begin(&mut self, pattern: Pattern, now: Instant) {
        (self.pattern, self.since, self.until) = (pattern, now, None);
        self.draw(now);
    }

    /// When [`Panel::tick`] wants to be called; `None` while nothing changes.
    pub fn next_change(&self) -> Option<Instant> {
        [self.next, self.until, self.retry, self.night.look].into_iter().flatten().min()
    }

    /// Draws what is due.
    pub fn tick(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.night.look) {
            let (hour, left) = local_hour();
            self.night.look = Some(now + left.min(LOOK));
            self.see_hour(hour, now);
        }
        if due(self.retry) {
            self.look_for_light(now);
        }
        if due(self.until) {
            self.begin(self.pattern_of(self.phase), now);
        }
        if due(self.next) {
            self.draw(now);
        }
    }

    fn see_hour(&mut self, hour: u32, now: Instant) {
        let is = self.night.hours.is_some_and(|hours| hours.holds(hour));
        if std::mem::replace(&mut self.night.is, is) != is {
            self.draw(now);
        }
    }

    fn look_for_light(&mut self, now: Instant) {
        let Some(open) = &mut self.open else { return };
        match open() {
            Ok(light) => {
                info!(light = light.describe(), "light found");
                (self.light, self.retry, self.problem) = (Some(light), None, None);
                self.shown.clear();
                self.draw(now);
            }
            Err(error) => {
                if self.problem.is_none() {
                    warn!(%error, "no light"); // said once until there is one
                    self.problem = Some(error.to_string());
                }
                self.retry = Some(now + RETRY);
            }
        }
    }

    fn draw(&mut self, now: Instant) {
        self.next = None;
        let Some(light) = &mut self.light else { return };
        let since = now.saturating_duration_since(self.since);
        let (levels, next) = self.pattern.frame(since, light.pixels(), light.dims());
        self.next = next.map(|next| self.since + next);
        let scale = if self.night.is { self.night.brightness } else { self.brightness };
        // The eye sees equal steps where light grows with the square.
        let curve = |level: f32| if light.dims() { (level * scale).powi(2) } else { level * scale.ceil() };
        let frame: Vec<Rgb> =
            levels.iter().map(|level| self.pattern.colour().dimmed(curve(*level))).collect();
        if frame == self.shown {
            return;
        }
        match light.show(&frame) {
            Ok(()) => self.shown = frame,
            Err(error) => {
                warn!(%error, "light lost, looking for it");
                (self.light, self.problem) = (None, Some(error.to_string()));
                self.retry = Some(now + RETRY);
            }
        }
    }
}

#[cfg(test)]
mod tests;
