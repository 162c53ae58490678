//! `workload`: to be written.
