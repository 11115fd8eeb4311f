-- name: add_entry
-- Moves the balance and writes the entry that explains it, once per key.
SELECT
    id,
    user_id,
    transaction_type,
    amount,
    signed_amount,
    balance_after,
    reference_type,
    reference_id,
    idempotency_key,
    created_at = now() AS is_new,
    debt_paid_by(id) AS debt_paid
FROM add_entry(
    %(user_id)s, %(entry_type)s, %(amount)s, %(key)s, %(description)s,
    %(reference_type)s, %(reference_id)s, %(metadata)s::jsonb
);

-- name: add_bonus_grant
INSERT INTO bonus_grants (phone_hash, user_id) VALUES (%(phone_hash)s, %(user_id)s)
ON CONFLICT (phone_hash) DO NOTHING
RETURNING TRUE;

-- name: find_charge
-- What a call or message of the user's own cost when it began.
SELECT
    id,
    user_id,
    transaction_type,
    amount,
    signed_amount,
    balance_after,
    reference_type,
    reference_id,
    idempotency_key,
    FALSE AS is_new,
    0 AS debt_paid
FROM coin_transactions
WHERE
    reference_id = %(reference_id)s
    AND user_id = %(user_id)s
    AND reference_type = %(action)s
    AND transaction_type = 'spend'
ORDER BY seq
LIMIT 1;

-- name: get_balance
SELECT
    coins_balance,
    coins_earned,
    coins_spent
FROM users
WHERE id = %(user_id)s;

-- name: list_entries
-- Newest first; `total` repeats on every row so that a page costs one round trip.
SELECT
    id,
    seq,
    transaction_type,
    amount,
    description,
    balance_after,
    reference_type,
    reference_id,
    created_at,
    (
        SELECT count(*) FROM coin_transactions
        WHERE
            user_id = %(user_id)s
            AND (%(transaction_type)s::text IS NULL OR transaction_type = %(transaction_type)s)
    ) AS total
FROM coin_transactions
WHERE
    user_id = %(user_id)s
    AND (%(transaction_type)s::text IS NULL OR transaction_type = %(transaction_type)s)
    AND (%(before)s::bigint IS NULL OR seq < %(before)s)
ORDER BY seq DESC
LIMIT %(page_size)s OFFSET %(page_offset)s;

-- name: count_entries
SELECT count(*) FROM coin_transactions
WHERE
    user_id = %(user_id)s
    AND (%(transaction_type)s::text IS NULL OR transaction_type = %(transaction_type)s);

-- name: list_entries_of
SELECT
    id,
    user_id,
    transaction_type,
    amount,
    signed_amount,
    balance_after,
    description,
    reference_type,
    reference_id,
    idempotency_key,
    created_at,
    TRUE AS is_new,
    debt_paid_by(id) AS debt_paid,
    (SELECT role = 'probe' FROM users WHERE users.id = coin_transactions.user_id) AS is_test
FROM coin_transactions
WHERE reference_id = %(reference_id)s
ORDER BY seq;

-- name: count_ledger
SELECT
    count(*) AS entries,
    COALESCE(sum(signed_amount), 0)::bigint AS coins,
    (SELECT count(*) FROM users) AS users
FROM coin_transactions;

-- name: list_drifting_users
-- Balances that are not the sum of their entries, and chains of balance_after with a break.
WITH chain AS (
    SELECT
        user_id,
        signed_amount,
        balance_after <> signed_amount + lag(balance_after, 1, 0) OVER (
            PARTITION BY user_id ORDER BY seq
        ) AS is_break
    FROM coin_transactions
),

sums AS (
    SELECT
        user_id,
        sum(signed_amount) AS entries_sum,
        count(*) FILTER (WHERE is_break) AS breaks
    FROM chain
    GROUP BY user_id
)

SELECT
    users.id AS user_id,
    users.coins_balance AS balance,
    COALESCE(sums.entries_sum, 0)::bigint AS entries_sum,
    COALESCE(sums.breaks, 0) AS breaks
FROM users
LEFT JOIN sums ON sums.user_id = users.id
WHERE users.coins_balance <> COALESCE(sums.entries_sum, 0) OR sums.breaks > 0
ORDER BY users.id
LIMIT 1000;

-- name: audit_next_people
-- The next people of a walk by id, each with what their balance misses and the breaks of their chain.
WITH people AS (
    SELECT id, coins_balance
    FROM users
    WHERE id > %(after)s
    ORDER BY id
    LIMIT %(most)s
),

chain AS (
    SELECT
        entries.user_id,
        entries.signed_amount,
        entries.balance_after <> entries.signed_amount + lag(entries.balance_after, 1, 0) OVER (
            PARTITION BY entries.user_id ORDER BY entries.seq
        ) AS is_break
    FROM people
    INNER JOIN coin_transactions AS entries ON entries.user_id = people.id
),

sums AS (
    SELECT
        user_id,
        sum(signed_amount) AS entries_sum,
        count(*) FILTER (WHERE is_break) AS breaks
    FROM chain
    GROUP BY user_id
)

SELECT
    people.id AS user_id,
    (people.coins_balance - COALESCE(sums.entries_sum, 0))::bigint AS missing,
    COALESCE(sums.breaks, 0) AS breaks
FROM people
LEFT JOIN sums ON sums.user_id = people.id
ORDER BY people.id;

-- name: list_faulty_calls
-- Calls whose entries are not what the call says: charged, refunded and earned, the platform keeping the rest.
SELECT
    calls.id AS call_id,
    calls.coins_charged,
    calls.coins_refunded,
    calls.coins_earned,
    COALESCE(entries.charged, 0) AS ledger_charged,
    COALESCE(entries.refunded, 0) AS ledger_refunded,
    COALESCE(entries.earned, 0) AS ledger_earned
FROM calls
LEFT JOIN LATERAL (
    SELECT
        sum(amount) FILTER (WHERE transaction_type = 'spend' AND user_id = calls.caller_id) AS charged,
        sum(amount) FILTER (WHERE transaction_type = 'refund' AND user_id = calls.caller_id) AS refunded,
        sum(amount) FILTER (WHERE transaction_type = 'earn' AND user_id = calls.receiver_id) AS earned,
        count(*) FILTER (WHERE transaction_type = 'refund') AS refunds
    FROM coin_transactions
    WHERE reference_id = calls.id AND reference_type = 'call'
) AS entries ON TRUE
WHERE
    calls.coins_charged <> COALESCE(entries.charged, 0)
    OR calls.coins_refunded <> COALESCE(entries.refunded, 0)
    OR calls.coins_earned <> COALESCE(entries.earned, 0)
    OR entries.refunds > 1
    OR (calls.ended_at IS NOT NULL AND calls.coins_earned > calls.coins_spent)
ORDER BY calls.id
LIMIT 1000;
