//! The key figures of telephony: RFC 6076 and its kin, and whether the counts fit together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Attempts, Counted, SignonCounts, StageInfo, Sums};
use crate::metrics::{AttemptFailure, SignonFailure};

/// The key figures of telephony. Ratios are in percent; a figure without a base is `null`, never 0.
///
/// Ratios are over the attempts that the server could have answered: due, less `blocked`, `unfinished` and
/// `redirected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Kpi {
    /// Session establishment ratio: answered. Attempts that our own caller cancelled are left out of the base.
    pub ser: Option<f64>,
    /// The same, with the cancelled ones in the base.
    pub ser_all: Option<f64>,
    /// Session establishment effectiveness ratio: answered, busy, declined or unavailable, which are proper answers.
    /// Cancelled attempts are left out of the base.
    pub seer: Option<f64>,
    /// The same, with the cancelled ones in the base.
    pub seer_all: Option<f64>,
    /// Ineffective session attempts: ended with 408, 500, 503 or 504. Failures that SIP does not know (no answer to a
    /// request, a lost connection) are in `attempts_failed` and not in here.
    pub isa: Option<f64>,
    /// Session completion ratio: answered, and ended by a regular `hangup` (200) on every leg that is a client's of this
    /// run.
    pub scr: Option<f64>,
    /// Ineffective registration attempts: `registration_failed` or not registered in time, of these and of those that were
    /// done.
    pub ira: Option<f64>,
    /// Answer-seizure ratio (ITU-T E.411): answered of all; the same as `ser_all`.
    pub asr: Option<f64>,
    /// Network effectiveness ratio (ITU-T E.425): answered, busy, declined, unavailable, or given up while it rang.
    pub ner: Option<f64>,
    /// Average call duration, in seconds, of the calls that have ended.
    pub acd_s: Option<f64>,
    /// Calls that came due per second, over the time of the stages that have calls.
    pub cps_offered: Option<f64>,
    /// Calls that were completed per second, over the same time.
    pub cps_completed: Option<f64>,
    /// Busy hour call attempts: `cps_offered` for an hour.
    pub bhca: Option<f64>,
    /// The traffic that the plan offers, in erlangs: `cps_offered` times the mean hold time.
    pub erlangs_offered: Option<f64>,
    /// The traffic that was carried, in erlangs: talk time per time, over the same time.
    pub erlangs_carried: Option<f64>,
}

/// What ratios are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// A run that has ended: every attempt has its outcome.
    Whole,
    /// A part of a run: attempts that have no outcome yet, and calls that are still up, are left out.
    SoFar,
}

/// The `hangup` codes of ineffective session attempts (RFC 6076, section 4.8).
const INEFFECTIVE: [&str; 4] = ["408", "500", "503", "504"];

impl Kpi {
    /// The key figures of what was counted, in a time of which `calling_us` microseconds had calls.
    pub(super) fn of(
        counted: &Counted,
        signons: &SignonCounts,
        mean_hold_us: Option<u64>,
        calling_us: u64,
        basis: Basis,
    ) -> Kpi {
        let attempts = &counted.attempts;
        let all = match basis {
            Basis::Whole => base(attempts),
            Basis::SoFar => attempts.with_outcome(),
        };
        let settled = match basis {
            Basis::Whole => all,
            Basis::SoFar => all.saturating_sub(attempts.answered) + counted.calls.ended,
        };
        let wanted = all.saturating_sub(attempts.cancelled);
        let proper = attempts.answered + attempts.busy + attempts.declined + attempts.unavailable;
        let seconds = calling_us as f64 / 1e6;
        let cps_offered = per(attempts.due.saturating_sub(attempts.done) as f64, seconds);
        let hold_s = mean_hold_us.map(|micros| micros as f64 / 1e6);
        Kpi {
            ser: percent(attempts.answered, wanted),
            ser_all: percent(attempts.answered, all),
            seer: percent(proper, wanted),
            seer_all: percent(proper, all),
            isa: ineffective(counted).and_then(|ineffective| percent(ineffective, all)),
            scr: percent(counted.calls.completed, settled),
            ira: ineffective_registrations(counted, signons),
            asr: percent(attempts.answered, all),
            ner: percent(proper + attempts.cancelled, all),
            acd_s: per(counted.calls.talk_us as f64 / 1e6, counted.calls.ended as f64),
            cps_offered,
            cps_completed: per(counted.calls.completed as f64, seconds),
            bhca: cps_offered.map(|cps| cps * 3600.0),
            erlangs_offered: cps_offered.zip(hold_s).map(|(cps, hold)| cps * hold),
            erlangs_carried: per((counted.calls.talk_us + counted.side_calls.talk_us) as f64 / 1e6, seconds),
        }
    }
}

