//! One talk as a picture: who spoke, what the light showed, what went over the wire, on one time axis.
//!
//! Writes a single HTML file with an inline SVG: no script, nothing to load.

use std::fmt::Write;

/// Sound on the axis.
pub struct Wave<'a> {
    /// Mono samples; the first one is at time 0.
    pub samples: &'a [i16],
    /// Their rate in Hz.
    pub rate_hz: u32,
}

/// Something that lasted.
pub struct Span {
    /// Start and end in ms.
    pub from_ms: f64,
    /// End in ms.
    pub to_ms: f64,
    /// What it was; phases are coloured by it.
    pub name: String,
}

/// Something that happened.
pub struct Mark {
    /// When, in ms.
    pub at_ms: f64,
    /// What it was.
    pub name: String,
}

/// Everything the picture shows.
pub struct Timeline<'a> {
    /// Heading.
    pub title: String,
    /// Length of the axis in ms.
    pub length_ms: f64,
    /// What the light showed.
    pub phases: Vec<Span>,
    /// When the button was down.
    pub button: Vec<Span>,
    /// What the room's microphone heard.
    pub microphone: Wave<'a>,
    /// Stretches of it that went over the wire.
    pub sent: Vec<Span>,
    /// Messages to the server other than sound.
    pub up: Vec<Mark>,
    /// Messages from the server other than sound.
    pub down: Vec<Mark>,
    /// Sound messages from the server.
    pub received: Vec<Span>,
    /// What the loudspeaker played.
    pub speaker: Wave<'a>,
    /// What was understood and said.
    pub captions: Vec<Mark>,
    /// The figures under the picture: name, value.
    pub figures: Vec<(String, String)>,
}

const LEFT: f64 = 110.0;
const PX_PER_S: f64 = 90.0;

