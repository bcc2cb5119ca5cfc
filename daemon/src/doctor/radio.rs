//! The device's own network: Wi-Fi that sleeps or is weak, and a way out.

use std::path::Path;

use super::facts::{Facts, value_of};
use super::{Finding, Ground};
use crate::config::Config;
use crate::net::{Route, Settings, is_loopback};
use crate::wire::Endpoint;

/// Below this, answers stutter.
const WEAK_DBM: f64 = -75.0;
const FOR_GOOD: &str = "type: sudo iw dev wlan0 set power_save off; for good: sudo nmcli connection modify NAME \
                        802-11-wireless.powersave 2";

pub(super) fn wifi(ground: &Ground) -> Finding {
    let facts = &ground.facts;
    let table = facts.text("/proc/net/wireless").unwrap_or_default();
    // Two lines of headings, then ` wlan0: 0000   54.  -56.  -256        0 …`: status, quality, level in dBm.
    let Some((name, numbers)) = table.lines().skip(2).find_map(|line| line.split_once(':')) else {
        return Finding::ok("none is in use");
    };
    let name = name.trim();
    let level =
        numbers.split_whitespace().nth(2).and_then(|text| text.trim_end_matches('.').parse::<f64>().ok());
    let mut text = name.to_owned();
    if let Some(level) = level {
        text += &format!(", {level:.0} dBm");
    }
    match sleeps(facts, name) {
        Some(true) => Finding::warn(
            format!("{text}, power save is on: answers come late and stutter"),
            FOR_GOOD.replace("wlan0", name),
        ),
        asleep => {
            text += if asleep.is_some() { ", power save is off" } else { ", power save is not known" };
            match level {
                Some(level) if level < WEAK_DBM => Finding::warn(
                    format!("{text}: the signal is weak"),
                    "move device or access point, use 2.4 GHz or an antenna, or a cable",
                ),
                _ => Finding::ok(text),
            }
        }
    }
}

/// Whether power save is on: the driver's word, else NetworkManager's settings.
fn sleeps(facts: &Facts, name: &str) -> Option<bool> {
    if let Some(told) = facts.told_by("iw", &["dev", name, "get", "power_save"]) {
        return Some(told.contains("Power save: on"));
    }
    let folder = Path::new("/etc/NetworkManager/conf.d");
    let settings = facts.names(folder);
    let mut told = settings.iter().filter_map(|file| {
        let text = facts.text(folder.join(file))?;
        // 2 = off, 3 = on, 0 and 1 leave it as it is.
        value_of(&text, "wifi.powersave").and_then(|value| match value {
            "2" => Some(false),
            "3" => Some(true),
            _ => None,
        })
    });
    told.next_back() // of several files the last one counts
}

pub(super) fn route(ground: &Ground) -> Finding {
    let default = Config::default();
    let config = ground.config().unwrap_or(&default);
    if Endpoint::of(config).is_ok_and(|endpoint| is_loopback(&endpoint.host)) {
        return Finding::ok("none is needed: the endpoint is this machine");
    }
    if matches!(Settings::from_config(&config.network).route, Route::Proxy(_)) {
        return Finding::ok("none is needed: the proxy knows it");
    }
    let (old, new) = (ground.facts.text("/proc/net/route"), ground.facts.text("/proc/net/ipv6_route"));
    if old.is_none() && new.is_none() {
        return Finding::skip("the kernel does not tell");
    }
    // Iface Destination Gateway Flags …, in hexadecimal; then: destination, its length, …, the interface last.
    let old = old.unwrap_or_default().lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let name = fields.next()?.to_owned();
        (fields.next()? == "00000000" && up(fields.nth(1)?)).then_some(name)
    });
    let new = new.unwrap_or_default().lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let anywhere = fields.get(1) == Some(&"00") && fields.first()?.bytes().all(|digit| digit == b'0');
        let name = *fields.get(9)?;
        (anywhere && name != "lo" && up(fields.get(8)?)).then(|| name.to_owned())
    });
    match (old, new) {
        (Some(name), _) => Finding::ok(format!("through {name}")),
        (None, Some(name)) => Finding::ok(format!("through {name}, IPv6 alone")),
        (None, None) => Finding::fail(
            "no way leads out of here (no default route)",
            "is the cable in, the Wi-Fi joined, the router on? nmcli device; ip route",
        ),
    }
}

/// RTF_UP.
fn up(flags: &str) -> bool {
    u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 != 0)
}
