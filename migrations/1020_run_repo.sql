CREATE INDEX run_repo ON run (installation, repo, id)
