-- name: add_robot
-- A robot has no phone: what stands in the column cannot be typed into any form, so no code is ever sent to it.
WITH robot AS (
    INSERT INTO users (
        phone_number, phone_hash, full_name, age, gender, role, is_verified, is_super_lover, super_lover_status
    )
    VALUES (
        'probe-' || left(%(robot_id)s::uuid::text, 13), sha256(%(robot_id)s::uuid::text::bytea), %(robot_name)s, 18,
        'other', 'probe', TRUE, TRUE, 'ready'
    )
    RETURNING id
),

preferences AS (
    INSERT INTO user_preferences (user_id, privacy_profile_visibility) SELECT id, 'hidden' FROM robot
)

SELECT id FROM robot;

-- name: find_robot
SELECT id FROM users WHERE full_name = %(robot_name)s AND role = 'probe' AND phone_number LIKE 'probe-%%';

-- name: add_key
INSERT INTO user_sessions (id, user_id, phone_number, user_agent, key_hash, expires_at)
SELECT
    %(key_id)s,
    id,
    phone_number,
    'API key',
    %(key_hash)s,
    now() + make_interval(days => %(days)s)
FROM users
WHERE id = %(user_id)s
RETURNING expires_at;

-- name: revoke_keys
UPDATE user_sessions SET revoked_at = now(), revoked_reason = 'key_revoked'
WHERE user_id = %(user_id)s AND key_hash IS NOT NULL AND revoked_at IS NULL
RETURNING id;

-- name: list_robots
-- Every robot with its live key, if it has one, and when it was last used in a call.
SELECT
    robot.id,
    robot.full_name AS robot_name,
    robot.status,
    robot.coins_balance,
    robot.created_at,
    key.created_at AS key_since,
    key.expires_at AS key_until,
    (SELECT max(created_at) FROM calls WHERE caller_id = robot.id) AS last_call_at
FROM users AS robot
LEFT JOIN LATERAL (
    SELECT created_at, expires_at FROM user_sessions
    WHERE user_id = robot.id AND key_hash IS NOT NULL AND revoked_at IS NULL AND expires_at > now()
    ORDER BY created_at DESC
    LIMIT 1
) AS key ON TRUE
WHERE robot.role = 'probe' AND robot.phone_number LIKE 'probe-%%'
ORDER BY robot.full_name
LIMIT 1000;
