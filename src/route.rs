//! From an event and the facts about it to intents.
