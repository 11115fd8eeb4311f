-- name: lock_budgets
-- One code at a time is counted and written: the budgets are exact however many ask at once.
SELECT pg_advisory_xact_lock(hashtext('otp_codes'));

-- name: count_codes
-- What a number, an address, a country and everybody have used of their budgets. A code that no provider
-- took does not count against the number.
SELECT
    COALESCE((SELECT failures FROM otp_failures WHERE phone_number = %(phone_number)s), 0) AS failures,
    own.*,
    (
        SELECT count(*) FROM otp_codes
        WHERE ip = %(ip)s::inet AND created_at > now() - interval '1 hour' AND delivery_method <> 'test'
    ) AS of_ip,
    (
        SELECT count(*) FROM otp_codes
        WHERE
            country_prefix = %(country_prefix)s
            AND created_at > now() - interval '1 hour' AND delivery_method <> 'test'
    ) AS of_prefix,
    (
        SELECT count(*) FROM otp_codes
        WHERE created_at > now() - interval '1 hour' AND delivery_method <> 'test'
    ) AS in_all
FROM (
    SELECT
        extract(EPOCH FROM now() - max(created_at))::float AS seconds_since_last,
        count(*) AS in_a_day,
        count(*) FILTER (WHERE created_at > now() - interval '1 hour') AS in_an_hour,
        extract(EPOCH FROM min(created_at) + interval '1 day' - now())::float AS day_frees_in,
        extract(
            EPOCH FROM min(created_at) FILTER (WHERE created_at > now() - interval '1 hour')
            + interval '1 hour' - now()
        )::float AS hour_frees_in
    FROM otp_codes
    WHERE
        phone_number = %(phone_number)s
        AND created_at > now() - interval '1 day'
        AND delivery_status <> 'failed'
) AS own;

-- name: add_code
INSERT INTO otp_codes (
    id, phone_number, code_hash, country_prefix, ip, delivery_method, delivery_status, attempts_allowed, expires_at
) VALUES (
    %(code_id)s, %(phone_number)s, %(code_hash)s, %(country_prefix)s, %(ip)s::inet, %(delivery_method)s,
    %(delivery_status)s, %(attempts_allowed)s, now() + make_interval(secs => %(seconds)s)
)
RETURNING expires_at;

-- name: find_newest_code
SELECT
    code.id,
    code.delivery_method,
    code.whatsapp_message_id,
    code.attempts_count,
    code.attempts_allowed,
    greatest(extract(EPOCH FROM code.expires_at - now()), 1)::float AS seconds_left,
    COALESCE(failed.failures, 0) AS failures
FROM otp_codes AS code
LEFT JOIN otp_failures AS failed ON failed.phone_number = code.phone_number
WHERE code.phone_number = %(phone_number)s
ORDER BY code.created_at DESC
LIMIT 1;

-- name: use_code
-- One guess, counted and judged in one statement: however many arrive at once, one right guess gets in
-- and no more than the allowed number are judged.
UPDATE otp_codes SET
    attempts_count = attempts_count + 1,
    is_used = (code_hash = %(code_hash)s)
WHERE
    id = %(code_id)s
    AND NOT is_used
    AND attempts_count < attempts_allowed
    AND expires_at > now()
RETURNING is_used;

-- name: count_failure
INSERT INTO otp_failures (phone_number, failures) VALUES (%(phone_number)s, 1)
ON CONFLICT (phone_number) DO UPDATE SET failures = otp_failures.failures + 1, updated_at = now();

-- name: clear_failures
DELETE FROM otp_failures WHERE phone_number = %(phone_number)s;

-- name: list_codes
-- What became of the last codes of a number, without anything that tells a code.
SELECT
    created_at,
    delivery_method,
    delivery_status,
    attempts_count,
    attempts_allowed,
    is_used,
    fallback_at,
    read_at,
    expires_at
FROM otp_codes
WHERE phone_number = %(phone_number)s
ORDER BY created_at DESC
LIMIT 10;

-- name: delete_codes_of
DELETE FROM otp_codes WHERE phone_number = %(phone_number)s;

-- name: delete_old_codes
DELETE FROM otp_codes WHERE created_at < now() - interval '25 hours';

-- name: add_session
-- A new session of a proven number; the user's eleventh and older ones end.
WITH known AS (
    SELECT id, status FROM users WHERE phone_number = %(phone_number)s
),

surplus AS (
    UPDATE user_sessions SET revoked_at = now(), revoked_reason = 'too_many'
    WHERE id IN (
        SELECT old.id FROM user_sessions AS old
        INNER JOIN known ON known.id = old.user_id
        WHERE old.revoked_at IS NULL
        ORDER BY old.created_at DESC
        OFFSET 9
    )
    RETURNING id
)

