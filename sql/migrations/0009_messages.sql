-- Messages: sent once per client id, listed by pair, and a kept row per conversation so that lists stay fast.
ALTER TABLE messages ADD COLUMN client_message_id varchar(64);
ALTER TABLE messages ADD COLUMN read_at timestamptz;
ALTER TABLE messages ADD COLUMN deleted_at timestamptz;
ALTER TABLE messages ADD COLUMN media_key text;

CREATE UNIQUE INDEX messages_of_client ON messages (sender_id, client_message_id)
WHERE client_message_id IS NOT NULL;
CREATE INDEX messages_of_pair ON messages (
    least(sender_id, receiver_id), greatest(sender_id, receiver_id), created_at DESC, id DESC
) WHERE deleted_at IS NULL;
CREATE INDEX messages_with_media ON messages (media_key) WHERE media_key IS NOT NULL;

CREATE TABLE conversations (
    user_low uuid NOT NULL REFERENCES users (id),
    user_high uuid NOT NULL REFERENCES users (id),
    last_message_id uuid REFERENCES messages (id),
    last_message_at timestamptz NOT NULL,
    unread_low integer NOT NULL DEFAULT 0 CHECK (unread_low >= 0),
    unread_high integer NOT NULL DEFAULT 0 CHECK (unread_high >= 0),
    message_count integer NOT NULL DEFAULT 0 CHECK (message_count >= 0),
    PRIMARY KEY (user_low, user_high),
    CHECK (user_low < user_high)
);

CREATE INDEX conversations_of_low ON conversations (user_low, last_message_at DESC, user_high);
CREATE INDEX conversations_of_high ON conversations (user_high, last_message_at DESC, user_low);

-- A conversation follows from its messages.
CREATE FUNCTION follow_message() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    low uuid := least(NEW.sender_id, NEW.receiver_id);
    high uuid := greatest(NEW.sender_id, NEW.receiver_id);
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO conversations AS kept (
            user_low, user_high, last_message_id, last_message_at, unread_low, unread_high, message_count
        ) VALUES (
            low, high, NEW.id, NEW.created_at,
            (NEW.receiver_id = low)::integer, (NEW.receiver_id = high)::integer, 1
        )
        ON CONFLICT (user_low, user_high) DO UPDATE SET
            last_message_id = NEW.id,
            last_message_at = greatest(kept.last_message_at, NEW.created_at),
            unread_low = kept.unread_low + excluded.unread_low,
            unread_high = kept.unread_high + excluded.unread_high,
            message_count = kept.message_count + 1;
        RETURN NULL;
    END IF;
    IF NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL THEN
        UPDATE conversations AS kept SET
            message_count = kept.message_count - 1,
            unread_low = kept.unread_low - (NOT OLD.is_read AND NEW.receiver_id = low)::integer,
            unread_high = kept.unread_high - (NOT OLD.is_read AND NEW.receiver_id = high)::integer,
            last_message_id = CASE WHEN kept.last_message_id = NEW.id THEN (
                SELECT id FROM messages
                WHERE
                    least(sender_id, receiver_id) = low
                    AND greatest(sender_id, receiver_id) = high
                    AND deleted_at IS NULL
                ORDER BY created_at DESC, id DESC LIMIT 1
            ) ELSE kept.last_message_id END
        WHERE user_low = low AND user_high = high;
    ELSIF NEW.is_read AND NOT OLD.is_read AND OLD.deleted_at IS NULL THEN
        UPDATE conversations AS kept SET
            unread_low = kept.unread_low - (NEW.receiver_id = low)::integer,
            unread_high = kept.unread_high - (NEW.receiver_id = high)::integer
        WHERE user_low = low AND user_high = high;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER messages_followed AFTER INSERT ON messages
FOR EACH ROW EXECUTE FUNCTION follow_message();
CREATE TRIGGER messages_followed_on AFTER UPDATE OF is_read, deleted_at ON messages
FOR EACH ROW EXECUTE FUNCTION follow_message();
