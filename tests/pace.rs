//! The controller over whole streams: what leaves when, under load that is constant, random or passing. No clock runs.

use std::time::Duration;

use gstdloralvsr::pace::{Arrival, Cost, OverloadController, Plan, Policy, Reason, State};
use proptest::prelude::*;

const FRAME: Duration = Duration::from_millis(40);
/// What a bypassed frame takes.
const BICUBIC: Duration = Duration::from_millis(4);

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Restored,
    Bypassed,
    Dropped,
}

/// A frame that has left, or has been left out.
#[derive(Debug, Clone, Copy)]
struct Left {
    fate: Fate,
    /// When, and when it was to leave at the latest, ns.
    at: i64,
    deadline: i64,
}

/// A live stream into a queue, the element behind it, and its pipeline.
struct Simulation {
    controller: OverloadController,
    allowance: Duration,
    now: Duration,
    /// When the pipeline is done, and what its frame takes.
    busy: Option<(Duration, Duration)>,
    changes: Vec<(usize, State, Reason)>,
}

impl Simulation {
    fn new(policy: Policy, allowance: Duration) -> Self {
        Simulation {
            controller: OverloadController::new(policy),
            allowance,
            now: Duration::ZERO,
            busy: None,
            changes: Vec::new(),
        }
    }

    /// Runs frames 0..count, of which `cost` says what they take.
    fn run(&mut self, count: usize, cost: impl Fn(usize) -> Duration) -> Vec<Left> {
        (0..count).map(|index| self.frame(index, cost(index))).collect()
    }

    fn frame(&mut self, index: usize, cost: Duration) -> Left {
        let captured = FRAME * index as u32;
        self.now = self.now.max(captured);
        self.collect();
        let deadline = signed(captured + self.allowance);
        let arrival = Arrival {
            now: self.now,
            slack: Some(deadline - signed(self.now)),
            frame: Some(FRAME),
            ready: true,
            interval: 1,
            propagates: false,
        };
        let plan = self.controller.plan(&arrival);
        let fate = self.carry_out(plan, cost);
        if let Some(change) = self.controller.take_change() {
            self.changes.push((index, change.state, change.reason));
        }
        Left {
            fate,
            at: signed(self.now),
            deadline,
        }
    }

    fn carry_out(&mut self, plan: Plan, cost: Duration) -> Fate {
        match plan {
            Plan::Restore { budget, least } => {
                let until = budget.map_or(Duration::MAX, |budget| self.now + budget);
                let free = self.busy.map_or(self.now, |(done, _)| done.max(self.now));
                if free + cost <= until {
                    self.busy = None;
                    self.now = free + cost;
                    self.controller.restored(self.now, alone(cost));
                    return Fate::Restored;
                }
                let begun = free < until && (free == self.now || until - free >= least);
                if begun {
                    self.busy = Some((free + cost, cost));
                }
                self.now = if begun { until } else { free.min(until) };
                let plan = self.controller.missed(self.now, budget.unwrap());
                assert!(!matches!(plan, Plan::Restore { .. }), "that would never end");
                self.carry_out(plan, cost)
            }
            Plan::Bypass { trial, .. } => {
                if trial && self.busy.is_none() {
                    self.busy = Some((self.now + cost, cost));
                }
                self.now += BICUBIC;
                self.controller.bypassed(self.now, BICUBIC, false);
                Fate::Bypassed
            }
            Plan::Drop => Fate::Dropped,
        }
    }

    fn collect(&mut self) {
        if let Some((done, cost)) = self.busy
            && done <= self.now
        {
            self.busy = None;
            self.controller.measured(self.now, alone(cost));
        }
    }

    fn states(&self) -> Vec<State> {
        self.changes.iter().map(|(_, state, _)| *state).collect()
    }
}

/// A bicubic picture without the detail of another.
fn bypass(trial: bool) -> Plan {
    Plan::Bypass {
        trial,
        propagates: false,
    }
}

/// Of frames that are restored one after the other.
fn alone(cost: Duration) -> Cost {
    Cost {
        latency: cost,
        period: cost,
    }
}

fn signed(duration: Duration) -> i64 {
    duration.as_nanos() as i64
}

fn count(frames: &[Left], fate: Fate) -> usize {
    frames.iter().filter(|frame| frame.fate == fate).count()
}

