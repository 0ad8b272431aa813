-- What the whole service keeps once: the instance secret, and the places where sweeps stopped.
CREATE TABLE IF NOT EXISTS app (
  name VARCHAR(64) NOT NULL,
  value LONGBLOB NOT NULL,
  PRIMARY KEY (name)
)
