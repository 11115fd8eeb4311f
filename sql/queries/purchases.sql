-- name: list_packages
SELECT
    id,
    name,
    coins,
    price,
    COALESCE(currency, %(currency)s) AS currency,
    is_active
FROM coin_packages
WHERE is_active
ORDER BY coins, id
LIMIT 100;

-- name: lock_buyer
-- Purchases of one person are opened one after another: a double tap finds what the first tap opened.
SELECT id FROM users WHERE id = %(user_id)s FOR NO KEY UPDATE;

-- name: find_package
SELECT
    id,
    coins,
    price,
    COALESCE(currency, %(currency)s) AS currency
FROM coin_packages
WHERE id = %(package_id)s AND is_active;

-- name: find_reusable
-- What a retry meant: the purchase of its idempotency key, or one of the same offer that never reached the provider.
-- A provider forgets a key after a day.
SELECT
    id,
    coins,
    price,
    currency
FROM coin_purchases
WHERE
    user_id = %(user_id)s
    AND package_id = %(package_id)s
    AND status = 'pending'
    AND (
        (request_key = %(request_key)s AND created_at > now() - interval '20 hours')
        OR (
            provider_id IS NULL
            AND created_at > now() - interval '10 minutes'
            AND coins = %(coins)s
            AND price = %(price)s
            AND currency = %(currency)s
        )
    )
ORDER BY COALESCE(request_key = %(request_key)s, FALSE) DESC, created_at DESC
LIMIT 1;

-- name: count_open
SELECT count(*) FROM coin_purchases
WHERE user_id = %(user_id)s AND status = 'pending' AND created_at > now() - interval '1 hour';

-- name: add_purchase
INSERT INTO coin_purchases (user_id, package_id, coins, price, currency, provider, request_key)
VALUES (%(user_id)s, %(package_id)s, %(coins)s, %(price)s, %(currency)s, 'stripe', %(request_key)s)
RETURNING id, coins, price, currency;

-- name: set_provider_id
UPDATE coin_purchases SET provider_id = %(provider_id)s, updated_at = now()
WHERE id = %(purchase_id)s AND provider_id IS NULL;

-- name: find_purchase
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
WHERE
    id = %(purchase_id)s
    OR (%(purchase_id)s::uuid IS NULL AND provider_id = %(provider_id)s)
FOR UPDATE;

-- name: add_event
-- Nothing for an event that came before; a second one at the same moment waits for the first.
INSERT INTO webhook_events (provider, event_id, event_type, outcome, payload)
VALUES (%(provider)s, %(event_id)s, %(event_type)s, 'received', %(payload)s::jsonb)
ON CONFLICT DO NOTHING
RETURNING TRUE;

-- name: set_outcome
UPDATE webhook_events SET outcome = %(outcome)s WHERE provider = %(provider)s AND event_id = %(event_id)s;

-- name: delete_old_events
-- A provider repeats itself for days, never for months; the effects are once by themselves.
DELETE FROM webhook_events WHERE received_at < now() - interval '90 days';

-- name: set_paid
UPDATE coin_purchases SET status = 'paid', paid_at = now(), provider_id = %(provider_id)s, updated_at = now()
WHERE id = %(purchase_id)s AND paid_at IS NULL;

-- name: set_failed
-- Not the last word: a person may try another card on the same intent.
UPDATE coin_purchases SET status = 'failed', updated_at = now()
WHERE id = %(purchase_id)s AND paid_at IS NULL;

-- name: set_refund
-- A provider tells the sum refunded so far; an older, smaller sum changes nothing.
INSERT INTO purchase_reversals (reversal_id, purchase_id, kind, coins)
VALUES (%(reversal_id)s, %(purchase_id)s, 'refund', %(coins)s)
ON CONFLICT (reversal_id) DO UPDATE SET
    coins = greatest(purchase_reversals.coins, excluded.coins),
    updated_at = now();

-- name: set_dispute
-- Once returned it stays so: the news of its beginning may come after that of its end.
INSERT INTO purchase_reversals (reversal_id, purchase_id, kind, coins, is_returned)
VALUES (%(reversal_id)s, %(purchase_id)s, 'dispute', %(coins)s, %(is_returned)s)
ON CONFLICT (reversal_id) DO UPDATE SET
    is_returned = purchase_reversals.is_returned OR excluded.is_returned,
    updated_at = now();

-- name: settle_reversals
-- Takes coins back or gives them back, up to what the reversals of the purchase say.
SELECT settle_reversals(%(purchase_id)s, %(cause)s);

-- name: list_written
-- The entries this transaction has written for somebody, in their order; what they paid of a debt is their own.
SELECT
    id,
    user_id,
    transaction_type,
    signed_amount,
    balance_after,
    reference_type,
    reference_id,
    idempotency_key,
    TRUE AS is_new,
    debt_paid_by(id) AS debt_paid
FROM (
    SELECT
        id,
        seq,
        user_id,
        transaction_type,
        signed_amount,
        balance_after,
        reference_type,
        reference_id,
        idempotency_key,
        created_at
    FROM coin_transactions
    WHERE user_id = %(user_id)s
    ORDER BY seq DESC
    LIMIT 10
) AS newest
WHERE created_at = now() AND reference_type <> 'debt'
ORDER BY seq;

-- name: list_stale
-- Purchases nobody has told us about for too long, those first that were not asked about for the longest. A
-- payment that failed may have been tried again, as a rule soon.
SELECT id, provider_id FROM coin_purchases
WHERE
    paid_at IS NULL
    AND (status = 'pending' OR updated_at > now() - interval '1 day')
    AND provider_id IS NOT NULL
    AND created_at BETWEEN now() - interval '7 days' AND now() - make_interval(secs => %(seconds)s)
    AND (checked_at IS NULL OR checked_at < now() - make_interval(secs => %(seconds)s))
ORDER BY checked_at NULLS FIRST, created_at
LIMIT 50;

-- name: set_checked
UPDATE coin_purchases SET checked_at = now() WHERE id = %(purchase_id)s;

-- name: give_up_unsent
-- Nobody was ever given a way to pay these.
UPDATE coin_purchases SET status = 'failed', updated_at = now()
WHERE status = 'pending' AND provider_id IS NULL AND created_at < now() - interval '1 day';

-- name: list_purchases
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
WHERE (%(status)s::text IS NULL OR status = %(status)s) AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s)
ORDER BY created_at DESC, id
LIMIT %(page_size)s OFFSET %(page_offset)s;

-- name: count_purchases
SELECT count(*) FROM coin_purchases
WHERE (%(status)s::text IS NULL OR status = %(status)s) AND (%(user_id)s::uuid IS NULL OR user_id = %(user_id)s);
