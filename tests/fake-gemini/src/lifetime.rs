//! How long a link lives, and what lets its session outlive it: handles, goAway, the idle close.

use serde_json::json;

use crate::effects::{Effects, Out};
use crate::rule::When;
use crate::rules::Refusal;
use crate::talk::seconds;

const MS: u64 = 1_000_000;

/// The clocks of one link.
pub(crate) struct Lifetime {
    session: u32,
    /// Handles are sent.
    handles: bool,
    /// The next handle is due.
    handle_at: Option<u64>,
    handle_ms: u64,
    /// The last update said that the session can be resumed.
    resumable: bool,
    quiet: bool,
    updates: u32,
    idle_ms: u64,
    last_heard: u64,
    go_away_at: Option<u64>,
    go_away_left_ms: u64,
    close_at: Option<u64>,
    began: u64,
    /// Scripted faults that are due so many milliseconds after the beginning, the next one last.
    ready_ms: Vec<u64>,
}

impl Lifetime {
    pub(crate) fn new(session: u32, handles: bool, now: u64, fx: &Effects) -> Self {
        let service = &fx.world.options.script.service;
        let mut ready_ms = fx.world.ready_times(fx.link);
        ready_ms.sort_unstable_by(|a, b| b.cmp(a));
        let after = service.go_away_after_ms;
        Self {
            session,
            handles,
            handle_at: handles.then_some(now + service.first_handle_ms * MS),
            handle_ms: service.handle_ms,
            resumable: false,
            quiet: true,
            updates: 0,
            idle_ms: service.idle_close_ms,
            last_heard: now,
            go_away_at: (after > 0).then_some(now + after * MS),
            go_away_left_ms: service.go_away_left_ms,
            close_at: None,
            began: now,
            ready_ms,
        }
    }

    /// Something came.
    pub(crate) fn heard_from(&mut self, at: u64) {
        self.last_heard = at;
    }

    /// Says whether nobody speaks, thinks or calls now: only then can the session be resumed.
    pub(crate) fn quiet(&mut self, quiet: bool, now: u64, fx: &mut Effects) {
        if quiet == self.quiet {
            return;
        }
        self.quiet = quiet;
        if quiet {
            self.handle_at = self.handles.then_some(now + self.handle_ms * MS);
        } else if std::mem::take(&mut self.resumable) {
            self.handle_at = None;
            self.updates += 1;
            // false and empty may be written or left out; a client must understand both
            let update =
                if self.updates % 2 == 0 { json!({}) } else { json!({"newHandle": "", "resumable": false}) };
            fx.send(json!({"sessionResumptionUpdate": update}));
        } else {
            self.handle_at = None;
        }
    }

    fn idle_at(&self) -> Option<u64> {
        (self.idle_ms > 0).then_some(self.last_heard + self.idle_ms * MS)
    }

    fn ready_at(&self) -> Option<u64> {
        self.ready_ms.last().map(|ms| self.began + ms * MS)
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let all = [self.handle_at, self.go_away_at, self.close_at, self.idle_at(), self.ready_at()];
        all.into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: u64, fx: &mut Effects) {
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        while due(self.ready_at()) {
            if let Some(after_ms) = self.ready_ms.pop() {
                fx.strike(None, When::Ready { after_ms });
            }
        }
        if due(self.handle_at) {
            self.handle_at = None;
            self.resumable = true;
            let handle = fx.world.new_handle(self.session);
            fx.send(json!({"sessionResumptionUpdate": {"newHandle": handle, "resumable": true}}));
        }
        if due(self.go_away_at) {
            self.go_away_at = None;
            self.go_away(now, self.go_away_left_ms, true, fx);
        }
        if due(self.close_at) {
            self.close_at = None;
            let reason = "Session closed: the time announced by GoAway is over.".to_owned();
            fx.out.push_back(Out::Close(Refusal(1008, reason)));
        } else if due(self.idle_at()) {
            fx.out.push_back(Out::Close(Refusal(1008, "The operation was aborted.".to_owned())));
        }
    }

    /// Announces the end, and keeps the word if `closes`.
    pub(crate) fn go_away(&mut self, now: u64, left_ms: u64, closes: bool, fx: &mut Effects) {
        fx.send(json!({"goAway": {"timeLeft": seconds(left_ms)}}));
        self.close_at = closes.then_some(now + left_ms * MS);
    }
}
