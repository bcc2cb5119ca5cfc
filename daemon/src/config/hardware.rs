//! Tables about the device: cards, gate, button, light, sockets and logs.

use super::rule::{NAME, Rule, SWITCH, Special, TEXT, checked, real, real_or, steps, whole};
use super::table::table;
use super::words::words;
table! {
    /// `[capture]`: the microphone.
    Capture {
        /// ALSA PCM.
        device: String = "default", NAME;
        /// Wished rate; the card's nearest is taken.
        rate_hz: u32 = 16_000u32, whole(8_000, 192_000);
        /// Wished channels; the card's nearest is taken.
        channels: u32 = 1u32, whole(1, 32);
        /// Channels that are averaged or make the beam, from 0; empty = those found to be microphones.
        use_channels: Vec<u32> = Vec::new(), Rule::Channels;
        /// Period.
        period_ms: u32 = 10u32, whole(5, 60);
        /// Ring.
        buffer_ms: u32 = 400u32, whole(100, 2000);
        /// Corner of the high-pass; 0 = off.
        high_pass_hz: u32 = 80u32, whole(0, 400);
        /// Sound per message.
        chunk_ms: u32 = 20u32, steps(20, 100, 10);
        /// How long capture sleeps while nobody talks.
        rest_ms: u32 = 60u32, whole(10, 200);
    }
}

table! {
    /// `[playback]`: the speaker.
    Playback {
        /// ALSA PCM.
        device: String = "default", NAME;
        /// Wished rate; the card's nearest is taken.
        rate_hz: u32 = 48_000u32, whole(8_000, 192_000);
        /// Wished channels; the card's nearest is taken.
        channels: u32 = 1u32, whole(1, 32);
        /// Period.
        period_ms: u32 = 10u32, whole(5, 60);
        /// Ring.
        buffer_ms: u32 = 200u32, whole(100, 1000);
        /// How close to the DAC a first sound or a flush is written.
        lead_ms: u32 = 2u32, whole(1, 50);
        /// Take back what is in the ring?
        rewind: Rewind = Rewind::Auto, Rule::Words(Rewind::WORDS);
        /// Ring depth used where nothing can be taken back.
        shallow_ms: u32 = 40u32, whole(20, 100);
        /// A flush fades out over this.
        fade_ms: u32 = 3u32, whole(1, 50);
        /// Volume.
        volume_percent: u32 = 100u32, whole(0, 100);
        /// No sample leaves beyond this.
        limit_dbfs: f32 = 0.0, real(-24.0, 0.0);
        /// Filters for the loudspeaker.
        eq: String = "", Rule::Text { empty: true, check: Some(super::filters::check) };
        /// What a speaker that says nothing is given.
        keep_awake: KeepAwake = KeepAwake::Silence, Rule::Words(KeepAwake::WORDS);
        /// Does a sound that breaks off fade out?
        conceal: bool = true, SWITCH;
        /// After an answer has run dry the next one waits for so much sound at most; 0 = never.
        jitter_max_ms: u32 = 400u32, whole(0, 2000);
        /// Answer sound kept.
        queue_max_s: u32 = 120u32, whole(10, 600);
    }
}

words! {
    /// Whether written sound is taken back on a flush.
    Rewind {
        /// Where the PCM can.
        Auto = "auto",
        /// Never; the ring is kept shallow.
        Off = "off",
    }
}

words! {
    /// What a speaker that says nothing is given, so that its amplifier stays awake.
    KeepAwake {
        /// The driver's silence.
        Silence = "silence",
        /// Zeros, written.
        Zeros = "zeros",
        /// Noise of the last bit.
        Dither = "dither",
    }
}

table! {
    /// `[gate]`: what counts as speech.
    Gate {
        /// Kept from before the press or the gate opening.
        pre_roll_ms: u32 = 300u32, whole(0, 1000);
        /// Open mode: sent after the last speech.
        hangover_ms: u32 = 700u32, whole(100, 5000);
        /// Speech is this far above the noise floor.
        above_floor_db: f32 = 9.0, real(3.0, 40.0);
        /// And never below this.
        min_level_dbfs: f32 = -60.0, real(-90.0, -10.0);
        /// Shorter bursts do not open the gate.
        min_burst_ms: u32 = 60u32, whole(10, 500);
        /// Does only what has a voice's pitch open the gate?
        voice: bool = true, SWITCH;
    }
}

