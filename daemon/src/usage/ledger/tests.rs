use super::super::count::Tokens;
use super::*;

fn entry(day: u32, money: u64, lease: u64) -> Entry {
    let tokens = Tokens { audio_in: money, ..Tokens::default() };
    let count = Count { turns: 1, tokens, money: Money(money), ..Count::default() };
    Entry { day: Day(day), at_s: 1_795_000_000, count, talk: Money(money), lease: Money(lease) }
}

fn text(entries: &[Entry]) -> String {
    entries.iter().fold(format!("{HEAD}\n"), |text, entry| text + &line(entry))
}

#[test]
fn a_checksum_is_the_one_everybody_uses() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!(crc32(b""), 0);
}

#[test]
fn what_was_written_is_read_and_what_was_set_aside_is_spent() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = Ledger::open(folder.path()).unwrap();
    assert_eq!((opened.totals, opened.told), (Totals::default(), None));
    for entry in [entry(20_261_119, 5, 0), entry(20_261_120, 7, 100), entry(20_261_120, 20, 30)] {
        opened.ledger.append(&entry).unwrap();
    }
    drop(opened.ledger);
    let looked = look(folder.path()).unwrap().unwrap();
    let opened = Ledger::open(folder.path()).unwrap();
    assert_eq!(opened.totals.day(Day(20_261_119)).money, Money(5));
    assert_eq!(opened.totals.day(Day(20_261_120)).money, Money(57), "the last lease is gone");
    assert_eq!(opened.totals.month(202_611).money, Money(62));
    assert_eq!(opened.totals.month(202_611).turns, 3);
    assert_eq!(opened.totals.last.talk, Money(50));
    assert_eq!(looked.totals, opened.totals);
    drop(opened.ledger);
    assert_eq!(Ledger::open(folder.path()).unwrap().totals.month(202_611).money, Money(62), "spent once");
    assert!(look(&folder.path().join("none")).unwrap().is_none());
}

#[test]
fn a_file_cut_at_any_byte_holds_every_line_before_the_cut() {
    let entries = [entry(20_261_119, 5, 1), entry(20_261_120, 7, 2), entry(20_261_120, 11, 3)];
    let whole = text(&entries);
    let ends: Vec<usize> = whole.match_indices('\n').map(|(at, _)| at + 1).collect();
    for cut in 0..=whole.len() {
        let found = read(&whole.as_bytes()[..cut]);
        let lines = ends.iter().skip(1).filter(|end| **end <= cut).count();
        let mut expected = Totals::default();
        entries[..lines].iter().for_each(|entry| expected.add(entry));
        assert_eq!((found.totals, found.damaged, found.foreign), (expected, 0, false), "cut at {cut}");
    }
}

#[test]
fn a_damaged_line_costs_that_line_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes =
        text(&[entry(20_261_119, 5, 0), entry(20_261_120, 7, 0), entry(20_261_120, 11, 0)]).into_bytes();
    let second = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0;
    bytes[second + 20] ^= 1;
    fs::write(file(folder.path()), &bytes).unwrap();
    let opened = Ledger::open(folder.path()).unwrap();
    assert_eq!(opened.totals.month(202_611).money, Money(16));
    let told = opened.told.unwrap();
    assert!(told.contains("1 damaged lines") && told.contains("usage.ledger.damaged"), "{told}");
    assert_eq!(fs::read(folder.path().join("usage.ledger.damaged")).unwrap(), bytes);
    assert_eq!(Ledger::open(folder.path()).unwrap().told, None, "told once");
}

#[test]
fn a_file_from_the_future_and_a_file_of_something_else_are_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(file(folder.path()), "pressel usage 2\nwhatever\n").unwrap();
    let told = Ledger::open(folder.path()).unwrap().told.unwrap();
    assert!(told.contains("later version") && folder.path().join("usage.ledger.later").exists(), "{told}");
    fs::write(file(folder.path()), b"\x7fELF\x00\xff\nmore\n{} 00000000\n").unwrap();
    let opened = Ledger::open(folder.path()).unwrap();
    assert!(opened.totals == Totals::default() && opened.told.unwrap().contains("3 damaged lines"));
    let no_folder = folder.path().join("file");
    fs::write(&no_folder, "").unwrap();
    assert!(Ledger::open(&no_folder).is_err());
}

#[test]
fn days_to_come_are_counted_for_today() {
    let mut totals = Totals::default();
    for (day, money) in [(20_261_119, 5), (20_261_120, 7), (20_991_231, 11)] {
        totals.add(&entry(day, money, 0));
    }
    assert!(totals.bring_back(Day(20_261_120)));
    assert_eq!(totals.day(Day(20_261_120)).money, Money(18));
    assert_eq!((totals.days.len(), totals.last.day), (2, Day(20_261_120)));
    assert!(!totals.bring_back(Day(20_261_120)));
}

#[test]
fn it_stays_small_and_forgets_nothing_of_two_months() {
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(folder.path()).unwrap().ledger;
    for n in 0..1500 {
        ledger.append(&entry(20_261_001 + n / 50, 1, 9)).unwrap();
    }
    let size = fs::metadata(file(folder.path())).unwrap().len();
    assert!(size < SIZE_MAX + 1000, "{size} bytes");
    drop(ledger);
    let totals = Ledger::open(folder.path()).unwrap().totals;
    assert_eq!(totals.month(202_610).money, Money(1509));
    assert_eq!(totals.last.talk, Money(10));
}
