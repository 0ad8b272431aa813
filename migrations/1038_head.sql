-- Commits that we report on. due_at is NULL while GitHub shows what we want.
CREATE TABLE IF NOT EXISTS head (
  installation BIGINT NOT NULL,
  repo BIGINT NOT NULL,
  sha VARCHAR(64) NOT NULL,
  due_at BIGINT NULL,
  owner BINARY(16) NULL,
  epoch BIGINT NOT NULL,
  marks BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  PRIMARY KEY (installation, repo, sha)
)