fn colour(phase: &str) -> &'static str {
    match phase {
        "listening" => "#2e9e5b",
        "thinking" => "#d99a1c",
        "speaking" => "#3b7dd8",
        "connecting" => "#8a63c9",
        "offline" | "no-device" | "fault" | "needs-setup" => "#c94f4f",
        _ => "#9aa3ad",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

struct Canvas {
    svg: String,
    width: f64,
    y: f64,
}

impl Canvas {
    fn x(ms: f64) -> f64 {
        LEFT + ms / 1000.0 * PX_PER_S
    }

    fn lane(&mut self, name: &str, height: f64) -> f64 {
        let y = self.y;
        let right = self.width;
        self.y += height + 10.0;
        self.put(format_args!(
            "<text class=\"lane\" x=\"{}\" y=\"{}\">{name}</text>\n<line class=\"rule\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/>\n",
            LEFT - 12.0, y + height / 2.0 + 4.0, right, y + height + 5.0, y + height + 5.0,
        ));
        y
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.svg.write_fmt(text).expect("a string takes everything");
    }

    fn spans(&mut self, name: &str, spans: &[Span], fill: impl Fn(&str) -> &'static str, label: bool) {
        let y = self.lane(name, 20.0);
        for span in spans {
            let (x, width) = (Self::x(span.from_ms), (span.to_ms - span.from_ms) / 1000.0 * PX_PER_S);
            let what = escape(&span.name);
            self.put(format_args!(
                "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"20\" rx=\"3\" fill=\"{}\"><title>{what}: {:.0} to {:.0} ms</title></rect>\n",
                width.max(1.0), fill(&span.name), span.from_ms, span.to_ms,
            ));
            if label && width > what.len() as f64 * 7.0 {
                self.put(format_args!(
                    "<text class=\"on\" x=\"{:.1}\" y=\"{}\">{what}</text>\n",
                    x + 5.0,
                    y + 14.0
                ));
            }
        }
    }

    /// Names are staggered over three rows so that neighbours stay readable.
    fn marks(&mut self, name: &str, marks: &[Mark]) {
        let y = self.lane(name, 48.0);
        let mut free = [f64::MIN; 3];
        for mark in marks {
            let (x, what) = (Self::x(mark.at_ms), escape(&mark.name));
            self.put(format_args!(
                "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y}\" y2=\"{}\"><title>{what} at {:.1} ms</title></line>\n",
                y + 48.0, mark.at_ms,
            ));
            if let Some(row) = free.iter().position(|&end| end < x) {
                free[row] = x + mark.name.chars().count() as f64 * 5.8 + 8.0;
                let text_y = y + 12.0 + row as f64 * 15.0;
                self.put(format_args!(
                    "<text class=\"tag\" x=\"{:.1}\" y=\"{text_y}\">{what}</text>\n",
                    x + 3.0
                ));
            }
        }
    }

    fn wave(&mut self, name: &str, wave: &Wave<'_>, class: &str) {
        let height = 90.0;
        let y = self.lane(name, height);
        let middle = y + height / 2.0;
        let per_px = f64::from(wave.rate_hz) / PX_PER_S;
        let columns = (wave.samples.len() as f64 / per_px) as usize;
        let mut path = String::with_capacity(columns * 20);
        for column in 0..columns {
            let from = (column as f64 * per_px) as usize;
            let to = (((column + 1) as f64 * per_px) as usize).min(wave.samples.len());
            let part = &wave.samples[from..to];
            let (low, high) = part.iter().fold((0, 0), |(l, h), &s| (l.min(s), h.max(s)));
            if i32::from(high) - i32::from(low) < 40 {
                continue; // silence is an empty lane
            }
            let up = middle - f64::from(high) / 32768.0 * height / 2.0 * 1.4;
            let down = middle - f64::from(low) / 32768.0 * height / 2.0 * 1.4;
            let x = LEFT + column as f64;
            write!(path, "M{x} {up:.1}V{:.1}", down.max(up + 0.5)).expect("a string takes everything");
        }
        self.put(format_args!("<path class=\"{class}\" d=\"{path}\"/>\n"));
    }

    /// Seconds, drawn behind everything else.
    fn axis(&mut self, length_ms: f64) {
        let y = self.y + 8.0;
        let mut grid = String::new();
        for second in 0..=(length_ms / 1000.0) as u32 {
            let x = Self::x(f64::from(second) * 1000.0);
            writeln!(
                grid,
                "<line class=\"grid\" x1=\"{x}\" x2=\"{x}\" y1=\"20\" y2=\"{}\"/><text class=\"tick\" x=\"{x}\" y=\"{y}\">{second} s</text>",
                y - 12.0,
            )
            .expect("a string takes everything");
        }
        self.svg.insert_str(0, &grid);
        self.y = y + 12.0;
    }
}

impl Timeline<'_> {
    /// The whole page.
    pub fn to_html(&self) -> String {
        let width = LEFT + self.length_ms / 1000.0 * PX_PER_S + 60.0;
        let mut canvas = Canvas { svg: String::new(), width, y: 24.0 };
        canvas.spans("light", &self.phases, colour, true);
        canvas.spans("button", &self.button, |_| "#555f6b", false);
        canvas.wave("microphone", &self.microphone, "mic");
        canvas.spans("sound sent", &self.sent, |_| "#2e9e5b", false);
        canvas.marks("to server", &self.up);
        canvas.marks("from server", &self.down);
        canvas.spans("sound received", &self.received, |_| "#7fb0ee", false);
        canvas.wave("loudspeaker", &self.speaker, "spk");
        canvas.marks("captions", &self.captions);
        canvas.axis(self.length_ms);
        let height = canvas.y;
        let mut rows = String::new();
        for (name, value) in &self.figures {
            writeln!(rows, "<tr><td>{}</td><td>{}</td></tr>", escape(name), escape(value)).expect("a string");
        }
        let title = escape(&self.title);
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n<style>{STYLE}</style></head>\n\
             <body><h1>{title}</h1>\n<div class=\"scroll\"><svg width=\"{width:.0}\" height=\"{height:.0}\" \
             xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{title}\">\n{}</svg></div>\n\
             <table>{rows}</table></body></html>\n",
            canvas.svg,
        )
    }
}

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#20262d;--faint:#7a848f;--rule:#e3e7eb;--paper:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaee;--faint:#8f99a4;--rule:#2c333a;--paper:#15191d}}
body{font:14px/1.5 system-ui,sans-serif;margin:28px;background:var(--paper);color:var(--ink)}
h1{font-size:18px;font-weight:600;margin:0 0 16px}
.scroll{overflow-x:auto;border:1px solid var(--rule);border-radius:8px;padding:8px}
svg text{fill:var(--ink);font:11px system-ui,sans-serif}
svg .lane{text-anchor:end;fill:var(--faint);font-size:12px}
svg .on{fill:#fff;font-weight:600}
svg .tag{font-size:10px}
svg .tick{text-anchor:middle;fill:var(--faint)}
svg .rule{stroke:var(--rule)}
svg .grid{stroke:var(--rule);stroke-dasharray:2 4}
svg .mark{stroke:var(--faint)}
svg .mic{stroke:#2e9e5b;fill:none}
svg .spk{stroke:#3b7dd8;fill:none}
table{border-collapse:collapse;margin-top:18px}
td{padding:4px 18px 4px 0;border-bottom:1px solid var(--rule)}
td:last-child{text-align:right;font-variant-numeric:tabular-nums}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_every_lane_is_drawn() {
        let loud: Vec<i16> = (0..16_000).map(|n| if n % 2 == 0 { 9000 } else { -9000 }).collect();
        let page = Timeline {
            title: "a <talk>".into(),
            length_ms: 1000.0,
            phases: vec![Span { from_ms: 0.0, to_ms: 500.0, name: "listening".into() }],
            button: vec![],
            microphone: Wave { samples: &loud, rate_hz: 16_000 },
            sent: vec![],
            up: vec![Mark { at_ms: 3.0, name: "activityStart".into() }],
            down: vec![],
            received: vec![],
            speaker: Wave { samples: &loud, rate_hz: 16_000 },
            captions: vec![Mark { at_ms: 10.0, name: "\"5 < 6\" & more".into() }],
            figures: vec![("press → light".into(), "0.3 ms".into())],
        }
        .to_html();
        assert!(page.contains("a &lt;talk&gt;") && page.contains("&quot;5 &lt; 6&quot; &amp; more"));
        for lane in ["light", "button", "microphone", "to server", "from server", "loudspeaker", "captions"] {
            assert!(page.contains(&format!(">{lane}</text>")), "{lane}");
        }
        assert_eq!(page.matches("<path class=\"mic\" d=\"M").count(), 1);
        assert!(page.contains("0.3 ms") && page.contains(colour("listening")));
    }
}