table! {
    /// `[button]`: what the person presses.
    Button {
        /// Where it is.
        kind: ButtonKind = ButtonKind::None, Rule::Words(ButtonKind::WORDS);
        /// GPIO line.
        line: String = "GPIO17", TEXT;
        /// Pressed pulls the line to ground.
        active_low: bool = true, SWITCH;
        /// Resistor of the line.
        bias: Bias = Bias::PullUp, Rule::Words(Bias::WORDS);
        /// Contact bounce.
        debounce_ms: u32 = 10u32, whole(0, 200);
        /// Input device.
        device: String = "", TEXT;
        /// Key code name.
        key: String = "KEY_SPACE", checked(super::text::key_name);
        /// More lines or keys, each with a name.
        lines: String = "", Rule::Text { empty: true, check: Some(super::text::button_lines) };
        /// What is done to a line, and what follows.
        gestures: String = "press talk", TEXT;
        /// From a short press to a second one that makes it a double press.
        double_ms: u32 = 300u32, whole(100, 1000);
    }
}

table! {
    /// `[mute]`: a switch that turns the microphone off whatever else happens. Whenever it cannot be read, it is off.
    Mute {
        /// Where it is.
        kind: MuteKind = MuteKind::None, Rule::Words(MuteKind::WORDS);
        /// GPIO line.
        line: String = "GPIO23", TEXT;
        /// The microphone is on while the line is at ground.
        active_low: bool = true, SWITCH;
        /// Resistor of the line.
        bias: Bias = Bias::PullUp, Rule::Words(Bias::WORDS);
        /// Contact bounce.
        debounce_ms: u32 = 10u32, whole(0, 200);
        /// Input device.
        device: String = "", TEXT;
        /// Code of the key that is down while the microphone is on.
        key: String = "KEY_MICMUTE", checked(super::text::key_name);
    }
}

table! {
    /// `[volume]`: how loud, beyond where it starts (`[playback] volume_percent`).
    Volume {
        /// What turns it.
        by: VolumeBy = VolumeBy::Software, Rule::Words(VolumeBy::WORDS);
        /// Simple element of the playback card's mixer.
        element: String = "", TEXT;
        /// One press.
        step_percent: u32 = 10u32, whole(1, 50);
        /// Never softer by a press or command.
        min_percent: u32 = 10u32, whole(0, 100);
        /// Never louder.
        max_percent: u32 = 100u32, whole(1, 100);
        /// Folder; `auto` = where the service's state is; empty = nowhere.
        keep_folder: String = "auto", TEXT;
    }
}

words! {
    /// Where the mute switch is.
    MuteKind {
        /// None.
        None = "none",
        /// A GPIO line through the character device.
        Gpio = "gpio",
        /// A GPIO line through the Pi's registers.
        Rppal = "rppal",
        /// A key of an input device that stays down.
        Evdev = "evdev",
    }
}

words! {
    /// What turns the volume.
    VolumeBy {
        /// The daemon, sample by sample.
        Software = "software",
        /// The card's mixer.
        Mixer = "mixer",
    }
}

words! {
    /// Where the button is.
    ButtonKind {
        /// None: the control socket or the voice begins a talk.
        None = "none",
        /// A GPIO line through the character device.
        Gpio = "gpio",
        /// A GPIO line through the Pi's registers.
        Rppal = "rppal",
        /// An input device: pedal, key, headset button.
        Evdev = "evdev",
        /// The terminal's space bar.
        Keyboard = "keyboard",
    }
}

words! {
    /// Resistor of a GPIO line.
    Bias {
        /// To the supply.
        PullUp = "pull-up",
        /// To ground.
        PullDown = "pull-down",
        /// None.
        None = "none",
    }
}

