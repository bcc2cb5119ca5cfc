//! Rules that span keys; those of one key's text are in `text`.

mod controls;
mod sound;

use super::{Backend, Config};

/// A rule that spans keys. It is skipped when one of its keys has a mistake of its own.
pub struct Across {
    /// The keys it looks at, the one to blame first.
    pub keys: &'static [(&'static str, &'static str)],
    /// `None` when all is well, else what is wrong with the first key and what to do.
    pub wrong: fn(&Config) -> Option<String>,
}

/// Every rule that spans keys.
pub fn rules() -> impl Iterator<Item = &'static Across> {
    [SERVICE, sound::RULES, controls::RULES].into_iter().flatten()
}

/// Those of the service that answers, and of what opens it.
const SERVICE: &[Across] = &[
    Across {
        keys: &[("live", "compress_to_tokens"), ("live", "compress_above_tokens")],
        wrong: |c| {
            let (to, above) = (c.live.compress_to_tokens, c.live.compress_above_tokens);
            (above != 0 && to >= above).then(|| format!("is not below compress_above_tokens = {above}"))
        },
    },
    Across {
        keys: &[("live", "backend"), ("token", "url"), ("token", "command"), ("token", "file")],
        wrong: |c| {
            let given = [!c.token.url.is_empty(), !c.token.command.is_empty(), !c.token.file.is_empty()];
            let count = given.into_iter().filter(|&given| given).count();
            (c.live.backend == Backend::Token && count != 1).then(|| {
                let found = if count == 0 { "none of them is" } else { "more than one of them is" };
                format!("needs one of url, command and file in [token]; {found} set")
            })
        },
    },
    Across {
        keys: &[("token", "client_cert_file"), ("token", "client_key_file")],
        wrong: |c| {
            (c.token.client_cert_file.is_empty() != c.token.client_key_file.is_empty())
                .then(|| "and client_key_file go together; one of them is empty".to_owned())
        },
    },
    Across {
        keys: &[("token", "url"), ("token", "bearer_file"), ("token", "client_cert_file")],
        wrong: |c| {
            let named = !c.token.bearer_file.is_empty() || !c.token.client_cert_file.is_empty();
            (named && c.token.url.is_empty())
                .then(|| "is empty; bearer_file and client_cert_file are for a url only".to_owned())
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(change: impl Fn(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        change(&mut config);
        rules()
            .filter_map(|rule| (rule.wrong)(&config).map(|text| format!("{} {text}", rule.keys[0].1)))
            .collect()
    }

    /// One rule alone must find a mistake in the changed defaults, in words that begin like this.
    pub(super) fn check(change: &dyn Fn(&mut Config), start: &str) {
        let found = wrong(change);
        assert!(found.len() == 1 && found[0].starts_with(start), "expected \"{start}\", found {found:?}");
    }

    #[test]
    fn the_defaults_agree_with_each_other() {
        assert_eq!(wrong(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn rules_of_the_service_see_their_mistakes() {
        check(&|c| c.live.compress_to_tokens = 25_000, "compress_to_tokens is not below");
        check(&|c| c.live.backend = Backend::Token, "backend needs one of url, command and file");
        check(
            &|c| {
                c.live.backend = Backend::Token;
                (c.token.url, c.token.file) = ("https://example.org/token".into(), "/run/token".into());
            },
            "backend needs one of url, command and file in [token]; more than one",
        );
        check(&|c| c.token.bearer_file = "/etc/pressel/bearer".into(), "url is empty");
        check(
            &|c| {
                c.token.url = "https://example.org/token".into();
                c.token.client_cert_file = "/etc/pressel/device.pem".into();
            },
            "client_cert_file and client_key_file go together",
        );
    }

    #[test]
    fn compression_can_be_off_whatever_its_target() {
        assert_eq!(wrong(|c| c.live.compress_above_tokens = 0), Vec::<String>::new());
    }
}
