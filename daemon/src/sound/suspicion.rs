//! What becomes of speech over an answer: told in order, and the gate held open for it meanwhile.

use pressel_dsp::{BargeIn, Reading};

/// The near-end detector's word in the listening in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    None,
    Suspected,
    /// A person speaks: the gate is held for so many blocks, in which it opens by itself.
    Confirmed(usize),
}

/// Follows the detector while somebody wants to know, and only then.
pub(super) struct Suspicion {
    state: State,
    hangover_blocks: usize,
}

impl Suspicion {
    pub(super) fn new(hangover_blocks: usize) -> Self {
        Suspicion { state: State::None, hangover_blocks }
    }

    /// Takes what the detector says of a block; what of it is to be told. A detector that had begun before somebody
    /// wanted to know is not listened to half-way.
    pub(super) fn take(&mut self, reading: &Reading, watched: bool) -> Option<BargeIn> {
        let said = reading.barge_in.filter(|_| watched);
        match (self.state, said) {
            (State::Confirmed(left), None) => {
                // Once the gate has opened by itself it closes by itself.
                let left = if reading.open { 0 } else { left - 1 };
                self.state = if left == 0 { State::None } else { State::Confirmed(left) };
                None
            }
            (State::None | State::Confirmed(_), Some(BargeIn::Suspected)) => {
                self.state = State::Suspected;
                said
            }
            (State::Suspected, Some(BargeIn::Confirmed)) => {
                self.state = State::Confirmed(self.hangover_blocks.max(1));
                said
            }
            (State::Suspected, Some(BargeIn::Dismissed)) => {
                self.state = State::None;
                said
            }
            _ => None,
        }
    }

    /// Sound is to be let through although the gate may be closed.
    pub(super) fn holds(&self) -> bool {
        self.state != State::None
    }

    /// Nobody wants to know any more, and sound is still passed on: who may be speaking is not cut off, the gate is
    /// held as for one who does.
    pub(super) fn end_watch(&mut self) {
        if self.state == State::Suspected {
            self.state = State::Confirmed(self.hangover_blocks.max(1));
        }
    }

    /// What was suspected does not matter any more.
    pub(super) fn forget(&mut self) {
        self.state = State::None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(open: bool, barge_in: Option<BargeIn>) -> Reading {
        Reading {
            speech: open,
            voiced: open,
            open,
            opened: false,
            closed: false,
            level_dbfs: -30.0,
            floor_dbfs: -60.0,
            barge_in,
            gain_db: 0.0,
        }
    }

    #[test]
    fn a_story_is_told_in_order_and_never_from_its_middle() {
        let mut suspicion = Suspicion::new(70);
        let mut say = |said, watched| suspicion.take(&reading(false, Some(said)), watched);
        assert_eq!(say(BargeIn::Suspected, false), None, "nobody wants to know");
        assert_eq!(say(BargeIn::Confirmed, true), None, "its beginning was not told");
        assert_eq!(say(BargeIn::Suspected, true), Some(BargeIn::Suspected));
        assert_eq!(say(BargeIn::Dismissed, true), Some(BargeIn::Dismissed));
        assert_eq!(say(BargeIn::Confirmed, true), None);
        assert_eq!(say(BargeIn::Suspected, true), Some(BargeIn::Suspected));
        assert_eq!(say(BargeIn::Confirmed, true), Some(BargeIn::Confirmed));
        assert_eq!(say(BargeIn::Dismissed, true), None);
    }

    #[test]
    fn who_may_be_speaking_when_nobody_asks_any_more_is_not_cut_off() {
        for said in [BargeIn::Suspected, BargeIn::Confirmed] {
            let mut suspicion = Suspicion::new(3);
            suspicion.take(&reading(false, Some(BargeIn::Suspected)), true);
            suspicion.take(&reading(false, Some(said)), true);
            suspicion.end_watch();
            assert_eq!(suspicion.take(&reading(false, Some(BargeIn::Dismissed)), false), None);
            assert!(suspicion.holds(), "{said:?}");
        }
        let mut suspicion = Suspicion::new(3);
        suspicion.end_watch();
        assert!(!suspicion.holds());
    }

    #[test]
    fn a_confirmed_person_holds_the_gate_until_it_opens_or_for_its_hangover() {
        let mut suspicion = Suspicion::new(3);
        suspicion.take(&reading(false, Some(BargeIn::Suspected)), true);
        for _ in 0..100 {
            suspicion.take(&reading(false, None), true);
        }
        assert!(suspicion.holds(), "as long as it is in doubt");
        suspicion.take(&reading(false, Some(BargeIn::Confirmed)), true);
        let mut held = 0;
        while suspicion.holds() {
            suspicion.take(&reading(false, None), true);
            held += 1;
        }
        assert_eq!(held, 3);
        suspicion.take(&reading(false, Some(BargeIn::Suspected)), true);
        suspicion.take(&reading(false, Some(BargeIn::Confirmed)), true);
        suspicion.take(&reading(true, None), true);
        assert!(!suspicion.holds(), "the gate's own hangover follows");
    }
}
