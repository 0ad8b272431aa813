CREATE INDEX attempt_owner ON attempt (owner, stop)
