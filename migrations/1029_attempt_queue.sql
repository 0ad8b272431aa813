CREATE INDEX attempt_queue ON attempt (state, agent, held, due_at)
