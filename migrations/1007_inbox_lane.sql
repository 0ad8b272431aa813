CREATE INDEX inbox_lane ON inbox (installation, repo, lane, pending, id)
