//! `scheduler`: to be written.
