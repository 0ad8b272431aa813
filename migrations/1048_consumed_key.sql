-- Keys of meaning that act once: a line of a comment, an API request.
CREATE TABLE IF NOT EXISTS consumed_key (
  installation BIGINT NOT NULL,
  name VARCHAR(255) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation, name)
)