/// A bypassed frame takes a little more than is left for it only if that has never been measured: the first one.
#[track_caller]
fn assert_in_time(frames: &[Left]) {
    for (index, frame) in frames.iter().enumerate().skip(1) {
        let late = frame.at - frame.deadline;
        assert!(late <= signed(BICUBIC), "frame {index} is {late} ns late: {frame:?}");
    }
}

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn at_half_load_every_frame_is_restored() {
    for policy in [Policy::Bypass, Policy::Drop, Policy::Wait] {
        let mut simulation = Simulation::new(policy, milliseconds(60));
        let frames = simulation.run(1000, |_| FRAME / 2);
        assert_eq!(count(&frames, Fate::Restored), 1000, "{policy:?}");
        assert_eq!(simulation.states(), [State::Restoring]);
    }
}

#[test]
fn at_triple_load_bypassing_keeps_cadence_and_says_so_once() {
    let mut simulation = Simulation::new(Policy::Bypass, milliseconds(60));
    let frames = simulation.run(1000, |_| FRAME * 3);
    assert_eq!(count(&frames, Fate::Bypassed), 1000);
    assert_in_time(&frames);
    // The first ones were tried.
    assert_eq!(simulation.states(), [State::Restoring, State::Bypassing]);
    let (index, _, reason) = simulation.changes[1];
    assert!(index <= 4, "{index}");
    assert!(
        matches!(reason, Reason::Slow(budget) if budget.available < FRAME * 3),
        "{reason:?}"
    );
}

/// Even where there is time enough for one frame: a picture that goes to and fro is worse than a bicubic one.
#[test]
fn at_triple_load_there_is_no_going_to_and_fro() {
    let mut simulation = Simulation::new(Policy::Bypass, milliseconds(500));
    let frames = simulation.run(3000, |_| FRAME * 3);
    assert_in_time(&frames);
    assert_eq!(simulation.states(), [State::Restoring, State::Bypassing]);
    assert!(count(&frames[20..], Fate::Restored) == 0);
}

#[test]
fn at_triple_load_dropping_shows_what_there_is_time_for() {
    let mut simulation = Simulation::new(Policy::Drop, milliseconds(150));
    let frames = simulation.run(1000, |_| FRAME * 3);
    let restored = count(&frames, Fate::Restored);
    assert!((300..=334).contains(&restored), "{restored} of 1000");
    assert_eq!(count(&frames, Fate::Dropped), 1000 - restored);
    assert_in_time(
        &frames
            .into_iter()
            .filter(|frame| frame.fate == Fate::Restored)
            .collect::<Vec<_>>(),
    );
    assert_eq!(simulation.states(), [State::Restoring, State::Dropping]);
}

/// There is never time enough, but a picture that stands for minutes looks like a fault.
#[test]
fn dropping_shows_a_frame_a_second_however_late() {
    let mut simulation = Simulation::new(Policy::Drop, milliseconds(20));
    let frames = simulation.run(1000, |_| FRAME * 3);
    let restored = count(&frames, Fate::Restored);
    assert!((30..=42).contains(&restored), "{restored} in 40 s");
}

#[test]
fn waiting_restores_every_frame_however_late() {
    let mut simulation = Simulation::new(Policy::Wait, milliseconds(20));
    let frames = simulation.run(100, |_| FRAME * 3);
    assert_eq!(count(&frames, Fate::Restored), 100);
    assert_eq!(frames[99].at, signed(FRAME * 300), "as slow as restoring is");
}

#[test]
fn restoration_comes_back_soon_after_a_load_has_passed() {
    let mut simulation = Simulation::new(Policy::Bypass, milliseconds(60));
    let frames = simulation.run(1000, |index| {
        if (300..500).contains(&index) {
            FRAME * 3
        } else {
            FRAME / 2
        }
    });
    assert_in_time(&frames);
    assert_eq!(
        simulation.states(),
        [State::Restoring, State::Bypassing, State::Restoring]
    );
    let back = simulation.changes[2].0;
    // The rest after a trial of 120 ms is 1.08 s, which is 27 frames; then the good trials.
    assert!((500..500 + 40).contains(&back), "back at frame {back}");
    assert!(frames[back..].iter().all(|frame| frame.fate == Fate::Restored));
}

