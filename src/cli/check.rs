//! `wtsp-load check`: validates profiles and prints what they would do. It connects to nothing.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::law::Distribution;
use crate::profile::{
    self, CallPlan, ControlPlan, FlowShare, Overrides, Plan, Reconnect, SdpPlan, Server, SubscriberSource,
    Thresholds, write_duration,
};
use crate::scenario::{Act, Pause, When};
use crate::subscribers::rest::Pace;
use crate::verdict::exit;
use crate::workload::{ArrivalLaw, Rate, SignOff, Stage};

pub(super) const EXAMPLES: &str = "\
Examples:
  Is this profile good, and what would it do?
    wtsp-load check staging.toml

  The same with a change, as `run` would take it:
    wtsp-load check staging.toml --set stages.1.calls_per_second=50";

/// Checks each profile: the plan on stdout, what is wrong on stderr. Exit code 0, or 2 if any profile is wrong, or 3
/// when stdout cannot be written.
pub fn run(profiles: &[PathBuf], overrides: &Overrides) -> ExitCode {
    let mut out = io::stdout().lock();
    match check(profiles, overrides, &mut out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(exit::USAGE),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write the plan: {error}");
            ExitCode::from(exit::CANNOT)
        }
    }
}

fn check(profiles: &[PathBuf], overrides: &Overrides, out: &mut impl Write) -> io::Result<bool> {
    let styled = super::has_colour(&io::stderr());
    let mut good = true;
    for (index, path) in profiles.iter().enumerate() {
        match profile::load(path, overrides) {
            Ok(plan) => {
                if index > 0 {
                    writeln!(out)?;
                }
                write_plan(out, path, &plan)?;
            }
            Err(errors) => {
                good = false;
                // What was printed so far comes first, also where both streams end in one terminal.
                out.flush()?;
                eprintln!("{}", errors.render(styled));
            }
        }
    }
    out.flush()?;
    Ok(good)
}

/// Writes in a person's words what a plan will do.
///
/// # Errors
/// Those of `out`.
pub fn write_plan(out: &mut impl Write, path: &Path, plan: &Plan) -> io::Result<()> {
    writeln!(out, "{}: the profile is good, and this is what a run of it does", path.display())?;
    writeln!(out)?;
    let target = match &plan.target.server {
        Server::Embedded => "the embedded core, in this process".to_owned(),
        Server::Url(url) => url.to_string(),
    };
    writeln!(out, "  name         {}, load {}", plan.name, plan.hash)?;
    writeln!(out, "  target       {target}")?;
    writeln!(out, "  subscribers  {}", subscribers(plan))?;
    if matches!(plan.subscribers, SubscriberSource::Credentials(_)) {
        writeln!(out, "  logins       {}", logins(plan))?;
    }
    writeln!(out, "  clients      {} at the peak, {} sign-ons", plan.peak_clients(), plan.sign_ons())?;
    if let Some(interval) = plan.clients.keepalive_interval {
        writeln!(out, "  keepalives   every {}, or as often as the server asks", write_duration(interval))?;
    }
    let of_itself = if plan.seed_drawn { ", drawn; each run draws its own" } else { "" };
    writeln!(out, "  seed         {}{of_itself}", plan.seed.0)?;
    write_reconnect(out, plan.clients.reconnect)?;
    writeln!(out, "  workers      {}", plan.workers)?;
    writeln!(out, "  control      {}", control(&plan.control))?;
    writeln!(out, "  descriptors  {}", plan.descriptors())?;
    writeln!(out, "  duration     {}", write_duration(plan.duration()))?;
    writeln!(out)?;
    write_stages(out, plan)?;
    if plan.has_calls() {
        let calls = &plan.calls;
        writeln!(out)?;
        write_calls(out, plan, calls)?;
        match plan.cdr_one_in() {
            0 => {}
            1 => writeln!(out, "  list         every call, in calls.csv")?,
            one_in => writeln!(out, "  list         one call in {one_in}, in calls.csv")?,
        }
    }
    write_core(out, plan)?;
    writeln!(out)?;
    write_thresholds(out, &plan.thresholds)?;
    for warning in &plan.warnings {
        writeln!(out)?;
        writeln!(out, "  warning: {warning}")?;
    }
    Ok(())
}

