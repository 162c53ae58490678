//! Laws of chance and time: when things happen and how long they last.
//!
//! Nothing here reads a clock. A [`Time`] is handed in, a [`Distribution`] is drawn from with a generator
//! that [`Seed::stream`] made, so the same seed gives the same run.
//!
//! ```
//! use std::time::Duration;
//! use wtsp_load::law::{Distribution, Seed};
//!
//! let ring = Distribution::uniform(Duration::from_millis(200), Duration::from_secs(1)).unwrap();
//! let mut draws = Seed(7).stream("ring", 0);
//! let time = ring.sample(&mut draws);
//! assert!(time >= Duration::from_millis(200) && time <= Duration::from_secs(1));
//! ```

mod distribution;
mod freeze;
mod seed;
mod time;

pub use distribution::{Distribution, DistributionError};
pub use freeze::{Freeze, FreezeError};
pub use seed::{Draws, Seed};
pub use time::Time;
