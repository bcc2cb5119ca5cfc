//! What gestures do, beyond talking: the volume, the mute switch, what the device says of itself, switching off.

use std::path::PathBuf;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use pressel_hal::Edge;
use pressel_live::event::{AgreeBy, ButtonInput, ConsentInput, Input, Phase};
use tracing::{info, warn};

use super::Engine;
use crate::button::{ButtonNews, Source};
use crate::control::Event;
use crate::doctor::{self, Class, Verdict};
use crate::gesture::{Act, Gesture};
use crate::phrases;
use crate::stats::Latency;
use crate::volume::{VolumeChange, VolumeStatus};

/// The word of farewell is heard before anything else happens.
const FAREWELL: Duration = Duration::from_secs(2);
/// Whoever switches the machine off does so within this, or nobody does.
const POWEROFF_WITHIN: Duration = Duration::from_secs(15);
/// In the runtime directory: what `pressel-poweroff.path` waits for.
const POWEROFF_FILE: &str = "poweroff";

/// On the way to switching off.
#[derive(Clone, Copy, Debug)]
pub(super) enum Poweroff {
    /// It will be asked for then.
    At(Instant),
    /// It was asked for; by then it should have happened.
    By(Instant),
}

impl Engine {
    pub(super) fn on_button(&mut self, (source, news): (Source, ButtonNews)) {
        let now = Instant::now();
        match (source, news) {
            (Source::Line(line), ButtonNews::Edge(Edge { pressed, at })) => self.on_edge(line, pressed, at),
            (Source::Line(line), ButtonNews::Found(what)) => {
                info!(button = what, "button found");
                self.report.button(line, Ok(what));
                self.tell_status();
            }
            (Source::Line(line), ButtonNews::Missing(error)) => {
                warn!(%error, "no button");
                self.report.button(line, Err(error.to_string()));
                self.tell_status();
                self.grammar.lost(line, now);
                self.gestures();
            }
            (Source::Mute, ButtonNews::Edge(_)) => {}
            (Source::Mute, ButtonNews::Found(what)) => {
                info!(switch = what, "mute switch found");
                self.report.mute(Ok(what));
                self.tell_status();
            }
            (Source::Mute, ButtonNews::Missing(error)) => {
                warn!(%error, "the mute switch cannot be read: the microphone stays off");
                self.report.mute(Err(error.to_string()));
                self.tell_status();
            }
        }
    }

    /// An edge of the button, or of somebody who stands in for it.
    pub(super) fn on_edge(&mut self, line: usize, pressed: bool, at: Instant) {
        self.grammar.edge(line, pressed, at);
        self.gestures();
    }

    /// Does what was made of edges and time.
    pub(super) fn gestures(&mut self) {
        while let Some((gesture, at)) = self.grammar.poll() {
            match gesture {
                Gesture::Down => self.press_or_release(ButtonInput::Press, at),
                Gesture::Up => self.press_or_release(ButtonInput::Release, at),
                Gesture::TakeBack => self.input(Input::TakeBack),
                Gesture::Act(act) => self.act(act),
                Gesture::Agree { by, since } => {
                    info!(by = by.word(), "consent gesture");
                    self.control_told(Act::Consent);
                    self.input(Input::Consent(ConsentInput::Given { by, since }));
                }
            }
        }
    }

    fn press_or_release(&mut self, gesture: ButtonInput, at: Instant) {
        if gesture == ButtonInput::Press {
            self.stats.counters.presses += 1;
            self.stats.begin(Latency::PressToLight, at);
        }
        self.conversation.handle_input(Instant::now(), Input::Button(gesture));
        self.perform_all();
        // A press that changes nothing on the light measures nothing.
        self.stats.forget(Latency::PressToLight);
    }

    /// Does this.
    pub(super) fn act(&mut self, act: Act) {
        let now = Instant::now();
        info!(act = act.word(), "gesture");
        self.control_told(act);
        match act {
            Act::Talk => {
                self.press_or_release(ButtonInput::Press, now);
                self.press_or_release(ButtonInput::Release, now);
            }
            Act::Stop => self.input(Input::Stop),
            Act::NewTalk => {
                self.input(Input::Forget);
                self.edges.phrases.tell("new-talk", now);
            }
            Act::VolumeUp => self.volume(VolumeChange::Up),
            Act::VolumeDown => self.volume(VolumeChange::Down),
            Act::Status => {
                let line = self.state_line();
                self.say(line, now);
            }
            Act::Doctor => {
                self.edges.phrases.tell("checking", now);
                self.verdict = Some(doctor::look(&self.reload.config, self.status()));
            }
            Act::Shutdown => {
                self.input(Input::Stop);
                self.edges.phrases.tell("goodbye", now);
                self.poweroff = Some(Poweroff::At(now + FAREWELL));
            }
            // It is a gesture of its own, which tells how and since when.
            Act::Consent => {}
        }
    }

    fn control_told(&mut self, act: Act) {
        self.edges.control.publish(&Event::Act { act: act.word() }, Instant::now());
    }

