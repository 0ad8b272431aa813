-- What a run keeps beside its state: summaries, logs, patches, by keyed hash.
CREATE TABLE IF NOT EXISTS run_blob (
  installation BIGINT NOT NULL,
  run BINARY(16) NOT NULL,
  mac BINARY(16) NOT NULL,
  body LONGBLOB NOT NULL,
  PRIMARY KEY (installation, run, mac)
)
