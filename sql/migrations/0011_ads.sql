-- Rewarded ads: a nonce a phone gives to the ad, and the provider's transaction that comes back with it.
CREATE TABLE ad_sessions (
    nonce varchar(64) PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    transaction_id varchar(128) UNIQUE,
    rewarded_at timestamptz,
    coins_earned integer NOT NULL DEFAULT 0 CHECK (coins_earned >= 0),
    CHECK ((transaction_id IS NULL) = (rewarded_at IS NULL))
);

CREATE INDEX ad_sessions_of_user ON ad_sessions (user_id, created_at DESC);
CREATE INDEX ad_views_paid ON ad_views (user_id, created_at DESC) WHERE coins_earned > 0;
