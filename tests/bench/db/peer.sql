-- The peer's database: the specification's tables as far as they are measured, with the indexes any careful
-- engineer adds, and deterministic people. Ids are md5('user:'||n)::uuid; n goes up to bench.people.
CREATE TABLE users (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    phone_number VARCHAR(20) UNIQUE NOT NULL,
    full_name VARCHAR(100) NOT NULL,
    age INTEGER NOT NULL CHECK (age >= 18),
    gender VARCHAR(10) NOT NULL CHECK (gender IN ('male', 'female', 'other')),
    bio TEXT,
    location VARCHAR(100),
    profile_image_url TEXT,
    is_verified BOOLEAN DEFAULT FALSE,
    is_super_lover BOOLEAN DEFAULT FALSE,
    super_lover_status VARCHAR(20) DEFAULT 'offline' CHECK (super_lover_status IN ('online', 'ready', 'offline')),
    super_lover_bio TEXT,
    super_lover_rating DECIMAL(3,2) DEFAULT 0.0,
    super_lover_call_count INTEGER DEFAULT 0,
    coins_balance INTEGER DEFAULT 50,
    last_seen TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    is_online BOOLEAN DEFAULT FALSE,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE coin_transactions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID REFERENCES users(id) ON DELETE CASCADE,
    transaction_type VARCHAR(20) NOT NULL CHECK (transaction_type IN ('earn', 'spend', 'purchase', 'refund')),
    amount INTEGER NOT NULL,
    description TEXT,
    reference_id UUID,
    reference_type VARCHAR(20),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE calls (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    caller_id UUID REFERENCES users(id) ON DELETE CASCADE,
    receiver_id UUID REFERENCES users(id) ON DELETE CASCADE,
    call_type VARCHAR(10) NOT NULL CHECK (call_type IN ('audio', 'video')),
    status VARCHAR(20) NOT NULL CHECK (status IN ('initiated', 'ringing', 'answered', 'ended', 'missed', 'rejected')),
    duration_seconds INTEGER DEFAULT 0,
    coins_spent INTEGER DEFAULT 0,
    webrtc_room_id VARCHAR(100),
    webrtc_offer TEXT,
    webrtc_answer TEXT,
    started_at TIMESTAMP,
    ended_at TIMESTAMP,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX coin_tx_user ON coin_transactions (user_id, created_at DESC) INCLUDE (transaction_type, amount);
CREATE INDEX calls_caller ON calls (caller_id, created_at DESC);
CREATE INDEX calls_receiver ON calls (receiver_id, created_at DESC);
CREATE UNIQUE INDEX calls_room ON calls (webrtc_room_id);

INSERT INTO users (
    id, phone_number, full_name, age, gender, bio, location, profile_image_url, is_verified, coins_balance, is_online
)
SELECT
    md5('user:' || n)::uuid, '+1555' || lpad(n::text, 7, '0'), 'Person Number ' || n, 18 + (n * 7) % 43,
    (ARRAY['male', 'female'])[1 + n % 2], 'Love adventure, coffee and long walks. Bio of person ' || n, 'New York, NY',
    'https://cdn.example.com/profile-images/' || n || '.jpg', n % 3 = 0, 1000000000, FALSE
FROM generate_series(1, current_setting('bench.people')::int) AS n;
-- What everybody has earned and spent before; the opening entry makes the balance their sum.
INSERT INTO coin_transactions (user_id, transaction_type, amount, description, reference_type, created_at)
SELECT
    md5('user:' || n)::uuid, CASE WHEN k % 3 = 0 THEN 'earn' ELSE 'spend' END,
    CASE WHEN k = 0 THEN 1000000038 ELSE 5 + k END, 'Before the bench', 'ad_watch', now() - (13 - k) * interval '1 hour'
FROM generate_series(1, current_setting('bench.people')::int) AS n, generate_series(0, 12) AS k;
