CREATE INDEX consumed_key_at ON consumed_key (at)
