//! `client`: to be written.
