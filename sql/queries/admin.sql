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
WHERE phone_number = %(phone_number)s AND status = 'active'
RETURNING id, role;

-- name: find_role
SELECT id, role FROM users WHERE phone_number = %(phone_number)s AND status = 'active';

-- name: add_audit
INSERT INTO admin_audit (actor_id, action, target_type, target_id, reason, before, after, request_id)
VALUES (
    %(actor_id)s, %(action)s, %(target_type)s, %(target_id)s, %(reason)s, %(before)s::jsonb, %(after)s::jsonb,
    %(request_id)s
);

-- name: list_audit
SELECT
    id,
    actor_id,
    action,
    target_type,
    target_id,
    reason,
    before,
    after,
    request_id,
    created_at
FROM admin_audit
WHERE
    (%(target_id)s::uuid IS NULL OR target_id = %(target_id)s)
    AND (%(actor_id)s::uuid IS NULL OR actor_id = %(actor_id)s)
ORDER BY id DESC
LIMIT %(page_size)s OFFSET %(page_offset)s;

-- name: count_audit
SELECT count(*) FROM admin_audit
WHERE
    (%(target_id)s::uuid IS NULL OR target_id = %(target_id)s)
    AND (%(actor_id)s::uuid IS NULL OR actor_id = %(actor_id)s);

-- name: list_reports
-- The oldest first: who reported first is read first.
SELECT
    id,
    reporter_id,
    reported_user_id,
    reason,
    description,
    status,
    admin_notes,
    action,
    decided_by,
    version,
    snapshot,
    created_at,
    updated_at
FROM reports
WHERE %(status)s::text IS NULL OR status = %(status)s
ORDER BY created_at, id
LIMIT %(page_size)s OFFSET %(page_offset)s;

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
    AND (%(user_id)s::uuid IS NULL OR id = %(user_id)s)
ORDER BY created_at DESC, id
LIMIT %(page_size)s OFFSET %(page_offset)s;

-- name: count_users
SELECT count(*) FROM users
WHERE
    (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(phone_number)s::text IS NULL OR phone_number = %(phone_number)s)
    AND (%(user_id)s::uuid IS NULL OR id = %(user_id)s);

-- name: list_live_calls
SELECT
    id,
    caller_id,
    receiver_id,
    call_type,
    status,
    billing,
    coins_charged,
    evidence_level,
    gaps,
    answered_at,
    started_at,
    created_at
FROM calls
WHERE ended_at IS NULL
ORDER BY created_at, id
LIMIT 100;

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