INSERT INTO user_sessions (user_id, phone_number, user_agent, ip, device_id, expires_at, login_grant_until)
VALUES (
    (SELECT id FROM known), %(phone_number)s, %(user_agent)s, %(ip)s::inet, %(device_id)s,
    now() + make_interval(secs => %(seconds)s),
    CASE WHEN %(grant_seconds)s > 0 THEN now() + make_interval(secs => %(grant_seconds)s) END
)
RETURNING
    id,
    user_id,
    refresh_counter,
    extract(EPOCH FROM rotated_at)::float AS rotated_at,
    (SELECT status FROM known) AS status,
    ARRAY(SELECT id FROM surplus) AS ended;

-- name: use_login_grants
-- A try at every grant of the number; one from where its code was verified uses it up.
UPDATE user_sessions SET
    login_grant_tries = login_grant_tries + 1,
    login_grant_until = CASE
        WHEN ip = %(ip)s::inet AND user_agent IS NOT DISTINCT FROM %(user_agent)s THEN NULL
        ELSE login_grant_until
    END
WHERE
    phone_number = %(phone_number)s
    AND login_grant_until > now()
    AND login_grant_tries < 3
    AND revoked_at IS NULL
RETURNING id, login_grant_until IS NULL AS is_given;

-- name: find_live_session
-- A key is good for a robot only, whatever becomes of its account.
SELECT
    session.user_id,
    session.phone_number,
    session.key_hash,
    extract(EPOCH FROM session.expires_at)::float AS expires_at,
    COALESCE(users.role = 'probe', FALSE) AS is_robot
FROM user_sessions AS session
LEFT JOIN users ON users.id = session.user_id
WHERE
    session.id = %(session_id)s
    AND session.revoked_at IS NULL
    AND session.expires_at > now()
    AND (session.user_id IS NULL OR users.status = 'active')
    AND (session.key_hash IS NULL OR users.role = 'probe');

-- name: list_ended_sessions
-- Those of the sessions that are over, and why.
SELECT
    asked.id,
    session.revoked_reason
FROM unnest(%(session_ids)s::uuid []) AS asked (id)
LEFT JOIN user_sessions AS session ON session.id = asked.id
WHERE session.id IS NULL OR session.revoked_at IS NOT NULL;

-- name: find_session
SELECT
    id,
    user_id,
    refresh_counter,
    extract(EPOCH FROM rotated_at)::float AS rotated_at
FROM user_sessions
WHERE id = %(session_id)s AND revoked_at IS NULL AND expires_at > now();

-- name: rotate_session
-- The next refresh token, if this one is the newest; idle life starts again, ninety days in all.
UPDATE user_sessions SET
    refresh_counter = refresh_counter + 1,
    rotated_at = now(),
    last_used_at = now(),
    expires_at = least(now() + make_interval(secs => %(seconds)s), created_at + interval '90 days')
WHERE
    id = %(session_id)s AND refresh_counter = %(counter)s
    AND (%(phone_number)s::text IS NULL OR phone_number = %(phone_number)s)
    AND revoked_at IS NULL AND expires_at > now()
RETURNING id, user_id, phone_number, refresh_counter, extract(EPOCH FROM rotated_at)::float AS rotated_at;

-- name: find_rotated_session
-- The session behind a token that is no longer its newest.
SELECT
    id,
    user_id,
    phone_number,
    refresh_counter,
    extract(EPOCH FROM rotated_at)::float AS rotated_at,
    extract(EPOCH FROM now() - rotated_at)::float AS rotated_seconds_ago
FROM user_sessions
WHERE
    id = %(session_id)s
    AND (%(phone_number)s::text IS NULL OR phone_number = %(phone_number)s)
    AND revoked_at IS NULL AND expires_at > now();

-- name: give_session_its_user
UPDATE user_sessions SET user_id = %(user_id)s
WHERE id = %(session_id)s AND user_id IS NULL AND revoked_at IS NULL
RETURNING id, user_id, refresh_counter, extract(EPOCH FROM now())::float AS rotated_at;

-- name: revoke_session
UPDATE user_sessions SET revoked_at = now(), revoked_reason = %(reason)s
WHERE id = %(session_id)s AND revoked_at IS NULL
RETURNING id;

-- name: revoke_own_session
UPDATE user_sessions SET revoked_at = now(), revoked_reason = 'logout'
WHERE id = %(session_id)s AND user_id = %(user_id)s AND revoked_at IS NULL
RETURNING id;

-- name: revoke_sessions_of
UPDATE user_sessions SET revoked_at = now(), revoked_reason = %(reason)s
WHERE user_id = %(user_id)s AND revoked_at IS NULL
RETURNING id;

-- name: list_sessions
SELECT
    id,
    device_id,
    user_agent,
    created_at,
    last_used_at,
    expires_at
FROM user_sessions
WHERE user_id = %(user_id)s AND revoked_at IS NULL AND expires_at > now()
ORDER BY created_at DESC
LIMIT 20;