/// The attempts that the server could have answered.
fn base(attempts: &Attempts) -> u64 {
    attempts.due.saturating_sub(attempts.blocked + attempts.unfinished + attempts.redirected + attempts.done)
}

/// Ineffective attempts; unknown if not every rejected one has its code.
fn ineffective(counted: &Counted) -> Option<u64> {
    let of = |codes: &super::ByName, name: &str| codes.get(name).copied().unwrap_or(0);
    let rejected = of(&counted.attempts_failed, AttemptFailure::Rejected.name());
    let with_code: u64 = counted.attempts_rejected.values().sum();
    (rejected == with_code).then(|| INEFFECTIVE.iter().map(|code| of(&counted.attempts_rejected, code)).sum())
}

/// Registrations that failed or were not done in time, in percent of these and of those that were done.
fn ineffective_registrations(counted: &Counted, signons: &SignonCounts) -> Option<f64> {
    let of = |cause: SignonFailure| -> u64 {
        let failures = counted.signon_failures.iter().chain(&counted.reconnect_failures);
        failures.filter(|one| one.cause == cause.name()).map(|one| one.count).sum()
    };
    let failed = of(SignonFailure::RegistrationFailed) + of(SignonFailure::RegistrationTimeout);
    let done = signons.signed_on + signons.reconnects + of(SignonFailure::RegisteredLimited);
    percent(failed, failed + done)
}

/// How much of the time between two instants of a run belongs to stages that have calls; all in microseconds.
pub(super) fn calling_us(stages: &[StageInfo], from_us: u64, to_us: u64) -> u64 {
    let micros = |seconds: f64| (seconds * 1e6).round() as u64;
    let within = |stage: &StageInfo| {
        let (starts, ends) = (micros(stage.starts_s), micros(stage.starts_s + stage.duration_s));
        to_us.min(ends).saturating_sub(from_us.max(starts))
    };
    stages.iter().filter(|stage| stage.has_calls()).map(within).sum()
}

/// Open connections that the server or the network ended, per 1000 hours of connection.
pub(super) fn closes_per_1000_connection_hours(counted: &Counted) -> Option<f64> {
    let theirs =
        counted.disconnects.iter().filter(|one| one.initiator != "client" && one.phase != "connecting");
    let closes: u64 = theirs.map(|one| one.count).sum();
    let hours = counted.connected_us as f64 / 3.6e9;
    per(closes as f64 * 1000.0, hours)
}

/// `part` of `whole` in percent, undefined without a whole.
fn percent(part: u64, whole: u64) -> Option<f64> {
    per(part as f64 * 100.0, whole as f64)
}

/// `amount` by `by`, to 4 decimals, undefined without a divisor.
fn per(amount: f64, by: f64) -> Option<f64> {
    (by > 0.0).then(|| (amount / by * 1e4).round() / 1e4)
}

