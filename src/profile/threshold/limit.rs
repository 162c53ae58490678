//! What a figure has to be: `< 250ms`, `> 99.5`, `== 0`.

use std::fmt;

use super::{Figure, Kind, ThresholdError};

/// How a figure is compared with its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Exactly,
}

impl Operator {
    /// All of them, longer signs before those that they begin with.
    pub const ALL: [Operator; 5] =
        [Operator::AtMost, Operator::AtLeast, Operator::Exactly, Operator::Below, Operator::Above];

    /// As it is written.
    pub const fn sign(self) -> &'static str {
        match self {
            Operator::Below => "<",
            Operator::AtMost => "<=",
            Operator::Above => ">",
            Operator::AtLeast => ">=",
            Operator::Exactly => "==",
        }
    }

    /// As it is said.
    pub const fn words(self) -> &'static str {
        match self {
            Operator::Below => "below",
            Operator::AtMost => "at most",
            Operator::Above => "above",
            Operator::AtLeast => "at least",
            Operator::Exactly => "exactly",
        }
    }

    /// Whether it holds a figure down, so that one that only rises cannot come back once it is beyond.
    pub const fn is_upper(self) -> bool {
        matches!(self, Operator::Below | Operator::AtMost | Operator::Exactly)
    }
}

/// What a figure has to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    operator: Operator,
    /// In the unit of the figure.
    value: f64,
    /// The figure as it was written, with its unit.
    written: String,
}

/// The units of time, in microseconds. The micro sign and the Greek letter look the same.
const UNITS: [(&str, f64); 8] = [
    ("us", 1.0),
    ("µs", 1.0),
    ("μs", 1.0),
    ("ms", 1e3),
    ("s", 1e6),
    ("m", 60e6),
    ("h", 3_600e6),
    ("d", 86_400e6),
];

impl Limit {
    /// None at all: `== 0`.
    pub(super) fn none() -> Limit {
        Limit { operator: Operator::Exactly, value: 0.0, written: "0".to_owned() }
    }

    /// Reads a limit for `figure`.
    ///
    /// # Errors
    /// It has no operator or no figure, or a unit that the figure does not have.
    pub fn parse(text: &str, figure: &Figure) -> Result<Limit, ThresholdError> {
        let text = text.trim();
        let operator = Operator::ALL.into_iter().find(|operator| text.starts_with(operator.sign()));
        let Some(operator) = operator else {
            let message = format!("`{text}` has no operator");
            return Err(wrong(
                message,
                format!("write <, <=, >, >= or == first, such as \"{}\"", example(figure)),
            ));
        };
        let written = text[operator.sign().len()..].trim();
        let digits =
            written.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(written.len());
        let (number, unit) = written.split_at(digits);
        let Some(value) = number.parse::<f64>().ok().filter(|value| value.is_finite()) else {
            let message = format!("`{written}` is not a figure");
            return Err(wrong(
                message,
                format!("write an operator and a figure, such as \"{}\"", example(figure)),
            ));
        };
        let value = scaled(value, unit.trim(), figure)?;
        Ok(Limit { operator, value, written: written.to_owned() })
    }

    /// How a figure is compared.
    pub const fn operator(&self) -> Operator {
        self.operator
    }

    /// The figure as it was written.
    pub fn figure(&self) -> &str {
        &self.written
    }

    /// Whether the figure was written without a unit.
    pub fn is_bare(&self) -> bool {
        self.written.ends_with(|char: char| char.is_ascii_digit() || char == '.')
    }

    /// Whether `found`, in the unit of the figure, is as it has to be.
    pub fn holds(&self, found: f64) -> bool {
        match self.operator {
            Operator::Below => found < self.value,
            Operator::AtMost => found <= self.value,
            Operator::Above => found > self.value,
            Operator::AtLeast => found >= self.value,
            Operator::Exactly => found == self.value,
        }
    }

    /// Whether `found`, what a figure of this kind has come to in a part of its seconds, is as it has to be. A count
    /// begins at zero and only rises, so that it has not failed before it is too high.
    pub fn holds_so_far(&self, found: f64, kind: Kind) -> bool {
        match (kind, self.operator) {
            (Kind::Count, Operator::Above | Operator::AtLeast) => true,
            (Kind::Count, Operator::Exactly) => found <= self.value,
            _ => self.holds(found),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operator.sign(), self.written)
    }
}

