//! `subscribers`: to be written.
