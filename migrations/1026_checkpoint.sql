-- A saved state of a run, so that loading reads a tail only. It never decides.
CREATE TABLE IF NOT EXISTS checkpoint (
  installation BIGINT NOT NULL,
  run BINARY(16) NOT NULL,
  seq BIGINT NOT NULL,
  body LONGBLOB NOT NULL,
  PRIMARY KEY (installation, run)
)
