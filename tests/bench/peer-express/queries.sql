-- The peer's statements; db.js prepares each under its name.
-- name: profile
SELECT id, phone_number, full_name, age, gender, bio, location, profile_image_url, is_verified, is_super_lover,
       coins_balance, last_seen, is_online, created_at
FROM users WHERE id = $1::uuid

-- name: balance
SELECT u.coins_balance, coalesce(t.earned, 0)::int AS earned, coalesce(t.spent, 0)::int AS spent
FROM users u, LATERAL (
    SELECT sum(amount) FILTER (WHERE transaction_type <> 'spend') AS earned,
           sum(amount) FILTER (WHERE transaction_type = 'spend') AS spent
    FROM coin_transactions WHERE user_id = u.id) t
WHERE u.id = $1::uuid

-- name: charge
UPDATE users SET coins_balance = coins_balance - $2::int, updated_at = now()
WHERE id = $1::uuid AND coins_balance >= $2::int RETURNING coins_balance

-- name: ledger
INSERT INTO coin_transactions (user_id, transaction_type, amount, description, reference_id, reference_type)
VALUES ($1::uuid, 'spend', $2::int, $3, $4::uuid, $5)

-- name: spend_one
WITH u AS (UPDATE users SET coins_balance = coins_balance - $2::int, updated_at = now()
           WHERE id = $1::uuid AND coins_balance >= $2::int RETURNING id, coins_balance),
t AS (INSERT INTO coin_transactions (user_id, transaction_type, amount, description, reference_id, reference_type)
      SELECT id, 'spend', $2::int, $3, $4::uuid, $5 FROM u)
SELECT coins_balance FROM u

-- name: call_insert
INSERT INTO calls (caller_id, receiver_id, call_type, status, coins_spent, webrtc_room_id)
VALUES ($1::uuid, $2::uuid, $3, 'initiated', 50, $4) RETURNING id

-- name: call_one
WITH r AS (SELECT id FROM users WHERE id = $2::uuid),
u AS (UPDATE users SET coins_balance = coins_balance - 50, updated_at = now() FROM r
      WHERE users.id = $1::uuid AND coins_balance >= 50 RETURNING coins_balance),
c AS (INSERT INTO calls (caller_id, receiver_id, call_type, status, coins_spent, webrtc_room_id)
      SELECT $1::uuid, $2::uuid, $3, 'initiated', 50, $4 FROM u RETURNING id),
t AS (INSERT INTO coin_transactions (user_id, transaction_type, amount, description, reference_id, reference_type)
      SELECT $1::uuid, 'spend', 50, 'Call', id, 'call' FROM c)
SELECT EXISTS (SELECT 1 FROM r) AS receiver, c.id, u.coins_balance
FROM (SELECT 1) o LEFT JOIN c ON true LEFT JOIN u ON true

-- name: room_member
SELECT caller_id, receiver_id FROM calls WHERE webrtc_room_id = $1
