//! Who may sign on: numbers, tokens, and what they sign in with over REST.

use rand::TryRng;
use rand::rngs::SysRng;

/// The first number that is given out.
const FIRST_NUMBER: u64 = 15_550_000_001;

/// Letters and digits: no token needs escaping in a URL or in CSV.
const ALPHABET: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

/// How long a token is: 240 bits.
const TOKEN_LENGTH: usize = 40;

/// How long a password is: 120 bits.
const PASSWORD_LENGTH: usize = 20;

/// A subscriber of the embedded core: what a subscribers file says about one.
#[derive(Clone, PartialEq, Eq)]
pub struct Provisioned {
    /// The token of a session that is there from the start; empty where sessions are made by signing in only. It is a
    /// secret: never shown by `Debug`.
    pub token: String,
    /// The number.
    pub number: String,
    /// What it signs in with over REST. Without, it cannot.
    pub credentials: Option<Credentials>,
}

/// What a subscriber signs in with (protocol, section 9.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The login; of those that the core makes itself it is the number (section 9.5).
    pub login: String,
    /// The password. It is a secret: never shown by `Debug`.
    pub password: String,
}

impl std::fmt::Debug for Provisioned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provisioned").field("number", &self.number).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("login", &self.login).finish_non_exhaustive()
    }
}

/// A new token for a session.
///
/// # Errors
/// The system's, when it has no randomness to give.
pub(super) fn new_token() -> std::io::Result<String> {
    random(TOKEN_LENGTH)
}

fn random(length: usize) -> std::io::Result<String> {
    let mut bytes = vec![0; length];
    SysRng.try_fill_bytes(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect())
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
    /// `count` subscribers with random tokens and passwords, and numbers from 15550000001 on.
    ///
    /// # Errors
    /// The system's, when it has no randomness to give.
    pub fn many(count: u32) -> std::io::Result<Vec<Provisioned>> {
        let mut subscribers = Vec::with_capacity(count as usize);
        for place in 0..u64::from(count) {
            let number = (FIRST_NUMBER + place).to_string();
            subscribers.push(Provisioned { token: new_token()?, number, credentials: None });
        }
        Provisioned::give_passwords(&mut subscribers)?;
        Ok(subscribers)
    }

    /// Gives each subscriber that has none a login, which is its number, and a random password.
    ///
    /// # Errors
    /// The system's, when it has no randomness to give.
    pub fn give_passwords(subscribers: &mut [Provisioned]) -> std::io::Result<()> {
        for subscriber in subscribers.iter_mut().filter(|subscriber| subscriber.credentials.is_none()) {
            let (login, password) = (subscriber.number.clone(), random(PASSWORD_LENGTH)?);
            subscriber.credentials = Some(Credentials { login, password });
        }
        Ok(())
    }

    /// `subscribers` as CSV with the header `token,number`; those without a token are left out.
    pub fn to_csv(subscribers: &[Provisioned]) -> String {
        let mut csv = String::from("token,number\n");
        for Provisioned { token, number, .. } in subscribers.iter().filter(|one| !one.token.is_empty()) {
            csv.extend([token, ",", number, "\n"]);
        }
        csv
    }

    /// `subscribers` as CSV with the header `login,password,number`; those without a password are left out.
    pub fn to_credentials_csv(subscribers: &[Provisioned]) -> String {
        let mut csv = String::from("login,password,number\n");
        for subscriber in subscribers {
            if let Some(Credentials { login, password }) = &subscriber.credentials {
                csv.extend([login, ",", password, ",", &subscriber.number, "\n"]);
            }
        }
        csv
    }

    /// The subscribers of a file with the header `token,number`, or `login,password` with a `number` or without: then
    /// it is the login.
    ///
    /// # Errors
    /// [`SubscribersError`], by line; the message never holds a token or a password.
    pub fn from_csv(csv: &str) -> Result<Vec<Provisioned>, SubscribersError> {
        let mut lines = csv.trim_start_matches('\u{feff}').lines().enumerate();
        let header = lines.next().map(|(_, header)| header.trim()).unwrap_or_default();
        let read: fn([&str; 3]) -> Option<Provisioned> =
            match header.split(',').map(str::trim).collect::<Vec<_>>()[..] {
                ["token", "number", ..] => |[token, number, _]| with_token(token, number),
                ["number", "token", ..] => |[number, token, _]| with_token(token, number),
                ["login", "password"] => |[login, password, _]| with_password(login, password, login),
                ["login", "password", "number"] => |[login, password, number]| {
                    with_password(login, password, if number.is_empty() { login } else { number })
                },
                _ => {
                    let what = "the header `token,number` or `login,password,number` belongs here";
                    return Err(SubscribersError { line: 1, what });
                }
            };
        let mut subscribers = Vec::new();
        for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let mut fields = line.split(',').map(|field| field.trim().trim_matches('"'));
            let fields = [(); 3].map(|()| fields.next().unwrap_or_default());
            let what = "a value belongs into every column that the header names";
            subscribers.push(read(fields).ok_or(SubscribersError { line: index + 1, what })?);
        }
        Ok(subscribers)
    }
}

fn with_token(token: &str, number: &str) -> Option<Provisioned> {
    let is_whole = !token.is_empty() && !number.is_empty();
    is_whole.then(|| Provisioned { token: token.to_owned(), number: number.to_owned(), credentials: None })
}

fn with_password(login: &str, password: &str, number: &str) -> Option<Provisioned> {
    let credentials = Credentials { login: login.to_owned(), password: password.to_owned() };
    let is_whole = !login.is_empty() && !password.is_empty();
    is_whole.then(|| Provisioned {
        token: String::new(),
        number: number.to_owned(),
        credentials: Some(credentials),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_are_read_back_as_they_were_written() {
        let subscribers = Provisioned::many(3).unwrap();
        assert_eq!(subscribers[2].number, "15550000003");
        assert!(subscribers[0].token.len() >= 32 && subscribers[0].token != subscribers[1].token);
        let without = |change: fn(&mut Provisioned)| {
            let mut subscribers = subscribers.clone();
            subscribers.iter_mut().for_each(change);
            Ok(subscribers)
        };
        let tokens = Provisioned::from_csv(&Provisioned::to_csv(&subscribers));
        assert_eq!(tokens, without(|subscriber| subscriber.credentials = None));
        let credentials = Provisioned::from_csv(&Provisioned::to_credentials_csv(&subscribers));
        assert_eq!(credentials, without(|subscriber| subscriber.token.clear()));
    }

    #[test]
    fn without_a_number_the_login_is_the_number() {
        for csv in ["login,password\nanna,secret\n", "login,password,number\nanna,secret,\n"] {
            assert_eq!(Provisioned::from_csv(csv).unwrap()[0].number, "anna", "{csv}");
        }
    }

    #[test]
    fn a_bad_file_is_refused_by_line_and_without_its_secrets() {
        for (csv, line) in [
            ("", 1),
            ("secret,7\n", 1),
            ("token,number\nsecret\n", 2),
            ("token,number\na,1\n,2", 3),
            ("login,password\nsecret\n", 2),
        ] {
            let error = Provisioned::from_csv(csv).unwrap_err();
            assert_eq!(error.line, line);
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let credentials = Credentials { login: "7".into(), password: "secret".into() };
        assert!(!format!("{credentials:?}").contains("secret"));
        let credentials = Some(credentials);
        let subscriber = Provisioned { token: "secret".into(), number: "7".into(), credentials };
        assert!(!format!("{subscriber:?}").contains("secret"));
    }
}