/// It goes out bicubic, and the one behind it, for which the pipeline is not free in time.
#[test]
fn one_slow_frame_costs_itself_and_the_next() {
    let mut simulation = Simulation::new(Policy::Bypass, milliseconds(60));
    let frames = simulation.run(500, |index| if index % 100 == 99 { FRAME * 2 } else { FRAME / 2 });
    let bypassed = count(&frames, Fate::Bypassed);
    assert!((5..=10).contains(&bypassed), "{bypassed} bypassed");
    assert_in_time(&frames);
    assert_eq!(simulation.states(), [State::Restoring]);
}

/// Frames that are begun too late to be done by their deadline would hold up the next ones, and those the next.
#[test]
fn a_backlog_is_got_rid_of_at_once() {
    let mut simulation = Simulation::new(Policy::Bypass, milliseconds(50));
    let busy = FRAME * 9 / 10;
    let frames = simulation.run(500, |index| if index == 300 { FRAME * 3 } else { busy });
    let bypassed = count(&frames, Fate::Bypassed);
    assert!((1..=4).contains(&bypassed), "{bypassed} bypassed");
    assert_in_time(&frames);
    assert_eq!(simulation.states(), [State::Restoring]);
}

/// A model's first frame takes long, and so does each after a rest.
#[test]
fn a_rest_before_a_probe_is_not_held_against_it() {
    let mut simulation = Simulation::new(Policy::Bypass, milliseconds(60));
    let mut idle = 25;
    let mut left = Vec::new();
    for index in 0..500 {
        let cost = match index {
            // Other programs.
            100..200 => FRAME * 3,
            _ if idle > 3 => FRAME * 3 / 2,
            _ => FRAME * 8 / 10,
        };
        let frame = simulation.frame(index, cost);
        let works = frame.fate == Fate::Restored || simulation.busy.is_some();
        idle = if works { 0 } else { idle + 1 };
        left.push(frame);
    }
    assert_in_time(&left);
    assert_eq!(
        simulation.states(),
        [State::Restoring, State::Bypassing, State::Restoring]
    );
    assert!(simulation.changes[2].0 < 250, "{:?}", simulation.changes);
}

#[test]
fn frames_that_come_late_themselves_are_exceptions_too() {
    let mut controller = OverloadController::new(Policy::Bypass);
    let mut plan = |index: u32, slack| {
        controller.plan(&Arrival {
            now: FRAME * index,
            slack: Some(slack),
            frame: Some(FRAME),
            ready: true,
            interval: 1,
            propagates: false,
        })
    };
    for index in 0..4 {
        let restores = matches!(plan(10 + index, 60_000_000), Plan::Restore { .. });
        assert!(restores, "{index}");
        // Close upon each other: the fourth is no exception any more.
        assert_eq!(plan(20 + index, -1), bypass(index == 3));
    }
    assert_eq!(controller.state(), Some(State::Bypassing));
}

/// Costs around the limit: the longer it lasts, the rarer the changes.
#[test]
fn a_load_at_the_limit_does_not_flutter() {
    let mut simulation = Simulation::new(Policy::Bypass, milliseconds(45));
    // Three of four frames fit easily, every 30th does not.
    let frames = simulation.run(3000, |index| if index % 30 == 29 { FRAME * 2 } else { FRAME / 2 });
    assert_in_time(&frames);
    let changes = simulation.changes.len();
    assert!(
        changes <= 16,
        "{changes} changes in two minutes: {:?}",
        simulation.changes
    );
}

#[test]
fn probes_take_a_tenth_of_the_time_at_most() {
    let mut simulation = Simulation::new(Policy::Bypass, milliseconds(60));
    simulation.run(5, |_| FRAME * 5);
    let mut worked = Duration::ZERO;
    for index in 5..2005 {
        let before = simulation.busy.is_some();
        simulation.frame(index, FRAME * 5);
        if !before && simulation.busy.is_some() {
            worked += FRAME * 5;
        }
    }
    let share = worked.as_secs_f64() / (FRAME * 2000).as_secs_f64();
    assert!((0.05..=0.11).contains(&share), "{share}");
}

#[test]
fn what_happens_downstream_is_learnt_from_the_sink() {
    let mut simulation = Simulation::new(Policy::Bypass, milliseconds(60));
    simulation.run(10, |_| FRAME * 3);
    // Each frame takes 15 ms from here to the sink.
    let mut arrivals = Vec::new();
    for index in 10..300 {
        let left = simulation.frame(index, FRAME * 3);
        // At the worst that the element allows itself: right at its deadline.
        let left_at = left.at.max(left.deadline - signed(simulation_margin(&arrivals)));
        let late_by = left_at + 15_000_000 - left.deadline;
        arrivals.push(late_by);
        simulation.controller.arrived(late_by);
    }
    let tail = &arrivals[100..];
    assert!(tail.iter().all(|late| *late < 3_000_000), "{tail:?}");
}

