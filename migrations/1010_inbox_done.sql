CREATE INDEX inbox_done ON inbox (done_at)
