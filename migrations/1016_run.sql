-- Runs: the guard (seq, chain), the key of their bodies, and what lists and timers look for.
CREATE TABLE IF NOT EXISTS run (
  installation BIGINT NOT NULL,
  id BINARY(16) NOT NULL,
  seq BIGINT NOT NULL,
  chain BINARY(16) NOT NULL,
  data_key VARBINARY(100) NOT NULL,
  phase VARCHAR(20) NOT NULL,
  repo BIGINT NOT NULL,
  sha VARCHAR(64) NOT NULL,
  pull BIGINT NULL,
  workflow VARCHAR(100) NOT NULL,
  cause VARCHAR(20) NOT NULL,
  plan BINARY(32) NOT NULL,
  source_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  wake_at BIGINT NULL,
  finished_at BIGINT NULL,
  live BIGINT NULL,
  broken VARCHAR(255) NULL,
  PRIMARY KEY (installation, id)
)
