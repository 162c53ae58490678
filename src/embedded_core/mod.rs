//! `embedded_core`: to be written.
