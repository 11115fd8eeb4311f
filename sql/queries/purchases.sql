-- name: list_packages
SELECT
    id,
    name,
    coins,
    price,
    currency,
    is_active
FROM coin_packages
WHERE is_active
ORDER BY coins
LIMIT 100;

-- name: add_purchase
-- The package as it is offered now; at most five purchases of a person stay open within an hour.
INSERT INTO coin_purchases (user_id, package_id, coins, price, currency, provider)
SELECT
    %(user_id)s,
    package.id,
    package.coins,
    package.price,
    package.currency,
    'stripe'
FROM coin_packages AS package
WHERE
    package.id = %(package_id)s
    AND package.is_active
    AND 5 > (
        SELECT count(*) FROM coin_purchases
        WHERE user_id = %(user_id)s AND status = 'pending' AND created_at > now() - interval '1 hour'
    )
RETURNING id, coins, price, currency;

-- name: find_package
SELECT id FROM coin_packages WHERE id = %(package_id)s AND is_active;

-- name: set_provider_id
UPDATE coin_purchases SET provider_id = %(provider_id)s, updated_at = now()
WHERE id = %(purchase_id)s AND (provider_id IS NULL OR provider_id = %(provider_id)s);

-- name: get_purchase
SELECT
    id,
    user_id,
    package_id,
    coins,
    price,
    currency,
    provider,
    provider_id,
    status,
    coins_taken_back,
    paid_at,
    created_at
FROM coin_purchases
WHERE id = %(purchase_id)s;

-- name: lock_purchase
-- By our id, or by the provider's where ours is not told.
SELECT
    id,
    user_id,
    coins,
    price,
    currency,
    provider_id,
    status,
    coins_taken_back,
    paid_at
FROM coin_purchases
WHERE id = %(purchase_id)s OR provider_id = %(provider_id)s
FOR UPDATE;

-- name: add_event
-- False for an event that came before.
INSERT INTO webhook_events (provider, event_id, event_type, outcome, payload)
VALUES (%(provider)s, %(event_id)s, %(event_type)s, 'received', %(payload)s::jsonb)
ON CONFLICT DO NOTHING
RETURNING TRUE;

-- name: set_outcome
UPDATE webhook_events SET outcome = %(outcome)s WHERE provider = %(provider)s AND event_id = %(event_id)s;

-- name: set_paid
UPDATE coin_purchases SET status = 'paid', paid_at = now(), provider_id = %(provider_id)s, updated_at = now()
WHERE id = %(purchase_id)s AND paid_at IS NULL;

-- name: set_status
UPDATE coin_purchases SET status = %(status)s, updated_at = now()
WHERE id = %(purchase_id)s;

-- name: add_reversal
INSERT INTO purchase_reversals (reversal_id, purchase_id, kind, coins)
VALUES (%(reversal_id)s, %(purchase_id)s, %(kind)s, %(coins)s)
ON CONFLICT DO NOTHING;

-- name: take_back
SELECT take_back(%(reversal_id)s);

-- name: list_reversals
SELECT reversal_id FROM purchase_reversals
WHERE purchase_id = %(purchase_id)s AND NOT is_applied
ORDER BY created_at;

-- name: return_reversal
-- A dispute that was won gives back what it took; once.
UPDATE purchase_reversals SET is_returned = TRUE
WHERE reversal_id = %(reversal_id)s AND is_applied AND NOT is_returned AND taken > 0
RETURNING purchase_id, taken;

-- name: reopen_purchase
UPDATE coin_purchases SET
    status = 'paid',
    coins_taken_back = coins_taken_back - %(coins)s,
    updated_at = now()
WHERE id = %(purchase_id)s
RETURNING user_id;

-- name: list_stale
-- Purchases that nobody has told us about for too long.
SELECT id, provider_id FROM coin_purchases
WHERE
    status = 'pending'
    AND provider_id IS NOT NULL
    AND created_at BETWEEN now() - interval '7 days' AND now() - make_interval(secs => %(seconds)s)
ORDER BY created_at
LIMIT 50;

-- name: list_purchases
SELECT
    id,
    user_id,
    coins,
    price,
    currency,
    provider,
    provider_id,
    status,
    coins_taken_back,
    paid_at,
    created_at
FROM coin_purchases
WHERE (%(status)s::text IS NULL OR status = %(status)s) AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s)
ORDER BY created_at DESC, id
LIMIT %(page_size)s OFFSET %(page_offset)s;

-- name: count_purchases
SELECT count(*) FROM coin_purchases
WHERE (%(status)s::text IS NULL OR status = %(status)s) AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s);

-- name: get_balance
SELECT coins_balance, coin_debt FROM users WHERE id = %(user_id)s;
