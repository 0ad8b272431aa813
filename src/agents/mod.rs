//! Agents behind a port: the A2A client, the registry, their health.
