-- Plans by content, shared by runs.
CREATE TABLE IF NOT EXISTS plan (
  installation BIGINT NOT NULL,
  hash BINARY(32) NOT NULL,
  created_at BIGINT NOT NULL,
  body LONGBLOB NOT NULL,
  PRIMARY KEY (installation, hash)
)
