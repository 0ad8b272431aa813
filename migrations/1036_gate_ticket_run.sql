CREATE INDEX gate_ticket_run ON gate_ticket (installation, run)
