CREATE INDEX run_wake ON run (wake_at)
