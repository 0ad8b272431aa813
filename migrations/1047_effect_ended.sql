CREATE INDEX effect_ended ON effect (ended_at)
