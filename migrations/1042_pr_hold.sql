-- A pause that outlives pushes. workflow is empty for all of them.
CREATE TABLE IF NOT EXISTS pr_hold (
  installation BIGINT NOT NULL,
  repo BIGINT NOT NULL,
  number BIGINT NOT NULL,
  workflow VARCHAR(100) NOT NULL,
  version BIGINT NOT NULL,
  held BIGINT NOT NULL,
  actor VARCHAR(120) NOT NULL,
  why VARCHAR(500) NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (installation, repo, number, workflow)
)