table! {
    /// `[light]`: what shows the phase.
    Light {
        /// Where it is.
        kind: LightKind = LightKind::None, Rule::Words(LightKind::WORDS);
        /// GPIO line, or three for red, green and blue.
        line: String = "GPIO27", TEXT;
        /// On pulls the line to ground.
        active_low: bool = false, SWITCH;
        /// Name of an LED or PWM channel, or three for red, green and blue.
        name: String = "", TEXT;
        /// SPI device of a ring or strip.
        device: String = "/dev/spidev0.0", NAME;
        /// Lights on it.
        pixels: u32 = 12u32, whole(1, 60);
        /// By day.
        brightness_percent: u32 = 100u32, whole(1, 100);
        /// Hours of the day in which it is dimmed.
        night: String = "never", checked(super::text::night);
        /// By night.
        night_percent: u32 = 20u32, whole(0, 100);
        /// What phases look like, where it is to be something else than usual.
        patterns: String = "", Rule::Text { empty: true, check: Some(super::text::patterns) };
    }
}

words! {
    /// Where the light is.
    LightKind {
        /// None.
        None = "none",
        /// A GPIO line through the character device.
        Gpio = "gpio",
        /// A GPIO line through the Pi's registers.
        Rppal = "rppal",
        /// An LED the kernel drives.
        Sysfs = "sysfs",
        /// A PWM channel of the kernel.
        Pwm = "pwm",
        /// A ring or strip of APA102 on SPI.
        Apa102 = "apa102",
        /// A ring or strip of WS281x on SPI.
        Ws281x = "ws281x",
    }
}

table! {
    /// `[sounds]`: what the device plays by itself.
    Sounds {
        /// Off: nothing sounds when the light changes.
        on: bool = true, SWITCH;
        /// Folder of WAVs, one per phase; empty = short tones for a press and for what needs a hand.
        folder: String = "", TEXT;
    }
}

table! {
    /// `[phrases]`: what the device says to the person by itself.
    Phrases {
        /// Off: the light alone tells of troubles.
        on: bool = true, SWITCH;
        /// Folder of folders of WAVs; empty = tones.
        folder: String = "auto", TEXT;
        /// Name of the folder in it.
        language: String = "en", checked(super::text::language);
    }
}

table! {
    /// `[price]`: what a million tokens cost, where the list is out of date.
    Price {
        /// Its name.
        currency: String = "USD", NAME;
        /// Text in.
        text_in: f32 = -1.0, real_or(0.0, 1000.0, Special::Negative("the list's"));
        /// Sound in.
        audio_in: f32 = -1.0, real_or(0.0, 1000.0, Special::Negative("the list's"));
        /// Text out.
        text_out: f32 = -1.0, real_or(0.0, 1000.0, Special::Negative("the list's"));
        /// Sound out.
        audio_out: f32 = -1.0, real_or(0.0, 1000.0, Special::Negative("the list's"));
    }
}

table! {
    /// `[budget]`: what may be spent, in units of the currency; 0 = no limit.
    Budget {
        /// In one talk.
        talk: f32 = 0.0, real(0.0, 100_000.0);
        /// In a day.
        day: f32 = 0.0, real(0.0, 100_000.0);
        /// In a month.
        month: f32 = 0.0, real(0.0, 100_000.0);
    }
}

table! {
    /// `[usage]`: where what was used is kept.
    Usage {
        /// Folder; `auto` = where the service's state is; empty = nowhere.
        ledger_folder: String = "auto", TEXT;
    }
}

table! {
    /// `[control]`: the control socket.
    Control {
        /// Unix socket; empty = none.
        path: String = "/run/pressel/control", Rule::Text { empty: true, check: Some(super::text::socket_path) };
    }
}

table! {
    /// `[log]`: how much is told, and where.
    Log {
        /// Least level that is told.
        level: Level = Level::Info, Rule::Words(Level::WORDS);
        /// Where to.
        to: LogTarget = LogTarget::Auto, Rule::Words(LogTarget::WORDS);
    }
}

words! {
    /// Least level that is told.
    Level {
        /// Broken, needs a hand.
        Error = "error",
        /// Unusual, still working.
        Warn = "warn",
        /// A state changed and a person may care.
        Info = "info",
        /// Why.
        Debug = "debug",
        /// Per message or block.
        Trace = "trace",
    }
}

words! {
    /// Where the log goes.
    LogTarget {
        /// The journal if it owns our output, else standard error.
        Auto = "auto",
        /// The journal.
        Journal = "journal",
        /// Standard error.
        Stderr = "stderr",
    }
}

table! {
    /// `[realtime]`: priority of the sound threads.
    Realtime {
        /// SCHED_FIFO priority; 0 = off.
        priority: u32 = 60u32, whole(0, 80);
    }
}