    /// The device says by itself that somebody must agree, as a turn of its own.
    pub(super) fn ask_aloud(&mut self, turn: u32, by: AgreeBy) {
        let now = Instant::now();
        let line = match by {
            AgreeBy::Double => "consent-double",
            AgreeBy::Hold => "consent-hold",
            AgreeBy::Line => "consent-line",
        };
        let sound = self.edges.phrases.sound(line).map(|(samples, rate_hz)| (samples.to_vec(), rate_hz));
        let heard = match sound {
            Some((samples, rate_hz)) => self.edges.sound.play(turn, samples, rate_hz) == 0,
            None => false,
        };
        if !heard {
            info!(line, "not told: there is no phrase for it");
            return self.conversation.handle_input(now, Input::Consent(ConsentInput::Unspoken));
        }
        self.edges.sound.end_of_turn(turn);
        info!(line, "told");
        self.edges.control.publish(&Event::Line { line }, now);
        self.stats.forget(Latency::UtteranceToSound); // that is an answer's
    }

    fn input(&mut self, input: Input) {
        self.conversation.handle_input(Instant::now(), input);
        self.perform_all();
    }

    /// One step or to a value; audible, where nothing else is.
    pub(super) fn volume(&mut self, change: VolumeChange) {
        let changed = self.edges.volume.change(change);
        self.edges.sound.set_volume(self.edges.volume.software_percent());
        let VolumeStatus { percent, .. } = self.edges.volume.status();
        info!(percent, "volume");
        self.edges.control.publish(&Event::Volume { percent }, Instant::now());
        if self.conversation.is_quiet() {
            let (samples, rate_hz) = phrases::tick(changed);
            self.edges.sound.play_local(&samples, rate_hz);
        }
    }

    /// Looks at what the switch's thread says, which has turned the microphone off already.
    pub(super) fn look_at_mute(&mut self) {
        let muted = self.edges.sound.facts().capture.muted.load(SeqCst);
        if std::mem::replace(&mut self.report.muted, muted) != muted {
            info!(muted, "microphone switch");
            if muted {
                self.edges.sound.forget_chunk();
            }
            self.input(Input::Muted(muted));
        }
    }

    /// The line that says how the device is, as far as it knows without looking.
    pub(super) fn state_line(&self) -> &'static str {
        match self.conversation.phase() {
            Phase::Muted => "muted",
            Phase::NeedsSetup => "needs-setup",
            Phase::Fault => "refused",
            Phase::ClockNotSet => "clock-not-set",
            Phase::NoDevice if self.report.microphone_is_missing() => "microphone-trouble",
            Phase::NoDevice => "speaker-trouble",
            Phase::Spent => "budget-spent",
            Phase::Offline => "server-down",
            _ if !self.report.network => "no-network",
            _ => doctor::FINE,
        }
    }

    /// Says a line and blinks its group: whoever cannot hear it can see it.
    fn say(&mut self, line: &'static str, now: Instant) {
        info!(line, "told");
        self.edges.control.publish(&Event::Line { line }, now);
        self.edges.panel.flash(flashes(line), now);
        self.edges.phrases.tell(line, now);
    }

    /// The doctor is done; nothing is told where the system granted no thread.
    pub(super) fn on_verdict(&mut self, verdict: Option<Verdict>) {
        let Some(Verdict { class, phrase, check }) = verdict else { return };
        info!(class = class.word(), check, phrase, "doctor");
        let line = if class == Class::Warn { "drawback" } else { phrase };
        self.say(line, Instant::now());
    }

    /// When [`Engine::power`] is due.
    pub(super) fn power_due(&self) -> Option<Instant> {
        self.poweroff.map(|(Poweroff::At(at) | Poweroff::By(at))| at)
    }

    /// Asks for the machine to be switched off; that is for somebody with the right to do it.
    pub(super) fn power(&mut self, now: Instant) {
        if self.power_due().is_none_or(|at| at > now) {
            return;
        }
        let file =
            std::env::var_os("RUNTIME_DIRECTORY").map(|folder| PathBuf::from(folder).join(POWEROFF_FILE));
        match (self.poweroff.take(), &file) {
            (Some(Poweroff::At(_)), Some(file)) => {
                match std::fs::write(file, "asked for by a long press\n") {
                    Ok(()) => return self.poweroff = Some(Poweroff::By(now + POWEROFF_WITHIN)),
                    Err(error) => warn!(file = %file.display(), %error, "cannot ask to be switched off"),
                }
            }
            (Some(Poweroff::By(_)), Some(file)) => {
                let _ = std::fs::remove_file(file);
                warn!("nobody switches the machine off: systemctl enable --now pressel-poweroff.path");
            }
            _ => warn!("only the installed service can switch the machine off"),
        }
        self.say("not-allowed", now);
    }
}

/// How often the light flashes for a line: 1 well, 2 network, 3 sound, 4 key or service, 5 the device itself.
fn flashes(line: &str) -> u32 {
    match line {
        doctor::FINE => 1,
        "no-network" | "sign-in" | "server-down" => 2,
        "microphone-trouble" | "speaker-trouble" | "muted" => 3,
        "needs-setup" | "key-refused" | "refused" | "busy" | "budget-low" | "budget-spent" => 4,
        _ => 5,
    }
}
