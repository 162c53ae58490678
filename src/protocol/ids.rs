//! Identifiers (protocol, section 7).

use std::fmt;
use std::ops::Deref;

use rand::RngExt;

use super::fast::ONES;
use crate::law::Draws;

/// The longest transaction that is read (decision 12.39). Our own have 36 characters.
pub const MAX_TRANSACTION: usize = 255;

/// The longest call id that is read (section 7.2).
pub const MAX_CALL_ID: usize = 255;

/// What every transaction id of a client begins with; only digits may follow (section 7.1).
const PREFIX: &str = "transaction-";
const RUN_DIGITS: usize = 9;
const CLIENT_DIGITS: usize = 7;
const COUNTER_DIGITS: usize = 8;
/// Behind the last counter comes 0 again: what a client asked a hundred million requests ago waits no longer.
const COUNTERS: u32 = 10_u32.pow(COUNTER_DIGITS as u32);
const HEAD: usize = PREFIX.len() + RUN_DIGITS + CLIENT_DIGITS;

/// The transaction ids of one client: `transaction-`, nine digits of the run, seven of the client, and eight of a counter
/// (section 7.1). All have one length, so a request that was prepared has room for any of them. They are recognised by what they begin with, so nothing is
/// stored but the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionIds {
    next: [u8; TransactionIds::LENGTH],
    counter: u32,
}

impl TransactionIds {
    /// How long an id of our own is.
    pub const LENGTH: usize = HEAD + COUNTER_DIGITS;

    /// The ids of the client number `client` in the run `run`; both are cut to the digits there are for them, so a
    /// process can tell ten million clients apart.
    pub fn new(run: u32, client: u32) -> Self {
        let mut next = [0; Self::LENGTH];
        let (prefix, digits) = next.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX.as_bytes());
        let (run_digits, digits) = digits.split_at_mut(RUN_DIGITS);
        let (client_digits, counter_digits) = digits.split_at_mut(CLIENT_DIGITS);
        write_digits(run, run_digits);
        write_digits(client, client_digits);
        write_digits(0, counter_digits);
        Self { next, counter: 0 }
    }

    /// The next id.
    pub fn text(&self) -> &str {
        // All of it is ASCII, so the check cannot fail.
        std::str::from_utf8(&self.next).unwrap_or_default()
    }

    /// The next id, to be copied.
    #[inline(always)]
    pub(super) fn bytes(&self) -> &[u8; Self::LENGTH] {
        &self.next
    }

    /// The counter of the next id.
    pub fn counter(&self) -> u32 {
        self.counter
    }

    /// The next id is used: on to the one behind it.
    #[inline]
    pub fn advance(&mut self) {
        self.counter = if self.counter == COUNTERS - 1 { 0 } else { self.counter + 1 };
        if let Some(digits) = self.next.last_chunk_mut::<COUNTER_DIGITS>() {
            *digits = count_up(*digits);
        }
    }

    /// Goes on with this counter, cut to the digits there are for it.
    pub fn skip_to(&mut self, counter: u32) {
        self.counter = counter % COUNTERS;
        write_digits(counter, &mut self.next[HEAD..]);
    }

    /// The counter of an id that this client wrote; `None` for any other text.
    pub fn parse(&self, id: &str) -> Option<u32> {
        let digits: &[u8; COUNTER_DIGITS] = id.as_bytes().strip_prefix(&self.next[..HEAD])?.as_array()?;
        digits
            .iter()
            .try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
    }
}

/// The decimal number behind this one; 0 behind the last. All eight digits at once, because to look for the first that is
/// not a 9 is a branch that is not foreseen in one of ten messages.
#[inline(always)]
fn count_up(digits: [u8; 8]) -> [u8; 8] {
    // With this on top a 9 is the last value of its byte, so the one that is added passes over it.
    let raised = u64::from_be_bytes(digits) + ONES * u64::from(u8::MAX - b'9');
    let counted = raised.wrapping_add(1);
    // What it passed over is 0 now; the others stand six above their value in their lower half.
    let six = (counted >> 7 & ONES) * 6;
    (((counted & (ONES * 0x0f)) - six) | (ONES * u64::from(b'0'))).to_be_bytes()
}

/// Writes the last digits of a number, as many as there are places.
fn write_digits(mut number: u32, places: &mut [u8]) {
    for place in places.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
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
        for counter in [0, 7, 10, COUNTERS - 1] {
            own.skip_to(counter);
            let id = own.text().to_owned();
            assert_eq!(own.parse(&id), Some(counter), "{id}");
            assert_eq!(id.len(), TransactionIds::LENGTH);
            assert_eq!(TransactionIds::new(731_904_552, 18).parse(&id), None);
            assert_eq!(TransactionIds::new(731_904_553, 17).parse(&id), None);
        }
        own.skip_to(7);
        assert_eq!(own.text(), "transaction-731904552000001700000007");
        for foreign in [
            "",
            "transaction-",
            "transaction-7319045521",
            "transaction-7319045520000017",
            "transaction-73190455200000177",
            "transaction-73190455200000170000007",
            "transaction-7319045520000017000000007",
            "transaction-73190455200000170000000x",
            "transaction-7319045520000017+0000007",
            "transaction-731904552\u{e4}0001700000007",
            "1786013231447",
        ] {
            assert_eq!(own.parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn numbers_are_padded_and_cut_to_their_digits() {
        let mut ids = TransactionIds::new(1, 2);
        assert_eq!(ids.text(), "transaction-000000001000000200000000");
        ids.skip_to(4_123_456_789);
        assert_eq!((ids.text(), ids.counter()), ("transaction-000000001000000223456789", 23_456_789));
        assert_eq!(
            TransactionIds::new(4_294_967_295, 4_294_967_295).text(),
            "transaction-294967295496729500000000"
        );
    }

    #[test]
    fn ids_follow_each_other_and_begin_again_when_the_counter_does() {
        let mut ids = TransactionIds::new(1, 2);
        for begin in [0, 5, 95, 99_990, COUNTERS - 12] {
            ids.skip_to(begin);
            for step in 0..25 {
                let counter = (begin + step) % COUNTERS;
                assert_eq!(ids.text(), format!("transaction-0000000010000002{counter:08}"));
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
