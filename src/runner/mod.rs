//! `pointsman agent`: serves A2A and runs agents in a jail.