impl Sums {
    /// Checks that the counts of a run that has ended fit together.
    pub(super) fn of(counted: &Counted, signons: &SignonCounts) -> Sums {
        let attempts = &counted.attempts;
        let failed: u64 = counted.attempts_failed.values().sum();
        let signon_failed: u64 = counted.signon_failures.iter().map(|one| one.count).sum();
        let sent: u64 = counted.requests.sent.values().sum();
        let answers = counted.requests.acked
            + counted.requests.errors.values().sum::<u64>()
            + counted.requests.timeouts;
        let keepalives = &counted.keepalives;
        let checks = [
            equal("attempts.due", attempts.due, "the sum of how attempts ended", attempts.ended()),
            equal("attempts.failed", attempts.failed, "the sum of attempts_failed", failed),
            equal(
                "clients.signon_failed",
                signons.signon_failed,
                "the sum of signon_failures",
                signon_failed,
            ),
            at_most(
                "clients.reconnects + reconnects_failed",
                signons.reconnects + signons.reconnects_failed,
                "clients.reconnect_attempts",
                signons.reconnect_attempts,
            ),
            equal(
                "clients.reconnects_failed",
                signons.reconnects_failed,
                "the sum of reconnect_failures",
                counted.reconnect_failures.iter().map(|one| one.count).sum(),
            ),
            at_most(
                "attempts.started + blocked",
                attempts.started + attempts.blocked,
                "attempts.due",
                attempts.due,
            ),
            at_most("the answers to requests", answers, "the requests sent", sent),
            at_most(
                "keepalives.answered + missed",
                keepalives.answered + keepalives.missed,
                "keepalives.sent",
                keepalives.sent,
            ),
            at_most("calls.completed", counted.calls.completed, "attempts.answered", attempts.answered),
        ];
        let wrong: Vec<String> = checks.into_iter().flatten().collect();
        Sums { hold: wrong.is_empty(), wrong }
    }
}

/// What is wrong if two figures differ.
fn equal(left: &str, one: u64, right: &str, other: u64) -> Option<String> {
    (one != other).then(|| format!("{left} is {one}, but {right} is {other}"))
}

