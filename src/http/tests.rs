//! The server over real HTTP, on a port of its own, with a store of its own.

mod bench;

mod callback;
mod health;
mod pages;
mod webhook;
