CREATE INDEX plan_created ON plan (created_at)
