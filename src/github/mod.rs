//! GitHub behind a port.
