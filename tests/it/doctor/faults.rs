//! Faults, each with what the doctor must say about it.

use std::time::{Duration, SystemTime};

use fake_gemini::{Authority, Fault, Options, Rule, Script, When};
use pressel_world::card::{CardOptions, Direction, StreamOptions};

use super::world::{RUNS, World, answering, closed_port};

/// A fault: its name, the world that has it, the check that must find it, and words of its line or hint.
pub struct Seeded {
    pub name: &'static str,
    pub world: fn() -> World,
    pub check: &'static str,
    pub words: &'static str,
}

const fn row(name: &'static str, check: &'static str, words: &'static str, world: fn() -> World) -> Seeded {
    Seeded { name, world, check, words }
}

/// The world that is well, changed.
fn but(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::well();
    change(&mut world);
    world
}

fn card(microphone: StreamOptions, fill: impl FnOnce(&World)) -> World {
    let channels = microphone.file_channels();
    let rate_hz = microphone.rate_hz;
    let speaker = StreamOptions::new(24_000, 1);
    let mut world = World::with(CardOptions { microphone, speaker }, Options::default());
    world.set(
        "capture",
        format!("device = \"pressel_mic\"\nchannels = {channels}\nrate_hz = {}", rate_hz.max(16_000)),
    );
    fill(&world);
    world
}

fn mono() -> StreamOptions {
    StreamOptions { seconds: 20, ..StreamOptions::new(16_000, 1) }
}

fn all(value: impl Fn(usize) -> i16) -> Vec<i16> {
    (0..20 * 16_000).map(value).collect()
}

fn served(options: Options) -> World {
    World::with(
        CardOptions { microphone: StreamOptions::new(16_000, 1), speaker: StreamOptions::new(24_000, 1) },
        options,
    )
}

fn refusing(fault: Fault, when: When) -> World {
    served(Options::script(Script::default().fault(Rule::new(when, fault).times(0))))
}

