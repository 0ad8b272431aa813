//! What GitHub should show: desired checks and their difference from what it shows.
