CREATE INDEX run_head ON run (installation, repo, sha, id)
