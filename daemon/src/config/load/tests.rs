use std::fs;

use super::super::{ButtonKind, EXAMPLE, Level, Mode, Rule, Special};
use super::*;

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Loads one file and returns the mistakes, each without the folder.
fn mistakes(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.toml"), text).unwrap();
    match load_from(folder.path(), None, []) {
        Ok(_) => Vec::new(),
        Err(Mistakes(list)) => {
            let prefix = format!("{}/", folder.path().display());
            list.iter().map(|m| m.to_string().replace(&prefix, "")).collect()
        }
    }
}

fn check(text: &str, expected: &str) {
    assert_eq!(mistakes(text), [expected], "in {text:?}");
}

#[test]
fn the_example_is_the_defaults_with_every_key_in_order() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.toml"), EXAMPLE).unwrap();
    let loaded = load_from(folder.path(), None, []).unwrap();
    assert_eq!(loaded.config, Config::default());

    let mut table = "";
    let mut found = Vec::new();
    for line in EXAMPLE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            table = name;
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            found.push(format!("{table}.{}", key.trim()));
        }
    }
    let expected: Vec<String> = Config::keys().map(|(table, key)| format!("{table}.{}", key.name)).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_example_tells_each_range_and_word_as_it_is() {
    for (table, key) in Config::keys() {
        let section = EXAMPLE.split(&format!("\n[{table}]\n")).nth(1).unwrap();
        let line = section.lines().find(|l| l.starts_with(&format!("{} =", key.name))).unwrap();
        let wanted = match key.rule {
            Rule::Whole { min, max, .. } => vec![format!("{min} to {max}")],
            Rule::Real { min, max, special: Special::No } => vec![format!("{min:.0} to {max:.0}")],
            Rule::Real { min, max, .. } => vec![format!("{min:.1} to {max:.1}")],
            Rule::Words(words) => words.iter().map(|word| (*word).to_owned()).collect(),
            Rule::Text { .. } | Rule::Bool | Rule::Channels | Rule::Texts => Vec::new(),
        };
        for text in wanted {
            assert!(line.contains(&text), "[{table}] {line} does not say \"{text}\"");
        }
    }
}

#[test]
fn nothing_at_all_means_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let loaded = load_from(folder.path(), None, []).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.files.is_empty() && loaded.origins.is_empty());
}

#[test]
fn later_files_win_then_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let drop_ins = folder.path().join("config.d");
    fs::create_dir(&drop_ins).unwrap();
    fs::write(folder.path().join("config.toml"), "[talk]\nmode = \"tap\"\n[gate]\npre_roll_ms = 1\n")
        .unwrap();
    fs::write(drop_ins.join("20-b.toml"), "[gate]\npre_roll_ms = 3\nhangover_ms = 300\n").unwrap();
    fs::write(drop_ins.join("10-a.toml"), "[gate]\npre_roll_ms = 2\n[button]\nkind = \"gpio\"\n").unwrap();
    fs::write(drop_ins.join("30-c.toml~"), "rubbish").unwrap();
    fs::write(drop_ins.join(".40-d.toml"), "rubbish").unwrap();
    let set = environment(&[
        ("PRESSEL_GATE_HANGOVER_MS", "400"),
        ("PRESSEL_LOG_LEVEL", "debug"),
        ("PRESSEL_LIVE_MODEL", "gemini-2.5"),
        ("PRESSEL_CAPTURE_CHANNELS", "6"),
        ("PRESSEL_CAPTURE_USE_CHANNELS", "0,5"),
        ("PRESSEL_CARD_FOLDER", "of another program"),
        ("HOME", "/root"),
    ]);
    let loaded = load_from(folder.path(), None, set).unwrap();
    let config = &loaded.config;
    assert_eq!(config.talk.mode, Mode::Tap);
    assert_eq!(config.button.kind, ButtonKind::Gpio);
    assert_eq!((config.gate.pre_roll_ms, config.gate.hangover_ms), (3, 400));
    assert_eq!(config.log.level, Level::Debug);
    assert_eq!(config.live.model, "gemini-2.5");
    assert_eq!(config.capture.use_channels, [0, 5]);
    let names: Vec<_> = loaded.files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["config.toml", "10-a.toml", "20-b.toml"]);
    assert_eq!(loaded.origins[&("gate", "pre_roll_ms")], Place::File(drop_ins.join("20-b.toml"), 2));
    assert_eq!(
        loaded.origins[&("gate", "hangover_ms")],
        Place::Environment("PRESSEL_GATE_HANGOVER_MS".into())
    );
}

#[test]
fn drop_ins_are_read_by_name_whatever_the_folder_s_own_order() {
    let folder = tempfile::tempdir().unwrap();
    let drop_ins = folder.path().join("config.d");
    fs::create_dir(&drop_ins).unwrap();
    for number in (10..60).rev() {
        let text = format!("[gate]\npre_roll_ms = {number}\n");
        fs::write(drop_ins.join(format!("{number}.toml")), text).unwrap();
    }
    assert_eq!(load_from(folder.path(), None, []).unwrap().config.gate.pre_roll_ms, 59);
}

#[test]
fn a_named_file_replaces_the_installed_ones_and_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.toml"), "[talk]\nmode = \"tap\"\n").unwrap();
    let own = folder.path().join("own.toml");
    let missing = load_from(folder.path(), Some(&own), []).unwrap_err();
    assert_eq!(missing.0[0].to_string(), format!("{}: there is no such file", own.display()));
    fs::write(&own, "").unwrap();
    assert_eq!(load_from(folder.path(), Some(&own), []).unwrap().config.talk.mode, Mode::Hold);
}

