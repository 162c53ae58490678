//! Who may sign on: numbers and tokens.

use rand::TryRng;
use rand::rngs::SysRng;

/// The first number that is given out.
const FIRST_NUMBER: u64 = 15_550_000_001;

/// Letters and digits: no token needs escaping in a URL or in CSV.
const ALPHABET: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

/// How long a token is: 240 bits.
const TOKEN_LENGTH: usize = 40;

/// A subscriber of the embedded core: what a subscribers file says about one.
#[derive(Clone, PartialEq, Eq)]
pub struct Provisioned {
    /// The session token. It is a secret: never shown by `Debug`.
    pub token: String,
    /// The number.
    pub number: String,
}

impl std::fmt::Debug for Provisioned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provisioned").field("number", &self.number).finish_non_exhaustive()
    }
}

/// A line of a subscribers file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct SubscribersError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, and what belongs there.
    pub what: &'static str,
}

impl Provisioned {
    /// `count` subscribers with random tokens and numbers from 15550000001 on.
    ///
    /// # Errors
    /// The system's, when it has no randomness to give.
    pub fn many(count: u32) -> std::io::Result<Vec<Provisioned>> {
        (0..u64::from(count))
            .map(|place| {
                let mut bytes = [0; TOKEN_LENGTH];
                SysRng.try_fill_bytes(&mut bytes).map_err(std::io::Error::other)?;
                let token = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect();
                Ok(Provisioned { token, number: (FIRST_NUMBER + place).to_string() })
            })
            .collect()
    }

    /// `subscribers` as CSV with the header `token,number`.
    pub fn to_csv(subscribers: &[Provisioned]) -> String {
        let mut csv = String::from("token,number\n");
        for Provisioned { token, number } in subscribers {
            csv.push_str(token);
            csv.push(',');
            csv.push_str(number);
            csv.push('\n');
        }
        csv
    }

    /// The subscribers of a file that [`Provisioned::to_csv`] wrote.
    ///
    /// # Errors
    /// [`SubscribersError`], by line; the message never holds a token.
    pub fn from_csv(csv: &str) -> Result<Vec<Provisioned>, SubscribersError> {
        let mut lines = csv.trim_start_matches('\u{feff}').lines().enumerate();
        let header = lines.next().map(|(_, header)| header.trim()).unwrap_or_default();
        let (token, number) = match header.split(',').map(str::trim).collect::<Vec<_>>()[..] {
            ["token", "number", ..] => (0, 1),
            ["number", "token", ..] => (1, 0),
            _ => return Err(SubscribersError { line: 1, what: "the header `token,number` belongs here" }),
        };
        let mut subscribers = Vec::new();
        for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let mut fields = line.split(',').map(|field| field.trim().trim_matches('"'));
            let (first, second) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            let fields = [first, second];
            if fields.contains(&"") {
                return Err(SubscribersError { line: index + 1, what: "a token and a number belong here" });
            }
            subscribers.push(Provisioned { token: fields[token].into(), number: fields[number].into() });
        }
        Ok(subscribers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_are_read_back_as_they_were_written() {
        let subscribers = Provisioned::many(3).unwrap();
        assert_eq!(subscribers[2].number, "15550000003");
        assert!(subscribers[0].token.len() >= 32 && subscribers[0].token != subscribers[1].token);
        assert_eq!(Provisioned::from_csv(&Provisioned::to_csv(&subscribers)), Ok(subscribers));
    }

    #[test]
    fn a_bad_file_is_refused_by_line_and_without_its_secrets() {
        for (csv, line) in
            [("", 1), ("secret,7\n", 1), ("token,number\nsecret\n", 2), ("token,number\na,1\n,2", 3)]
        {
            let error = Provisioned::from_csv(csv).unwrap_err();
            assert_eq!(error.line, line);
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let subscriber = Provisioned { token: "secret".into(), number: "7".into() };
        assert!(!format!("{subscriber:?}").contains("secret"));
    }
}
