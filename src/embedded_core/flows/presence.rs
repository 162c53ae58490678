//! The presence that a subscriber publishes, and who is told of it (protocol, sections 3.3, 3.5.11 and 3.7.4).

use std::borrow::Cow;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::super::core::Core;
use super::super::post::{Envelope, Order};
use crate::protocol::{EventBody, EventName, Line, Text, Violation};

/// The settings of a `presence_update`.
#[derive(Deserialize)]
struct Settings<'a> {
    available: bool,
    #[serde(borrow)]
    note: Cow<'a, str>,
    status_icon: Option<Cow<'a, str>>,
    #[serde(borrow)]
    device: Cow<'a, str>,
    time_offset_min: i64,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    activity: Option<Cow<'a, str>>,
    dnd_mode: bool,
}

/// One entry of what is told about a number.
#[derive(Serialize)]
struct PresenceInfo<'a> {
    id: String,
    number: &'a str,
    available: bool,
    note: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_icon: Option<&'a str>,
    device: &'a str,
    time_offset_min: i64,
    timestamp: &'a str,
    activities: Vec<&'a str>,
    arrival_time: String,
    source: &'static str,
}

impl Core {
    /// `presence_update`: acknowledged, and told to the publisher's contact if that is there. A dialect without words
    /// for it is told nothing.
    pub(super) fn presence_update(&mut self, order: &Order<'_>, settings: Option<&RawValue>) {
        let settings = settings.and_then(|settings| serde_json::from_str(settings.get()).ok());
        let number = Rc::clone(&self.accounts.get(order.account).number);
        let Some(info) = settings.and_then(|settings| self.presence_info(order.account, &number, &settings))
        else {
            return self.refuse(order, 456, "missing mandatory element (settings)", Violation::BadPresence);
        };
        self.respond(order, Ok(()));
        let Some(contact) = self.accounts.contact_of(order.account) else { return };
        let due = self.event_due(EventName::NumberPresenceUpdate, self.cause.at, order.due);
        let envelope =
            Envelope { account: contact, line: Line::Absent, call_id: None, transaction: None, due };
        let number = Text::Borrowed(&*number);
        self.post(envelope, EventBody::NumberPresenceUpdate { number, presence_info: &info });
    }

    /// The list that stands for all that is known about `number`: what was published last.
    fn presence_info(&self, account: u32, number: &str, settings: &Settings<'_>) -> Option<Box<RawValue>> {
        let do_not_disturb = settings.dnd_mode.then_some("do-not-disturb");
        let activity = settings.activity.as_deref().filter(|activity| Some(*activity) != do_not_disturb);
        let info = PresenceInfo {
            id: format!("presence-{account}"),
            number,
            available: settings.available,
            note: &settings.note,
            status_icon: settings.status_icon.as_deref(),
            device: &settings.device,
            time_offset_min: settings.time_offset_min,
            timestamp: &settings.timestamp,
            activities: activity.into_iter().chain(do_not_disturb).collect(),
            arrival_time: jiff::Timestamp::from_millisecond(self.stamp(self.now)).ok()?.to_string(),
            source: "direct",
        };
        to_raw_value(&[info]).ok()
    }
}
