-- name: lock_prober
-- One probe of a person at a time starts: what counts their last one must not race itself.
SELECT id FROM users WHERE id = %(user_id)s FOR NO KEY UPDATE;

-- name: seconds_to_wait
-- How long until this person may probe again; not above zero when they may now.
SELECT (%(gap_seconds)s - extract(EPOCH FROM clock_timestamp() - created_at))::float AS seconds
FROM probe_results
WHERE user_id = %(user_id)s
ORDER BY created_at DESC
LIMIT 1;

-- name: add_probe
INSERT INTO probe_results (id, user_id, network_id, network_kind)
VALUES (%(probe_id)s, %(user_id)s, %(network_id)s, %(network_kind)s);

-- name: drop_probe
-- It never got as far as an answer, and does not count.
DELETE FROM probe_results WHERE id = %(probe_id)s AND verdict IS NULL;

-- name: set_result
UPDATE probe_results SET
    verdict = %(verdict)s,
    nat_mapping = %(nat_mapping)s,
    result = %(result)s,
    finished_at = clock_timestamp()
WHERE id = %(probe_id)s AND verdict IS NULL
RETURNING id, network_id, verdict, nat_mapping, result, finished_at;

-- name: find_probe
SELECT
    id,
    network_id,
    verdict,
    nat_mapping,
    result,
    finished_at,
    extract(EPOCH FROM now() - created_at)::float AS age_seconds
FROM probe_results
WHERE id = %(probe_id)s AND user_id = %(user_id)s AND created_at > now() - interval '24 hours';

-- name: find_latest
-- The newest result of a person.
SELECT
    id,
    network_id,
    verdict,
    nat_mapping,
    result,
    finished_at
FROM probe_results
WHERE
    user_id = %(user_id)s
    AND verdict IS NOT NULL
    AND created_at > now() - interval '24 hours'
ORDER BY created_at DESC
LIMIT 1;

-- name: find_pair
-- The newest result that told something, for each of two people on the networks they are on now (null: on any).
-- People who may not meet learn nothing of each other.
SELECT
    person.side,
    latest.verdict,
    latest.nat_mapping
FROM (
    VALUES
    ('one', %(one_id)s::uuid, %(one_networks)s::text[]),
    ('other', %(other_id)s::uuid, %(other_networks)s::text[])
) AS person (side, user_id, networks)
CROSS JOIN LATERAL (
    SELECT
        verdict,
        nat_mapping
    FROM probe_results
    WHERE
        user_id = person.user_id
        AND (person.networks IS NULL OR network_id = ANY(person.networks))
        AND verdict <> 'inconclusive'
        AND created_at > now() - interval '24 hours'
    ORDER BY created_at DESC
    LIMIT 1
) AS latest
WHERE can_interact(%(one_id)s, %(other_id)s);

-- name: delete_old_probes
DELETE FROM probe_results WHERE created_at < now() - interval '24 hours';