/// As the controller's margin is documented: what was late is added, a sixteenth falls off for what was in time.
fn simulation_margin(arrivals: &[i64]) -> Duration {
    let margin = arrivals.iter().fold(0_i64, |margin, late| match late {
        1.. => (margin + late).min(250_000_000),
        _ => margin - margin / 16,
    });
    Duration::from_nanos(margin as u64)
}

#[test]
fn while_the_model_is_opened_frames_are_bypassed() {
    let mut controller = OverloadController::new(Policy::Bypass);
    let arrival = |now, ready| Arrival {
        now,
        slack: Some(20_000_000),
        frame: Some(FRAME),
        ready,
        interval: 1,
        propagates: false,
    };
    assert_eq!(controller.plan(&arrival(FRAME, false)), bypass(false));
    let change = controller.take_change().unwrap();
    assert_eq!((change.state, change.reason), (State::Bypassing, Reason::Loading));
    // It has come, but is too slow, which is another reason.
    assert_eq!(controller.plan(&arrival(FRAME * 2, true)), bypass(true));
    assert_eq!(controller.take_change(), None);
    controller.measured(FRAME * 4, alone(FRAME));
    let change = controller.take_change().unwrap();
    assert!(matches!(
        (change.state, change.reason),
        (State::Bypassing, Reason::Slow(_))
    ));
}

#[test]
fn a_model_that_has_just_come_may_be_cold() {
    let mut controller = OverloadController::new(Policy::Bypass);
    let plan = |controller: &mut OverloadController, index: u32, ready| {
        let arrival = Arrival {
            now: FRAME * index,
            slack: Some(60_000_000),
            frame: Some(FRAME),
            ready,
            interval: 1,
            propagates: false,
        };
        controller.plan(&arrival)
    };
    assert_eq!(plan(&mut controller, 0, false), bypass(false));
    for (index, cost) in (1..5).zip([60, 30, 30, 30]) {
        let tried = plan(&mut controller, index, true);
        assert_eq!(tried, bypass(true), "{index}");
        controller.measured(FRAME * index, alone(milliseconds(cost)));
    }
    assert!(matches!(plan(&mut controller, 5, true), Plan::Restore { .. }));
}

#[test]
fn another_way_is_tried_at_once() {
    let mut stream = Simulation::new(Policy::Bypass, FRAME * 2);
    stream.run(20, |_| FRAME * 3);
    assert_eq!(stream.states(), [State::Restoring, State::Bypassing]);
    // What still goes the former way is not learnt from.
    stream.busy = None;
    stream.controller.change_depth();
    let frames: Vec<_> = (20..120).map(|index| stream.frame(index, FRAME / 2)).collect();
    assert_eq!(count(&frames, Fate::Restored), 100);
    assert_in_time(&frames);
    assert_eq!(stream.states(), [State::Restoring, State::Bypassing, State::Restoring]);
    // Neither is it kept to if it does not help.
    stream.controller.change_depth();
    let frames: Vec<_> = (120..220).map(|index| stream.frame(index, FRAME * 3)).collect();
    assert!(count(&frames, Fate::Restored) < 3);
    assert_in_time(&frames);
}

#[test]
fn without_a_clock_nothing_is_late() {
    for policy in [Policy::Bypass, Policy::Drop, Policy::Wait] {
        let mut controller = OverloadController::new(policy);
        let arrival = Arrival {
            now: FRAME,
            slack: None,
            frame: None,
            ready: false,
            interval: 1,
            propagates: false,
        };
        let plan = controller.plan(&arrival);
        assert!(
            matches!(plan, Plan::Restore { budget: None, .. }),
            "{policy:?}: {plan:?}"
        );
    }
}

