CREATE INDEX run_pull ON run (installation, repo, pull, id)
