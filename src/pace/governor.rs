//! Which frames are restored, degraded or dropped, and when that changes.
//!
//! A frame is restored as long as that is done by its deadline; one that is not is degraded. Where that happens now and
//! then, as on a machine that does other work, it changes nothing else: a plain frame among restored ones is less to see
//! than a second of them. Where it happens again and again the state is degraded. Then frames now and then are restored
//! beside the stream, as probes: nobody waits for them, and at most a tenth of the time goes into those that are too
//! slow. The first one after a rest is not judged by unless it is hopeless, since it pays for the rest: caches are cold
//! and cores asleep. Once there were several that took clearly less than a frame lasts and than a frame is given, and few
//! between them that did not, the state is restoring again. If that turns out to have been too early, more probes are
//! asked for the next time: a load near the limit does not make the picture go to and fro.
//!
//! A frame that has to wait for the one before it is only begun if the time left is what one takes at least. Otherwise it
//! would come late, and the next one would have to wait for it in turn.
//!
//! With the policy to drop, the first frame that would come late makes the state dropping. Then every frame for which
//! there seems to be time is restored, and a frame that comes out late is shown all the same if none has been shown for a
//! second.

use std::time::Duration;

use super::{Nanoseconds, duration, nanoseconds};

/// So many frames may miss their deadline close upon each other,
const TOLERATED: f64 = 3.0;
/// and one is forgotten after so long.
const FORGOTTEN: Duration = Duration::from_secs(2);
/// Of a frame's length, and of the time that it is given, a probe may take so much for restoration to fit: the rest is
/// for copying pictures, and for what happens beside.
const HEADROOM: f64 = 0.9;
/// Good probes that bring restoration back,
const PROBES: u32 = 3;
/// and the part of them that one which was too slow takes away.
const SETBACK: u32 = 3;
/// The same at most, where it was brought back too early again and again.
const MANY_PROBES: u32 = 96;
/// Restoration that lasted so long was not brought back too early.
const STABLE: Duration = Duration::from_secs(10);
/// The first probe after a rest may take so many times that.
const COLD: u32 = 2;
/// After probes that were too slow, the next one waits for so many times what they took,
const PROBE_REST: u32 = 9;
/// and at least for so long.
const SHORTEST_REST: Duration = Duration::from_millis(250);
/// While dropping, a frame is shown at least so often, however late.
const SILENCE: Duration = Duration::from_secs(1);
/// The most that is taken off a frame's time for what happens to it downstream.
const LARGEST_MARGIN: Nanoseconds = 250_000_000;
/// What is taken off for handing a frame on, whatever happens downstream.
const SMALLEST_MARGIN: Nanoseconds = 2_000_000;

/// What is to be done with frames that would come late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Restore them, however late.
    #[default]
    Stall,
    /// Upscale them plainly.
    Degrade,
    /// Leave them out.
    Drop,
}

/// What happens to frames at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// They are restored.
    Restoring,
    /// They are upscaled plainly.
    Degraded,
    /// Some are left out.
    Dropping,
}

/// What bounds the time of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Its deadline.
    Deadline,
    /// The next frame.
    Rate,
}

/// Why the state has changed. Times are of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The stream has begun, or the policy has changed.
    Begin,
    /// The model is still being opened.
    Loading,
    /// Restoring takes longer than there is time.
    Slow {
        /// What it took last, if that is known.
        needed: Option<Duration>,
        /// What there was.
        available: Duration,
        /// By what.
        bound: Bound,
    },
    /// Restoring fits again.
    Fits {
        /// What it took last; none where frames go another way, and it is tried.
        needed: Option<Duration>,
        /// What there is.
        available: Duration,
        /// By what.
        bound: Bound,
    },
}

/// A change of state, to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The state from now on.
    pub state: State,
    /// Why.
    pub reason: Reason,
}

/// What restoring a frame took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// From its begin to its end.
    pub whole: Duration,
    /// Until the next one could be begun: less, where two are on their way at a time.
    pub turn: Duration,
}

/// A frame that comes.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Time since any fixed moment.
    pub now: Duration,
    /// How long it is until the frame is to leave; negative: too late already; none: nothing waits for it.
    pub slack: Option<Nanoseconds>,
    /// Length of a frame, if that is known.
    pub frame: Option<Duration>,
    /// Whether there is a model to restore it with.
    pub ready: bool,
}

/// What is to be done with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Restore it, and wait so long for it; without end if there is no patience given.
    Restore {
        /// How long to wait.
        patience: Option<Duration>,
        /// If the worker is at another frame first: what has to be left of that time for this one to be begun.
        least: Duration,
    },
    /// Upscale it plainly; restore it beside that as a probe, if the worker is free.
    Degrade {
        /// Whether a probe is due.
        probe: bool,
    },
    /// Leave it out.
    Drop,
}

