//! `pressel-rooms`: one scene, one row per engine.

mod bench;

use std::process::ExitCode;

use pressel_rooms::Kind;

const USAGE: &str = "\
pressel-rooms [SCENE…] [--seed N]…
pressel-rooms bench [--record] [--quick] [--aec3]

  SCENE     clean40 room40 room120 drift3 drift30 loud hard               (these by default)
            hard180 hard500 hard-edge delay-jump path-change compressor babble volume xrun
  --seed N  may be given several times; 1 by default";

fn main() -> ExitCode {
    let (mut kinds, mut seeds) = (Vec::new(), Vec::new());
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "bench") {
        return bench::run(&arguments[1..]);
    }
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if argument == "--seed" {
            seeds.extend(arguments.next().and_then(|seed| seed.parse::<u64>().ok()));
        } else {
            match argument.parse::<Kind>() {
                Ok(kind) => kinds.push(kind),
                Err(error) => {
                    eprintln!("pressel-rooms: {error}\n\n{USAGE}");
                    return ExitCode::from(2);
                }
            }
        }
    }
    if kinds.is_empty() {
        kinds.extend(Kind::KNOWN);
    }
    if seeds.is_empty() {
        seeds.push(1);
    }
    for kind in kinds {
        for &seed in &seeds {
            for (engine, row) in bench::rows(kind, seed) {
                println!("{:10} {seed:4} {engine:20} {row}", kind.name());
            }
        }
    }
    ExitCode::SUCCESS
}
