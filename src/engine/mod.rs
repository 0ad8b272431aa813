//! The engine: `apply` decides, `evolve` assigns; pure and total.
