//! Which frames are restored, bypassed or dropped, and when that changes.
//!
//! A frame is restored as long as that is done by its deadline; one that is not is bypassed: its bicubic picture goes
//! out. Where that happens now and then, as on a machine that does other work, it changes nothing else: a bicubic frame
//! among restored ones is less to see than a second of them. Where it happens again and again the state is bypassing.
//! Then frames now and then are restored beside the stream, as trials: nobody waits for them, and at most a tenth of
//! the time goes into those that are too slow. The first one after a rest is not judged by unless it is hopeless, since
//! it pays for the rest: caches are cold and cores asleep. Once there were several that took clearly less than a frame
//! lasts and than a frame is given, and few between them that did not, the state is restoring again. If that turns out
//! to have been too early, more trials are asked for the next time: a load near the limit does not make the picture
//! alternate.
//!
//! A frame that has to wait for the one before it is only begun if the time left is what one takes at least. Otherwise it
//! would come late, and the next one would have to wait for it in turn.
//!
//! Bypassed frames may have the detail of the last restored one, where there is time for that. Trials are then made one
//! after the other, and each is what the detail is taken from until the next one is done: so pictures stay nearly as sharp
//! as restored ones, and no frame waits for the model.
//!
//! A stream may ask for one frame in several to be restored, and the others to have its detail, whatever there is time
//! for.
//!
//! With the policy to drop, the first frame that would come late makes the state dropping. Then every frame for which
//! there seems to be time is restored, and a frame that comes out late is shown all the same if none has been shown for a
//! second.

mod detail_gate;
mod leaky_bucket;
mod plan;
mod trials;

use std::time::Duration;

use self::detail_gate::DetailGate;
use self::leaky_bucket::LeakyBucket;
pub use self::plan::{Arrival, Bound, Change, Cost, Plan, Policy, Reason, State, TimeBudget};
use self::trials::{MAX_TRIALS, TRIALS, Trials, Verdict};
use super::{Nanoseconds, duration};

/// Share of a frame's length, and of its budget, that a trial may take for restoration to fit: the rest is for copying
/// pictures, and for what happens beside.
const HEADROOM: f64 = 0.9;
/// Restoration that lasted so long was not brought back too early.
const STABLE: Duration = Duration::from_secs(10);
/// Times as long as the others that the first trial after a rest may take.
const COLD: u32 = 2;
/// Trials are made one after the other while a picture with detail fits so many times into the time that there is.
const TRIAL_ROOM: f64 = 1.25;
/// While dropping, a frame is shown at least so often, however late.
const SHOW_INTERVAL: Duration = Duration::from_secs(1);
/// The most that is taken off a frame's time for what happens to it downstream.
const MAX_MARGIN: Nanoseconds = 250_000_000;
/// What is taken off for handing a frame on, whatever happens downstream.
const MIN_MARGIN: Nanoseconds = 2_000_000;

/// Restoring, however long it takes.
const RESTORE: Plan = Plan::Restore {
    budget: None,
    least: Duration::ZERO,
};
/// A bicubic picture and nothing else.
const BYPASS: Plan = Plan::Bypass {
    trial: false,
    propagates: false,
};

/// A state with what is known in it alone.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    /// Before the first frame.
    Idle,
    Restoring {
        since: Duration,
        /// Whether trials had brought it back.
        returned: bool,
        misses: LeakyBucket,
    },
    Bypassing {
        /// Whether the model was not there when it began.
        loading: bool,
        trials: Trials,
    },
    Dropping {
        /// When a frame was dropped last.
        last: Duration,
    },
}

/// Decides frame by frame; see the module.
#[derive(Debug)]
pub struct OverloadController {
    policy: Policy,
    mode: Mode,
    change: Option<Change>,
    /// Good trials that are asked for.
    wanted_trials: u32,
    /// What restoring took last, and what it takes at least from its begin to its end.
    cost: Option<Cost>,
    least: Option<Duration>,
    /// What a frame was given last, and how long it lasts.
    last_budget: Option<Duration>,
    frame: Option<Duration>,
    /// Taken off a frame's time: what happens downstream, as the sink's QoS events show it.
    margin: Nanoseconds,
    /// Whether frames come too late already, which the sink then says as well.
    behind: bool,
    /// What a bypassed picture takes, and whether it has the detail of a restored one.
    detail: DetailGate,
    /// Of how many frames one is restored, and how many have come since one was.
    interval: u32,
    since_restored: u32,
    /// When a frame was shown last.
    shown: Option<Duration>,
}

