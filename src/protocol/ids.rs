//! Identifiers (protocol, section 7).

use std::fmt;
use std::ops::Deref;

use rand::RngExt;

use super::object::Padded;
use crate::law::Draws;

/// The longest transaction that is read (decision 12.39). Our own stay below 40.
pub const MAX_TRANSACTION: usize = 255;

/// The longest call id that is read (section 7.2).
pub const MAX_CALL_ID: usize = 255;

/// What every transaction id of a client begins with; only digits may follow (section 7.1).
const PREFIX: &str = "transaction-";
const RUN_DIGITS: usize = 9;
const CLIENT_DIGITS: usize = 7;
const HEAD: usize = PREFIX.len() + RUN_DIGITS + CLIENT_DIGITS;

/// The longest id that [`TransactionIds`] writes.
pub const MAX_OWN_TRANSACTION: usize = HEAD + 10;

/// The transaction ids of one client: `transaction-`, nine digits of the run, seven of the client, and a counter
/// (section 7.1). They are recognised by what they begin with, so nothing is stored but that and the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionIds {
    next: Padded<40>,
    counter: u32,
}

impl TransactionIds {
    /// The ids of the client number `client` in the run `run`; both are cut to the digits there are for them, so a
    /// process can tell ten million clients apart.
    pub fn new(run: u32, client: u32) -> Self {
        let mut ids = Self { next: Padded::new([PREFIX, "", ""]), counter: 0 };
        ids.push_padded(run % 10_u32.pow(RUN_DIGITS as u32), RUN_DIGITS);
        ids.push_padded(client % 10_u32.pow(CLIENT_DIGITS as u32), CLIENT_DIGITS);
        ids.skip_to(0);
        ids
    }

    fn push_padded(&mut self, number: u32, width: usize) {
        self.next.set_from(self.next.len(), &format!("{number:0width$}"));
    }

    /// The next id.
    pub fn text(&self) -> &str {
        // All of it is ASCII, so the check cannot fail.
        std::str::from_utf8(self.next.as_bytes()).unwrap_or_default()
    }

    /// The next id, to be copied.
    #[inline(always)]
    pub(super) fn padded(&self) -> &Padded<40> {
        &self.next
    }

    /// The counter of the next id.
    pub fn counter(&self) -> u32 {
        self.counter
    }

    /// The next id is used: on to the one behind it.
    #[inline]
    pub fn advance(&mut self) {
        self.counter = self.counter.wrapping_add(1);
        // Its text is counted up too, which is less work than to write the number: nine of ten times only the last digit
        // changes.
        if self.counter == 0 || !self.next.count_up(HEAD) {
            self.rewrite();
        }
    }

    /// It has a digit more, or begins again.
    #[cold]
    fn rewrite(&mut self) {
        self.skip_to(self.counter);
    }

    /// Goes on with this counter.
    pub fn skip_to(&mut self, counter: u32) {
        self.counter = counter;
        self.next.set_from(HEAD, itoa::Buffer::new().format(counter));
    }

    /// The counter of an id that this client wrote; `None` for any other text.
    pub fn parse(&self, id: &str) -> Option<u32> {
        let counter = id.as_bytes().strip_prefix(self.next.as_bytes().get(..HEAD)?)?;
        let is_canonical = counter.len() == 1 || counter.first() != Some(&b'0');
        is_canonical.then(|| number(counter))?
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 10 {
        return None;
    }
    let value = digits.iter().try_fold(0_u64, |value, digit| {
        digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0'))
    })?;
    u32::try_from(value).ok()
}

/// A call id as a caller makes it: 24 letters and digits (section 7.2). Call ids that a server makes can be any
/// text and are compared as such.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId([u8; CallId::LENGTH]);

impl CallId {
    /// How long a call id of our own is.
    pub const LENGTH: usize = 24;

    const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    /// Draws a new one.
    pub fn random(draws: &mut Draws) -> Self {
        Self(std::array::from_fn(|_| Self::ALPHABET[draws.random_range(0..Self::ALPHABET.len())]))
    }

