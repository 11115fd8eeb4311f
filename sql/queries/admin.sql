-- name: find_staff
-- A moderator or admin by phone number.
SELECT id, role FROM users
WHERE phone_number = %(phone_number)s AND role IN ('moderator', 'admin') AND status = 'active';

-- name: add_session
INSERT INTO admin_sessions (user_id, ip, expires_at)
VALUES (%(user_id)s, %(ip)s::inet, now() + make_interval(secs => %(seconds)s))
RETURNING id;

-- name: find_session
-- The role as it is now: a token of yesterday's admin opens nothing.
SELECT
    users.id AS user_id,
    users.role
FROM admin_sessions AS session
INNER JOIN users ON users.id = session.user_id
WHERE
    session.id = %(session_id)s
    AND session.revoked_at IS NULL
    AND session.expires_at > now()
    AND users.status = 'active'
    AND users.role IN ('moderator', 'admin');

-- name: revoke_session
UPDATE admin_sessions SET revoked_at = now() WHERE id = %(session_id)s AND revoked_at IS NULL;

-- name: set_role
UPDATE users SET role = %(role)s, updated_at = now()
WHERE id = %(user_id)s AND status = 'active'
RETURNING id, role;

-- name: find_role
-- Accounts of the probe test the service and are nobody's to promote.
SELECT id, role FROM users WHERE id = %(user_id)s AND status = 'active' AND role <> 'probe' FOR NO KEY UPDATE;

-- name: add_audit
INSERT INTO admin_audit (
    actor_id, operator, action, target_type, target_id, target_key, reason, before, after, request_id
) VALUES (
    %(actor_id)s, %(operator)s, %(action)s, %(target_type)s, %(target_id)s, %(target_key)s, %(reason)s,
    %(before)s::jsonb, %(after)s::jsonb, %(request_id)s
);

-- name: list_written
-- What this transaction has done by the command line, oldest first.
SELECT
    action,
    target_type,
    target_id,
    target_key,
    reason,
    before,
    after
FROM (
    SELECT
        id,
        action,
        target_type,
        target_id,
        target_key,
        reason,
        before,
        after,
        created_at
    FROM admin_audit
    WHERE actor_id IS NULL
    ORDER BY id DESC
    LIMIT 100
) AS newest
WHERE created_at = now()
ORDER BY id;

-- name: list_audit
SELECT
    audit.id,
    audit.actor_id,
    actor.full_name AS actor_name,
    audit.operator,
    audit.action,
    audit.target_type,
    audit.target_id,
    audit.target_key,
    audit.reason,
    audit.before,
    audit.after,
    audit.request_id,
    audit.created_at
FROM admin_audit AS audit
LEFT JOIN users AS actor ON actor.id = audit.actor_id
WHERE
    (%(target_id)s::uuid IS NULL OR audit.target_id = %(target_id)s)
    AND (%(actor_id)s::uuid IS NULL OR audit.actor_id = %(actor_id)s)
ORDER BY audit.id DESC
LIMIT %(page_size)s OFFSET %(page_offset)s;

-- name: count_audit
SELECT count(*) FROM admin_audit
WHERE
    (%(target_id)s::uuid IS NULL OR target_id = %(target_id)s)
    AND (%(actor_id)s::uuid IS NULL OR actor_id = %(actor_id)s);

-- name: list_reports
-- The oldest first: who reported first is read first. The words of the two are read on their own, with a trail.
SELECT
    reports.id,
    reports.reporter_id,
    reporter.full_name AS reporter_name,
    reports.reported_user_id,
    reported.full_name AS reported_name,
    reports.reason,
    reports.description,
    reports.status,
    reports.admin_notes,
    reports.action,
    reports.decided_by,
    reports.version,
    reports.snapshot - 'messages' AS snapshot,
    COALESCE(jsonb_array_length(reports.snapshot -> 'messages'), 0) AS message_count,
    reports.created_at,
    reports.updated_at
FROM reports
INNER JOIN users AS reporter ON reporter.id = reports.reporter_id
INNER JOIN users AS reported ON reported.id = reports.reported_user_id
WHERE
    (%(status)s::text IS NULL OR reports.status = %(status)s)
    AND (%(report_id)s::uuid IS NULL OR reports.id = %(report_id)s)
    AND (%(reported_user_id)s::uuid IS NULL OR reports.reported_user_id = %(reported_user_id)s)
