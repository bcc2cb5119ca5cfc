//! The kernel's loopback card, for chores that are to run over it.

/// Whether the command line asks for it.
pub fn wanted(args: &[String]) -> bool {
    args.iter().take_while(|a| *a != "--").any(|a| a == "--aloop")
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_two_dashes_is_for_the_tests() {
        let args = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        assert!(wanted(&args("--out x --aloop")));
        assert!(!wanted(&args("--out x -- --aloop")));
    }
}
