CREATE INDEX gate_ticket_old ON gate_ticket (scope, granted_at)