/// What clients do that lost their connection; nothing where they stay away.
fn write_reconnect(out: &mut impl Write, reconnect: Reconnect) -> io::Result<()> {
    match reconnect {
        Reconnect::None => Ok(()),
        Reconnect::Fixed { after } => {
            writeln!(out, "  reconnect    always after {}, as the mobile app does", write_duration(after))
        }
        Reconnect::Backoff { base, cap } => {
            let (base, cap) = (write_duration(base), write_duration(cap));
            writeln!(
                out,
                "  reconnect    after a random time up to {base}, doubled with each failure up to {cap}"
            )
        }
    }
}

/// What has to hold for the run to pass.
fn write_thresholds(out: &mut impl Write, thresholds: &Thresholds) -> io::Result<()> {
    if thresholds.is_empty() {
        return writeln!(out, "  thresholds   none");
    }
    let of_itself = if thresholds.are_default() { " (as the profile has no [thresholds])" } else { "" };
    for (index, threshold) in thresholds.iter().enumerate() {
        writeln!(out, "  {:<12} {threshold}{of_itself}", if index == 0 { "thresholds" } else { "" })?;
    }
    Ok(())
}

/// What the embedded core does beyond answering.
fn write_core(out: &mut impl Write, plan: &Plan) -> io::Result<()> {
    let core = &plan.embedded_core;
    let is_plain = core.delays.is_empty() && core.freeze.is_none() && core.refusals.is_none();
    if plan.target.server != Server::Embedded || is_plain {
        return Ok(());
    }
    writeln!(out)?;
    for (message, law) in &core.delays {
        writeln!(out, "  core         {} held back: {}", message.name(), distribution(*law))?;
    }
    if let Some(freeze) = core.freeze {
        let (length, every) = (write_duration(freeze.length()), write_duration(freeze.every()));
        writeln!(out, "  core         stands still for {length} in every {every}")?;
    }
    if let Some((share, code)) = core.refusals {
        let code = code.code();
        writeln!(out, "  core         refuses {} % of the calls with {code}", share * 100.0)?;
    }
    Ok(())
}

fn control(control: &ControlPlan) -> String {
    match &control.absent {
        Some(why) => format!("none: {why}"),
        None => format!("{0} quiet clients on a thread of their own, {0} beside the load", control.clients),
    }
}

fn subscribers(plan: &Plan) -> String {
    match &plan.subscribers {
        SubscriberSource::File(path) => format!("{} from {}", plan.subscriber_count, path.display()),
        SubscriberSource::Credentials(path) => {
            format!("{} with login and password from {}", plan.subscriber_count, path.display())
        }
        SubscriberSource::Count(count) => format!("{count}, provisioned in the embedded core"),
    }
}

/// How sessions are made.
fn logins(plan: &Plan) -> String {
    let at = match (&plan.logins.rest_url, &plan.target.server) {
        (Some(url), _) | (None, Server::Url(url)) => format!("{}{}", url.rest_origin(), url.base().api()),
        (None, Server::Embedded) => "the embedded core".to_owned(),
    };
    let Pace { per_second, concurrency } = plan.logins.pace;
    let needed = plan.subscribers_needed();
    let takes = Duration::from_secs_f64((f64::from(needed) / per_second).ceil());
    format!(
        "{needed} sessions by REST at {at}, {} a second, {concurrency} at a time, in at least {}; deleted at the end",
        figure(per_second),
        write_duration(takes)
    )
}