impl Default for OverloadController {
    fn default() -> Self {
        OverloadController::new(Policy::default())
    }
}

impl OverloadController {
    /// At the beginning of a stream.
    pub fn new(policy: Policy) -> OverloadController {
        OverloadController {
            policy,
            mode: Mode::Idle,
            change: None,
            wanted_trials: TRIALS,
            cost: None,
            least: None,
            last_budget: None,
            frame: None,
            margin: 0,
            behind: false,
            detail: DetailGate::default(),
            interval: 1,
            since_restored: 0,
            shown: None,
        }
    }

    /// Another policy begins without a state, but what is known of times stays.
    pub fn set_policy(&mut self, policy: Policy) {
        if self.policy != policy {
            self.policy = policy;
            self.mode = Mode::Idle;
            self.wanted_trials = TRIALS;
        }
    }

    /// Another number of frames is in flight at a time from the next one on. What one took before says nothing of that, so
    /// it is tried at once.
    pub fn change_depth(&mut self) {
        (self.cost, self.least) = (None, None);
        self.wanted_trials = TRIALS;
        match &mut self.mode {
            Mode::Restoring { misses, .. } => *misses = LeakyBucket::default(),
            Mode::Bypassing { trials, .. } => trials.skip(),
            Mode::Idle | Mode::Dropping { .. } => (),
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// What happens to frames at present; none before the first.
    pub fn state(&self) -> Option<State> {
        match self.mode {
            Mode::Idle => None,
            Mode::Restoring { .. } => Some(State::Restoring),
            Mode::Bypassing { .. } => Some(State::Bypassing),
            Mode::Dropping { .. } => Some(State::Dropping),
        }
    }

    /// What restoring takes, in lengths of a frame; 1 where that is not known.
    pub fn proportion(&self) -> f64 {
        match (self.cost, self.frame) {
            (Some(cost), Some(frame)) if !frame.is_zero() => cost.period.as_secs_f64() / frame.as_secs_f64(),
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
        (self.frame, self.interval) = (arrival.frame, arrival.interval.max(1));
        if self.is_between() {
            self.since_restored += 1;
            return Plan::Bypass {
                trial: false,
                propagates: true,
            };
        }
        self.since_restored = 0;
        let Some(slack) = arrival.slack.filter(|_| self.policy != Policy::Wait) else {
            if self.mode == Mode::Idle || self.policy == Policy::Wait {
                self.enter(State::Restoring, Reason::Begin, now);
            }
            return RESTORE;
        };
        self.behind = slack <= 0;
        if !arrival.ready {
            self.enter(State::Bypassing, Reason::Loading, now);
            return BYPASS;
        }
        let budget = self.budget(slack);
        self.last_budget = Some(budget);
        match self.policy {
            Policy::Drop => self.plan_dropping(now, budget),
            Policy::Bypass | Policy::Wait => self.plan_bypassing(now, budget, slack, arrival.propagates),
        }
    }

    /// Whether the frame that comes lies between two that are restored.
    fn is_between(&self) -> bool {
        matches!(self.mode, Mode::Restoring { .. }) && self.since_restored + 1 < self.interval
    }

    /// The time that a frame has here.
    fn until_deadline(&self, slack: Nanoseconds) -> Duration {
        duration(slack.saturating_sub(self.margin.max(MIN_MARGIN)))
    }

    /// How long to wait for a frame so that a bicubic one still comes in time, if the wait is in vain.
    fn budget(&self, slack: Nanoseconds) -> Duration {
        let bypass_cost = match self.policy {
            Policy::Drop => Duration::ZERO,
            Policy::Bypass | Policy::Wait => self.detail.bicubic(),
        };
        self.until_deadline(slack).saturating_sub(bypass_cost)
    }

    fn plan_bypassing(&mut self, now: Duration, budget: Duration, slack: Nanoseconds, propagates: bool) -> Plan {
        // While restoring every frame is tried, whatever the last one took: only a wait in vain shows that it does not
        // fit.
        let reason = match &self.mode {
            Mode::Idle | Mode::Restoring { .. } => Some(Reason::Begin),
            Mode::Bypassing { trials, .. } => trials
                .are_enough(self.wanted_trials)
                .then(|| Reason::Fits(self.tightest())),
            Mode::Dropping { .. } => None,
        };
        if let Some(reason) = reason.filter(|_| !budget.is_zero()) {
            self.enter(State::Restoring, reason, now);
            return self.restore_within(budget);
        }
        if matches!(self.mode, Mode::Restoring { .. }) && self.tolerates(now) {
            return BYPASS;
        }
        self.enter(State::Bypassing, self.slow(budget), now);
        let available = self.available(slack);
        let propagates = propagates && self.detail.passes(now, available);
        let refreshes = propagates && self.detail.fits(available, TRIAL_ROOM);
        let trial = matches!(&self.mode, Mode::Bypassing { trials, .. } if refreshes || trials.is_due(now));
        Plan::Bypass { trial, propagates }
    }

    /// The time for a bypassed frame, before its deadline and before the next one.
    fn available(&self, slack: Nanoseconds) -> Duration {
        let until_deadline = self.until_deadline(slack);
        self.frame.map_or(until_deadline, |frame| frame.min(until_deadline))
    }

    fn plan_dropping(&mut self, now: Duration, budget: Duration) -> Plan {
        let silent_for = now.saturating_sub(self.shown.unwrap_or_default());
        if self.shown.is_none() || silent_for >= SHOW_INTERVAL {
            self.enter_restoring(now);
            return RESTORE;
        }
        if budget.is_zero() || self.least.is_some_and(|least| least > budget) {
            self.note_drop(now, budget);
            return Plan::Drop;
        }
        self.enter_restoring(now);
        self.restore_within(budget)
    }

    fn restore_within(&self, budget: Duration) -> Plan {
        Plan::Restore {
            budget: Some(budget),
            least: self.least.unwrap_or_default(),
        }
    }

    /// Restoring again, once none has been dropped for a while.
    fn enter_restoring(&mut self, now: Duration) {
        match self.mode {
            Mode::Dropping { last } if now.saturating_sub(last) < SHOW_INTERVAL => (),
            Mode::Restoring { .. } => (),
            Mode::Idle => self.enter(State::Restoring, Reason::Begin, now),
            Mode::Bypassing { .. } | Mode::Dropping { .. } => {
                self.enter(State::Restoring, Reason::Fits(self.tightest()), now)
            }
        }
    }

    fn note_drop(&mut self, now: Duration, available: Duration) {
        self.enter(State::Dropping, self.slow(available), now);
        self.mode = Mode::Dropping { last: now };
    }

    /// A frame was restored by its deadline, and is shown.
    pub fn restored(&mut self, now: Duration, cost: Cost) {
        self.costs(cost);
        self.shown = Some(now);
        if matches!(self.mode, Mode::Restoring { since, .. } if now.saturating_sub(since) >= STABLE) {
            self.wanted_trials = TRIALS;
        }
    }

    /// A frame was not restored by its deadline, for which it had `budget`: says what is done with it instead.
    pub fn missed(&mut self, now: Duration, budget: Duration) -> Plan {
        // What it takes is known when it is done; until then, this much at least.
        let (latency, period) = self
            .cost
            .map_or((budget, budget), |cost| (cost.latency.max(budget), cost.period));
        self.cost = Some(Cost { latency, period });
        match self.policy {
            Policy::Drop => {
                self.note_drop(now, budget);
                Plan::Drop
            }
            Policy::Bypass | Policy::Wait => {
                if !self.tolerates(now) {
                    self.enter(State::Bypassing, self.slow(budget), now);
                }
                BYPASS
            }
        }
    }

    /// Whether one more miss is still an exception. Of a frame that was submitted before the state changed it says nothing.
    fn tolerates(&mut self, now: Duration) -> bool {
        match &mut self.mode {
            Mode::Restoring { misses, .. } => misses.tolerate(now),
            Mode::Idle | Mode::Bypassing { .. } | Mode::Dropping { .. } => true,
        }
    }

    /// A bicubic picture was made, which took so long, and is shown; `propagated`: with the detail of a restored one.
    pub fn bypassed(&mut self, now: Duration, cost: Duration, propagated: bool) {
        self.shown = Some(now);
        self.detail.took(cost, propagated);
    }

    /// What restoring a frame on trial took.
    pub fn measured(&mut self, now: Duration, cost: Cost) {
        self.costs(cost);
        // The bicubic picture was made meanwhile, which is not there to be made where frames are restored. Detail was
        // too, but much of that beside the trial: counted in full, streams that are too slow would begin again and again.
        let beside = self.detail.bicubic();
        let cost = Cost {
            latency: cost.latency.saturating_sub(beside),
            period: cost.period.saturating_sub(beside),
        };
        let (fits, would_fit) = (self.fits_in(cost, 1), self.fits_in(cost, COLD));
        let Mode::Bypassing { trials, loading } = &mut self.mode else {
            return;
        };
        let verdict = match trials.take_cold() {
            _ if fits => Verdict::Fits,
            true if would_fit => Verdict::Cold,
            _ => Verdict::Slow,
        };
        trials.count(now, verdict, cost.latency, self.wanted_trials);
        if verdict == Verdict::Slow && std::mem::take(loading) {
            // The model has come, and does not help: that is another reason than before.
            let reason = Reason::Slow(self.tightest());
            self.change = Some(Change {
                state: State::Bypassing,
                reason,
            });
        }
    }

    /// Whether a frame that takes so long fits into so many times its length, and the time that it is given.
    fn fits_in(&self, cost: Cost, times: u32) -> bool {
        let fits = |cost: Duration, limit: Option<Duration>| {
            limit.is_none_or(|limit| cost.as_secs_f64() <= HEADROOM * f64::from(times) * limit.as_secs_f64())
        };
        fits(cost.period, self.frame_period()) && fits(cost.latency, self.last_budget)
    }

    /// The time from one frame that is restored to the next.
    fn frame_period(&self) -> Option<Duration> {
        self.frame.map(|frame| frame.saturating_mul(self.interval))
    }

    fn costs(&mut self, cost: Cost) {
        self.cost = Some(cost);
        // Falls at once, and grows slowly: an outlier is no measure.
        let least = |least: Duration| cost.latency.min(least.saturating_add(least / 8));
        self.least = Some(self.least.map_or(cost.latency, least));
    }

    /// A trial has failed.
    pub fn trial_failed(&mut self, now: Duration) {
        if let Mode::Bypassing { trials, .. } = &mut self.mode {
            trials.fail(now.saturating_add(SHOW_INTERVAL));
        }
    }

    /// A QoS event of the sink: a frame came there so much after its time, or before it if that is negative. Frames
    /// leave here by their deadline, so what is late there is what happens on the way; unless they came here too late.
    pub fn arrived(&mut self, late_by: Nanoseconds) {
        self.margin = match late_by {
            1.. if self.behind => self.margin,
            1.. => self.margin.saturating_add(late_by).min(MAX_MARGIN),
            _ => self.margin - self.margin / 16,
        };
    }

    /// What restoring a frame took last, from its begin to its end; none where that is not known.
    pub fn needed(&self) -> Option<Duration> {
        self.cost.map(|cost| cost.latency)
    }

    fn slow(&self, available: Duration) -> Reason {
        Reason::Slow(TimeBudget {
            needed: self.needed(),
            available,
            bound: Bound::Deadline,
        })
    }

    /// What a frame took, and what it may take, where there is least room: from its begin to its end in the time that it
    /// is given, or until the next one in its own length.
    fn tightest(&self) -> TimeBudget {
        let given = self.last_budget.unwrap_or_default();
        let by_rate = self.frame_period().filter(|period| match self.cost {
            Some(cost) => share(cost.period, *period) > share(cost.latency, given),
            None => *period < given,
        });
        match by_rate {
            Some(period) => TimeBudget {
                needed: self.cost.map(|cost| cost.period),
                available: period,
                bound: Bound::Rate,
            },
            None => TimeBudget {
                needed: self.needed(),
                available: given,
                bound: Bound::Deadline,
            },
        }
    }

    fn enter(&mut self, state: State, reason: Reason, now: Duration) {
        if self.state() == Some(state) {
            return;
        }
        if let (Mode::Restoring { since, returned, .. }, State::Bypassing) = (self.mode, state) {
            let too_early = returned && now.saturating_sub(since) < STABLE;
            self.wanted_trials = if too_early {
                (self.wanted_trials * 2).min(MAX_TRIALS)
            } else {
                TRIALS
            };
        }
        let loading = reason == Reason::Loading;
        self.mode = match state {
            State::Restoring => Mode::Restoring {
                since: now,
                // By trials, and not by a change of depth.
                returned: matches!(reason, Reason::Fits(TimeBudget { needed: Some(_), .. })),
                misses: LeakyBucket::default(),
            },
            State::Bypassing => Mode::Bypassing {
                loading,
                trials: Trials::begin(now, loading),
            },
            State::Dropping => Mode::Dropping { last: now },
        };
        self.change = Some(Change { state, reason });
    }
}

fn share(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE)
}
