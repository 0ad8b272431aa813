-- Who speaks for a workflow on a commit: a run, or the reason why none runs.
CREATE TABLE IF NOT EXISTS head_workflow (
  installation BIGINT NOT NULL,
  repo BIGINT NOT NULL,
  sha VARCHAR(64) NOT NULL,
  workflow VARCHAR(100) NOT NULL,
  version BIGINT NOT NULL,
  run BINARY(16) NULL,
  reason LONGTEXT NULL,
  class BIGINT NOT NULL,
  source_at BIGINT NOT NULL,
  PRIMARY KEY (installation, repo, sha, workflow)
)