#[test]
fn a_mistake_names_file_line_key_what_was_found_and_what_is_allowed() {
    check(
        "[capture]\n\nrate_hz = 100\n",
        "config.toml:3: [capture] rate_hz = 100 is out of range; allowed: 8000 to 192000",
    );
    check(
        "[capture]\nrate_hz = \"16000\"\n",
        "config.toml:2: [capture] rate_hz = \"16000\" is not a whole number; allowed: 8000 to 192000",
    );
    check(
        "[capture]\nperod_ms = 10\n",
        "config.toml:2: [capture] perod_ms: no such key; did you mean \"period_ms\"?",
    );
    check("[hold]\nlength = 10\n", "config.toml:2: [hold] length: no such key; there are tail_ms");
    check("[captur]\nperiod_ms = 10\n", "config.toml:1: [captur]: no such table; did you mean \"capture\"?");
    check(
        "[talk]\nmode = \"tab\"\n",
        "config.toml:2: [talk] mode = \"tab\" is not one of the words; did you mean \"tap\"?; allowed: \"hold\", \
         \"tap\", \"open\"",
    );
    check(
        "[talk]\nmode = [\"tap\"]\n",
        "config.toml:2: [talk] mode = [\"tap\"] is not a word in quotes; allowed: \"hold\", \"tap\", \"open\"",
    );
    check(
        "[capture]\nchunk_ms = 25\n",
        "config.toml:2: [capture] chunk_ms = 25 is not a multiple of 10; allowed: 20 to 100 in steps of 10",
    );
    check(
        "[live]\nendpoint = \"ws://example.org\"\n",
        "config.toml:2: [live] endpoint = \"ws://example.org\" is refused: an unencrypted link to another machine in \
         \"ws://example.org\"; allowed: wss://host[:port][/prefix], or ws:// on loopback",
    );
    check("mode = \"tap\"\n", "config.toml:1: mode is outside of a table; it belongs below [talk]");
    check(
        "[live]\ntemperature = nan\n",
        "config.toml:2: [live] temperature = NaN is out of range; allowed: 0.0 to 2.0, or below 0 (the model's own)",
    );
    check(
        "[live.model]\nname = 1\n",
        "config.toml:1: [live] model = a table is not a text; allowed: a text in quotes that is not empty",
    );
    check(
        "[talk]\nmode = \"hold\"\n[button]\nkind = \"keyboard\"\n",
        "config.toml:2: [talk] mode = \"hold\": cannot be used with [button] kind = \"keyboard\": a terminal tells no \
         release; use mode = \"tap\", or kind = \"evdev\", which sees keys go up",
    );
}

#[test]
fn all_mistakes_of_all_places_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let drop_ins = folder.path().join("config.d");
    fs::create_dir(&drop_ins).unwrap();
    fs::write(folder.path().join("config.toml"), "[talk]\nmode = 1\nmode = 2\n[nope]\n").unwrap();
    fs::write(drop_ins.join("a.toml"), "[gate]\npre_roll_ms = -1\nhangover_ms = \n").unwrap();
    fs::write(drop_ins.join("b.toml"), [b'#', b'\n', 0xff]).unwrap();
    let set = environment(&[
        ("PRESSEL_LOG_LEVEL", "loud"),
        ("PRESSEL_LOG_LEVL", "info"),
        ("PRESSEL_TALKK_MODE", "tap"),
    ]);
    let Mistakes(list) = load_from(folder.path(), None, set).unwrap_err();
    let places: Vec<String> = list
        .iter()
        .map(|m| m.place.to_string().replace(&format!("{}/", folder.path().display()), ""))
        .collect();
    let expected = [
        "config.toml:3",
        "config.toml:2",
        "config.toml:4",
        "config.d/a.toml:3",
        "config.d/a.toml:2",
        "config.d/b.toml:2",
        "environment PRESSEL_LOG_LEVEL",
        "environment PRESSEL_LOG_LEVL",
        "environment PRESSEL_TALKK_MODE",
    ];
    assert_eq!(places, expected, "{list:#?}");
}

#[test]
fn a_rule_that_spans_keys_points_at_a_line_and_keeps_quiet_about_refused_keys() {
    check(
        "[capture]\nbuffer_ms = 100\nrest_ms = 10\nperiod_ms = 60\n",
        "config.toml:4: [capture] period_ms = 60 is more than half of buffer_ms = 100",
    );
    check(
        "[live]\ncompress_above_tokens = 5000\ncompress_to_tokens = 6000\n",
        "config.toml:3: [live] compress_to_tokens = 6000 is not below compress_above_tokens = 5000",
    );
    check(
        "[live]\ncompress_above_tokens = 5000\ncompress_to_tokens = 200000\n",
        "config.toml:3: [live] compress_to_tokens = 200000 is out of range; allowed: 0 to 128000",
    );
}

#[test]
fn a_password_in_a_proxy_s_address_is_refused_and_not_shown() {
    let told = mistakes("[network]\nproxy = \"http://me:s3cret@proxy:1\"\n").join("\n");
    assert!(told.contains("proxy = \"http://me:…@proxy:1\" has a password in it"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
}