proptest! {
    /// Whatever restoring takes: bypassing loses no frame and keeps every deadline, and dropping shows nothing late
    /// but what breaks a silence.
    #[test]
    fn any_load_keeps_cadence(
        costs in proptest::collection::vec(0_u64..400, 1..400),
        allowance in 10_u64..300,
    ) {
        let mut simulation = Simulation::new(Policy::Bypass, milliseconds(allowance));
        let frames = simulation.run(costs.len(), |index| milliseconds(costs[index]));
        prop_assert_eq!(count(&frames, Fate::Dropped), 0);
        assert_in_time(&frames);

        let mut simulation = Simulation::new(Policy::Drop, milliseconds(allowance));
        let frames = simulation.run(costs.len(), |index| milliseconds(costs[index]));
        prop_assert_eq!(count(&frames, Fate::Bypassed), 0);
        let shown: Vec<_> = frames.iter().filter(|frame| frame.fate == Fate::Restored).collect();
        let late = shown.iter().filter(|frame| frame.at > frame.deadline).count();
        let seconds = frames.last().unwrap().at / 1_000_000_000;
        prop_assert!(late as i64 <= seconds + 1, "{} late in {} s", late, seconds);
    }

    /// Nothing that comes from outside makes it panic.
    #[test]
    fn any_input_is_taken(
        inputs in proptest::collection::vec((any::<u8>(), any::<u64>(), any::<i64>(), any::<Option<u32>>()), 1..200),
    ) {
        let mut controller = OverloadController::new(Policy::Bypass);
        for (what, time, span, frame) in inputs {
            let (now, cost) = (Duration::from_nanos(time), Duration::from_nanos(span.unsigned_abs()));
            match what % 9 {
                0 => controller.restored(now, Cost { latency: cost, period: cost / 2 }),
                1 => controller.bypassed(now, cost, span % 2 == 0),
                2 => { controller.missed(now, cost); }
                3 => controller.measured(now, alone(cost)),
                4 => controller.trial_failed(now),
                5 => controller.arrived(span),
                6 => controller.set_policy([Policy::Bypass, Policy::Drop, Policy::Wait][time as usize % 3]),
                _ => {
                    let frame = frame.map(|frame| Duration::from_nanos(u64::from(frame)));
                    let slack = (what > 20).then_some(span);
                    let (interval, propagates) = (u32::from(what) % 5, what % 2 == 0);
                    controller.plan(&Arrival { now, slack, frame, ready: what > 40, interval, propagates });
                }
            }
            controller.take_change();
            controller.proportion();
        }
    }
}

/// A frame that comes in time, with a model.
fn in_time(index: u32, interval: u32, propagates: bool) -> Arrival {
    Arrival {
        now: FRAME * index,
        slack: Some(60_000_000),
        frame: Some(FRAME),
        ready: true,
        interval,
        propagates,
    }
}

#[test]
fn one_frame_in_an_interval_is_restored() {
    for policy in [Policy::Wait, Policy::Bypass] {
        let mut controller = OverloadController::new(policy);
        let restored = |controller: &mut OverloadController, index| match controller.plan(&in_time(index, 3, false)) {
            Plan::Restore { .. } => true,
            Plan::Bypass { trial, propagates } => {
                assert!(propagates && !trial, "{index}");
                false
            }
            Plan::Drop => panic!("frame {index} is dropped"),
        };
        let frames: Vec<bool> = (0..7).map(|index| restored(&mut controller, index)).collect();
        assert_eq!(frames, [true, false, false, true, false, false, true], "{policy:?}");
        // What follows nothing begins anew.
        assert!(matches!(controller.plan(&in_time(7, 1, false)), Plan::Restore { .. }));
        assert!(!restored(&mut controller, 8));
    }
}

/// Of each frame: whether it is a trial, and whether it has the detail of another, which then takes `cost`.
fn bypassed_with_detail(cost: Duration) -> (usize, usize) {
    let mut controller = OverloadController::new(Policy::Bypass);
    controller.plan(&in_time(0, 1, true));
    for _ in 0..20 {
        controller.missed(FRAME, FRAME * 2);
    }
    assert_eq!(controller.state(), Some(State::Bypassing));
    let (mut trials, mut propagated) = (0, 0);
    for index in 1..101 {
        let Plan::Bypass { trial, propagates } = controller.plan(&in_time(index, 1, true)) else {
            panic!("frame {index} is restored")
        };
        trials += usize::from(trial);
        propagated += usize::from(propagates);
        let took = if propagates { cost } else { BICUBIC };
        controller.bypassed(FRAME * index, took, propagates);
        if trial {
            controller.measured(FRAME * index, alone(FRAME * 5));
        }
    }
    (trials, propagated)
}

