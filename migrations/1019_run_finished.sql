CREATE INDEX run_finished ON run (finished_at)
