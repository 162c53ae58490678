//! Reading JSON that is kept as it stands: the lists of a state, and a whole text for the strict reader.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{Deserialize, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Malformed;

/// The elements of a raw array, each as raw JSON; `None` if it is not an array.
pub(super) fn elements<'a>(array: &'a RawValue, mut each: impl FnMut(&'a RawValue)) -> Option<()> {
    struct Each<F>(F);

    impl<'de, F: FnMut(&'de RawValue)> Visitor<'de> for Each<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<S: SeqAccess<'de>>(mut self, mut seq: S) -> Result<(), S::Error> {
            while let Some(element) = seq.next_element()? {
                self.0(element);
            }
            Ok(())
        }
    }

    serde_json::Deserializer::from_str(array.get()).deserialize_seq(Each(&mut each)).ok()
}

/// Reads every value of a text to its end, so that nothing wrong in it is skipped: numbers out of range, halves of
/// surrogate pairs, more than 128 levels.
pub(super) fn check(text: &str) -> Result<(), Malformed> {
    struct Checked;

    impl<'de> Deserialize<'de> for Checked {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Checked)
        }
    }

    impl<'de> Visitor<'de> for Checked {
        type Value = Checked;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a value")
        }

        fn visit_unit<E>(self) -> Result<Checked, E> {
            Ok(self)
        }

        fn visit_bool<E>(self, _: bool) -> Result<Checked, E> {
            Ok(self)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Checked, E> {
            Ok(self)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Checked, E> {
            Ok(self)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Checked, E> {
            Ok(self)
        }

        fn visit_str<E>(self, _: &str) -> Result<Checked, E> {
            Ok(self)
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Checked, S::Error> {
            while seq.next_element::<Checked>()?.is_some() {}
            Ok(self)
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Checked, M::Error> {
            // A key is read as a value too: its escapes count.
            while map.next_entry::<Checked, Checked>()?.is_some() {}
            Ok(self)
        }
    }

    serde_json::from_str::<Checked>(text).map(|_| ()).map_err(|_| Malformed::NotJson)
}
