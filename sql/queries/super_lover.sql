-- name: become_super_lover
-- Holds the person until the fee is paid: of many tries at once one gets a row.
UPDATE users SET
    is_super_lover = TRUE,
    super_lover_bio = %(bio)s,
    updated_at = now()
WHERE
    id = %(user_id)s
    AND status = 'active'
    AND is_verified
    AND age >= %(minimum_age)s
    AND NOT is_super_lover
RETURNING id, is_super_lover, super_lover_status, super_lover_bio, coins_balance;

-- name: get_standing
SELECT
    is_super_lover,
    is_verified,
    age,
    coins_balance
FROM users
WHERE id = %(user_id)s;

-- name: set_status
-- Saying so is a sign of life, also without a socket.
UPDATE users SET
    super_lover_status = %(status)s,
    last_seen = now(),
    updated_at = now()
WHERE id = %(user_id)s AND is_super_lover
RETURNING super_lover_status;

-- name: set_bio
UPDATE users SET
    super_lover_bio = %(bio)s,
    updated_at = now()
WHERE id = %(user_id)s AND is_super_lover
RETURNING super_lover_bio;

-- name: get_stats
-- Calls that came about, and what the ledger paid for them; months are those of UTC.
SELECT
    person.super_lover_rating AS rating,
    talk.calls,
    talk.seconds,
    COALESCE(round(talk.seconds::numeric / NULLIF(talk.calls, 0)), 0)::integer AS average_seconds,
    round(talk.seconds / 60.0)::integer AS minutes,
    COALESCE(round(talk.seconds / 60.0 / NULLIF(talk.calls, 0)), 0)::integer AS average_minutes,
    income.earned,
    income.earned_this_month
FROM users AS person
CROSS JOIN LATERAL (
    SELECT
        count(*) AS calls,
        COALESCE(sum(duration_seconds), 0) AS seconds
    FROM calls
    WHERE receiver_id = person.id AND status = 'ended' AND share > 0 AND started_at IS NOT NULL
) AS talk
CROSS JOIN LATERAL (
    SELECT
        COALESCE(sum(amount), 0) AS earned,
        COALESCE(sum(amount) FILTER (WHERE created_at >= date_trunc('month', now(), 'UTC')), 0) AS earned_this_month
    FROM coin_transactions
    WHERE user_id = person.id AND transaction_type = 'earn' AND reference_type = 'call'
) AS income
WHERE person.id = %(user_id)s AND person.is_super_lover;

-- name: list_available
-- The best rated first; one row more than a page tells whether there is another.
SELECT
    person.id,
    person.full_name,
    person.age,
    person.gender,
    person.super_lover_bio,
    person.super_lover_rating,
    person.super_lover_call_count,
    effective_status(
        person.super_lover_status, person.is_online, person.last_seen, person.is_pushable
    ) AS super_lover_status,
    person.profile_image_url,
    person.is_verified,
    EXISTS (SELECT FROM live_calls WHERE live_calls.user_id = person.id) AS is_busy
FROM available_super_lovers(%(user_id)s, %(status)s) AS person
ORDER BY person.super_lover_rating DESC, person.super_lover_call_count DESC, person.id
LIMIT %(page_size)s + 1 OFFSET %(page_offset)s;

-- name: count_available
-- How many there are, exact up to the cap.
SELECT count(*) FROM (
    SELECT FROM available_super_lovers(%(user_id)s, %(status)s)
    LIMIT %(cap)s
) AS available;

-- name: rate_super_lover
SELECT rate_super_lover(%(user_id)s, %(super_lover_id)s, %(call_id)s, %(rating)s, %(comment)s);