/// The state machine.
#[derive(Debug)]
pub struct Governor {
    policy: Policy,
    /// None before the first frame.
    state: Option<State>,
    change: Option<Change>,
    /// When the state began, whether the model was not there then, and whether probes had brought it back.
    since: Duration,
    loading: bool,
    returned: bool,
    /// What restoring took last, and what it takes at least from its begin to its end.
    cost: Option<Cost>,
    least: Option<Duration>,
    /// What a frame was given last, and how long it lasts.
    given: Option<Duration>,
    frame: Option<Duration>,
    /// Taken off a frame's time: what happens downstream, as the sink's QoS events show it.
    margin: Nanoseconds,
    /// Whether frames come too late already, which the sink then says as well.
    behind: bool,
    /// What a degraded frame takes.
    plain: Duration,
    /// Frames that have missed their deadline and are not forgotten, when the last one did.
    misses: f64,
    last_miss: Duration,
    good_probes: u32,
    wanted_probes: u32,
    next_probe: Duration,
    /// Whether the next probe is the first one after a rest, and what those since that rest took that were too slow.
    rested: bool,
    spent: Duration,
    /// Whether the worker is still at a frame that missed its deadline.
    overdue: bool,
    /// When a frame was shown last, and when one was dropped last.
    shown: Option<Duration>,
    dropped: Duration,
}

impl Default for Governor {
    fn default() -> Self {
        Governor::new(Policy::default())
    }
}

impl Governor {
    /// At the beginning of a stream.
    pub fn new(policy: Policy) -> Governor {
        Governor {
            policy,
            state: None,
            change: None,
            since: Duration::ZERO,
            loading: false,
            returned: false,
            cost: None,
            least: None,
            given: None,
            frame: None,
            margin: 0,
            behind: false,
            plain: Duration::ZERO,
            misses: 0.0,
            last_miss: Duration::ZERO,
            good_probes: 0,
            wanted_probes: PROBES,
            next_probe: Duration::ZERO,
            rested: false,
            spent: Duration::ZERO,
            overdue: false,
            shown: None,
            dropped: Duration::ZERO,
        }
    }

    /// Another policy begins anew, but what is known of times stays.
    pub fn set_policy(&mut self, policy: Policy) {
        if self.policy != policy {
            self.policy = policy;
            self.state = None;
            self.wanted_probes = PROBES;
        }
    }

