//! `transport`: to be written.
