CREATE INDEX run_broken ON run (broken)
