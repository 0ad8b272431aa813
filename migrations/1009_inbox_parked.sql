CREATE INDEX inbox_parked ON inbox (parked_at)
