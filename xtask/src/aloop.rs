//! The kernel's loopback card, for chores that are to run over it.

use crate::test::Needs;

/// Makes sure that there is one, before anything is built for it. Loading a kernel module is left to the person.
pub fn need() -> Result<(), String> {
    let cards = std::fs::read_to_string("/proc/asound/cards").unwrap_or_default();
    if cards.contains("]: Loopback - ") {
        return Ok(());
    }
    let text = "there is no snd-aloop card on this machine. It is made by\n\n    \
                sudo modprobe snd-aloop pcm_substreams=2\n\nand docs/aloop.md says more";
    Err(text.into())
}

/// For the tests over it.
pub fn test() -> Result<Needs, String> {
    need()?;
    Ok(vec![("PRESSEL_ALOOP", "1".into())])
}