fn write_stages(out: &mut impl Write, plan: &Plan) -> io::Result<()> {
    let width = plan.stages.iter().map(|stage| stage.name.chars().count()).max().unwrap_or(0).max(5);
    writeln!(
        out,
        "  {:width$}  {:>8}  {:>8}  {:>8}  {:>18}  {:>10}  arrivals",
        "stage", "lasts", "clients", "sign-ons", "calls/s", "calls"
    )?;
    for stage in &plan.stages {
        writeln!(
            out,
            "  {:width$}  {:>8}  {:>8}  {:>8}  {:>18}  {:>10}  {}{}",
            stage.name,
            write_duration(stage.duration),
            stage.clients_to,
            changes(stage),
            stage.calls.map_or_else(|| "-".to_owned(), rate),
            expected_calls(stage),
            stage.arrivals.name(),
            beside(stage),
        )?;
        if stage.callers > 0 {
            let (callers, calls) = (stage.callers, plan.calls.expected_closed_calls(stage));
            writeln!(
                out,
                "  {:width$}  {callers} callers, one call after the other: up to {calls:.0} calls",
                ""
            )?;
        }
    }
    Ok(())
}

/// Sign-ons of a stage; sign-offs with a minus.
fn changes(stage: &Stage) -> String {
    match i64::from(stage.clients_to) - i64::from(stage.clients_from) {
        0 => "-".to_owned(),
        change => change.to_string(),
    }
}

/// What a stage does with its clients beyond the usual.
fn beside(stage: &Stage) -> String {
    let mut beside = String::new();
    if stage.signon_arrivals != stage.arrivals {
        beside += &format!(", sign-ons {}", stage.signon_arrivals.name());
    }
    if stage.signon_time != stage.duration {
        beside += &format!(", sign-ons within {}", write_duration(stage.signon_time));
    }
    if stage.churn_per_second > 0.0 {
        beside += &format!(", {} off and on again per second", figure(stage.churn_per_second));
    }
    if stage.sign_off == SignOff::Drop {
        beside += ", connections dropped";
    }
    beside
}

fn rate(rate: Rate) -> String {
    let [first, second] = rate.figures().map(figure);
    match rate {
        Rate::Ramp { from, to } if from == to => first,
        Rate::Ramp { .. } => format!("{first} to {second}"),
        Rate::Steps { count, .. } => format!("{first} to {second} in {count}"),
        Rate::Spike { length, .. } => format!("{first}, {second} for {}", write_duration(length)),
    }
}

