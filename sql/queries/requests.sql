-- name: count_hit
-- One more hit of a subject in its current window; the count decides.
INSERT INTO rate_counters (subject, window_start, hits)
VALUES (
    %(subject)s,
    to_timestamp(floor(extract(EPOCH FROM now()) / %(window_seconds)s) * %(window_seconds)s),
    1
)
ON CONFLICT (subject, window_start) DO UPDATE SET hits = rate_counters.hits + 1
RETURNING hits;

-- name: claim_key
-- Takes an idempotency key that is new, or whose first request died without an answer.
INSERT INTO idempotency_keys (subject, route, key, fingerprint, locked_until)
VALUES (%(subject)s, %(route)s, %(key)s, %(fingerprint)s, %(locked_until)s)
ON CONFLICT (subject, route, key) DO UPDATE SET
    fingerprint = excluded.fingerprint,
    locked_until = excluded.locked_until,
    response_status = NULL,
    response_body = NULL,
    created_at = now()
WHERE
    (idempotency_keys.locked_until < now() AND idempotency_keys.fingerprint = excluded.fingerprint)
    OR idempotency_keys.created_at < now() - interval '24 hours'
RETURNING TRUE;

-- name: find_key
SELECT
    fingerprint,
    response_status,
    response_body
FROM idempotency_keys
WHERE subject = %(subject)s AND route = %(route)s AND key = %(key)s;

-- name: store_response
UPDATE idempotency_keys SET
    response_status = %(response_status)s,
    response_body = %(response_body)s,
    locked_until = NULL
WHERE subject = %(subject)s AND route = %(route)s AND key = %(key)s AND locked_until = %(locked_until)s;

-- name: release_key
DELETE FROM idempotency_keys
WHERE subject = %(subject)s AND route = %(route)s AND key = %(key)s AND locked_until = %(locked_until)s;

-- name: delete_old_keys
DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours';

-- name: delete_old_counters
DELETE FROM rate_counters WHERE window_start < now() - interval '1 day';

-- name: find_migration
SELECT name FROM schema_migrations ORDER BY name DESC LIMIT 1;
