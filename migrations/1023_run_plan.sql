CREATE INDEX run_plan ON run (installation, plan)
