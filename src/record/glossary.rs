//! What the key figures are: one text for the reports and for `reports/README.md`.

/// A key figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Its name in `kpi` of `run.json`, or in `run.json` itself.
    pub name: &'static str,
    /// The name written out.
    pub long: &'static str,
    /// What it is counted in.
    pub unit: &'static str,
    /// What it is.
    pub definition: &'static str,
    /// Where it is defined.
    pub defined_in: &'static str,
}

const fn term(
    name: &'static str,
    long: &'static str,
    unit: &'static str,
    defined_in: &'static str,
    definition: &'static str,
) -> Term {
    Term { name, long, unit, definition, defined_in }
}

/// The key figures, in the order of a report.
pub const GLOSSARY: &[Term] = &[
    term(
        "ser",
        "session establishment ratio",
        "%",
        "RFC 6076, 4.6",
        "answered. Calls that our own caller cancelled are left out, above and below the line",
    ),
    term(
        "ser_all",
        "the same, over all",
        "%",
        "RFC 6076, 4.6",
        "answered, with the cancelled calls below the line",
    ),
    term(
        "seer",
        "session establishment effectiveness ratio",
        "%",
        "RFC 6076, 4.7",
        "answered, busy, declined or unavailable: proper answers of a working service. Cancelled calls are left out",
    ),
    term(
        "seer_all",
        "the same, over all",
        "%",
        "RFC 6076, 4.7",
        "as `seer`, with the cancelled calls below the line",
    ),
    term(
        "isa",
        "ineffective session attempts",
        "%",
        "RFC 6076, 4.8",
        "ended with 408, 500, 503 or 504. What SIP does not know, like a lost connection, is in `attempts_failed`",
    ),
    term(
        "scr",
        "session completion ratio",
        "%",
        "RFC 6076, 4.9",
        "completed: answered, and ended by a regular `hangup` (200) on every leg that is a client's of this run",
    ),
    term(
        "ira",
        "ineffective registration attempts",
        "%",
        "RFC 6076, 4.2",
        "registrations that failed or were not done in time, of these and of those that were done",
    ),
    term(
        "asr",
        "answer-seizure ratio",
        "%",
        "ITU-T E.411",
        "answered, of all calls: the same as `ser_all`, by its other name",
    ),
    term(
        "ner",
        "network effectiveness ratio",
        "%",
        "ITU-T E.425",
        "answered, busy, declined, unavailable, or given up by our own caller while it rang",
    ),
    term("acd_s", "average call duration", "s", "", "the mean length of the calls that have ended"),
    term(
        "cps_offered",
        "calls per second offered",
        "1/s",
        "",
        "due, over the time of the stages that have calls",
    ),
    term(
        "cps_completed",
        "calls per second completed",
        "1/s",
        "",
        "completed, as for `scr`, over the time of the stages that have calls",
    ),
    term("bhca", "busy hour call attempts", "1/h", "", "`cps_offered` for an hour"),
    term("erlangs_offered", "traffic offered", "E", "", "`cps_offered` times the mean hold time of the plan"),
    term(
        "erlangs_carried",
        "traffic carried",
        "E",
        "",
        "talk time over the time of the stages that have calls",
    ),
    term(
        "closes_per_1000_connection_hours",
        "close rate",
        "1/1000 h",
        "",
        "open connections that the server or the network ended, over the time for which connections were open. Stands \
         beside `kpi`, not within",
    ),
];
