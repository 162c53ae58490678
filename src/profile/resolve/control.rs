//! The control group: how large, and whether there are subscribers for it.

use super::Resolver;
use crate::profile::plan::{ControlPlan, SubscriberSource};

/// By default one client in so many.
const PART: u32 = 100;
/// By default so many at the most: they send a keepalive a second each, and are to be no load.
const MOST_BY_DEFAULT: u32 = 10;
/// More than this would be a load of its own.
const MOST: u32 = 100;

impl Resolver<'_> {
    /// The control group of a run of `peak` clients, with `count` subscribers from `source`.
    pub(super) fn control(
        &mut self,
        written: Option<u32>,
        source: &SubscriberSource,
        count: u32,
        peak: u32,
    ) -> ControlPlan {
        let none = |why: &str| ControlPlan { clients: 0, absent: Some(why.to_owned()) };
        let wanted = match written {
            Some(0) => return none("the profile has control_clients = 0"),
            None if peak == 0 => return none("no stage signs clients on"),
            Some(written) if written > MOST => {
                let message =
                    format!("`control_clients` must be from 0 to {MOST}: more would be a load of its own");
                self.value("generator.control_clients", message, "10 are enough for any number of clients");
                return ControlPlan::default();
            }
            Some(written) => written,
            None => (peak / PART).clamp(1, MOST_BY_DEFAULT),
        };
        let left = match source {
            // The embedded core provisions what is needed.
            SubscriberSource::Count(_) => return ControlPlan { clients: wanted, absent: None },
            SubscriberSource::File(_) | SubscriberSource::Credentials(_) => count.saturating_sub(peak),
        };
        if written.is_some() && left / 2 < wanted {
            let needed = 2 * wanted;
            self.infeasible(
                "generator.control_clients",
                format!(
                    "the control group needs {needed} subscribers beyond the {peak} of the clients, two for each of \
                     control_clients, and {left} are left"
                ),
                format!("list {} more subscribers, or write control_clients = {}", needed - left, left / 2),
            );
        }
        match wanted.min(left / 2) {
            0 => none("it needs 2 subscribers or more beyond those of the clients"),
            clients => ControlPlan { clients, absent: None },
        }
    }
}
