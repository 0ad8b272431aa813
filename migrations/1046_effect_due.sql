CREATE INDEX effect_due ON effect (due_at)
