//! The loops; one driver, all alike.
