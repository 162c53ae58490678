//! Laws and faults as a command line writes them: `fixed:20ms`, `uniform:5ms..50ms`, `bimodal:5ms,80ms,0.1`, `1%:503`.

use super::duration::{DurationError, parse_duration};
use crate::law::{Distribution, DistributionError, Freeze, FreezeError};
use crate::protocol::HangupCode;

/// Why a text is not a law.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LawError {
    /// No such law, or one with other figures.
    #[error(
        "`{0}` is not a law; write fixed:20ms, uniform:5ms..50ms, exponential:20ms, lognormal:10ms,60ms (median and \
         95th percentile) or bimodal:5ms,80ms,0.1 (two times, and the share of the second)"
    )]
    Law(String),
    /// A duration in it.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// Its figures do not go together.
    #[error("`{0}` cannot be: {1}")]
    Figures(String, DistributionError),
    /// Not a freeze.
    #[error("`{0}` is not a freeze; write its length and the time from one to the next, such as 1s/10s")]
    Freeze(String),
    /// A freeze that cannot be.
    #[error(transparent)]
    Frozen(#[from] FreezeError),
    /// Not a share of calls and a code.
    #[error(
        "`{0}` refuses nothing; write the share of the calls and the SIP status to end them with, such as 1%:503"
    )]
    Refusals(String),
    /// Refusals that cannot be.
    #[error(transparent)]
    Refused(#[from] RefusalsError),
}

/// Reads a law of times.
///
/// # Errors
/// [`LawError`], which says what to write instead.
pub fn parse_law(text: &str) -> Result<Distribution, LawError> {
    let unknown = || LawError::Law(text.to_owned());
    let (name, figures) = text.split_once(':').ok_or_else(unknown)?;
    let figures: Vec<&str> = match name {
        "uniform" => figures.split("..").collect(),
        _ => figures.split(',').collect(),
    };
    let made = match (name, figures.as_slice()) {
        ("fixed", [time]) => Ok(Distribution::Fixed(parse_duration(time)?)),
        ("uniform", [min, max]) => Distribution::uniform(parse_duration(min)?, parse_duration(max)?),
        ("exponential", [mean]) => Distribution::exponential(parse_duration(mean)?),
        ("lognormal", [median, p95]) => {
            Distribution::lognormal(parse_duration(median)?, parse_duration(p95)?)
        }
        ("bimodal", [low, high, share]) => {
            let share = share.parse().map_err(|_| unknown())?;
            Distribution::bimodal(parse_duration(low)?, parse_duration(high)?, share)
        }
        _ => return Err(unknown()),
    };
    made.map_err(|error| LawError::Figures(text.to_owned(), error))
}

/// Reads a freeze: its length and the time from one to the next, as in `1s/10s`.
///
/// # Errors
/// [`LawError`], which says what to write instead.
pub fn parse_freeze(text: &str) -> Result<Freeze, LawError> {
    let (length, every) = text.split_once('/').ok_or_else(|| LawError::Freeze(text.to_owned()))?;
    Ok(Freeze::new(parse_duration(every)?, parse_duration(length)?)?)
}

/// Why calls cannot be refused so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusalsError {
    /// The share is none.
    #[error("the share of refused calls must be above 0 and at most 1 (100 %)")]
    Share,
    /// No call is refused with such a code.
    #[error("{0} is no SIP status of a refusal; 300 to 699 are")]
    Code(i32),
}

/// Checks the share of calls that are refused, and the SIP status of it.
///
/// # Errors
/// [`RefusalsError`].
pub(super) fn refusals(share: f64, code: i32) -> Result<(f64, HangupCode), RefusalsError> {
    if !(share > 0.0 && share <= 1.0) {
        return Err(RefusalsError::Share);
    }
    if !(300..700).contains(&code) {
        return Err(RefusalsError::Code(code));
    }
    Ok((share, HangupCode::new(code)))
}

/// Reads which calls are refused: their share and a SIP status, as in `1%:503` or `0.01:503`.
///
/// # Errors
/// [`LawError`], which says what to write instead.
pub fn parse_refusals(text: &str) -> Result<(f64, HangupCode), LawError> {
    let unknown = || LawError::Refusals(text.to_owned());
    let (share, code) = text.split_once(':').ok_or_else(unknown)?;
    let (share, whole) = share.strip_suffix('%').map_or((share, 1.0), |percent| (percent, 100.0));
    let share: f64 = share.parse().map_err(|_| unknown())?;
    let code = code.parse().map_err(|_| unknown())?;
    Ok(refusals(share / whole, code)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn laws_are_read_as_a_command_line_writes_them() {
        let millis = Duration::from_millis;
        for (text, law) in [
            ("fixed:20ms", Distribution::Fixed(millis(20))),
            ("uniform:5ms..50ms", Distribution::Uniform { min: millis(5), max: millis(50) }),
            ("exponential:1.5s", Distribution::Exponential { mean: millis(1_500) }),
            ("lognormal:10ms,60ms", Distribution::Lognormal { median: millis(10), p95: millis(60) }),
            (
                "bimodal:5ms,80ms,0.1",
                Distribution::Bimodal { low: millis(5), high: millis(80), high_share: 0.1 },
            ),
        ] {
            assert_eq!(parse_law(text), Ok(law), "{text}");
        }
        let freeze = parse_freeze("1s/10s").unwrap();
        assert_eq!((freeze.length(), freeze.every()), (millis(1_000), millis(10_000)));
        for text in ["1%:503", "0.01:503"] {
            assert_eq!(parse_refusals(text), Ok((0.01, HangupCode::ServiceUnavailable)));
        }
    }

    #[test]
    fn what_is_no_law_is_told_what_to_write() {
        for text in ["20ms", "fixed", "fixed:", "uniform:5ms,50ms", "bimodal:5ms,80ms,x", "normal:1s,2s"] {
            assert!(parse_law(text).is_err(), "{text}");
        }
        assert!(parse_law("uniform:5ms..1ms").unwrap_err().to_string().contains("min is above max"));
        assert!(parse_law("fixed:5").unwrap_err().to_string().contains("5s"));
        assert!(parse_freeze("10s/1s").unwrap_err().to_string().contains("shorter"));
        assert!(parse_freeze("1s").unwrap_err().to_string().contains("1s/10s"));
        for text in ["503", "1%", "one:503", "1%:busy"] {
            assert!(parse_refusals(text).unwrap_err().to_string().contains("1%:503"), "{text}");
        }
        for text in ["0:503", "101%:503", "-1:503", "NaN:503"] {
            assert!(parse_refusals(text).unwrap_err().to_string().contains("above 0"), "{text}");
        }
        assert!(parse_refusals("1%:200").unwrap_err().to_string().contains("300 to 699"));
    }
}
