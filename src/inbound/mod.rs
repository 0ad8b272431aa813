//! What GitHub sends: verification, envelope, our own events.
