CREATE INDEX gate_wait_run ON gate_wait (installation, run)
