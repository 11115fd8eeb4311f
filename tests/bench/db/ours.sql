-- The same people and coins on our own migrations, and a session for everybody. In bulk, with the triggers
-- asleep: `run.py admin ledger check` proves after the bench that every balance is the sum of its entries.
SET session_replication_role = replica;

INSERT INTO users (
    id, phone_number, phone_hash, full_name, age, gender, bio, location, profile_image_url, is_verified,
    coins_balance, coins_earned, coins_spent
)
SELECT
    md5('user:' || n)::uuid, '+1555' || lpad(n::text, 7, '0'), sha256(n::text::bytea), 'Person Number ' || n,
    18 + (n * 7) % 43, (ARRAY['male', 'female'])[1 + n % 2],
    'Love adventure, coffee and long walks. Bio of person ' || n, 'New York, NY',
    'https://cdn.example.com/profile-images/' || n || '.jpg', n % 3 = 0, 1000000000, 1000000088, 88
FROM generate_series(1, current_setting('bench.people')::int) AS n;

WITH movements AS (
    SELECT
        n, k, CASE WHEN k % 3 = 0 THEN 'earn' ELSE 'spend' END AS kind,
        CASE WHEN k = 0 THEN 1000000038 ELSE 5 + k END AS amount
    FROM generate_series(1, current_setting('bench.people')::int) AS n, generate_series(0, 12) AS k
)
INSERT INTO coin_transactions (
    user_id, transaction_type, amount, balance_after, description, reference_type, idempotency_key, created_at
)
SELECT
    md5('user:' || n)::uuid, kind, amount,
    sum(CASE WHEN kind = 'earn' THEN amount ELSE -amount END) OVER (PARTITION BY n ORDER BY k),
    'Before the bench', 'ad_watch', 'bench:' || n || ':' || k, now() - (13 - k) * interval '1 hour'
FROM movements
ORDER BY n, k;

INSERT INTO user_sessions (id, user_id, phone_number, expires_at)
SELECT
    md5('session:' || n)::uuid, md5('user:' || n)::uuid, '+1555' || lpad(n::text, 7, '0'), now() + interval '1 day'
FROM generate_series(1, current_setting('bench.people')::int) AS n;