ORDER BY reports.created_at, reports.id
LIMIT %(page_size)s OFFSET %(page_offset)s;

-- name: find_report_messages
SELECT
    reporter_id,
    reported_user_id,
    COALESCE(snapshot -> 'messages', '[]') AS messages
FROM reports
WHERE id = %(report_id)s;

-- name: find_person
-- Somebody as staff need them: of the phone number only its end, and what was reported and decided before.
SELECT
    id,
    full_name,
    age,
    gender,
    bio,
    location,
    profile_image_url,
    right(phone_number, 2) AS phone_ends,
    role,
    status,
    suspended_until,
    is_verified,
    is_super_lover,
    super_lover_rating,
    coins_balance,
    coin_debt,
    coins_earned,
    coins_spent,
    is_online,
    seen_at(is_online, last_seen) AS last_seen,
    created_at,
    (SELECT count(*) FROM reports WHERE reported_user_id = users.id) AS reports_about,
    (
        SELECT count(*) FROM reports WHERE reported_user_id = users.id AND status IN ('pending', 'investigating')
    ) AS reports_open,
    (SELECT count(*) FROM reports WHERE reported_user_id = users.id AND action = 'warn') AS warnings,
    (
        SELECT count(*) FROM admin_audit
        WHERE target_id = users.id AND action IN ('user.suspended', 'user.banned')
    ) AS exclusions,
    (SELECT count(*) FROM reports WHERE reporter_id = users.id) AS reports_made,
    (
        SELECT count(*) FROM reports WHERE reporter_id = users.id AND status = 'dismissed'
    ) AS reports_made_in_vain,
    (
        SELECT count(*) FROM user_sessions
        WHERE user_id = users.id AND revoked_at IS NULL AND expires_at > now()
    ) AS sessions
FROM users
WHERE id = %(user_id)s;

-- name: count_reports
SELECT count(*) FROM reports WHERE %(status)s::text IS NULL OR status = %(status)s;

-- name: lock_report
SELECT id, reported_user_id, status, admin_notes, action, version
FROM reports
WHERE id = %(report_id)s
FOR UPDATE;

-- name: set_report
UPDATE reports SET
    status = %(status)s,
    admin_notes = COALESCE(%(admin_notes)s, admin_notes),
    action = COALESCE(%(action)s, action),
    decided_by = %(actor_id)s,
    version = version + 1,
    updated_at = now()
WHERE id = %(report_id)s
RETURNING id, status, admin_notes, action, version;

-- name: lock_user
SELECT id, role, status, is_verified, profile_image_url, suspended_until
FROM users
WHERE id = %(user_id)s AND status <> 'deleted'
FOR NO KEY UPDATE;

-- name: set_status
UPDATE users SET
    status = %(status)s,
    suspended_until = now() + make_interval(days => %(days)s),
    is_online = is_online AND %(status)s = 'active',
    updated_at = now()
WHERE id = %(user_id)s
RETURNING id, status, suspended_until;

-- name: set_verified
UPDATE users SET is_verified = TRUE, updated_at = now()
WHERE id = %(user_id)s
RETURNING id, is_verified;

-- name: remove_photo
UPDATE users SET profile_image_url = NULL, updated_at = now()
WHERE id = %(user_id)s
RETURNING id, profile_image_url;

-- name: lift_suspensions
UPDATE users SET status = 'active', suspended_until = NULL, updated_at = now()
WHERE status = 'suspended' AND suspended_until <= now();

-- name: list_users
SELECT
    id,
    full_name,
    right(phone_number, 2) AS phone_ends,
    age,
    gender,
    role,
    status,
    suspended_until,
    is_verified,
    is_super_lover,
    coins_balance,
    seen_at(is_online, last_seen) AS last_seen,
    created_at
FROM users
WHERE
    (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(phone_number)s::text IS NULL OR phone_number = %(phone_number)s)
    AND (%(name_like)s::text IS NULL OR lower(full_name) LIKE %(name_like)s)
    AND (%(user_id)s::uuid IS NULL OR id = %(user_id)s)
ORDER BY created_at DESC, id
LIMIT %(page_size)s OFFSET %(page_offset)s;

-- name: count_users
SELECT count(*) FROM users
WHERE
    (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(phone_number)s::text IS NULL OR phone_number = %(phone_number)s)
    AND (%(name_like)s::text IS NULL OR lower(full_name) LIKE %(name_like)s)
    AND (%(user_id)s::uuid IS NULL OR id = %(user_id)s);

