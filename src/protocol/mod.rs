//! `protocol`: to be written.
