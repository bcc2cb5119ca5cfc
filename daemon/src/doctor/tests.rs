use super::*;
use crate::config::load_from;

fn ground() -> Arc<Ground> {
    let folder = tempfile::tempdir().unwrap();
    Arc::new(Ground::of(load_from(folder.path(), None, []), None, Facts::below("/".as_ref())))
}

#[test]
fn every_check_has_a_heading_in_the_page_and_no_other_is_there() {
    let page = include_str!("../../../docs/troubleshooting.md");
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let names: Vec<&str> = CHECKS.iter().map(|check| check.name).collect();
    assert_eq!(headings, names);
}

#[test]
fn all_of_it_ends_within_20_seconds() {
    let asking = Duration::from_secs(5); // what control::ask may take, before the checks begin
    let longest = CHECKS.iter().map(|check| check.limit).max().unwrap();
    assert!(asking + longest <= Duration::from_secs(20));
}

#[test]
fn a_check_that_hangs_or_breaks_costs_its_bound_and_nothing_else() {
    const HANGS: &[Check] = &[
        Check {
            name: "stuck",
            limit: Duration::from_millis(50),
            run: |_| loop {
                std::thread::park()
            },
        },
        Check { name: "fine", limit: Duration::from_millis(50), run: |_| Finding::ok("fine") },
        Check { name: "broken", limit: Duration::from_secs(5), run: |_| panic!("as the test wants it") },
    ];
    let started = Instant::now();
    let report = run_within(HANGS, &ground(), NETWORK);
    assert!(started.elapsed() < Duration::from_secs(3));
    let found: Vec<_> =
        report.checks.iter().map(|l| (l.name, l.finding.class, l.finding.text.as_str())).collect();
    let expected = [
        ("stuck", Class::Fail, "did not come to an end within 0 s"),
        ("fine", Class::Ok, "fine"),
        ("broken", Class::Fail, "the check itself broke"),
    ];
    assert_eq!(found, expected);
    assert_eq!(report.worst, Class::Fail);
}

#[test]
fn the_report_reads_as_lines_with_one_hint_each() {
    let report = Report {
        worst: Class::Warn,
        checks: vec![
            Line { name: "microphone", finding: Finding::ok("hw:1,0, level -62 dBFS") },
            Line { name: "realtime", finding: Finding::warn("refused", "run under systemd") },
        ],
    };
    let expected = "ok    microphone   hw:1,0, level -62 dBFS\n\
                    warn  realtime     refused\n      hint: run under systemd\n";
    assert_eq!(report.to_string(), expected);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["worst"], "warn");
    assert_eq!(json["checks"][1]["name"], "realtime");
    assert_eq!(json["checks"][1]["hint"], "run under systemd");
}

#[test]
fn classes_are_ordered_by_how_bad_they_are() {
    assert!(Class::Ok < Class::Skip && Class::Skip < Class::Warn && Class::Warn < Class::Fail);
}
