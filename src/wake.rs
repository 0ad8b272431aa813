//! One `Notify` per loop; losing a wake is harmless.
