//! Chores of the workspace. Each is one or a few plain commands, printed before they run.

mod aloop;
mod apt;
mod arm;
mod debian;
mod dist;
mod emulate;
mod image;
mod lint;
mod manual;
mod mcp;
mod nspawn;
mod run;
mod sbom;
mod test;
mod tools;
mod trixie;
mod vm;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask <chore>

  demo [--aloop] [--out DIR]   the whole daemon on a virtual sound card against a server on loopback
  test [--msrv] [-- ARGS]      every test, and the quick set of faults; --msrv: with the oldest supported compiler
  test --nspawn                the service under a systemd of its own, in a container (as root)
  test --arm64                 the release programs for arm64 and armhf, emulated: a whole talk each (as root)
  test --image                 the disk image, booted in an emulated board: set up, pressed, answered (as root)
  test --vm                    kernel devices, networks and power cuts, in a virtual machine, see docs/vm.md (as root)
  test --aloop                 talks over the kernel's loopback card, see docs/aloop.md
  bench [SCENE…|micro]         latencies, CPU, memory, bytes; compared with the last recorded run
  bench sound [--quick|--aec3] echo, barge-in, noise, array in simulated rooms; likewise
  faults [--quick|--long]      what networks, servers and devices may do, and what comes of it; likewise
  calls [--quick|--long]       calls of tools by every model, in virtual time and by the daemon; likewise
  soak [5m|8h] [--seed N]      talk after talk with faults in between: does anything grow, or drift?
  lint                         format, clippy, docs, unit files
  arm                          release binaries for arm64 and armhf, built as Debian trixie would
  dist [amd64|arm64|armhf …]   Debian packages, their checksums and bills of materials, into target/dist
  dist mcp [amd64|arm64 …]     the package pressel-mcp alone
  manual                       manual pages and completions, into target/manual
  image [pi|virt]              a disk image for a Pi's card or for QEMU, into target/image (as root)
  deny                         licences, bans and sources (needs cargo-deny)
  setup                        install the Debian packages the chores above need

Whatever a chore needs from Debian it installs by apt as root or through sudo, or prints the line to type.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (chore, rest) = match args.split_first() {
        Some((chore, rest)) => (chore.as_str(), rest),
        None => ("help", &[][..]),
    };
    let result = match chore {
        "demo" => run::demo(rest),
        "test" if rest.iter().any(|a| a == "--msrv") => trixie::test(),
        "test" => test::test(rest),
        "bench" => run::bench(rest),
        "faults" => run::faults(rest),
        "calls" => run::calls(rest),
        "soak" => run::soak(rest),
        "lint" => lint::lint(),
        "deny" => lint::deny(),
        "arm" => trixie::arm(),
        "image" => image::image(rest),
        "manual" => manual::manual(),
        "dist" => dist::dist(rest),
        "setup" => apt::need(apt::ALL),
        "help" | "--help" | "-h" => {
            eprintln!("{USAGE}");
            Ok(())
        }
        other => Err(format!("no chore \"{other}\"\n\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("xtask: {text}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder.
fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// Prints a command and runs it in the workspace's folder.
fn sh(program: &str, args: &[&str]) -> Result<(), String> {
    eprintln!("$ {program} {}", args.join(" "));
    let status = std::process::Command::new(program)
        .args(args)
        .current_dir(root())
        .status()
        .map_err(|e| format!("{program}: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{program} {}: {status}", args.first().unwrap_or(&"")))
    }
}
