CREATE INDEX gate_wait_queue ON gate_wait (scope, gate, installation, asked_at)
