-- name: add_job
-- Nothing while an unfinished job of the kind has the same key, or there are as many of the kind as there may be.
INSERT INTO jobs (kind, key, payload, run_at, expires_at)
SELECT
    %(kind)s,
    %(key)s,
    %(payload)s::jsonb,
    now() + make_interval(secs => %(delay)s::float),
    now() + make_interval(secs => %(expires_in)s::float)
WHERE
    %(most)s::integer IS NULL
    OR NOT EXISTS (
        SELECT FROM jobs AS other
        WHERE other.kind = %(kind)s AND other.status IN ('waiting', 'running')
        LIMIT 1 OFFSET %(most)s::integer - 1
    )
ON CONFLICT (kind, key) WHERE status IN ('waiting', 'running') DO NOTHING;

-- name: claim_jobs
-- The longest due, each for one worker only; the lease of a running job that is over makes it due again.
WITH known AS (
    SELECT
        kind,
        lease
    FROM unnest(%(kinds)s::text[], %(leases)s::float[]) AS known (kind, lease)
),

due AS (
    SELECT
        jobs.id,
        known.lease
    FROM jobs
    INNER JOIN known ON known.kind = jobs.kind
    WHERE jobs.status IN ('waiting', 'running') AND jobs.run_at <= now()
    ORDER BY jobs.run_at
    LIMIT %(free)s
    FOR UPDATE OF jobs SKIP LOCKED
)

UPDATE jobs SET
    status = 'running',
    attempts = jobs.attempts + 1,
    run_at = now() + make_interval(secs => due.lease)
FROM due
WHERE jobs.id = due.id
RETURNING
    jobs.id,
    jobs.kind,
    jobs.key,
    jobs.payload,
    jobs.attempts,
    jobs.created_at,
    COALESCE(jobs.expires_at <= now(), FALSE) AS is_late,
    extract(EPOCH FROM now() - jobs.created_at)::float AS age;

-- name: seconds_until_due
SELECT extract(EPOCH FROM run_at - now())::float AS seconds
FROM jobs
WHERE status IN ('waiting', 'running') AND kind = ANY(%(kinds)s::text[])
ORDER BY run_at
LIMIT 1;

-- name: is_unfinished
SELECT EXISTS (
    SELECT FROM jobs WHERE kind = %(kind)s AND key = %(key)s AND status IN ('waiting', 'running')
);

-- name: finish_job
-- Only by the attempt that holds it. What it was about is kept of dead jobs, which can be tried again.
UPDATE jobs SET
    status = %(status)s,
    reason = %(reason)s,
    payload = CASE %(status)s WHEN 'dead' THEN payload ELSE '{}' END,
    finished_at = now()
WHERE id = %(job_id)s AND attempts = %(attempt)s AND status = 'running';

-- name: postpone_job
-- Only by the attempt that holds it.
UPDATE jobs SET
    status = 'waiting',
    reason = %(reason)s,
    run_at = now() + make_interval(secs => %(seconds)s::float)
WHERE id = %(job_id)s AND attempts = %(attempt)s AND status = 'running';

-- name: release_job
-- Given back unharmed: the attempt does not count.
UPDATE jobs SET
    status = 'waiting',
    attempts = attempts - 1,
    run_at = now()
WHERE id = %(job_id)s AND attempts = %(attempt)s AND status = 'running';

-- name: list_jobs
SELECT
    id,
    kind,
    status,
    attempts,
    reason,
    created_at,
    run_at,
    expires_at,
    finished_at
FROM jobs
WHERE
    (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(kind)s::text IS NULL OR kind = %(kind)s)
ORDER BY id DESC
LIMIT %(page_size)s;

-- name: retry_jobs
-- Dead jobs only, and of those that share a key with an unfinished one none; a deadline that passed is gone.
UPDATE jobs SET
    status = 'waiting',
    attempts = 0,
    run_at = now(),
    finished_at = NULL
WHERE
    id = ANY(%(job_ids)s::bigint[])
    AND status = 'dead'
    AND (expires_at IS NULL OR expires_at > now())
    AND NOT EXISTS (
        SELECT FROM jobs AS twin
        WHERE twin.kind = jobs.kind AND twin.key = jobs.key AND twin.status IN ('waiting', 'running')
    )
RETURNING id;

-- name: drop_jobs
-- Whatever does not run at this moment.
DELETE FROM jobs WHERE id = ANY(%(job_ids)s::bigint[]) AND status <> 'running'
RETURNING id;

-- name: delete_old_jobs
-- What is finished is looked at for a day; what is dead waits a fortnight for somebody to look.
DELETE FROM jobs
WHERE
    finished_at < now() - interval '1 day'
    AND (status <> 'dead' OR finished_at < now() - interval '14 days' OR expires_at < now());
