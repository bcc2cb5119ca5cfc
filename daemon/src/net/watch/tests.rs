use std::process::Command;
use std::time::Duration;

use tokio::time::timeout;

use super::*;

const WAIT: Duration = Duration::from_secs(5);
const INSIDE: &str = "PRESSEL_TEST_NAMESPACE";

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).output().expect("ip is installed");
    assert!(done.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Runs a test of this binary again, in a network of its own. False where the system grants none.
fn in_a_network_of_its_own(test: &str) -> bool {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net"]);
        command
    };
    let granted = unshare().args(["ip", "link", "add", "a0", "type", "veth", "peer", "name", "b0"]).output();
    if !granted.is_ok_and(|output| output.status.success()) {
        eprintln!("no network namespace is granted here");
        return false;
    }
    let program = std::env::current_exe().unwrap();
    let mut inside = unshare();
    inside.arg(program).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let output = inside.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

async fn next(watch: &mut Watch) -> Change {
    timeout(WAIT, watch.next()).await.expect("the kernel tells within seconds")
}

/// Waits for a change. One action of a person may be told in several steps, in an order that the kernel chooses.
async fn until(watch: &mut Watch, wanted: Change, what: &str) {
    let found = async { while watch.next().await != wanted {} };
    timeout(WAIT, found).await.unwrap_or_else(|_| panic!("{what}: no {wanted:?}"));
}

#[test]
fn a_cable_an_address_and_a_route_come_and_go() {
    if std::env::var_os(INSIDE).is_none() {
        in_a_network_of_its_own("net::watch::tests::a_cable_an_address_and_a_route_come_and_go");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let watch = &mut Watch::new(true);
        assert_eq!(next(watch).await, Change::Network(false), "a start without a network");
        ip("link add a0 type veth peer name b0");
        ip("link set b0 up");
        ip("link set a0 up");
        ip("address add 192.0.2.7/24 dev a0");
        until(watch, Change::Network(true), "an address is enough where no default route was ever seen")
            .await;
        ip("route add default via 192.0.2.1");
        until(watch, Change::Network(true), "the route").await;

        ip("address add 198.51.100.7/24 dev a0");
        until(watch, Change::Network(true), "one more address").await;
        ip("address del 198.51.100.7/24 dev a0");
        until(watch, Change::AddressGone([198, 51, 100, 7].into()), "the address goes").await;

        ip("link set b0 down");
        until(watch, Change::Network(false), "the cable is pulled").await;
        ip("link set b0 up");
        until(watch, Change::Network(true), "addresses and routes were only resting").await;

        ip("link set a0 down"); // and with it its routes, without a word
        until(watch, Change::Network(false), "switched off").await;
        ip("link set a0 up");
        ip("route add default via 192.0.2.1");
        until(watch, Change::Network(true), "switched on").await;

        ip("route del default");
        until(watch, Change::Network(false), "an address alone is no way any more").await;
        ip("route add default via 192.0.2.1 metric 5");
        until(watch, Change::Network(true), "another route").await;

        ip("address flush dev a0");
        until(watch, Change::AddressGone([192, 0, 2, 7].into()), "the last address goes").await;
        until(watch, Change::Network(false), "and with it the way").await;
        ip("address add 192.0.2.8/24 dev a0");
        ip("route add default via 192.0.2.1 metric 5");
        until(watch, Change::Network(true), "the lease of another network").await;
    });
}

#[test]
fn a_network_that_is_there_from_the_start_is_not_told() {
    if std::env::var_os(INSIDE).is_none() {
        in_a_network_of_its_own("net::watch::tests::a_network_that_is_there_from_the_start_is_not_told");
        return;
    }
    for line in [
        "link add a0 type veth peer name b0",
        "link set b0 up",
        "link set a0 up",
        "address add 192.0.2.7/24 dev a0",
        "route add default via 192.0.2.1",
    ] {
        ip(line);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut watch = Watch::new(true);
        let network = watch.network.as_mut().unwrap();
        while network.before.is_none() {
            assert_eq!(timeout(WAIT, network.next()).await.unwrap().unwrap(), []);
        }
        ip("route del default");
        assert_eq!(next(&mut watch).await, Change::Network(false), "only what changes is");
    });
}

#[tokio::test(flavor = "current_thread")]
async fn the_clock_s_timer_is_granted_and_waits() {
    let clock = ClockTimer::new().unwrap();
    assert!(timeout(Duration::from_millis(20), clock.set()).await.is_err(), "nobody set the clock");
}
