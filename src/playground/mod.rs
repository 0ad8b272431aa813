//! `pointsman dev`: a GitHub that lives on this machine. Nothing else imports it.
