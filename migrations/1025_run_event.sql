-- The journal: what happened, who did it, when, and the changes it made.
CREATE TABLE IF NOT EXISTS run_event (
  installation BIGINT NOT NULL,
  run BINARY(16) NOT NULL,
  seq BIGINT NOT NULL,
  transition_id BINARY(16) NOT NULL,
  at BIGINT NOT NULL,
  kind VARCHAR(40) NOT NULL,
  actor VARCHAR(120) NOT NULL,
  chain BINARY(16) NOT NULL,
  body LONGBLOB NOT NULL,
  PRIMARY KEY (installation, run, seq)
)
