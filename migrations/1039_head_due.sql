CREATE INDEX head_due ON head (due_at)