/// `value` in the unit of the figure.
fn scaled(value: f64, unit: &str, figure: &Figure) -> Result<f64, ThresholdError> {
    let micros = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, micros)| micros * value);
    match (figure.kind(), unit, micros) {
        (_, "", _) | (Kind::Percent, "%", _) => Ok(value),
        (Kind::Micros, _, Some(micros)) => Ok(micros),
        (Kind::Seconds, _, Some(micros)) => Ok(micros / 1e6),
        (Kind::Micros | Kind::Seconds, ..) => {
            let message = format!("`{unit}` is not a unit of time, and `{figure}` is a duration");
            Err(wrong(message, "the units are us (or µs), ms, s, m, h, d".to_owned()))
        }
        (kind, ..) => {
            let what = if micros.is_some() { "a duration".to_owned() } else { format!("`{unit}`") };
            let message = format!("`{figure}` is {}, and its limit cannot be {what}", kind.words());
            Err(wrong(message, format!("write a figure, such as \"{}\"", example(figure))))
        }
    }
}

/// A limit that `figure` might have.
fn example(figure: &Figure) -> &'static str {
    match figure.kind() {
        Kind::Count => "== 0",
        Kind::Micros => "< 250ms",
        Kind::Seconds => "> 60s",
        Kind::Percent => "> 99.5",
        Kind::Number => "> 20",
    }
}

fn wrong(message: String, help: String) -> ThresholdError {
    ThresholdError { message, help, in_name: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(name: &str, text: &str) -> Result<Limit, String> {
        Limit::parse(text, &Figure::parse(name).expect("a figure")).map_err(|error| error.to_string())
    }

    #[test]
    fn limits_are_read_in_the_unit_of_their_figure() {
        let value = |name, text| limit(name, text).expect("a limit").value;
        assert_eq!(value("latency.setup.response.p99", "< 250ms"), 250_000.0);
        assert_eq!(value("latency.setup.response.p99", "<= 1.5 s"), 1_500_000.0);
        for micros in ["<80us", "< 80 µs", "< 80μs", "< 80"] {
            assert_eq!(value("generator.lag.p99", micros), 80.0);
        }
        assert_eq!(value("kpi.acd_s", "> 2m"), 120.0);
        assert_eq!(value("duration_us", "> 2d"), 172_800e6);
        assert_eq!(value("kpi.acd_s", "> 2"), 2.0);
        assert_eq!(value("kpi.seer", "> 99.5 %"), 99.5);
        assert_eq!(value("kpi.seer", ">99.5"), 99.5);
        assert_eq!(value("hangups.486", "== 3"), 3.0);
    }

    #[test]
    fn a_limit_that_does_not_fit_its_figure_is_refused() {
        let refused = |name, text| limit(name, text).expect_err("refused");
        assert_eq!(
            refused("attempts.failed", "< 5ms"),
            "`attempts.failed` is a count, and its limit cannot be a duration"
        );
        assert_eq!(
            refused("kpi.seer", "> 99ms"),
            "`kpi.seer` is a percentage, and its limit cannot be a duration"
        );
        assert_eq!(
            refused("attempts.failed", "< 5%"),
            "`attempts.failed` is a count, and its limit cannot be `%`"
        );
        assert_eq!(
            refused("latency.ack.service.p99", "< 2%"),
            "`%` is not a unit of time, and `latency.ack.service.p99` is a duration"
        );
        for text in ["250ms", "", "= 5", "!= 5"] {
            assert_eq!(refused("generator.lag.p99", text), format!("`{text}` has no operator"));
        }
        for text in ["<", "< ms", "< -1", "> 1.2.3", "< NaN", "<< 5", "< inf"] {
            assert!(refused("generator.lag.p99", text).ends_with("is not a figure"), "{text}");
        }
    }

    #[test]
    fn an_operator_holds_on_its_side_only() {
        let holds = |text| [1.0, 2.0, 3.0].map(|found| limit("late", text).expect("a limit").holds(found));
        assert_eq!(holds("< 2"), [true, false, false]);
        assert_eq!(holds("<= 2"), [true, true, false]);
        assert_eq!(holds("> 2"), [false, false, true]);
        assert_eq!(holds(">= 2"), [false, true, true]);
        assert_eq!(holds("== 2"), [false, true, false]);
    }

    #[test]
    fn a_count_has_not_failed_before_it_is_too_high() {
        let so_far = |text| {
            [1.0, 2.0, 3.0]
                .map(|found| limit("late", text).expect("a limit").holds_so_far(found, Kind::Count))
        };
        assert_eq!(so_far("> 2"), [true, true, true]);
        assert_eq!(so_far("== 2"), [true, true, false]);
        assert_eq!(so_far("< 2"), [true, false, false]);
    }
}
