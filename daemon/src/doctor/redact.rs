//! What must not leave the device is blotted out: known secrets word for word, and whatever looks like one.

/// What stands for a secret.
const BLOT: &str = "…";
/// Beginnings of Google's keys and tokens, of JSON web tokens, and of ephemeral tokens.
const BEGINNINGS: [&str; 5] = ["AIza", "ya29", "AQ.", "eyJ", "auth_tokens/"];
/// Parts of names whose values are secret, or nobody's business.
const NAMES: [&str; 11] = [
    "password",
    "passphrase",
    "psk",
    "secret",
    "authorization",
    "bearer",
    "api_key",
    "api-key",
    "private_key",
    "token",
    "instruction",
];
/// A run of letters, digits and dashes this long, with small and large letters and digits, is no word.
const RANDOM_MIN: usize = 24;

/// The text without secrets.
pub(super) fn redact(text: &str, known: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in known {
        text = text.replace(secret.as_str(), BLOT);
    }
    let mut inside = false;
    let lines = text.lines().map(|line| {
        // Keys in PEM, line by line.
        if line.contains("-----BEGIN") && line.contains("PRIVATE") {
            inside = true;
        }
        let was = inside;
        if line.contains("-----END") {
            inside = false;
        }
        if was { BLOT.to_owned() } else { runs(&users(&values(line))) }
    });
    let lines: Vec<String> = lines.collect();
    lines.join("\n") + "\n"
}

/// `name = value` and `name: value`, where the name says that the value is secret. Files and numbers are none.
fn values(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    for name in NAMES {
        let Some(at) = lower.find(name) else { continue };
        let behind = &line[at + name.len()..];
        let rest = behind.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_-\"'".contains(c));
        let suffix = &behind[..behind.len() - rest.len()];
        let Some(raw) = rest.trim_start().strip_prefix(['=', ':']).or(bearer(name, rest)) else { continue };
        let value = raw.trim().trim_matches(['"', '\'']);
        let plain = value.is_empty()
            || value.starts_with('/')
            || value.bytes().all(|b| b.is_ascii_digit() || b".,".contains(&b));
        if !plain && !suffix.contains("_file") && value != "[]" {
            return format!("{} {BLOT}", line[..line.len() - raw.len()].trim_end());
        }
    }
    line.to_owned()
}

/// `Authorization: Bearer x` needs no sign before its value.
fn bearer<'a>(name: &str, rest: &'a str) -> Option<&'a str> {
    (name == "bearer" && rest.starts_with(' ')).then_some(rest)
}

/// `scheme://user:password@host`.
fn users(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = behind.find(|c: char| c.is_whitespace() || "/\"'<>".contains(c)).unwrap_or(behind.len());
        rest = match behind[..end].rfind('@') {
            Some(at) => {
                out.push_str(BLOT);
                &behind[at..]
            }
            None => behind,
        };
    }
    out + rest
}

/// Words that begin as keys do, and long runs that look random.
fn runs(line: &str) -> String {
    let part = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        if let Some(beginning) = BEGINNINGS.iter().find(|beginning| rest.starts_with(**beginning)) {
            let behind = &rest[beginning.len()..];
            let end = behind.find(|c: char| !part(c) && !"./+=".contains(c)).unwrap_or(behind.len());
            if end >= 4 {
                out.push_str(BLOT);
                rest = &behind[end..];
                continue;
            }
        }
        let end = rest.find(|c| !part(c)).unwrap_or(rest.len());
        if end == 0 {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..first]);
            rest = &rest[first..];
            continue;
        }
        let word = &rest[..end];
        let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
        let random = word.len() >= RANDOM_MIN
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_digit);
        out.push_str(if random { BLOT } else { word });
        rest = &rest[end..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(redact(text, &["hunter2-hunter2".into()]), format!("{expected}\n"));
    }

    #[test]
    fn secrets_are_blotted_out_wherever_they_stand() {
        check("got hunter2-hunter2.", "got ….");
        check("key AIzaSyA0123 refused", "key … refused");
        check("x-goog-api-key: AIzaSyA0123", "x-goog-api-key: …");
        check("GEMINI_API_KEY=abc", "GEMINI_API_KEY= …");
        check("Authorization: Bearer abc.def", "Authorization: …");
        check("sent Bearer abc.def", "sent Bearer …");
        check("password = \"short\"", "password = …");
        check("proxy http://kim:pw@proxy.example:3128/", "proxy http://…@proxy.example:3128/");
        check("auth_tokens/0123456789 is used up", "… is used up");
        check("saw Abcdefghij0123456789Klmnop there", "saw … there");
        check("eyJhbGciOi.eyJzdWIi.c2ln", "…");
        check("instruction = \"You know that Kim is ill\"", "instruction = …");
        check("a\n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nb", "a\n…\n…\n…\nb");
    }

    #[test]
    fn what_helps_is_left() {
        for text in [
            "[token]",
            "compress_above_tokens = 8000",
            "proxy_password_file = \"/etc/pressel/proxy-password\"",
            "device = \"hw:CARD=sndrpihifiberry\"",
            "Linux 6.12.25+rpt-rpi-2712, wss://generativelanguage.googleapis.com:443",
            "fail  key          none found; looked at environment GEMINI_API_KEY, environment GOOGLE_API_KEY",
        ] {
            check(text, text);
        }
    }
}
