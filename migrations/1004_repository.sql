-- The repositories of an installation. The number survives renames.
CREATE TABLE IF NOT EXISTS repository (
  installation BIGINT NOT NULL,
  id BIGINT NOT NULL,
  name VARCHAR(200) NOT NULL,
  default_branch VARCHAR(255) NOT NULL,
  removed_at BIGINT NULL,
  PRIMARY KEY (installation, id)
)
