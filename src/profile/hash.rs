//! The hash of the load that a plan describes.

use std::fmt::{self, Write};
use std::time::Duration;

use super::call_plan::SdpPlan;
use super::plan::{Force, Plan, Reconnect, Server};
use crate::law::Distribution;
use crate::transport::Resumption;
use crate::workload::{Rate, SignOff, Stage};

/// The hash of a plan's load: 32 hexadecimal digits. What it covers is said at [`Plan::hash`].
///
/// The names and values are written out one by one, so that the hash does not change with the code's own names.
pub(super) fn of(plan: &Plan) -> String {
    let mut hash = Fnv::new();
    // A hash takes everything that is written to it.
    let _ = write_plan(&mut hash, plan);
    format!("{:032x}", hash.0)
}

fn write_plan(out: &mut Fnv, plan: &Plan) -> fmt::Result {
    let embedded = plan.target.server == Server::Embedded;
    write!(out, "wtsp-load plan 1;embedded={embedded}")?;
    let dialect = plan.target.dialect.name();
    let force = match plan.target.force {
        Force::Always => "true",
        Force::Never => "false",
        Force::OnReconnect => "on-reconnect",
    };
    let timeout = plan.target.connect_timeout.as_nanos();
    write!(out, ";dialect={dialect};force={force};connect_timeout={timeout}")?;
    write!(out, ";tls_insecure={};subscribers={}", plan.target.tls.insecure, plan.subscriber_count)?;
    // A plan without resumption keeps the hash that it had before there was any.
    if plan.target.tls.resumption == Resumption::On {
        out.write_str(";tls_resumption=true")?;
    }
    let request_timeout = plan.clients.request_timeout.as_nanos();
    write!(out, ";jitter={:?};request_timeout={request_timeout}", plan.clients.keepalive_jitter)?;
    // A plan without one keeps the hash that it had before there were any; so below.
    if let Some(interval) = plan.clients.keepalive_interval {
        write!(out, ";keepalive_interval={}", interval.as_nanos())?;
    }
    // A plan without reconnects keeps the hash that it had before there were any.
    match plan.clients.reconnect {
        Reconnect::None => {}
        Reconnect::Fixed { after } => write!(out, ";reconnect=fixed,{}", after.as_nanos())?,
        Reconnect::Backoff { base, cap } => {
            write!(out, ";reconnect=backoff,{},{}", base.as_nanos(), cap.as_nanos())?;
        }
    }
    if embedded {
        let core = &plan.embedded_core;
        write!(out, ";keepalive={};lines={}", core.keepalive_interval.as_nanos(), core.lines)?;
        for (message, law) in &core.delays {
            write!(out, ";delay={},", message.name())?;
            write_distribution(out, *law)?;
        }
        if let Some(freeze) = core.freeze {
            write!(out, ";freeze={},{}", freeze.every().as_nanos(), freeze.length().as_nanos())?;
        }
        if let Some((share, code)) = core.refusals {
            write!(out, ";refusals={share:?},{}", code.code())?;
        }
    }
    write_stages(out, plan)?;
    write_calls(out, plan)
}

fn write_stages(out: &mut Fnv, plan: &Plan) -> fmt::Result {
    for stage in &plan.stages {
        let law = stage.arrivals.name();
        let rate = stage.calls.map_or([0.0, 0.0], Rate::figures);
        let (from, to) = (stage.clients_from, stage.clients_to);
        write!(out, ";stage={:?},{},{from},{to},{law},", stage.name, stage.duration.as_nanos())?;
        write!(out, "{:?},{:?}", rate[0], rate[1])?;
        write_rest_of_stage(out, stage)?;
    }
    Ok(())
}

/// What a stage has beyond the usual: what is left out leaves the hash as it was.
fn write_rest_of_stage(out: &mut Fnv, stage: &Stage) -> fmt::Result {
    match stage.calls {
        Some(Rate::Steps { count, .. }) => write!(out, ",steps={count}")?,
        Some(Rate::Spike { at, length, .. }) => {
            write!(out, ",spike={},{}", at.as_nanos(), length.as_nanos())?;
        }
        Some(Rate::Ramp { .. }) | None => {}
    }
    if stage.signon_arrivals != stage.arrivals {
        write!(out, ",signons={}", stage.signon_arrivals.name())?;
    }
    if stage.signon_time != stage.duration {
        write!(out, ",within={}", stage.signon_time.as_nanos())?;
    }
    if stage.churn_per_second > 0.0 {
        write!(out, ",churn={:?}", stage.churn_per_second)?;
    }
    if stage.sign_off != SignOff::Close {
        write!(out, ",sign_off={}", stage.sign_off.name())?;
    }
    if stage.callers > 0 {
        write!(out, ",callers={}", stage.callers)?;
    }
    Ok(())
}

fn write_calls(out: &mut Fnv, plan: &Plan) -> fmt::Result {
    if !plan.has_calls() {
        return Ok(());
    }
    let calls = &plan.calls;
    if plan.stages.iter().any(|stage| stage.callers > 0) {
        out.write_str(";pause=")?;
        write_distribution(out, calls.pause)?;
    }
    write!(out, ";candidates={},{}", calls.candidates, calls.candidate_spacing.as_nanos())?;
    match &calls.sdp {
        SdpPlan::Bytes(bytes) => write!(out, ";sdp={bytes}")?,
        SdpPlan::Own { offer, answer } => write!(out, ";sdp={offer:?},{answer:?}")?,
    }
    write!(out, ";guest={:?}", calls.guest_number)?;
    for share in &calls.mix {
        write!(out, ";flow={:?},{:?}", share.flow.name(), share.weight)?;
        for (name, law) in
            [("ring", share.ring), ("hold", share.hold), ("think", share.think), ("on_hold", share.on_hold)]
        {
            write!(out, ",{name}=")?;
            write_distribution(out, law)?;
        }
        write!(out, ",callee={:?},crossing={:?}", share.hangup_by_callee, share.crossing)?;
        write!(out, ",prefix={:?},number={:?}", share.prefix, share.number)?;
    }
    Ok(())
}

fn write_distribution(out: &mut Fnv, law: Distribution) -> fmt::Result {
    let (name, first, second) = match law {
        Distribution::Fixed(time) => ("fixed", time, Duration::ZERO),
        Distribution::Uniform { min, max } => ("uniform", min, max),
        Distribution::Exponential { mean } => ("exponential", mean, Duration::ZERO),
        Distribution::Lognormal { median, p95 } => ("lognormal", median, p95),
        Distribution::Bimodal { low, high, high_share } => {
            write!(out, "{high_share:?},")?;
            ("bimodal", low, high)
        }
    };
    write!(out, "{name},{},{}", first.as_nanos(), second.as_nanos())
}

/// FNV-1a with 128 bits: small, stable, and without adversaries here.
struct Fnv(u128);

impl Fnv {
    const fn new() -> Fnv {
        Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }
}

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_function_is_fnv_1a() {
        let mut hash = Fnv::new();
        hash.write_str("hello").expect("written");
        assert_eq!(format!("{:032x}", hash.0), "e3e1efd54283d94f7081314b599d31b3");
    }
}
