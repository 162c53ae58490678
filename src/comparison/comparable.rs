//! Whether two runs can be compared, and what to bear in mind if they are.

use crate::record::{RunRecord, Validity};

/// What speaks against a comparison, in words.
pub(super) fn objections(base: &RunRecord, new: &RunRecord) -> Vec<String> {
    let mut objections = Vec::new();
    if base.profile.hash != new.profile.hash {
        let (base, new) = (&base.profile.name, &new.profile.name);
        objections.push(format!("the plans differ: other load was asked for (profiles {base} and {new})"));
    }
    let kinds = [base, new].map(kind);
    if kinds[0] != kinds[1] {
        objections.push(format!("the targets are of different kinds: {} and {}", kinds[0], kinds[1]));
    }
    let dialects = [base, new].map(dialect);
    if dialects[0] != dialects[1] {
        objections.push(format!("the dialects differ: {} and {}", dialects[0], dialects[1]));
    }
    for (name, run) in [("BASE", base), ("NEW", new)] {
        if run.generator.validity == Validity::Void {
            objections.push(format!("{name} is void: its generator was unfit, so its numbers prove nothing"));
        }
        if let Some(change) = run.changes.first() {
            let many = run.changes.len();
            objections.push(format!(
                "{name} was changed by hand while it ran (first: {}; {many} in all)",
                change.words()
            ));
        }
    }
    objections
}

/// What kind of server a run was against.
fn kind(run: &RunRecord) -> &'static str {
    match (run.target.embedded, run.target.remote) {
        (true, _) => "the embedded core",
        (false, true) => "another machine",
        (false, false) => "a server on this machine",
    }
}

/// The dialect that was spoken.
fn dialect(run: &RunRecord) -> &str {
    run.target.dialect_detected.as_deref().unwrap_or(&run.target.dialect)
}

/// What is no reason against a comparison, but has to be known.
pub(super) fn remarks(base: &RunRecord, new: &RunRecord) -> Vec<String> {
    let mut remarks = Vec::new();
    for (name, run) in [("BASE", base), ("NEW", new)] {
        if run.generator.validity == Validity::Degraded {
            remarks.push(format!("{name} is degraded: a part of its figures may be the generator's own"));
        }
        if run.early_end().is_some() {
            remarks.push(format!("{name} ended before its plan did"));
        }
    }
    if base.profile.seed != new.profile.seed {
        let (base, new) = (base.profile.seed, new.profile.seed);
        remarks.push(format!("the seeds differ ({base} and {new}), so the calls were due at other times"));
    }
    if base.tool.version != new.tool.version {
        let (base, new) = (&base.tool.version, &new.tool.version);
        remarks.push(format!("the runs were made by different versions of wtsp-load ({base} and {new})"));
    }
    if base.environment != new.environment {
        remarks.push("the generators ran on different machines, or on other kernels".to_owned());
    }
    remarks
}
