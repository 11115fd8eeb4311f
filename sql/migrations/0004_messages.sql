CREATE TABLE messages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sender_id uuid NOT NULL REFERENCES users (id),
    receiver_id uuid NOT NULL REFERENCES users (id),
    message_text text NOT NULL CHECK (length(message_text) <= 2000),
    message_type varchar(20) NOT NULL DEFAULT 'text'
    CHECK (message_type IN ('text', 'image', 'audio', 'video')),
    media_url text,
    is_read boolean NOT NULL DEFAULT FALSE,
    coins_spent integer NOT NULL DEFAULT 0 CHECK (coins_spent >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (sender_id <> receiver_id)
);

CREATE INDEX messages_of_sender ON messages (sender_id, created_at DESC);
CREATE INDEX messages_of_receiver ON messages (receiver_id, created_at DESC);
CREATE INDEX messages_unread ON messages (receiver_id, sender_id) WHERE NOT is_read;
