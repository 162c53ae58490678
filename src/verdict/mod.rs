//! `verdict`: to be written.