#[test]
fn bypassed_frames_have_detail_where_there_is_time_for_it() {
    assert_eq!(bypassed_with_detail(FRAME / 4), (100, 100));
    // There is time for it, but not for what else takes time while trials are made one after the other.
    let (trials, propagated) = bypassed_with_detail(FRAME * 7 / 8);
    assert!(trials < 50 && propagated > 90, "{trials} {propagated}");
    // Tried at first, and then no more: frames with and without it in turn would flicker.
    let (_, propagated) = bypassed_with_detail(FRAME * 3);
    assert!((1..6).contains(&propagated), "{propagated}");
}

/// A trial of five quarters of a frame's length, while detail is made that takes three eighths of one: it does not fit.
#[test]
fn detail_that_is_made_beside_a_trial_does_not_make_it_fit() {
    let mut controller = OverloadController::new(Policy::Bypass);
    controller.plan(&in_time(0, 1, true));
    for _ in 0..20 {
        controller.missed(FRAME, FRAME * 2);
    }
    for index in 1..101 {
        let plan = controller.plan(&in_time(index, 1, true));
        assert!(
            matches!(plan, Plan::Bypass { propagates: true, .. }),
            "{index}: {plan:?}"
        );
        controller.bypassed(FRAME * index, FRAME * 3 / 8, true);
        controller.measured(FRAME * index, alone(FRAME * 5 / 4));
    }
}

#[test]
fn detail_comes_back_when_there_has_been_time_for_it_for_a_while() {
    let mut controller = OverloadController::new(Policy::Bypass);
    controller.plan(&in_time(0, 1, true));
    for _ in 0..20 {
        controller.missed(FRAME, FRAME * 2);
    }
    // Of frames that take this long without detail, and eight times as long with it.
    let mut has_detail = |index: u32, bicubic: Duration| {
        let plan = controller.plan(&in_time(index, 1, true));
        let propagates = matches!(plan, Plan::Bypass { propagates: true, .. });
        let took = if propagates { bicubic * 8 } else { bicubic };
        controller.bypassed(FRAME * index, took, propagates);
        propagates
    };
    let busy: Vec<bool> = (1..101).map(|index| has_detail(index, milliseconds(12))).collect();
    let free: Vec<bool> = (101..301).map(|index| has_detail(index, milliseconds(2))).collect();
    let changes = |frames: &[bool]| frames.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(busy[0] && !busy[99] && changes(&busy) == 1, "{busy:?}");
    assert!(!free[0] && free[199] && changes(&free) == 1, "{free:?}");
}

/// The table of docs/live.md: 500 frames at 25 frames/s, given 80 ms each. `cargo test --test pace -- --nocapture table`
/// prints it.
#[test]
fn the_table_of_the_documentation_is_what_comes_out() {
    let documented = include_str!("../docs/live.md");
    let mut missing = Vec::new();
    for (policy, name) in [
        (Policy::Wait, "wait"),
        (Policy::Bypass, "bypass"),
        (Policy::Drop, "drop"),
    ] {
        for load in [50, 100, 300] {
            let mut simulation = Simulation::new(policy, milliseconds(80));
            let frames = simulation.run(500, |_| FRAME * load / 100);
            let row = row(name, load, &frames, simulation.changes.len() - 1);
            println!("{row}");
            if !documented.contains(&row) {
                missing.push(row);
            }
        }
    }
    assert!(missing.is_empty(), "not in docs/live.md: {missing:#?}");
}

fn row(name: &str, load: u32, frames: &[Left], changes: usize) -> String {
    // A sink shows a frame when it is due, or when it comes if that is later.
    let shown: Vec<i64> = frames
        .iter()
        .filter(|frame| frame.fate != Fate::Dropped)
        .map(|frame| frame.at.max(frame.deadline) / 1_000_000)
        .collect();
    let mut intervals: Vec<i64> = shown.windows(2).map(|pair| pair[1] - pair[0]).collect();
    intervals.sort_unstable();
    let last = frames
        .iter()
        .map(|frame| (frame.at - frame.deadline).max(0))
        .max()
        .unwrap()
        / 1_000_000;
    let [restored, bypassed, dropped] = [Fate::Restored, Fate::Bypassed, Fate::Dropped].map(|fate| count(frames, fate));
    format!(
        "| {name} | {load} % | {restored} | {bypassed} | {dropped} | {} | {} | {last} | {changes} |",
        intervals[intervals.len() / 2],
        intervals[intervals.len() - 1],
    )
}
