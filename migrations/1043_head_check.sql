-- Check runs as GitHub has them, by generation: a completed one is never opened again.
CREATE TABLE IF NOT EXISTS head_check (
  installation BIGINT NOT NULL,
  repo BIGINT NOT NULL,
  sha VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  generation BIGINT NOT NULL,
  github_id BIGINT NULL,
  sent_version BIGINT NOT NULL,
  sent_hash BINARY(32) NULL,
  conclusion VARCHAR(20) NULL,
  annotations BIGINT NOT NULL,
  sent_at BIGINT NOT NULL,
  PRIMARY KEY (installation, repo, sha, name, generation)
)
