//! A text that nothing prints, and a file that holds one.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Mutex;

use hyper::header::HeaderValue;
use zeroize::Zeroizing;

use super::CredentialError;
use crate::secret_file::{self, Unusable};

/// Words of other programs that begin like this are somebody's secret, whoever's it is.
const LOOKS_SECRET: [&str; 6] = ["auth_tokens/", "ya29.", "AIza", "eyJ", "1//", "Bearer"];
/// Of other programs' words, so many letters are shown.
const WORDS_MAX: usize = 200;

/// A secret of visible ASCII in one word. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text that may have white space around it.
    ///
    /// # Errors
    /// What it is instead, to continue a sentence; it quotes nothing.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            Err("is empty")
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err("has more than one word or line, or letters that no token has")
        } else {
            Ok(Secret(Zeroizing::new(text.to_owned())))
        }
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A header with this before it.
    pub fn header(&self, before: &str) -> HeaderValue {
        let text = Zeroizing::new(format!("{before}{}", *self.0));
        let mut value =
            HeaderValue::from_str(&text).expect("new() lets only visible ASCII in, which headers may hold");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The secret that was used last, so that it can be blotted out of what others say.
#[derive(Default)]
pub(super) struct Last(Mutex<Option<Secret>>);

impl Last {
    pub(super) fn set(&self, secret: &Secret) {
        *self.lock() = Some(secret.clone());
    }

    pub(super) fn is(&self, secret: &Secret) -> bool {
        self.lock().as_ref() == Some(secret)
    }

    pub(super) fn blot_out(&self, words: String) -> String {
        match &*self.lock() {
            Some(secret) if words.contains(secret.reveal()) => words.replace(secret.reveal(), "…"),
            _ => words,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Secret>> {
        self.0.lock().expect("nobody panics while they hold it")
    }
}

/// The beginning of another program's words on one line, without what looks like a secret.
pub(super) fn presentable(words: &str) -> String {
    let mut shown = String::new();
    for word in words.split_whitespace() {
        let word = if LOOKS_SECRET.iter().any(|begin| word.contains(begin)) { "…" } else { word };
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.extend(word.chars().filter(|c| !c.is_control()));
    }
    match shown.char_indices().nth(WORDS_MAX) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// Reads a small file with a secret in it, off the loop. `what` names it in a sentence.
pub(super) async fn read(
    what: &'static str,
    path: &Path,
    length_max: u64,
) -> Result<Zeroizing<String>, CredentialError> {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || read_now(what, &path, length_max));
    reading
        .await
        .unwrap_or_else(|_| Err(CredentialError::passing(format!("{what} could not be read: no thread"))))
}

/// The same at once.
pub(super) fn read_now(
    what: &str,
    path: &Path,
    length_max: u64,
) -> Result<Zeroizing<String>, CredentialError> {
    secret_file::read(path, length_max).map_err(|unusable| {
        let reason = match &unusable {
            Unusable::Unreadable(error) => match error.kind() {
                ErrorKind::PermissionDenied => {
                    "permission denied; the daemon's user must be able to read it (chgrp pressel, chmod 640)"
                        .into()
                }
                ErrorKind::NotFound => "there is no such file".into(),
                _ => unusable.about(path),
            },
            _ => unusable.about(path),
        };
        let reason = format!("{what} {}: {reason}", path.display());
        match unusable {
            // Somebody may yet put it there; nobody hands out permissions by themselves.
            Unusable::Unreadable(error) if error.kind() != ErrorKind::PermissionDenied => {
                CredentialError::passing(reason)
            }
            _ => CredentialError::fatal(reason),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new(" ya29.hush\n").unwrap();
        let header = secret.header("Bearer ");
        assert_eq!(header.as_bytes(), b"Bearer ya29.hush");
        assert!(!format!("{secret:?} {header:?}").contains("hush"));
        let last = Last::default();
        last.set(&secret);
        assert_eq!(last.blot_out("token ya29.hush is no good".into()), "token … is no good");
    }

    #[test]
    fn what_cannot_be_a_token_is_told_without_quoting_it() {
        for (text, expected) in
            [("", "is empty"), (" \n", "is empty"), ("a b", "has more than"), ("ä", "has more than")]
        {
            let why = Secret::new(text).unwrap_err();
            assert!(why.starts_with(expected), "{text:?}: {why}");
        }
    }

    #[test]
    fn other_programs_words_are_cut_and_cleaned() {
        let words = "mint:  no luck\n\twith auth_tokens/hush and {\"k\":\"AIzaHush\"}\u{1b}";
        assert_eq!(presentable(words), "mint: no luck with … and …");
        assert_eq!(presentable(&"ä".repeat(300)).chars().count(), WORDS_MAX + 1);
    }

    #[test]
    fn files_that_cannot_be_used_say_why_and_whether_waiting_helps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let check = |fatal: bool, text: &str| {
            let error = read_now("token file", &path, 10).unwrap_err();
            assert_eq!(error.cause, pressel_live::event::Cause::Credential { fatal }, "{error}");
            assert!(error.reason.starts_with("token file /") && error.reason.contains(text), "{error}");
        };
        check(false, "there is no such file");
        fs::write(&path, "0123456789").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        check(true, "type: chmod o= /");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(*read_now("token file", &path, 10).unwrap(), "0123456789");
        fs::write(&path, "0123456789A").unwrap();
        check(true, "far too long");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        check(true, "is not a text");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        check(true, "is not a file");
    }
}
