//! The one place where concrete types meet.
