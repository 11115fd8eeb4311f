-- name: add_session
INSERT INTO ad_sessions (nonce, user_id) VALUES (%(nonce)s, %(user_id)s)
RETURNING created_at + interval '1 hour' AS expires_at;

-- name: find_session
-- One of the user's own; without a nonce the newest. They last an hour.
SELECT
    nonce,
    rewarded_at,
    coins_earned
FROM ad_sessions
WHERE
    user_id = %(user_id)s
    AND (%(nonce)s::text IS NULL OR nonce = %(nonce)s)
    AND created_at > now() - interval '1 hour'
ORDER BY created_at DESC
LIMIT 1;

-- name: find_owner
SELECT user_id FROM ad_sessions WHERE nonce = %(nonce)s;

-- name: lock_viewer
-- Rewards of one person are counted one after another.
SELECT id FROM users WHERE id = %(user_id)s AND status = 'active' FOR NO KEY UPDATE;

-- name: claim_session
-- A nonce pays once, a transaction of the provider pays once.
UPDATE ad_sessions SET transaction_id = %(transaction_id)s, rewarded_at = now()
WHERE
    nonce = %(nonce)s
    AND transaction_id IS NULL
    AND created_at > now() - interval '1 hour'
    AND NOT EXISTS (SELECT FROM ad_sessions WHERE transaction_id = %(transaction_id)s)
RETURNING TRUE;

-- name: set_session_coins
UPDATE ad_sessions SET coins_earned = %(coins)s WHERE nonce = %(nonce)s;

-- name: find_wait
-- Seconds until the next ad may pay, by the gap and by the cap of a day; none or less than none if now.
-- By the clock: a transaction that waited for the lock began before the view it waited for.
SELECT greatest(
    (
        SELECT extract(EPOCH FROM max(created_at) - clock_timestamp()) + %(gap)s FROM ad_views
        WHERE user_id = %(user_id)s AND coins_earned > 0
    ),
    (
        SELECT extract(EPOCH FROM created_at - clock_timestamp()) + 86400 FROM ad_views
        WHERE user_id = %(user_id)s AND coins_earned > 0
        ORDER BY created_at DESC
        OFFSET greatest(%(cap)s - 1, 0)
        LIMIT 1
    )
)::float AS seconds;

-- name: add_view
INSERT INTO ad_views (user_id, ad_type, coins_earned, ad_provider, created_at)
VALUES (%(user_id)s, %(ad_type)s, %(coins)s, %(ad_provider)s, clock_timestamp())
RETURNING id;

-- name: delete_old_sessions
-- A nonce that paid stays: its transaction must never pay again.
DELETE FROM ad_sessions WHERE transaction_id IS NULL AND created_at < now() - interval '1 day';
