-- People, how they prove who they are, and what they think of each other.
CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    phone_number varchar(20) UNIQUE,
    phone_hash bytea NOT NULL,
    full_name varchar(100) NOT NULL CHECK (length(btrim(full_name)) > 0),
    age integer NOT NULL CHECK (age BETWEEN 18 AND 120),
    birth_year integer CHECK (birth_year BETWEEN 1900 AND 2200),
    gender varchar(10) NOT NULL CHECK (gender IN ('male', 'female', 'other')),
    bio text CHECK (length(bio) <= 1000),
    location varchar(100),
    profile_image_url text,
    role varchar(20) NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'moderator', 'admin', 'probe')),
    status varchar(20) NOT NULL DEFAULT 'active'
    CHECK (status IN ('active', 'suspended', 'banned', 'deleted')),
    is_verified boolean NOT NULL DEFAULT FALSE,
    is_super_lover boolean NOT NULL DEFAULT FALSE,
    super_lover_status varchar(20) NOT NULL DEFAULT 'offline'
    CHECK (super_lover_status IN ('online', 'ready', 'offline')),
    super_lover_bio text CHECK (length(super_lover_bio) <= 1000),
    super_lover_rating numeric(3, 2) NOT NULL DEFAULT 0.0 CHECK (super_lover_rating BETWEEN 0 AND 5),
    super_lover_call_count integer NOT NULL DEFAULT 0 CHECK (super_lover_call_count >= 0),
    coins_balance integer NOT NULL DEFAULT 0 CHECK (coins_balance >= 0),
    coin_debt integer NOT NULL DEFAULT 0 CHECK (coin_debt >= 0),
    coins_earned bigint NOT NULL DEFAULT 0 CHECK (coins_earned >= 0),
    coins_spent bigint NOT NULL DEFAULT 0 CHECK (coins_spent >= 0),
    last_seen timestamptz NOT NULL DEFAULT now(),
    is_online boolean NOT NULL DEFAULT FALSE,
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (phone_number IS NOT NULL OR status = 'deleted'),
    CHECK ((status = 'deleted') = (deleted_at IS NOT NULL))
);

-- The code itself is never stored: code_hash is an HMAC under a pepper the database does not know.
CREATE TABLE otp_codes (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    phone_number varchar(20) NOT NULL,
    code_hash bytea NOT NULL,
    purpose varchar(20) NOT NULL DEFAULT 'login' CHECK (purpose IN ('login', 'admin')),
    country_prefix varchar(4) NOT NULL,
    ip inet,
    delivery_method varchar(20) NOT NULL DEFAULT 'whatsapp'
    CHECK (delivery_method IN ('whatsapp', 'sms', 'email', 'test')),
    whatsapp_message_id varchar(100),
    delivery_status varchar(20) NOT NULL DEFAULT 'pending'
    CHECK (delivery_status IN ('pending', 'sent', 'delivered', 'failed')),
    expires_at timestamptz NOT NULL,
    is_used boolean NOT NULL DEFAULT FALSE,
    attempts_count integer NOT NULL DEFAULT 0 CHECK (attempts_count >= 0),
    attempts_allowed integer NOT NULL DEFAULT 5 CHECK (attempts_count <= attempts_allowed),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX otp_codes_by_phone ON otp_codes (phone_number, created_at DESC);
CREATE INDEX otp_codes_by_ip ON otp_codes (ip, created_at);
CREATE INDEX otp_codes_by_prefix ON otp_codes (country_prefix, created_at);
CREATE INDEX otp_codes_by_age ON otp_codes (created_at);
CREATE INDEX otp_codes_by_message ON otp_codes (whatsapp_message_id) WHERE whatsapp_message_id IS NOT NULL;

-- Wrong guesses in a row: a new code does not reset them (NIST SP 800-63B-4, 3.1.3.2).
CREATE TABLE otp_failures (
    phone_number varchar(20) PRIMARY KEY,
    failures integer NOT NULL CHECK (failures >= 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- A session without a user belongs to a proven phone number that has yet to register.
-- Refresh tokens are derived from (id, refresh_counter) under a key the database does not know.
CREATE TABLE user_sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES users (id),
    phone_number varchar(20) NOT NULL,
    refresh_counter integer NOT NULL DEFAULT 0 CHECK (refresh_counter >= 0),
    rotated_at timestamptz NOT NULL DEFAULT now(),
    device_id varchar(64),
    user_agent varchar(200),
    ip inet,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    revoked_reason varchar(30),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX user_sessions_of_user ON user_sessions (user_id, created_at DESC) WHERE revoked_at IS NULL;

-- The welcome coins, once per phone number for ever, also after the account is gone.
CREATE TABLE bonus_grants (
    phone_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE user_preferences (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL UNIQUE REFERENCES users (id),
    notifications_push boolean NOT NULL DEFAULT TRUE,
    notifications_email boolean NOT NULL DEFAULT FALSE,
    notifications_sms boolean NOT NULL DEFAULT TRUE,
    privacy_profile_visibility varchar(20) NOT NULL DEFAULT 'public'
    CHECK (privacy_profile_visibility IN ('public', 'matches', 'hidden')),
    privacy_show_online_status boolean NOT NULL DEFAULT TRUE,
    privacy_show_last_seen boolean NOT NULL DEFAULT TRUE,
    app_theme varchar(10) NOT NULL DEFAULT 'light',
    app_language varchar(5) NOT NULL DEFAULT 'en',
    app_auto_play_videos boolean NOT NULL DEFAULT TRUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE user_interactions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (id),
    target_user_id uuid NOT NULL REFERENCES users (id),
    interaction_type varchar(20) NOT NULL CHECK (interaction_type IN ('like', 'pass', 'block', 'report')),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (user_id, target_user_id, interaction_type),
    CHECK (user_id <> target_user_id)
);

CREATE INDEX user_interactions_of_target ON user_interactions (target_user_id, interaction_type, user_id);

CREATE TABLE reports (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    reporter_id uuid NOT NULL REFERENCES users (id),
    reported_user_id uuid NOT NULL REFERENCES users (id),
    reason varchar(100) NOT NULL,
    description text CHECK (length(description) <= 4000),
    status varchar(20) NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'investigating', 'resolved', 'dismissed')),
    admin_notes text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (reporter_id <> reported_user_id)
);

CREATE INDEX reports_by_status ON reports (status, created_at);
CREATE INDEX reports_of_user ON reports (reported_user_id, created_at DESC);

-- The one gate between two people: both active, no block either way. REST, sockets and push all ask here.
CREATE FUNCTION can_interact(one uuid, other uuid) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT
        one <> other
        AND (SELECT count(*) = 2 FROM users WHERE id IN (one, other) AND status = 'active')
        AND NOT EXISTS (
            SELECT FROM user_interactions
            WHERE
                interaction_type = 'block'
                AND (
                    (user_id = one AND target_user_id = other)
                    OR (user_id = other AND target_user_id = one)
                )
        )
$$;