    /// The call id in a text, if it has the shape of our own.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; Self::LENGTH] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(Self(bytes))
    }

    /// The call id as text.
    pub fn as_str(&self) -> &str {
        // Only letters and digits get in, so the check cannot fail; it costs 3 ns, and saves `unsafe`.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Deref for CallId {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallId({})", self.as_str())
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The number in a number or SIP URI, fit for comparing (section 5.1, rule 7): without `sip:` or `sips:`, without
/// anything from `@` on, without URI parameters.
pub fn normalise_number(text: &str) -> &str {
    let text = strip_scheme(text, "sips:").or_else(|| strip_scheme(text, "sip:")).unwrap_or(text);
    let user = text.split_once('@').map_or(text, |(user, _)| user);
    user.split_once(';').map_or(user, |(number, _)| number)
}

/// A scheme is case-insensitive (RFC 3986, section 3.1).
fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::Seed;

    #[test]
    fn a_client_recognises_its_own_transactions_and_no_others() {
        let mut own = TransactionIds::new(731_904_552, 17);
        for counter in [0, 7, 10, u32::MAX] {
            own.skip_to(counter);
            let id = own.text().to_owned();
            assert_eq!(own.parse(&id), Some(counter), "{id}");
            assert!(id.len() <= MAX_OWN_TRANSACTION && id.len() <= 40);
            assert_eq!(TransactionIds::new(731_904_552, 18).parse(&id), None);
            assert_eq!(TransactionIds::new(731_904_553, 17).parse(&id), None);
        }
        own.skip_to(7);
        assert_eq!(own.text(), "transaction-73190455200000177");
        for foreign in [
            "",
            "transaction-",
            "transaction-7319045521",
            "transaction-7319045520000017",
            "transaction-731904552000001707",
            "transaction-7319045520000017x",
            "transaction-73190455200000174294967296",
            "transaction-731904552000001799999999999999999999",
            "transaction-731904552\u{e4}00017",
            "1786013231447",
        ] {
            assert_eq!(own.parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn small_numbers_are_padded() {
        let ids = TransactionIds::new(1, 2);
        assert_eq!(ids.text(), "transaction-00000000100000020");
        assert_eq!(ids.parse("transaction-00000000100000023"), Some(3));
    }

    #[test]
    fn ids_follow_each_other_and_begin_again_when_the_counter_does() {
        let mut ids = TransactionIds::new(1, 2);
        for begin in [0, 5, 95, 99_990, u32::MAX - 12] {
            ids.skip_to(begin);
            for step in 0..25 {
                let counter = begin.wrapping_add(step);
                assert_eq!(ids.text(), format!("transaction-0000000010000002{counter}"));
                assert_eq!((ids.counter(), ids.parse(ids.text())), (counter, Some(counter)));
                ids.advance();
            }
        }
    }

    #[test]
    fn a_call_id_has_24_letters_and_digits_and_follows_from_the_draws() {
        let id = CallId::random(&mut Seed(7).stream("call", 0));
        assert_eq!(id, CallId::random(&mut Seed(7).stream("call", 0)));
        assert_ne!(id, CallId::random(&mut Seed(7).stream("call", 1)));
        assert_eq!(id.as_str().len(), 24);
        assert_eq!(CallId::parse(&id), Some(id));
        assert_eq!(CallId::parse("short"), None);
        assert_eq!(CallId::parse("kT4vQ9mZc2XwB7nLr0HsYd3-"), None);
    }

    #[test]
    fn numbers_and_uris_of_one_party_compare_equal() {
        for text in [
            "15550177",
            "sip:15550177@pbx.example.net",
            "SIPS:15550177@h;user=phone",
            "15550177;ext=1",
            "sip:15550177",
        ] {
            assert_eq!(normalise_number(text), "15550177", "{text}");
        }
        assert_eq!(normalise_number(""), "");
        assert_eq!(normalise_number("*98#"), "*98#");
        assert_eq!(normalise_number("\u{e4}\u{f6}\u{fc}"), "\u{e4}\u{f6}\u{fc}");
    }
}