fn figure(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn expected_calls(stage: &Stage) -> String {
    if stage.calls.is_none() {
        return "-".to_owned();
    }
    let about = if stage.arrivals == ArrivalLaw::Poisson { "about " } else { "" };
    format!("{about}{:.0}", stage.expected_calls())
}

fn write_calls(out: &mut impl Write, plan: &Plan, calls: &CallPlan) -> io::Result<()> {
    let peak = plan.expected_peak_calls();
    writeln!(out, "  at a time    {peak:.0} calls in the busiest stage, on average")?;
    let weights: f64 = calls.mix.iter().map(|share| share.weight).sum();
    for share in &calls.mix {
        write_share(out, share, 100.0 * share.weight / weights)?;
    }
    if plan.stages.iter().any(|stage| stage.callers > 0) {
        writeln!(out, "  pause        {}", distribution(calls.pause))?;
    }
    let sdp = match &calls.sdp {
        SdpPlan::Bytes(bytes) => format!("SDP of {bytes} bytes"),
        SdpPlan::Own { offer, answer } => {
            format!("SDP of your own ({} and {} bytes)", offer.len(), answer.len())
        }
    };
    writeln!(
        out,
        "  media        {sdp}, {} candidates a side, {} apart",
        calls.candidates,
        write_duration(calls.candidate_spacing)
    )
}

/// A flow of the mix, with the times that it uses.
fn write_share(out: &mut impl Write, share: &FlowShare, percent: f64) -> io::Result<()> {
    let script = share.flow.script();
    let whom = match (&share.number, script.clients()) {
        (Some(number), _) => format!("to {}{number}", share.prefix),
        (None, 1) => "by single clients".to_owned(),
        (None, 2) => "between two clients".to_owned(),
        (None, clients) => format!("among {clients} clients"),
    };
    writeln!(out, "  calls        {} {} %, {whom}", share.flow.name(), figure(percent))?;
    let uses = |pause: Pause| script.all_steps().any(|step| step.act == Act::Pause(pause));
    if uses(Pause::Ring) {
        writeln!(out, "    ring       {}", distribution(share.ring))?;
    }
    if uses(Pause::Hold) {
        let callee = figure(100.0 * share.hangup_by_callee);
        writeln!(out, "    hold       {}, hung up by the callee in {callee} %", distribution(share.hold))?;
    }
    if uses(Pause::Think) {
        writeln!(out, "    think      {}", distribution(share.think))?;
    }
    if uses(Pause::OnHold) {
        writeln!(out, "    on hold    {}", distribution(share.on_hold))?;
    }
    if script.all_steps().any(|step| step.when == When::Crossing) {
        writeln!(out, "    crossing   in {} %", figure(100.0 * share.crossing))?;
    }
    Ok(())
}

fn distribution(law: Distribution) -> String {
    match law {
        Distribution::Fixed(time) => format!("always {}", write_duration(time)),
        Distribution::Uniform { min, max } => {
            format!("{} to {}", write_duration(min), write_duration(max))
        }
        Distribution::Exponential { mean } => format!("exponential with mean {}", write_duration(mean)),
        Distribution::Lognormal { median, p95 } => {
            format!("lognormal, half below {}, 95 % below {}", write_duration(median), write_duration(p95))
        }
        Distribution::Bimodal { low, high, high_share } => {
            let share = figure(100.0 * high_share);
            format!("{}, and {} in {share} %", write_duration(low), write_duration(high))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(set: &[&str]) -> String {
        let set = set.iter().map(|set| (*set).to_owned()).collect();
        let path = Path::new("profiles/quickstart.toml");
        let plan = profile::load(path, &Overrides { set, ..Overrides::default() }).expect("a plan");
        let mut out = Vec::new();
        write_plan(&mut out, path, &plan).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_plan_is_printed_in_a_persons_words() {
        let text = printed(&["generator.workers=2"]);
        for line in [
            "  target       the embedded core, in this process\n",
            "  clients      500 at the peak, 500 sign-ons\n",
            "  seed         7\n",
            "  workers      2\n",
            "  control      5 quiet clients on a thread of their own, 5 beside the load\n",
            "  descriptors  1132\n",
            "  duration     28s\n",
            "  sign-on       10s       500       500                   -           -  constant\n",
            "  steady        18s       500         -                  20   about 360  poisson\n",
            "  calls        answered 100 %, between two clients\n",
            "    ring       200ms to 1s\n",
            "  at a time    92 calls in the busiest stage, on average\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
        assert!(!text.contains("warning"), "{text}");
    }

    #[test]
    fn shapes_callers_and_churn_are_printed_with_their_stage() {
        let text = printed(&[
            "generator.workers=2",
            "stages.0.signons_per_second=100",
            "stages.1.calls_per_second={ spike = { base = 5, peak = 20, at = \"6s\", length = \"6s\" } }",
            "stages.1.callers=10",
            "stages.1.churn_per_second=2",
            "stages.1.sign_off=drop",
        ]);
        for line in [
            "           -  constant, sign-ons within 5s\n",
            "        5, 20 for 6s   about 180  poisson, 2 off and on again per second, connections dropped\n",
            "  10 callers, one call after the other: up to 32 calls\n",
            "  pause        always 1s\n",
            "  clients      500 at the peak, 535 sign-ons\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
    }

    #[test]
    fn every_profile_is_checked_also_after_one_that_is_wrong() {
        let profiles = ["profiles/none.toml", "profiles/quickstart.toml"].map(PathBuf::from);
        let mut out = Vec::new();
        assert!(!check(&profiles, &Overrides::default(), &mut out).expect("written"));
        assert!(
            String::from_utf8(out).expect("text").contains("profiles/quickstart.toml: the profile is good")
        );
    }

    #[test]
    fn warnings_are_printed_with_the_plan() {
        let text = printed(&["stages.1.calls_per_second=200"]);
        assert!(text.contains("warning: stage `steady`: about "), "{text}");
    }
}