fn service(values: [&'static str; 6]) -> World {
    but(|world| world.service(values))
}

#[rustfmt::skip]
pub const FAULTS: &[Seeded] = &[
    row("configuration with a typing error", "config", "rate_hz", || but(|w| w.set("capture", "rate_hz = \"fast\""))),
    row("service gave up over its configuration", "service", "code 78", || service(["loaded", "failed", "failed", "exit-code", "78", "0"])),
    row("service in a restart loop", "service", "again and again", || service(["loaded", "activating", "auto-restart", "signal", "11", "214"])),
    row("service ended by its watchdog", "service", "watchdog", || service(["loaded", "failed", "failed", "watchdog", "6", "5"])),
    row("service that restarts often", "service", "17 restarts", || service(["loaded", "active", "running", "success", "0", "17"])),
    row("service whose key was encrypted elsewhere", "service", "troubleshooting.md#key", || service(["loaded", "activating", "auto-restart", "exit-code", "243", "40"])),
    row("no key", "key", "none found", || but(|w| w.key = None)),
    row("key that is no key", "key", "more than one word", || but(|w| { w.key = None; w.installed_key("AIza one\ntwo\n", 0o600); })),
    row("key that everybody can read", "key", "chmod o=", || but(|w| { w.key = None; w.installed_key("AIzaSyTest\n", 0o644); })),
    row("key that is refused", "session", "key-refused", || served(Options { key: Some("another".into()), ..Options::default() })),
    row("model that is not there", "session", "model-not-found", || but(|w| { let keys = w.config[0].1.clone(); w.set("live", keys + "\nmodel = \"gemini-9-live\""); })),
    row("quota used up", "session", "quota", || refusing(Fault::Close { code: 1011, reason: "You exceeded your current quota, please check your plan".into() }, When::Setup)),
    row("too many requests (429)", "session", "limits and billing", || refusing(Fault::Http { status: 429 }, When::Request)),
    row("kernel before GPIO lines", "board", "too old", || but(|w| w.write("proc/sys/kernel/osrelease", "4.19.66-v7+\n"))),
    row("overlay not loaded", "overlay", "dtoverlay=hifiberry-dac", || but(|w| w.set("playback", "device = \"hw:CARD=sndrpihifiberry\""))),
    row("overlay loaded, card absent", "overlay", "reboot", || but(|w| {
        w.set("playback", "device = \"hw:CARD=MAX98357A\"");
        w.write("boot/firmware/config.txt", "dtoverlay=max98357a,no-sdmode\n");
    })),
    row("microphone's card missing", "microphone", "ArrayUAC10", || but(|w| w.set("capture", "device = \"hw:CARD=Array\""))),
    row("microphone held by a process", "microphone", "pid 4120, arecord", || but(|w| {
        w.card.set_busy(Direction::Capture, true);
        w.write("proc/asound/card1/pcm0c/sub0/status", "state: RUNNING\nowner_pid   : 4121\n");
        w.write("proc/4121/status", "Name:\tcapture\nTgid:\t4120\nPid:\t4121\n");
        w.write("proc/4120/comm", "arecord\n");
    })),
    row("microphone without permission", "microphone", "usermod -aG audio", || but(|w| w.card.set_denied(Direction::Capture, true))),
    row("microphone that stands still", "microphone", "delivers nothing", || but(|w| w.card.stall(Direction::Capture))),
    row("card with a rate too low", "microphone", "8000 Hz is too little", || card(StreamOptions::new(8_000, 1), |_| ())),
    row("clipped microphone", "microphone", "clipped", || card(mono(), |w| w.card.say(0, &all(|n| if n / 8 % 2 == 0 { 32_767 } else { -32_768 })).unwrap())),
    row("microphone of zeros", "microphone", "digital silence", || card(mono(), |w| w.card.say(0, &all(|_| 0)).unwrap())),
    row("muted microphone", "microphone", "next to nothing", || card(mono(), |w| w.card.say(0, &all(|n| i16::from(n % 50 == 0))).unwrap())),
    row("dead channel", "microphone", "channels: 1", || card(StreamOptions { channels: vec![2], ..mono() }, |w| w.card.say_on(&[1], 0, &all(|_| 0)).unwrap())),
    row("speaker held", "speaker", "busy", || but(|w| w.card.set_busy(Direction::Playback, true))),
    row("speaker's card gone", "speaker", "pressel_speaker", || but(|w| w.card.unplug(Direction::Playback))),
    row("loudspeaker not connected", "echo", "does not hear", || but(|w| { w.plays = true; w.card.set_echo(None); })),
    row("line held by another", "button", "held by \"w1\"", || but(|w| {
        w.set("button", "kind = \"gpio\"\nline = \"GPIO17\"");
        w.write("sys/kernel/debug/gpio", "gpiochip0: GPIOs 569-622, parent: platform/1f000d0000.gpio, pinctrl-rp1:\n \
            gpio-586 (GPIO17              |w1                  ) in  hi\n");
    })),
    row("line that is not there", "button", "GPIO99", || but(|w| w.set("button", "kind = \"gpio\"\nline = \"GPIO99\""))),
    row("volume line that is not there", "button", "GPIO98", || but(|w| w.set("button", "kind = \"gpio\"\nlines = \"up GPIO98\"\ngestures = \"press talk, up press volume-up\""))),
    row("mute switch that is not there", "mute", "GPIO97", || but(|w| w.set("mute", "kind = \"gpio\"\nline = \"GPIO97\""))),
    row("mute switch held by another", "mute", "held by \"sysfs\"", || but(|w| {
        w.set("mute", "kind = \"gpio\"\nline = \"GPIO22\"");
        w.write("sys/kernel/debug/gpio", " gpio-591 (GPIO22              |sysfs               ) in  hi\n");
    })),
    row("not in a group", "groups", "not in gpio", || but(|w| w.write("etc/group", "audio:x:29:pressel\ngpio:x:997:\ninput:x:101:pressel\nspi:x:994:pressel\n"))),
    row("group missing", "groups", "no group spi", || but(|w| w.write("etc/group", "audio:x:29:pressel\ngpio:x:997:pressel\ninput:x:101:pressel\n"))),
    row("service that does not start without its group", "service", "no group spi (216/GROUP)", || but(|w| {
        w.service(["loaded", "activating", "auto-restart", "exit-code", "216", "40"]);
        w.write("etc/group", "audio:x:29:pressel\ngpio:x:997:pressel\ninput:x:101:pressel\n");
    })),
    row("real-time limit of 0", "realtime", "priority is 0", || but(|w| w.write("proc/self/limits", "Max locked memory  65536 65536 bytes\nMax realtime priority     0                    0                    \n"))),
    row("kernel without real time", "realtime", "sched_rt_runtime_us", || but(|w| w.write("proc/sys/kernel/sched_rt_runtime_us", "0\n"))),
    row("voltage too low", "power", "voltage is too low now", || but(|w| w.write("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n"))),
    row("voltage was too low", "power", "since the start", || but(|w| w.write("sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n"))),
    row("hot", "power", "84 °C", || but(|w| w.write("sys/class/thermal/thermal_zone0/temp", "84200\n"))),
    row("disk read-only", "disk", "read-only", || but(|w| w.write("proc/self/mounts", "/dev/mmcblk0p2 / ext4 rw 0 0\n/dev/mmcblk0p3 /var/lib/pressel ext4 ro,noatime 0 0\n"))),
    row("disk full", "disk", "full", || but(|w| w.before = Some(format!("mount -t tmpfs -o size=64k none '{}'", w.root().join("var/lib/pressel").display())))),
    row("clock behind itself", "clock", "2031", || but(|w| {
        w.write("var/lib/systemd/timesync/clock", "");
        let file = std::fs::File::options().write(true).open(w.root().join("var/lib/systemd/timesync/clock")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_925_000_000)).unwrap();
    })),
    row("tool without its program", "tools", "there is no program /usr/bin/torque", || but(|w| {
        w.write("etc/pressel/tools.d/torque.toml", "name = \"torque\"\ndescription = \"x\"\n[command]\nargv = [\"/usr/bin/torque\"]\n");
    })),
    row("tool with a mistake", "tools", "torque.toml:2: descripton: no such key", || but(|w| {
        w.write("etc/pressel/tools.d/torque.toml", "name = \"torque\"\ndescripton = \"x\"\n[command]\nargv = [\"/bin/sh\"]\n");
    })),
    row("tools as the daemon's own user", "tools", "no socket at /run/pressel-tool/socket", || but(|w| {
        w.program("torque", "echo 45");
        w.write("etc/pressel/tools.d/torque.toml", "name = \"torque\"\ndescription = \"x\"\n[command]\nargv = [\"/usr/bin/torque\"]\n");
    })),
    row("Wi-Fi asleep", "wifi", "power save is on", || but(|w| w.program("iw", "echo 'Power save: on'"))),
    row("Wi-Fi asleep, without iw", "wifi", "power save is on", || but(|w| {
        w.program("iw", "exit 1");
        w.write("etc/NetworkManager/conf.d/default-wifi-powersave-on.conf", "[connection]\nwifi.powersave = 3\n");
    })),
    row("Wi-Fi far away", "wifi", "signal is weak", || but(|w| w.write("proc/net/wireless", "h\nh\n wlan0: 0000   20.  -84.  -256        0\n"))),
    row("no route", "route", "no default route", || but(|w| {
        w.endpoint("wss://192.0.2.1");
        w.write("proc/net/route", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n");
    })),
    row("no name server", "dns", "names no name server", || but(|w| { w.endpoint("wss://pressel.invalid"); w.write("etc/resolv.conf", "# none\n"); })),
    row("name unknown", "dns", "pressel.invalid", || but(|w| w.endpoint("wss://pressel.invalid"))),
    row("server's port closed", "connect", "firewall", || but(|w| w.endpoint(&format!("wss://127.0.0.1:{}", closed_port())))),
    row("captive portal", "portal", "sign in", || but(|w| {
        w.endpoint("wss://192.0.2.1");
        let portal = answering("HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n");
        w.set("network", format!("captive_check = \"http://{portal}/generate_204\""));
    })),
    row("proxy refuses", "proxy", "(403)", || but(|w| {
        w.endpoint("wss://live.example");
        let proxy = answering("HTTP/1.1 403 Forbidden\r\n\r\n");
        w.set("network", format!("proxy = \"http://{proxy}\""));
    })),
    row("proxy wants a log-in", "proxy", "(407)", || but(|w| {
        w.endpoint("wss://live.example");
        let proxy = answering("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n");
        w.set("network", format!("proxy = \"http://{proxy}\""));
    })),
    row("certificate of somebody else", "tls", "somebody else's", || {
        let mut world = served(Options { listen: ([127, 0, 0, 2], 0).into(), ..Options::default() });
        world.endpoint(&format!("wss://{}", world.server.address()));
        world
    }),
    row("unknown authority", "tls", "nobody trusted", || but(|w| { let url = w.server.url(); w.set("live", format!("endpoint = \"{url}\"")); })),
    row("certificate not valid yet", "tls", "clock", || served(Options { authority: Some(Authority::valid_from(2040).unwrap()), ..Options::default() })),
    row("server without TLS", "tls", "does not speak TLS", || but(|w| {
        let server = answering("HTTP/1.1 400 Bad Request\r\n\r\n");
        w.endpoint(&format!("wss://{server}"));
    })),
];

/// What is well all the same is not complained of.
pub fn well() -> World {
    let mut world = World::well();
    world.plays = true;
    world.service(RUNS);
    world
}
