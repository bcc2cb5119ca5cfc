//! The Debian package: installed, upgraded, removed.

use std::time::{Duration, Instant};

use tests::stage::{KEY, Remote};

use super::machine;

#[test]
fn a_package_needs_nothing_but_a_key_and_an_upgrade_keeps_configuration_and_state() {
    let Some(installed) = machine() else { return };
    let package = std::env::var("PRESSEL_DEB").expect("`cargo xtask test --nspawn` makes a package");
    let at = installed.folder.path().display();
    std::fs::copy(&package, installed.folder.path().join("pressel.deb")).unwrap();
    let kept = "[live]\nstate_file = \"/var/lib/pressel/session.json\"\n";
    installed.machine.write("/etc/pressel/config.d/zz.toml", kept).unwrap();
    let run = |script: &str| installed.machine.run(script).unwrap_or_else(|error| panic!("{error}"));
    let began = Instant::now();
    let said = run(&format!("dpkg --install {at}/pressel.deb"));
    assert!(said.contains("no API key yet"), "{said}");
    let former = installed.property("MainPID");
    run(&format!("umask 077; echo {KEY} > /etc/pressel/key"));
    installed.ready_again(&former);
    installed.talk();
    let took = began.elapsed();
    println!("package installed and first answer: {:.1} s", took.as_secs_f64());
    assert!(took < Duration::from_secs(60), "{took:?}");
    // What the owner has changed, and what the device has kept for itself.
    run("echo '# mine' >> /etc/pressel/config.toml");
    let remote = installed.remote();
    remote.ask("{\"op\":\"volume\",\"to\":35}").unwrap();
    run("timeout 20 sh -c 'until grep -q ^35 /var/lib/pressel/volume; do sleep 0.1; done'"); // it settles
    run("timeout 20 sh -c 'until test -s /var/lib/pressel/session.json; do sleep 0.1; done'");
    let turns = |remote: &Remote| remote.status().unwrap()["usage"]["month"]["turns"].as_u64().unwrap();
    let before = (installed.property("MainPID"), turns(&remote));
    assert!(before.1 >= 1, "nothing was counted");
    // A later version, whose configuration file is another one, too.
    run(&format!(
        "dpkg-deb --raw-extract {at}/pressel.deb /root/later; cd /root/later
         sed -i 's/^Version: .*/Version: 99.0/' DEBIAN/control; echo '# shipped' >> etc/pressel/config.toml
         dpkg-deb -Znone --build . {at}/later.deb > /dev/null; rm -r /root/later"
    ));
    let install = format!("dpkg --force-confold --install {at}/later.deb");
    run(&install);
    installed.ready_again(&before.0);
    assert_eq!(run("dpkg-query --show --showformat '${Version}' pressel"), "99.0");
    assert_eq!(run("tail -n 1 /etc/pressel/config.toml"), "# mine");
    assert_eq!(run("tail -n 1 /etc/pressel/config.toml.dpkg-dist"), "# shipped");
    assert_eq!(
        run("stat --format '%a %U' /etc/pressel/key; cat /etc/pressel/key"),
        format!("600 root\n{KEY}")
    );
    let remote = installed.remote();
    assert_eq!(remote.ask("{\"op\":\"volume\"}").unwrap()["percent"], 35);
    assert!(turns(&remote) >= before.1, "the ledger is another one");
    let said = installed.journal();
    assert!(said.contains("the talk before the restart goes on"), "{said}");
    installed.talk();
    run("systemctl disable --quiet pressel.service");
    run(&install);
    let enabled = installed.machine.run("systemctl is-enabled pressel.service");
    assert!(enabled.is_err(), "an upgrade switched on what the owner had switched off");
    run("dpkg --remove pressel");
    assert_eq!(installed.property("ActiveState"), "inactive");
    assert_eq!(run("tail -n 1 /etc/pressel/config.toml"), "# mine");
    run("dpkg --purge pressel");
    assert_eq!(
        run("find /etc/pressel /var/lib/pressel -name key -o -name config.toml 2> /dev/null || true"),
        ""
    );
}
