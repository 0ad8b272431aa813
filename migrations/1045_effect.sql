-- What to do once outside: replies, publications, notifications, long sweeps. due_at is NULL when done or given up.
CREATE TABLE IF NOT EXISTS effect (
  installation BIGINT NOT NULL,
  id BINARY(16) NOT NULL,
  run BINARY(16) NULL,
  kind VARCHAR(16) NOT NULL,
  name VARCHAR(255) NOT NULL,
  due_at BIGINT NULL,
  owner BINARY(16) NULL,
  epoch BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  ended_at BIGINT NULL,
  outcome VARCHAR(500) NULL,
  body LONGBLOB NOT NULL,
  PRIMARY KEY (installation, id),
  UNIQUE (installation, kind, name)
)
