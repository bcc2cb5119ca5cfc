//! `pressel setup`.

use std::io;
use std::path::Path;

use pressel::config::{self, FOLDER};
use pressel::devices;
use pressel::doctor::Class;
use pressel::setup::{self, AnswerFile, Answers, Person, Plan};

use super::arguments::Setup;
use super::{Failure, print};

/// It is set up, and something does not work yet.
const DRAWBACK: u8 = 3;

pub(super) fn setup(arguments: Setup) -> Result<(), Failure> {
    let Setup { from, dry_run, no_test, no_start, root } = arguments;
    let here = root == Path::new("/");
    let mut stderr = io::stderr();
    let mut person = Person { told: &mut stderr };
    let asked = from.is_none();
    let file = from.map(|path| AnswerFile::read(&path)).transpose().map_err(Failure::configuration)?;
    let (answers, file) = match file {
        Some(mut file) => (std::mem::take(&mut file.answers), Some(file)),
        None => (ask(&mut person, &root)?, None),
    };
    let plan = Plan::new(&root, answers).map_err(Failure::configuration)?;
    match plan.changes.as_slice() {
        [] => print("nothing to change\n")?,
        changes => print(&format!("{}\n", changes.join("\n")))?,
    }
    if dry_run {
        return Ok(());
    }
    if asked && !plan.changes.is_empty() && !person.agrees("change this?").map_err(unheard)? {
        return Err(Failure::failed("nothing was changed"));
    }
    if here && !no_start {
        // It holds cards and lines, and would be restarted by the new key in the middle of it.
        setup::stop();
    }
    plan.carry_out().map_err(Failure::failed)?;
    if let Some(file) = file {
        file.forget_key()
            .map_err(|error| Failure::failed(format!("the key is still in the file: {error}")))?;
    }
    let tested = no_test || test(&mut person, plan, &root, asked)?;
    if here && !no_start {
        setup::start(asked).map_err(Failure::failed)?;
        print("the service is started; what it does: pressel status\n")?;
    }
    // With a file nobody waits for an answer: what does not work yet is the doctor's to tell.
    if tested || !asked {
        return Ok(());
    }
    Err(Failure::new(DRAWBACK, "not everything works yet: see above, and pressel doctor"))
}

fn ask(person: &mut Person<'_>, root: &Path) -> Result<Answers, Failure> {
    let config = config::load_below(root, None).map_err(Failure::configuration)?.config;
    let key = root.join(FOLDER.trim_start_matches('/')).join("key");
    let has_key = std::fs::metadata(key).is_ok_and(|facts| facts.len() > 1);
    person.ask(&config, &devices::look(), has_key).map_err(unheard)
}

/// Tries each part; whether all of them work.
fn test(person: &mut Person<'_>, plan: Plan, root: &Path, asked: bool) -> Result<bool, Failure> {
    let config = plan.loaded.config.clone();
    person.tell("trying it: a sweep is played ...").map_err(unheard)?;
    let report = setup::try_out(plan.loaded, root);
    print(&report.to_string())?;
    let mut works = report.worst < Class::Warn;
    if asked {
        match setup::press(&config, || eprintln!("press the button now")) {
            None => {}
            Some(Ok(())) => print("ok    press        it was heard\n")?,
            Some(Err(why)) => {
                works = false;
                print(&format!("fail  press        {why}\n"))?;
            }
        }
    }
    Ok(works)
}

fn unheard(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::Interrupted => Failure::failed("interrupted; nothing was changed"),
        io::ErrorKind::UnexpectedEof => Failure::failed(
            "no more answers; nothing was changed. Without a person: pressel setup --from FILE",
        ),
        _ => Failure::failed(error),
    }
}
