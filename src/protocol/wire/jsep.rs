//! Session descriptions as they are read: their kind, and their SDP as it stands.

use std::fmt;

use serde::de::{Deserialize, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::keys::Key;
use super::super::{Jsep, JsepKind};
use super::{AnyKey, AnyValue, Slot};

/// A `jsep`, as it was found.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::protocol) enum JsepSlot<'a> {
    #[default]
    Absent,
    Null,
    Good(Jsep<'a>),
    /// Not an object with a known `type` and a text as `sdp` (section 10, row 28).
    Bad,
}

impl<'de> Deserialize<'de> for JsepSlot<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyJsep)
    }
}

struct AnyJsep;

impl<'de> Visitor<'de> for AnyJsep {
    type Value = JsepSlot<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session description")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<JsepSlot<'de>, M::Error> {
        let (mut kind, mut sdp) = (None, None);
        while let Some(key) = map.next_key_seed(AnyKey)? {
            match key {
                Key::Type => {
                    let (mut slot, mut unescaped) = (Slot::Absent, Vec::new());
                    map.next_value_seed(AnyValue { slot: &mut slot, unescaped: &mut unescaped })?;
                    kind = match slot {
                        Slot::Text(kind) => JsepKind::from_wire(kind),
                        Slot::Unescaped(_) => unescaped.last().and_then(|kind| JsepKind::from_wire(kind)),
                        _ => None,
                    };
                }
                Key::Sdp => sdp = Some(map.next_value::<&RawValue>()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let sdp = sdp.filter(|sdp| sdp.get().starts_with('"'));
        Ok(kind.zip(sdp).map_or(JsepSlot::Bad, |(kind, sdp)| JsepSlot::Good(Jsep { kind, sdp })))
    }

    fn visit_unit<E>(self) -> Result<JsepSlot<'de>, E> {
        Ok(JsepSlot::Null)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<JsepSlot<'de>, S::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(JsepSlot::Bad)
    }

    fn visit_bool<E>(self, _: bool) -> Result<JsepSlot<'de>, E> {
        Ok(JsepSlot::Bad)
    }

    fn visit_i64<E>(self, _: i64) -> Result<JsepSlot<'de>, E> {
        Ok(JsepSlot::Bad)
    }

    fn visit_u64<E>(self, _: u64) -> Result<JsepSlot<'de>, E> {
        Ok(JsepSlot::Bad)
    }

    fn visit_f64<E>(self, _: f64) -> Result<JsepSlot<'de>, E> {
        Ok(JsepSlot::Bad)
    }

    fn visit_str<E>(self, _: &str) -> Result<JsepSlot<'de>, E> {
        Ok(JsepSlot::Bad)
    }
}
