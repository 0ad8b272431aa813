-- Names whose check may differ from what we want.
CREATE TABLE IF NOT EXISTS check_dirty (
  installation BIGINT NOT NULL,
  repo BIGINT NOT NULL,
  sha VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  marks BIGINT NOT NULL,
  PRIMARY KEY (installation, repo, sha, name)
)
