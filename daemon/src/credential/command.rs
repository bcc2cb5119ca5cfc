//! A command that prints a token: an argument list, never a shell; bounded in time and output, and gone with all its
//! children when it takes too long.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::CredentialError;
use super::secret::presentable;

/// Of what it says about its troubles.
const COMPLAINT_MAX: usize = 4 << 10;

/// A command, which is killed with all its children when it is dropped before its end.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // None once it was waited for: from then on its number may be another's.
        let Some(number) = self.0.id().and_then(|id| libc::pid_t::try_from(id).ok()) else { return };
        // SAFETY: takes no pointers; the child leads a group of this number until it is waited for.
        unsafe { libc::kill(-number, libc::SIGKILL) };
    }
}

/// Runs it and gives what it printed.
///
/// # Errors
/// It cannot be started, fails, takes longer than `within`, or prints more than `output_max` bytes.
pub(super) async fn output(
    argv: &[String],
    within: Duration,
    output_max: usize,
) -> Result<Zeroizing<Vec<u8>>, CredentialError> {
    let (program, arguments) = argv.split_first().expect("the configuration refuses an empty list");
    let name = format!("token command {program}");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let child = command.spawn().map_err(|error| {
        // A program does not appear by itself, nor does the permission to run it.
        CredentialError::fatal(format!("{name}: cannot be started: {error}; [token] command names it"))
    })?;
    let mut group = Group(child);
    let ended = timeout(within, run(&mut group.0, output_max)).await;
    let Ok(ended) = ended else {
        let seconds = within.as_secs();
        return Err(CredentialError::passing(format!(
            "{name}: did not end within {seconds} s and was killed; [token] timeout_s is its bound"
        )));
    };
    let (status, printed, complaint) =
        ended.map_err(|error| CredentialError::passing(format!("{name}: {error}")))?;
    let Some(printed) = printed else {
        return Err(CredentialError::fatal(format!(
            "{name}: printed more than {output_max} bytes and was killed; it is to print a token and nothing else"
        )));
    };
    if !status.success() {
        let complaint = presentable(&complaint);
        let complaint = if complaint.is_empty() { "it said nothing".to_owned() } else { complaint };
        return Err(CredentialError::passing(format!("{name}: failed ({status}): {complaint}")));
    }
    Ok(printed)
}

type Ended = (ExitStatus, Option<Zeroizing<Vec<u8>>>, Zeroizing<String>);

async fn run(child: &mut Child, output_max: usize) -> std::io::Result<Ended> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let complain = async {
        let mut bytes = Zeroizing::new(Vec::with_capacity(COMPLAINT_MAX));
        if let Some(stderr) = stderr {
            let mut rest = stderr;
            (&mut rest).take(COMPLAINT_MAX as u64).read_to_end(&mut bytes).await?;
            // Nobody wants more, and a full pipe would hold it up.
            tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
        }
        Ok::<_, std::io::Error>(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
    };
    let print = async {
        match stdout {
            Some(stdout) => all_of(stdout, output_max).await,
            None => Ok(Some(Zeroizing::default())),
        }
    };
    tokio::pin!(complain);
    let mut complaint = None;
    let printed = {
        tokio::pin!(print);
        loop {
            tokio::select! {
                printed = &mut print => break printed?,
                said = &mut complain, if complaint.is_none() => complaint = Some(said?),
            }
        }
    };
    let Some(printed) = printed else {
        // Not waited for: it may go on printing for ever.
        return Ok((ExitStatus::default(), None, Zeroizing::default()));
    };
    let status = child.wait().await?;
    let complaint = match complaint {
        Some(said) => said,
        // A child of its own may hold the pipe open; what counts is that the command itself has ended.
        None if status.success() => Zeroizing::default(),
        None => timeout(Duration::from_millis(100), complain).await.unwrap_or(Ok(Zeroizing::default()))?,
    };
    Ok((status, Some(printed), complaint))
}

/// Everything up to the end; `None` when it is more than `max` bytes.
async fn all_of(pipe: impl AsyncRead + Unpin, max: usize) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(max + 1));
    pipe.take(max as u64 + 1).read_to_end(&mut bytes).await?;
    Ok((bytes.len() <= max).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(10);

    fn sh(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
    }

    async fn check(argv: &[String], within: Duration, fatal: bool, text: &str) {
        let error = output(argv, within, 100).await.unwrap_err();
        assert_eq!(error.cause, pressel_live::event::Cause::Credential { fatal }, "{error}");
        assert!(error.reason.contains(text), "{error}");
        assert!(!error.reason.contains("hush"), "{error}");
    }

    #[tokio::test]
    async fn what_it_prints_is_taken_and_its_arguments_pass_no_shell() {
        let argv = ["/bin/echo", "$HOME; *"].map(str::to_owned);
        assert_eq!(output(&argv, WITHIN, 100).await.unwrap().as_slice(), b"$HOME; *\n");
        let noisy = sh("head -c 200000 /dev/zero >&2; echo token");
        assert_eq!(output(&noisy, WITHIN, 100).await.unwrap().as_slice(), b"token\n");
    }

    #[tokio::test]
    async fn failures_say_what_and_never_what_is_secret() {
        check(&["/nowhere/mint".to_owned()], WITHIN, true, "cannot be started").await;
        check(
            &sh("echo no luck: auth_tokens/hush >&2; exit 7"),
            WITHIN,
            false,
            "(exit status: 7): no luck: …",
        )
        .await;
        check(&sh("exit 1"), WITHIN, false, "it said nothing").await;
        check(&sh("yes auth_tokens/hush"), WITHIN, true, "more than 100 bytes").await;
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 60 & echo $! > {}; wait", file.display());
        let started = Instant::now();
        check(&sh(&script), Duration::from_millis(500), false, "did not end within").await;
        assert!(started.elapsed() < Duration::from_secs(5));
        let child = std::fs::read_to_string(file).unwrap();
        let gone = || match std::fs::read_to_string(format!("/proc/{}/stat", child.trim())) {
            Ok(stat) => stat.contains(") Z "), // dead; nobody has fetched its status yet
            Err(_) => true,
        };
        while !gone() {
            assert!(started.elapsed() < Duration::from_secs(5), "its child lives");
            std::thread::yield_now();
        }
    }
}
