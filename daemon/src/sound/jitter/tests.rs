use super::*;

const MS: Duration = Duration::from_millis(1);

fn sound(ms: u32) -> Vec<i16> {
    vec![1; (QUEUE_RATE * ms / 1_000) as usize]
}

/// A speaker behind the buffer, in virtual time.
struct Room {
    buffer: JitterBuffer,
    now: Instant,
    turn: u32,
    /// When what was let go ends; `None` before a turn's first sound.
    ends: Option<Instant>,
    began: Instant,
    gaps: u32,
}

impl Room {
    fn new(max_ms: u32) -> Self {
        let now = Instant::now();
        Room { buffer: JitterBuffer::new(max_ms, now), now, turn: 0, ends: None, began: now, gaps: 0 }
    }

    fn hear(&mut self) {
        while let Some((_, samples)) = self.buffer.pop() {
            if self.ends.is_none() {
                self.began = self.now;
            }
            self.gaps += u32::from(self.ends.is_some_and(|ends| ends < self.now));
            self.ends = Some(self.ends.map_or(self.now, |ends| ends.max(self.now)) + length(samples.len()));
        }
    }

    fn pass(&mut self, ms: u32) {
        let until = self.now + ms * MS;
        if let Some(at) = self.buffer.release_at().filter(|at| *at <= until) {
            self.now = at;
            self.buffer.due(at);
            self.hear();
        }
        self.now = until;
    }

    /// An answer in messages: after how many ms each comes, and how long its sound is. Returns how long the first
    /// sound waited for itself, in ms, and how often it broke off.
    fn answer(&mut self, messages: &[(u32, u32)]) -> (u128, u32) {
        self.turn += 1;
        (self.ends, self.gaps) = (None, 0);
        let mut came = None;
        for &(after_ms, sound_ms) in messages {
            self.pass(after_ms);
            came.get_or_insert(self.now);
            self.buffer.arrived(self.turn, sound(sound_ms), self.now);
            self.hear();
        }
        self.buffer.ended(self.turn, self.now);
        self.hear();
        self.now = self.ends.unwrap_or(self.now) + 500 * MS;
        (self.began.duration_since(came.unwrap()).as_millis(), self.gaps)
    }
}

#[test]
fn on_a_calm_link_nothing_ever_waits() {
    let mut room = Room::new(400);
    for every_ms in [0, 10, 50, 95, 100] {
        assert_eq!(room.answer(&[(every_ms, 100); 40]), (0, 0), "every {every_ms} ms");
    }
    assert_eq!(room.buffer.depth(), Duration::ZERO);
}

#[test]
fn a_gap_is_bridged_the_next_time_and_forgotten_when_it_does_not_come_again() {
    let mut room = Room::new(400);
    // In the middle one message is 150 ms late.
    let mut messages = [(100, 100); 12];
    messages[5].0 = 250;
    assert_eq!(room.answer(&messages).1, 1);
    let depth = room.buffer.depth();
    assert!((150 * MS..=200 * MS).contains(&depth), "{depth:?}");
    for _ in 0..4 {
        let (waited_ms, gaps) = room.answer(&messages);
        assert_eq!(gaps, 0, "with {:?}", room.buffer.depth());
        assert!((100..=200).contains(&waited_ms), "{waited_ms}");
    }
    // Calm again, and faster than it is heard, as answers come.
    let waits: Vec<u128> = (0..8).map(|_| room.answer(&[(50, 100); 20]).0).collect();
    assert!(waits.windows(2).all(|pair| pair[1] <= pair[0]) && waits[7] == 0, "{waits:?}");
}

#[test]
fn a_link_that_jitters_is_learnt_within_a_few_answers() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut room = Room::new(400);
    let mut gaps = Vec::new();
    for _ in 0..40 {
        // Messages leave every 100 ms and are up to 150 ms under way, in order.
        let mut last = 0;
        let times = (0..30).map(|n| {
            last = last.max(n * 100 + random.u32(0..150));
            last
        });
        let times: Vec<u32> = times.collect();
        let mut before = 0;
        let messages: Vec<(u32, u32)> = times
            .iter()
            .map(|&at| {
                let after = at - before;
                before = at;
                (after, 100)
            })
            .collect();
        gaps.push(room.answer(&messages).1);
    }
    let late: u32 = gaps[5..].iter().sum();
    assert!(gaps[0] > 0 && late <= 7, "{gaps:?}: one in five answers at most");
    assert!(room.buffer.depth() <= 200 * MS, "and no more than it takes: {:?}", room.buffer.depth());
}

#[test]
fn a_link_that_is_too_slow_is_heard_in_larger_pieces_and_never_waits_beyond_its_bound() {
    let mut room = Room::new(400);
    let drip = [(100, 40); 100];
    let (_, gaps) = room.answer(&drip);
    assert!((5..=25).contains(&gaps), "{gaps}: without waiting it were 99");
    assert_eq!(room.buffer.depth(), 400 * MS);
    let (waited_ms, _) = room.answer(&drip);
    assert!(waited_ms <= 400, "{waited_ms}");
}

#[test]
fn a_short_answer_is_heard_when_its_end_is_known_and_at_the_latest_in_time() {
    let mut room = Room::new(400);
    room.buffer.depth = 300 * MS;
    room.buffer.arrived(1, sound(40), room.now);
    assert_eq!(room.buffer.pop(), None);
    room.buffer.ended(1, room.now + 10 * MS);
    assert!(room.buffer.pop().is_some(), "its end is known");
    room.buffer.depth = 300 * MS;
    let now = room.now + 1_000 * MS;
    room.buffer.arrived(2, sound(40), now);
    assert_eq!(room.buffer.release_at(), Some(now + 300 * MS));
    room.buffer.due(now + 299 * MS);
    assert_eq!(room.buffer.pop(), None);
    room.buffer.due(now + 300 * MS);
    assert!(room.buffer.pop().is_some(), "it has waited long enough");
}

#[test]
fn what_is_cut_while_it_waits_is_not_heard_and_the_next_turn_keeps_its_order() {
    let mut room = Room::new(400);
    room.buffer.depth = 200 * MS;
    room.buffer.arrived(1, sound(40), room.now);
    assert_eq!(room.buffer.flush(1, room.now), u64::from(QUEUE_RATE) * 40 / 1_000);
    assert_eq!(room.buffer.pop(), None);
    (room.buffer.depth, room.buffer.needs) = (200 * MS, [200 * MS; ANSWERS]);
    room.buffer.arrived(2, sound(40), room.now);
    room.buffer.arrived(3, sound(40), room.now);
    let mut heard = || std::iter::from_fn(|| room.buffer.pop()).map(|(turn, _)| turn).collect::<Vec<_>>();
    assert_eq!(heard(), [2], "nothing more of it comes");
    room.buffer.ended(3, room.now);
    let mut heard = || std::iter::from_fn(|| room.buffer.pop()).map(|(turn, _)| turn).collect::<Vec<_>>();
    assert_eq!(heard(), [3]);
}

#[test]
fn switched_off_it_never_waits() {
    let mut room = Room::new(0);
    assert_eq!(room.answer(&[(300, 100); 10]), (0, 9));
    assert_eq!(room.answer(&[(300, 100); 10]).0, 0);
}

#[test]
fn a_pause_of_the_assistant_s_own_is_no_fault_of_the_link() {
    let mut room = Room::new(400);
    let mut messages = [(100, 100); 12];
    messages[5].0 = 2_500;
    assert_eq!(room.answer(&messages).1, 1);
    assert_eq!(room.answer(&[(100, 100); 12]), (0, 0));
}
