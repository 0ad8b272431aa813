-- Who installed the App, with the budget of writes to GitHub that all replicas share.
CREATE TABLE IF NOT EXISTS installation (
  id BIGINT NOT NULL,
  account VARCHAR(100) NOT NULL,
  suspended_at BIGINT NULL,
  removed_at BIGINT NULL,
  budget LONGBLOB NULL,
  writer BINARY(16) NULL,
  writer_until BIGINT NOT NULL,
  PRIMARY KEY (id)
)