-- name: list_live_calls
-- With what the last samples of both sides scored: the worse one is what the call is like.
SELECT
    calls.id,
    calls.caller_id,
    caller.full_name AS caller_name,
    calls.receiver_id,
    receiver.full_name AS receiver_name,
    calls.call_type,
    calls.status,
    calls.billing,
    calls.coins_charged,
    calls.evidence_level,
    calls.gaps,
    quality.mos,
    calls.answered_at,
    calls.started_at,
    calls.created_at
FROM calls
INNER JOIN users AS caller ON caller.id = calls.caller_id
INNER JOIN users AS receiver ON receiver.id = calls.receiver_id
LEFT JOIN LATERAL (
    SELECT min(newest.mos) AS mos
    FROM (
        SELECT samples.mos
        FROM call_quality_samples AS samples
        WHERE samples.call_id = calls.id
        ORDER BY samples.id DESC
        LIMIT 4
    ) AS newest
) AS quality ON TRUE
WHERE calls.ended_at IS NULL
ORDER BY calls.created_at, calls.id
LIMIT 100;

-- name: list_recent_calls
-- The newest of a month first.
SELECT
    id,
    caller_id,
    receiver_id,
    call_type,
    status,
    end_reason,
    duration_seconds,
    coins_spent,
    coins_earned,
    quality_score,
    created_at
FROM calls
WHERE
    created_at > now() - interval '30 days'
    AND (%(end_reason)s::text IS NULL OR end_reason = %(end_reason)s)
ORDER BY created_at DESC
LIMIT %(page_size)s;

-- name: count_by_day
-- One row a day, today last; days without anything are there too. Probes count nowhere.
SELECT
    days.day::date AS day,
    (
        SELECT count(*) FROM users
        WHERE created_at >= days.day AND created_at < days.day + interval '1 day' AND role <> 'probe'
    ) AS new_users,
    calls.answered,
    calls.unanswered,
    calls.failed,
    calls.coins_spent,
    calls.mos,
    (
        SELECT count(*) FROM reports
        WHERE created_at >= days.day AND created_at < days.day + interval '1 day'
    ) AS reports
FROM generate_series(
    date_trunc('day', now()) - make_interval(days => %(days)s - 1), date_trunc('day', now()), interval '1 day'
) AS days (day)
LEFT JOIN LATERAL (
    SELECT
        count(*) FILTER (
            WHERE status = 'ended' AND end_reason NOT IN ('not_connected', 'ice_failed')
        ) AS answered,
        count(*) FILTER (WHERE status IN ('missed', 'rejected')) AS unanswered,
        count(*) FILTER (WHERE end_reason IN ('not_connected', 'ice_failed')) AS failed,
        COALESCE(sum(coins_spent), 0) AS coins_spent,
        avg(quality_score)::float AS mos
    FROM calls
    WHERE created_at >= days.day AND created_at < days.day + interval '1 day'
) AS calls ON TRUE
ORDER BY days.day;

-- name: get_statistics
-- Revenue in major units of currency, without what was refunded; people of the probes count nowhere.
SELECT
    (SELECT count(*) FROM users WHERE status <> 'deleted' AND role <> 'probe') AS total_users,
    (
        SELECT count(*) FROM users WHERE is_super_lover AND status <> 'deleted' AND role <> 'probe'
    ) AS total_super_lovers,
    (
        SELECT count(*) FROM calls WHERE caller_id NOT IN (SELECT id FROM users WHERE role = 'probe')
    ) AS total_calls,
    (
        SELECT count(*) FROM messages WHERE sender_id NOT IN (SELECT id FROM users WHERE role = 'probe')
    ) AS total_messages,
    (
        SELECT COALESCE(sum(round(price * (coins - coins_taken_back) / coins, 2)), 0) FROM coin_purchases
        WHERE paid_at IS NOT NULL AND user_id NOT IN (SELECT id FROM users WHERE role = 'probe')
    ) AS total_revenue,
    (
        SELECT count(*) FROM users
        WHERE (is_online OR last_seen > now() - interval '24 hours') AND status = 'active' AND role <> 'probe'
    ) AS active_users,
    (SELECT count(*) FROM reports WHERE status = 'pending') AS pending_reports;
