//! `record`: to be written.
