CREATE INDEX lane_due ON lane (due_at)
