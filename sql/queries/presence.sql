-- name: beat
-- The node lives for so many seconds more; whether it was given up meanwhile, and its people with it.
WITH before AS (
    SELECT dies_at FROM presence_nodes WHERE node = %(node)s
),

beaten AS (
    INSERT INTO presence_nodes (node, dies_at) VALUES (%(node)s, now() + make_interval(secs => %(seconds)s))
    ON CONFLICT (node) DO UPDATE SET dies_at = excluded.dies_at
)

SELECT COALESCE((SELECT dies_at < now() FROM before), TRUE) AS was_dead;

-- name: give_notice
-- These nodes are gone for good: whoever does not come back elsewhere within so many seconds is offline.
UPDATE presence_nodes SET dies_at = least(dies_at, now() + make_interval(secs => %(seconds)s))
WHERE node = ANY(%(nodes)s);

-- name: list_nodes
SELECT node FROM presence_nodes WHERE starts_with(node, %(host)s) LIMIT 1000;

-- name: delete_dead_nodes
DELETE FROM presence_nodes
WHERE
    dies_at < now()
    AND NOT EXISTS (SELECT FROM presences WHERE presences.node = presence_nodes.node);

-- name: arrive
SELECT user_id, has_changed FROM arrive(%(user_ids)s::uuid[], %(node)s);

-- name: depart
SELECT user_id, has_changed FROM depart(%(user_ids)s::uuid[], %(seconds_ago)s::double precision[], %(node)s);

-- name: expire_presences
SELECT user_id, has_changed FROM expire_presences(%(most)s);

-- name: list_gone_quiet
-- Super lovers no push reaches whose fifteen minutes without a sign of life ended within the last so many seconds.
SELECT id FROM users
WHERE
    last_seen > now() - interval '15 minutes' - make_interval(secs => %(seconds)s)
    AND last_seen <= now() - interval '15 minutes'
    AND is_super_lover
    AND NOT is_online
    AND NOT is_pushable
    AND super_lover_status <> 'offline'
LIMIT 10000;

-- name: read_presences
-- What these people show of themselves; whoever hides being online shows nothing, and is not among the rows.
SELECT
    person.id,
    person.is_online,
    CASE WHEN prefs.privacy_show_last_seen THEN seen_at(person.is_online, person.last_seen) END AS last_seen_at,
    effective_status(
        person.super_lover_status, person.is_online, person.last_seen, person.is_pushable
    ) AS super_lover_status,
    EXISTS (SELECT FROM live_calls WHERE live_calls.user_id = person.id) AS is_busy
FROM users AS person
INNER JOIN user_preferences AS prefs ON prefs.user_id = person.id
WHERE person.id = ANY(%(user_ids)s::uuid[]) AND prefs.privacy_show_online_status;

-- name: list_sights
SELECT viewer, target FROM sights(%(viewers)s::uuid[], %(targets)s::uuid[]);
