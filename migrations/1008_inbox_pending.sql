CREATE INDEX inbox_pending ON inbox (pending, received_at)