/// What is wrong if the first is the greater one.
fn at_most(left: &str, one: u64, right: &str, other: u64) -> Option<String> {
    (one > other).then(|| format!("{left} is {one}, which is more than {right}, {other}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Disconnects, SignonFailures};

    fn counted(attempts: Attempts) -> Counted {
        Counted { attempts, ..Counted::default() }
    }

    fn kpi(counted: &Counted) -> Kpi {
        let stage = |starts_s, duration_s, calls| StageInfo {
            starts_s,
            duration_s,
            calls_per_second_from: calls,
            calls_per_second_to: calls,
            ..StageInfo::default()
        };
        let stages = vec![stage(0.0, 10.0, 0.0), stage(10.0, 20.0, 5.0)];
        Kpi::of(
            counted,
            &SignonCounts::default(),
            Some(4_000_000),
            calling_us(&stages, 0, 30_000_000),
            Basis::Whole,
        )
    }

    #[test]
    fn without_a_base_a_figure_is_undefined_and_never_zero() {
        let kpi = kpi(&counted(Attempts { due: 3, blocked: 2, unfinished: 1, ..Attempts::default() }));
        assert_eq!(
            (kpi.ser, kpi.seer_all, kpi.isa, kpi.scr, kpi.asr, kpi.ner),
            (None, None, None, None, None, None)
        );
        assert_eq!((kpi.ira, kpi.acd_s), (None, None));
    }

    #[test]
    fn cancelled_calls_leave_ser_and_seer_and_stay_in_the_others() {
        let attempts = Attempts {
            due: 120,
            blocked: 5,
            unfinished: 5,
            redirected: 10,
            answered: 60,
            cancelled: 20,
            busy: 10,
            failed: 10,
            ..Attempts::default()
        };
        let kpi = kpi(&counted(attempts));
        assert_eq!((kpi.ser, kpi.ser_all, kpi.asr), (Some(75.0), Some(60.0), Some(60.0)));
        assert_eq!((kpi.seer, kpi.seer_all, kpi.ner), (Some(87.5), Some(70.0), Some(90.0)));
    }

    #[test]
    fn rates_are_over_the_time_of_the_stages_with_calls() {
        let mut counted = counted(Attempts { due: 100, answered: 100, ..Attempts::default() });
        counted.calls = super::super::Calls {
            completed: 90,
            ended: 100,
            talk_us: 500_000_000,
            ..super::super::Calls::default()
        };
        let kpi = kpi(&counted);
        assert_eq!((kpi.cps_offered, kpi.cps_completed, kpi.bhca), (Some(5.0), Some(4.5), Some(18_000.0)));
        assert_eq!((kpi.erlangs_offered, kpi.erlangs_carried), (Some(20.0), Some(25.0)));
        assert_eq!((kpi.acd_s, kpi.scr), (Some(5.0), Some(90.0)));
    }

    #[test]
    fn every_key_figure_is_what_is_worked_out_by_hand() {
        let attempts = Attempts {
            due: 205,
            started: 195,
            blocked: 10,
            unfinished: 6,
            redirected: 4,
            answered: 120,
            declined: 10,
            busy: 8,
            cancelled: 20,
            unavailable: 2,
            failed: 20,
            done: 5,
        };
        assert_eq!(attempts.due, attempts.ended());
        let named =
            |of: &[(&str, u64)]| of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let failed = |cause: SignonFailure, count| SignonFailures {
            cause: cause.name().to_owned(),
            status: None,
            count,
        };
        let disconnects = |initiator: &str, phase: &str, count| Disconnects {
            code: 4502,
            name: String::new(),
            class: String::new(),
            initiator: initiator.to_owned(),
            phase: phase.to_owned(),
            count,
        };
        let counted = Counted {
            attempts,
            attempts_failed: named(&[("rejected", 15), ("no_response", 3), ("connection_lost", 2)]),
            // 1 + 2 + 5 + 1 of the codes that count as ineffective.
            attempts_rejected: named(&[
                ("404", 4),
                ("408", 1),
                ("488", 2),
                ("500", 2),
                ("503", 5),
                ("504", 1),
            ]),
            calls: super::super::Calls {
                completed: 108,
                ended: 120,
                talk_us: 600_000_000,
                ..super::super::Calls::default()
            },
            signon_failures: vec![
                failed(SignonFailure::RegistrationFailed, 2),
                failed(SignonFailure::RegistrationTimeout, 1),
                failed(SignonFailure::Http, 5),
            ],
            disconnects: vec![
                disconnects("server", "idle", 4),
                disconnects("network", "in_call", 2),
                disconnects("client", "draining", 100),
                disconnects("server", "connecting", 3),
            ],
            connected_us: 1_500 * 3_600_000_000,
            ..Counted::default()
        };
        let signons =
            SignonCounts { signed_on: 95, signon_failed: 8, reconnects: 2, ..SignonCounts::default() };
        let kpi = Kpi::of(&counted, &signons, Some(4_000_000), 20_000_000, Basis::Whole);
        let by_hand = Kpi {
            // 180 attempts count, 160 of them were not cancelled by us; 140 had a proper answer.
            ser: Some(75.0),
            ser_all: Some(66.6667),
            seer: Some(87.5),
            seer_all: Some(77.7778),
            isa: Some(5.0),
            scr: Some(60.0),
            ira: Some(3.0),
            asr: Some(66.6667),
            ner: Some(88.8889),
            acd_s: Some(5.0),
            cps_offered: Some(10.0),
            cps_completed: Some(5.4),
            bhca: Some(36_000.0),
            erlangs_offered: Some(40.0),
            erlangs_carried: Some(30.0),
        };
        assert_eq!(kpi, by_hand);
        // Six closes that were not ours, of open connections, in 1500 hours.
        assert_eq!(closes_per_1000_connection_hours(&counted), Some(4.0));
    }

    #[test]
    fn ineffective_attempts_are_unknown_without_their_codes() {
        let mut counted = counted(Attempts { due: 4, answered: 2, failed: 2, ..Attempts::default() });
        counted.attempts_failed.insert("rejected".into(), 2);
        assert_eq!(kpi(&counted).isa, None);
        counted.attempts_rejected = [("503".to_owned(), 1), ("404".to_owned(), 1)].into();
        assert_eq!(kpi(&counted).isa, Some(25.0));
    }

    #[test]
    fn every_attempt_is_accounted_for_or_said_to_be_missing() {
        let sums = Sums::of(
            &counted(Attempts { due: 5, started: 5, answered: 4, ..Attempts::default() }),
            &SignonCounts::default(),
        );
        assert!(!sums.hold);
        assert_eq!(sums.wrong, ["attempts.due is 5, but the sum of how attempts ended is 4"]);
    }
}
