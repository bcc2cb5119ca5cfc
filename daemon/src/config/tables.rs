//! Every table and key. config.example.toml says the same to people; a test holds the two equal.

use super::rule::{NAME, Rule, SWITCH, Special, TEXT, checked, real, real_or, steps, whole, whole_or};
use super::table::table;
use super::value::words;

table! {
    /// `[live]`: which model, and how it speaks.
    Live {
        /// Any model that speaks BidiGenerateContent, without `models/`.
        model: String = "gemini-3.8-live", checked(super::across::model);
        /// Base URL.
        endpoint: String = "wss://generativelanguage.googleapis.com", checked(super::across::endpoint);
        /// Version in the path.
        api_version: ApiVersion = ApiVersion::V1Beta, Rule::Words(ApiVersion::WORDS);
        /// PEM file, trusted beside the public authorities; empty = none.
        ca_file: String = "", Rule::Text { empty: true, check: Some(super::across::ca_file) };
        /// File with the key; empty = none.
        key_file: String = "", TEXT;
        /// Prebuilt voice; empty = the model's own.
        voice: String = "", TEXT;
        /// BCP 47; empty = the model follows the speaker.
        language: String = "", TEXT;
        /// Who the assistant is and how it answers; empty = none.
        instruction: String = "", TEXT;
        /// Ask for the words the person said.
        transcribe_input: bool = true, SWITCH;
        /// Ask for the words the assistant says.
        transcribe_output: bool = true, SWITCH;
        /// Context size that triggers compression; 0 = never.
        compress_above_tokens: u32 = 25_000u32, whole_or(5_000, 128_000, Special::Zero("never"));
        /// Context size after compression.
        compress_to_tokens: u32 = 8_000u32, whole(0, 128_000);
        /// Below 0 = the model's own.
        temperature: f32 = -1.0, real_or(0.0, 2.0, Special::Negative("the model's own"));
        /// How much the model thinks before it answers.
        thinking: Thinking = Thinking::Own, Rule::Words(Thinking::WORDS);
    }
}

words! {
    /// Version in the path of the endpoint.
    ApiVersion {
        /// The usual one.
        V1Beta = "v1beta",
        /// Early features.
        V1Alpha = "v1alpha",
    }
}

words! {
    /// Thinking level; only some models take one.
    Thinking {
        /// Nothing is sent.
        Own = "",
        /// Least.
        Minimal = "minimal",
        /// Little.
        Low = "low",
        /// Some.
        Medium = "medium",
        /// Most.
        High = "high",
    }
}

table! {
    /// `[talk]`: how turns are taken.
    Talk {
        /// Hold, tap or open.
        mode: Mode = Mode::Hold, Rule::Words(Mode::WORDS);
        /// Speech kept while there is no link.
        utterance_max_s: u32 = 15u32, whole(1, 120);
        /// Hold and tap: an unused link is closed after this.
        quiet_close_s: u32 = 60u32, whole(5, 3600);
        /// An answer that never starts.
        answer_timeout_s: u32 = 30u32, whole(5, 300);
    }
}

words! {
    /// How a person and the assistant take turns.
    Mode {
        /// Speak while the button is down.
        Hold = "hold",
        /// Press to begin; press again or fall silent to end.
        Tap = "tap",
        /// The server hears when somebody speaks.
        Open = "open",
    }
}

table! {
    /// `[hold]`: push-to-talk.
    Hold {
        /// Kept after the release.
        tail_ms: u32 = 200u32, whole(0, 2000);
    }
}

table! {
    /// `[tap]`: press to begin.
    Tap {
        /// Silence that ends the utterance.
        end_silence_ms: u32 = 1200u32, whole(200, 10_000);
        /// An utterance in which nothing is said ends after this.
        no_speech_s: u32 = 8u32, whole(1, 60);
    }
}

table! {
    /// `[open]`: kiosk.
    Open {
        /// What begins a talk.
        start: OpenStart = OpenStart::Press, Rule::Words(OpenStart::WORDS);
        /// What ends it.
        end: OpenEnd = OpenEnd::Idle, Rule::Words(OpenEnd::WORDS);
        /// Time without speech or answer that ends it.
        idle_s: u32 = 30u32, whole(3, 3600);
        /// Speaking over the answer cuts it.
        speech_interrupts: bool = true, SWITCH;
        /// Does the slightest sound begin a turn?
        start_eager: Eager = Eager::Auto, Rule::Words(Eager::WORDS);
        /// Does the first pause end a turn?
        end_eager: Eager = Eager::Auto, Rule::Words(Eager::WORDS);
        /// Speech needed before a turn begins; below 0 = the server's own.
        start_after_ms: i32 = -1, whole_or(0, 3000, Special::Negative("the server's own"));
        /// Silence that ends a turn; below 0 = the server's own.
        end_after_ms: i32 = 800, whole_or(0, 3000, Special::Negative("the server's own"));
    }
}

words! {
    /// What begins a talk in open mode.
    OpenStart {
        /// The button.
        Press = "press",
        /// The gate.
        Speech = "speech",
        /// Nothing: there is always one.
        Always = "always",
    }
}

words! {
    /// What ends a talk in open mode.
    OpenEnd {
        /// Time without speech or answer, or the button.
        Idle = "idle",
        /// The button alone.
        Button = "button",
    }
}

words! {
    /// A choice that can be left to the server.
    Eager {
        /// The server's own.
        Auto = "auto",
        /// Eager.
        Yes = "yes",
        /// Patient.
        No = "no",
    }
}

table! {
    /// `[capture]`: the microphone.
    Capture {
        /// ALSA PCM.
        device: String = "default", NAME;
        /// Wished rate; the card's nearest is taken.
        rate_hz: u32 = 16_000u32, whole(8_000, 192_000);
        /// Wished channels; the card's nearest is taken.
        channels: u32 = 1u32, whole(1, 32);
        /// Channels that are averaged, from 0; empty = all.
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
        key: String = "KEY_SPACE", checked(super::across::key_name);
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
        /// GPIO line.
        line: String = "GPIO27", TEXT;
        /// On pulls the line to ground.
        active_low: bool = false, SWITCH;
        /// Name below /sys/class/leds, or a folder's path.
        name: String = "", TEXT;
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
    }
}

table! {
    /// `[sounds]`: what the device plays by itself.
    Sounds {
        /// Folder of WAVs; empty = none.
        folder: String = "", TEXT;
    }
}

table! {
    /// `[control]`: the control socket.
    Control {
        /// Unix socket; empty = none.
        path: String = "/run/pressel/control", Rule::Text { empty: true, check: Some(super::across::socket_path) };
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
