-- The lanes that may have something pending: the queue of the intake.
CREATE TABLE IF NOT EXISTS lane (
  installation BIGINT NOT NULL,
  repo BIGINT NOT NULL,
  lane VARCHAR(255) NOT NULL,
  due_at BIGINT NOT NULL,
  owner BINARY(16) NULL,
  epoch BIGINT NOT NULL,
  arrivals BIGINT NOT NULL,
  PRIMARY KEY (installation, repo, lane)
)
