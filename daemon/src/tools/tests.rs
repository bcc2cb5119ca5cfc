use std::time::Duration;

use super::*;

/// A service that never answers, as a tool with this line in its head; the service ends when it is dropped.
fn silent(folder: &Path, name: &str, head: &str) -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = format!(
        "name = \"{name}\"\ndescription = \"x\"\nper_minute_max = 0\n{head}\n[http]\nurl = \"http://127.0.0.1:{port}/\"\n\
         tls = false\nprivate = true\n"
    );
    std::fs::write(folder.join(format!("{name}.toml")), text).unwrap();
    listener
}

#[tokio::test]
async fn a_call_that_goes_on_after_it_was_cancelled_counts_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let slow = silent(folder.path(), "valve", "on_cancel = \"finish\"\ntimeout_s = 1");
    let _gone = silent(folder.path(), "look", "");
    let mut config = Config::default();
    config.tools.folder = folder.path().display().to_string();
    config.tools.log_folder = String::new();
    let mut tools = Tools::open(&config, crate::world::pins()).unwrap();
    let begin = |tools: &mut Tools, name: &str, number: usize| {
        tools.call(Instant::now(), format!("{name}-{number}"), name, Map::new());
        format!("{name}-{number}")
    };
    // What is killed makes room at once.
    let killed: Vec<String> = (0..RUNNING_MAX).map(|number| begin(&mut tools, "look", number)).collect();
    tools.cancel(&killed);
    let cancelled: Vec<String> = (0..RUNNING_MAX).map(|number| begin(&mut tools, "valve", number)).collect();
    assert_eq!((tools.running.len(), tools.ready.len()), (RUNNING_MAX, 0));
    tools.cancel(&cancelled);
    assert_eq!((tools.running.len(), tools.finishing.len()), (0, RUNNING_MAX));
    begin(&mut tools, "look", 100);
    let News::Done(refused) = tools.next().await else { panic!("a call has ended") };
    assert!(refused.outcome.unwrap_err().contains("8 tools are at work already"));
    // Nothing is told of them; when the last has ended there is room again.
    let told = tokio::time::timeout(Duration::from_secs(4), tools.next()).await;
    assert!(told.is_err(), "{told:?}");
    assert_eq!(tools.finishing.len(), 0);
    begin(&mut tools, "look", 101);
    assert_eq!((tools.running.len(), tools.ready.len()), (1, 0));
    drop(slow);
}
