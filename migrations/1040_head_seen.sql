CREATE INDEX head_seen ON head (seen_at)
