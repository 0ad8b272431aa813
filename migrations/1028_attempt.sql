-- Live attempts only: the event that ends one deletes its row.
CREATE TABLE IF NOT EXISTS attempt (
  installation BIGINT NOT NULL,
  run BINARY(16) NOT NULL,
  step VARCHAR(140) NOT NULL,
  number BIGINT NOT NULL,
  agent VARCHAR(64) NOT NULL,
  state VARCHAR(10) NOT NULL,
  epoch BIGINT NOT NULL,
  owner BINARY(16) NULL,
  due_at BIGINT NOT NULL,
  held BIGINT NOT NULL,
  stop BIGINT NOT NULL,
  token_hash BINARY(32) NULL,
  task VARCHAR(255) NULL,
  endpoint VARCHAR(500) NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (installation, run, step, number),
  UNIQUE (token_hash)
)
