CREATE INDEX run_live ON run (live, installation, id)
