//! Figures for people.

/// A latency of `micros` microseconds at 3 digits: `870 µs`, `23.1 ms`, `1.02 s`, `2.5 min`.
pub(crate) fn latency(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..999_500 => digits(micros as f64 / 1e3, "ms"),
        999_500..59_950_000 => digits(micros as f64 / 1e6, "s"),
        _ => format!("{:.1} min", micros as f64 / 60e6),
    }
}

/// 3 digits, as far as the point allows.
fn digits(value: f64, unit: &str) -> String {
    // By what the figure is rounded to: 9.996 has one digit before the point, and is written with two.
    let decimals = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.decimals$} {unit}")
}

/// A length of time in seconds: `28 s`, `1 min 10 s`, `2 h 05 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 10.0 && seconds.fract().abs() > 0.05 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 if whole.is_multiple_of(60) => format!("{} min", whole / 60),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A number of bytes: `812 B`, `23.4 KiB`, `1.2 GiB`.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A count with thin groups of 3 digits: `1 234 567`.
pub(crate) fn count(count: u64) -> String {
    let plain = count.to_string();
    let mut grouped = String::with_capacity(plain.len() + plain.len() / 3);
    for (place, digit) in plain.chars().enumerate() {
        if place > 0 && (plain.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// `one` or `many` of something: `1 call`, `2 calls`.
pub(super) fn of(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A part of a whole in percent: `98.3 %`; empty without a whole. Only all is 100 %, and only none is 0 %.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::new();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match part {
        0 => "0 %".into(),
        _ if part == whole => "100 %".into(),
        _ if percent < 0.1 => "<0.1 %".into(),
        _ if percent > 99.9 => ">99.9 %".into(),
        _ => format!("{percent:.1} %"),
    }
}

/// A figure at up to 3 decimals, without zeros at its end.
pub(super) fn figure(value: f64) -> String {
    let text = format!("{value:.3}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    short.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_have_three_digits_and_never_a_thousand() {
        let written = [0, 870, 1_000, 9_996, 23_148, 99_960, 999_400, 1_020_000, 59_000_000, 150_000_000];
        let expected = [
            "0 µs", "870 µs", "1.00 ms", "10.0 ms", "23.1 ms", "100 ms", "999 ms", "1.02 s", "59.0 s",
            "2.5 min",
        ];
        assert_eq!(written.map(latency), expected);
        assert!(latency(600_000_000).chars().count() <= 8);
    }

    #[test]
    fn almost_all_is_not_all() {
        assert_eq!(percent(99_999, 100_000), ">99.9 %");
        assert_eq!(percent(1, 100_000), "<0.1 %");
        assert_eq!(percent(1, 0), "");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!([7, 1_234, 1_234_567].map(count), ["7", "1 234", "1 234 567"]);
    }

    #[test]
    fn durations_and_sizes() {
        assert_eq!(
            [0.5, 28.0, 70.0, 120.0, 7_500.0].map(duration),
            ["0.5 s", "28 s", "1 min 10 s", "2 min", "2 h 05 min"]
        );
        assert_eq!([812, 24_000, 1 << 31].map(bytes), ["812 B", "23.4 KiB", "2.0 GiB"]);
    }
}