    /// Frames go another way from the next one on. What the way before took says nothing of it, so it is tried at once.
    pub fn change_way(&mut self) {
        (self.cost, self.least) = (None, None);
        (self.overdue, self.rested, self.spent) = (false, false, Duration::ZERO);
        self.misses = 0.0;
        self.wanted_probes = PROBES;
        if self.state == Some(State::Degraded) {
            self.good_probes = PROBES;
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// What happens to frames at present; none before the first.
    pub fn state(&self) -> Option<State> {
        self.state
    }

    /// What restoring takes, in lengths of a frame; 1 where that is not known.
    pub fn proportion(&self) -> f64 {
        match (self.cost, self.frame) {
            (Some(cost), Some(frame)) if !frame.is_zero() => cost.turn.as_secs_f64() / frame.as_secs_f64(),
            _ => 1.0,
        }
    }

    /// The change of state since this was last asked, if there is one to tell.
    pub fn take_change(&mut self) -> Option<Change> {
        self.change.take()
    }

    /// What is to be done with the frame that comes.
    pub fn plan(&mut self, arrival: &Arrival) -> Plan {
        let now = arrival.now;
        self.frame = arrival.frame;
        let Some(slack) = arrival.slack.filter(|_| self.policy != Policy::Stall) else {
            if self.state.is_none() || self.policy == Policy::Stall {
                self.enter(State::Restoring, Reason::Begin, now);
            }
            return Plan::Restore {
                patience: None,
                least: Duration::ZERO,
            };
        };
        self.behind = slack <= 0;
        if !arrival.ready {
            self.enter(State::Degraded, Reason::Loading, now);
            return Plan::Degrade { probe: false };
        }
        let patience = self.patience(slack);
        self.given = Some(patience);
        match self.policy {
            Policy::Drop => self.plan_dropping(now, patience),
            Policy::Degrade | Policy::Stall => self.plan_degrading(now, patience),
        }
    }

    /// How long to wait for a frame so that a degraded one still comes in time, if the wait is in vain.
    fn patience(&self, slack: Nanoseconds) -> Duration {
        let margin = self.margin.max(SMALLEST_MARGIN);
        let plain = match self.policy {
            Policy::Drop => 0,
            Policy::Degrade | Policy::Stall => nanoseconds(self.plain),
        };
        duration(slack.saturating_sub(margin).saturating_sub(plain))
    }

    fn plan_degrading(&mut self, now: Duration, patience: Duration) -> Plan {
        let degraded = !matches!(self.state, None | Some(State::Restoring));
        // While restoring every frame is tried, whatever the last one took: only a wait in vain shows that it does not
        // fit.
        if !patience.is_zero() && (!degraded || self.good_probes >= self.wanted_probes) {
            let reason = if degraded { self.fits() } else { Reason::Begin };
            self.enter(State::Restoring, reason, now);
            return self.restore_within(patience);
        }
        if self.state == Some(State::Restoring) && self.tolerates(now) {
            return Plan::Degrade { probe: false };
        }
        let reason = self.slow(patience);
        self.enter(State::Degraded, reason, now);
        Plan::Degrade {
            probe: now >= self.next_probe,
        }
    }

    fn plan_dropping(&mut self, now: Duration, patience: Duration) -> Plan {
        let silent_for = now.saturating_sub(self.shown.unwrap_or_default());
        if self.shown.is_none() || silent_for >= SILENCE {
            self.enter_unless_dropping(now);
            return Plan::Restore {
                patience: None,
                least: Duration::ZERO,
            };
        }
        if patience.is_zero() || self.least.is_some_and(|least| least > patience) {
            self.note_drop(now, patience);
            return Plan::Drop;
        }
        self.enter_unless_dropping(now);
        self.restore_within(patience)
    }

    fn restore_within(&self, patience: Duration) -> Plan {
        Plan::Restore {
            patience: Some(patience),
            least: self.least.unwrap_or_default(),
        }
    }

    /// Restoring again, once none has been dropped for a while.
    fn enter_unless_dropping(&mut self, now: Duration) {
        match self.state {
            Some(State::Dropping) if now.saturating_sub(self.dropped) < SILENCE => (),
            Some(State::Restoring) => (),
            None => self.enter(State::Restoring, Reason::Begin, now),
            Some(_) => self.enter(State::Restoring, self.fits(), now),
        }
    }

    fn note_drop(&mut self, now: Duration, available: Duration) {
        self.dropped = now;
        self.enter(State::Dropping, self.slow(available), now);
    }

    /// A frame was restored by its deadline, and is shown.
    pub fn restored(&mut self, now: Duration, cost: Cost) {
        self.costs(cost);
        self.shown = Some(now);
        if self.state == Some(State::Restoring) && now.saturating_sub(self.since) >= STABLE {
            self.wanted_probes = PROBES;
        }
    }

    /// A frame was not restored by its deadline, for which it had `patience`: says what is done with it instead.
    /// `continues`: it is restored all the same, and what that took is [`measured`](Self::measured).
    pub fn missed(&mut self, now: Duration, patience: Duration, continues: bool) -> Plan {
        // What it takes is known when it is done; until then, this much at least.
        let (whole, turn) = self
            .cost
            .map_or((patience, patience), |cost| (cost.whole.max(patience), cost.turn));
        self.cost = Some(Cost { whole, turn });
        self.overdue = continues;
        match self.policy {
            Policy::Drop => {
                self.note_drop(now, patience);
                Plan::Drop
            }
            Policy::Degrade | Policy::Stall => {
                if !self.tolerates(now) {
                    self.enter(State::Degraded, self.slow(patience), now);
                }
                Plan::Degrade { probe: false }
            }
        }
    }

    /// Whether one more miss is still an exception.
    fn tolerates(&mut self, now: Duration) -> bool {
        let forgotten = now.saturating_sub(self.last_miss).as_secs_f64() / FORGOTTEN.as_secs_f64();
        self.misses = (self.misses - forgotten).max(0.0) + 1.0;
        self.last_miss = now;
        self.misses <= TOLERATED
    }

    /// A frame was degraded, which took so long, and is shown.
    pub fn degraded(&mut self, now: Duration, cost: Duration) {
        self.shown = Some(now);
        // Follows growth at once, and falls slowly: it is what has to be left of a frame's time.
        self.plain = cost.max(self.plain - self.plain / 8);
    }

    /// What restoring a frame took that nobody waited for, a probe or one that missed its deadline.
    pub fn measured(&mut self, now: Duration, cost: Cost) {
        self.costs(cost);
        // That one frame was slow says little: whether all are is what the first probe shows.
        let overdue = std::mem::take(&mut self.overdue);
        let cold = std::mem::take(&mut self.rested);
        // The plain picture was made meanwhile, which is not there to be made where frames are restored.
        let cost = Cost {
            whole: cost.whole.saturating_sub(self.plain),
            turn: cost.turn.saturating_sub(self.plain),
        };
        self.next_probe = now;
        if self.fits_in(cost, 1) {
            self.good_probes = self.good_probes.saturating_add(1);
            self.spent = Duration::ZERO;
        } else if cold && self.fits_in(cost, COLD) {
            self.spent = self.spent.saturating_add(cost.whole);
        } else {
            self.good_probes = self.good_probes.saturating_sub(self.wanted_probes / SETBACK);
            if !overdue {
                self.rest(cost.whole);
            }
            self.tell_that_the_model_is_slow();
        }
    }

    /// Whether a frame that takes so long fits into so many times its length, and the time that it is given.
    fn fits_in(&self, cost: Cost, times: u32) -> bool {
        let fits = |cost: Duration, limit: Option<Duration>| {
            limit.is_none_or(|limit| cost.as_secs_f64() <= HEADROOM * f64::from(times) * limit.as_secs_f64())
        };
        fits(cost.turn, self.frame) && fits(cost.whole, self.given)
    }

    fn rest(&mut self, cost: Duration) {
        let spent = std::mem::take(&mut self.spent).saturating_add(cost);
        self.next_probe = (self.next_probe).saturating_add(spent.saturating_mul(PROBE_REST).max(SHORTEST_REST));
        self.rested = true;
    }

    /// Where the model has come, and does not help: that is another reason than before.
    fn tell_that_the_model_is_slow(&mut self) {
        if std::mem::take(&mut self.loading) && self.state == Some(State::Degraded) {
            let (needed, available, bound) = self.tightest();
            let reason = Reason::Slow {
                needed,
                available,
                bound,
            };
            self.change = Some(Change {
                state: State::Degraded,
                reason,
            });
        }
    }

    fn costs(&mut self, cost: Cost) {
        self.cost = Some(cost);
        // Falls at once, and grows slowly: a frame that was slow by way of exception is no measure.
        let least = |least: Duration| cost.whole.min(least.saturating_add(least / 8));
        self.least = Some(self.least.map_or(cost.whole, least));
    }

    /// A probe, or a frame that missed its deadline, has failed.
    pub fn probe_failed(&mut self, now: Duration) {
        self.overdue = false;
        self.good_probes = 0;
        self.next_probe = now.saturating_add(SILENCE);
    }

    /// A QoS event of the sink: a frame came there so much after its time, or before it if that is negative. Frames
    /// leave here by their deadline, so what is late there is what happens on the way; unless they came here too late.
    pub fn arrived(&mut self, late_by: Nanoseconds) {
        self.margin = match late_by {
            1.. if self.behind => self.margin,
            1.. => self.margin.saturating_add(late_by).min(LARGEST_MARGIN),
            _ => self.margin - self.margin / 16,
        };
    }

    fn slow(&self, available: Duration) -> Reason {
        Reason::Slow {
            needed: self.cost.map(|cost| cost.whole),
            available,
            bound: Bound::Deadline,
        }
    }

    fn fits(&self) -> Reason {
        let (needed, available, bound) = self.tightest();
        Reason::Fits {
            needed,
            available,
            bound,
        }
    }

    /// What a frame took, and what it may take, where that is tightest: from its begin to its end in the time that it is
    /// given, or until the next one in its own length.
    fn tightest(&self) -> (Option<Duration>, Duration, Bound) {
        let given = self.given.unwrap_or_default();
        let Some(cost) = self.cost else {
            return match self.frame {
                Some(frame) if frame < given => (None, frame, Bound::Rate),
                _ => (None, given, Bound::Deadline),
            };
        };
        match self.frame {
            Some(frame) if share(cost.turn, frame) > share(cost.whole, given) => (Some(cost.turn), frame, Bound::Rate),
            _ => (Some(cost.whole), given, Bound::Deadline),
        }
    }

    fn enter(&mut self, state: State, reason: Reason, now: Duration) {
        if self.state == Some(state) {
            return;
        }
        if self.state == Some(State::Restoring) && state == State::Degraded {
            let too_early = self.returned && now.saturating_sub(self.since) < STABLE;
            self.wanted_probes = if too_early {
                (self.wanted_probes * 2).min(MANY_PROBES)
            } else {
                PROBES
            };
        }
        self.good_probes = 0;
        self.next_probe = now;
        self.misses = 0.0;
        self.state = Some(state);
        self.since = now;
        self.loading = reason == Reason::Loading;
        // A model that has just come is as cold as one that has rested.
        (self.rested, self.spent) = (self.loading, Duration::ZERO);
        // Probes have brought it back, and not a change of way.
        self.returned = matches!(reason, Reason::Fits { needed: Some(_), .. });
        self.change = Some(Change { state, reason });
    }
}

fn share(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE)
}
