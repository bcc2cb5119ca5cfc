//! What is told of a card that is not there, and when it is tried again.

use std::time::{Duration, Instant};

use pressel_hal::ErrorKind::{self, Busy, Lost, NotFound, PermissionDenied, Unsupported};

use super::device::{Absence, RETRY, RETRY_SLOWLY, SETTLING};

/// An absence, failure after failure: seconds at which each happens, its kind and reason, what is told of it (`said`,
/// `known` or nothing) and when it is tried again.
#[track_caller]
fn check(failures: &[(u64, ErrorKind, &str, &str, Duration)]) {
    let (start, mut absence) = (Instant::now(), None);
    for (at_s, kind, reason, told, pause) in failures {
        let now = start + Duration::from_secs(*at_s);
        let news = Absence::failed(&mut absence, *kind, reason, now);
        let word = news.map_or("", |known| if known { "known" } else { "said" });
        assert_eq!((word, absence.as_ref().unwrap().pause(now)), (*told, *pause), "{reason} after {at_s} s");
    }
}

const SETTLED: u64 = SETTLING.as_secs();

#[test]
fn a_card_that_was_pulled_out_is_told_once() {
    check(&[
        (0, Lost, "lost", "said", RETRY),
        (1, NotFound, "not there", "known", RETRY),
        (2, NotFound, "not there", "", RETRY),
        (3600, NotFound, "not there, another card is", "known", RETRY),
    ]);
}

#[test]
fn a_card_that_comes_back_before_its_group_is_soon_tried_again() {
    check(&[
        (0, Lost, "lost", "said", RETRY),
        (3600, NotFound, "not there", "known", RETRY),
        (3601, PermissionDenied, "not allowed", "known", RETRY),
        (3602, PermissionDenied, "not allowed", "", RETRY),
    ]);
}

#[test]
fn what_stays_in_the_way_is_told_and_tried_slowly() {
    check(&[
        (0, Lost, "lost", "said", RETRY),
        (10, PermissionDenied, "not allowed", "known", RETRY),
        (10 + SETTLED, PermissionDenied, "not allowed", "said", RETRY_SLOWLY),
        (20 + SETTLED, PermissionDenied, "not allowed", "", RETRY_SLOWLY),
        (30 + SETTLED, NotFound, "not there", "known", RETRY),
        (31 + SETTLED, Unsupported, "not possible", "known", RETRY),
    ]);
    // What is so from the start is told at once.
    check(&[
        (0, PermissionDenied, "not allowed", "said", RETRY),
        (SETTLED, PermissionDenied, "not allowed", "", RETRY_SLOWLY),
    ]);
}

#[test]
fn whoever_holds_a_card_is_named_and_the_card_tried_each_second() {
    check(&[
        (0, Lost, "lost", "said", RETRY),
        (1, Busy, "held by a", "known", RETRY),
        (1 + SETTLED, Busy, "held by a", "said", RETRY),
        (2 + SETTLED, Busy, "held by b", "said", RETRY),
        (3 + SETTLED, Busy, "held by b", "", RETRY),
    ]);
}
