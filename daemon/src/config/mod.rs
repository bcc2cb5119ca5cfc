//! Settings: typed, with units in key names, an error for everything that is not understood.
//!
//! A table and its keys are declared once, in `talk`, `backend`, `link`, `hardware` and `stages`: type, default, rule.
//! From that come reading ([`load`]), showing ([`Config::show`]) and the checks against config.example.toml. What a range
//! cannot express about one text is in `text`, rules that span keys are in `across`.

mod across;
mod backend;
mod filters;
mod hardware;
mod link;
mod load;
mod mistake;
mod nearest;
mod network;
mod page;
pub(crate) mod rule;
mod settings;
mod show;
mod sound;
mod stages;
pub(crate) mod table;
mod talk;
mod text;
mod tools;
pub(crate) mod value;
pub(crate) mod words;

pub use backend::*;
pub use hardware::*;
pub use link::*;
pub use load::{FOLDER, Loaded, load, load_below, load_from};
pub use mistake::{Mistake, Mistakes, Place};
pub use nearest::nearest;
pub use network::Network;
pub(crate) use page::{Page, read_text, toml_files, unknown};
pub use rule::{Rule, Special};
pub use stages::*;
pub(crate) use table::table;
pub use table::{Key, Table};
pub use talk::*;
pub use tools::*;
pub use value::{Found, Refused, quoted};
pub(crate) use words::words;

/// The example file: every key with its unit, range and default.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

macro_rules! config {
    ($($name:ident: $table:ident),+ $(,)?) => {
        /// Everything that can be set. `Config::default()` is what an empty file means.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Config {
            $(
                #[doc = concat!("`[", stringify!($name), "]`")]
                pub $name: $table,
            )+
        }

        /// Names of all tables, in the order of the example file.
        pub const TABLES: &[&str] = &[$(stringify!($name)),+];

        impl Config {
            /// A table by its name.
            pub fn table(&self, name: &str) -> Option<&dyn Table> {
                match name {
                    $(stringify!($name) => Some(&self.$name),)+
                    _ => None,
                }
            }

            /// A table by its name, to be changed.
            pub fn table_mut(&mut self, name: &str) -> Option<&mut dyn Table> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)+
                    _ => None,
                }
            }

            /// Every key with the name of its table, in the order of the example file.
            pub fn keys() -> impl Iterator<Item = (&'static str, &'static Key)> {
                let config = Config::default();
                let mut keys = Vec::new();
                $(keys.extend(config.$name.keys().iter().map(|key| (stringify!($name), key)));)+
                keys.into_iter()
            }
        }
    };
}

config! {
    live: Live,
    token: Token,
    vertex: Vertex,
    network: Network,
    link: Link,
    talk: Talk,
    hold: Hold,
    tap: Tap,
    open: Open,
    capture: Capture,
    playback: Playback,
    array: Array,
    echo: Echo,
    noise: Noise,
    gain: Gain,
    barge_in: BargeIn,
    gate: Gate,
    button: Button,
    mute: Mute,
    volume: Volume,
    light: Light,
    sounds: Sounds,
    phrases: Phrases,
    price: Price,
    budget: Budget,
    usage: Usage,
    tools: Tools,
    control: Control,
    log: Log,
    realtime: Realtime,
}
