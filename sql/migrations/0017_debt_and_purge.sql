-- What a credit leaves to somebody in debt, conversations that stay quick however long and right however many
-- messages come and go at once, and the way to messages whose time is over.

-- What of a credit paid the debt of an earlier refund, in the entry right behind it. VOLATILE: it is asked in the
-- very statement that writes the two.
CREATE FUNCTION debt_paid_by(credit uuid) RETURNS integer
LANGUAGE sql VOLATILE
AS $$
    SELECT COALESCE(
        (SELECT amount FROM coin_transactions WHERE idempotency_key = 'debt:' || credit::text), 0
    )
$$;

-- Messages taken back stay for moderators, who find them by pair, and then go (see the janitor).
CREATE INDEX messages_taken_back ON messages (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX messages_taken_back_of_pair ON messages (
    least(sender_id, receiver_id), greatest(sender_id, receiver_id), created_at DESC, id DESC
) WHERE deleted_at IS NOT NULL;
-- Deleting a message asks whether a conversation still names it as its last.
CREATE INDEX conversations_of_last_message ON conversations (last_message_id);

-- A declined payment may still be paid with another card: those are asked about as well.
CREATE INDEX coin_purchases_unpaid ON coin_purchases (created_at) WHERE paid_at IS NULL;

-- A page of a conversation, newest first, along the index that has it in this order. Nobody tells the planner how
-- long one conversation is: taking a long one for short it collects and sorts all of it for every page.
CREATE FUNCTION page_of_messages(
    one uuid, other uuid, before_at timestamptz, before_id uuid, page_size integer, page_offset integer
) RETURNS SETOF messages
LANGUAGE sql STABLE SET enable_sort = off
AS $$
    SELECT * FROM messages
    WHERE
        least(sender_id, receiver_id) = least(one, other)
        AND greatest(sender_id, receiver_id) = greatest(one, other)
        AND deleted_at IS NULL
        AND (created_at, id) < (
            COALESCE(before_at, 'infinity'), COALESCE(before_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        )
    ORDER BY created_at DESC, id DESC
    LIMIT page_size OFFSET page_offset
$$;

-- As before, with two more cares. A deletion locks the conversation in a statement of its own: the search for
-- what is the last message now must see another deletion that came at the same moment. And a message whose
-- transaction began earlier does not become the last one by being committed later.
CREATE OR REPLACE FUNCTION follow_message() RETURNS trigger
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
            last_message_id = CASE
                WHEN kept.last_message_id IS NULL OR NEW.created_at >= kept.last_message_at THEN NEW.id
                ELSE kept.last_message_id
            END,
            last_message_at = greatest(kept.last_message_at, NEW.created_at),
            unread_low = kept.unread_low + excluded.unread_low,
            unread_high = kept.unread_high + excluded.unread_high,
            message_count = kept.message_count + 1;
        RETURN NULL;
    END IF;
    IF NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL THEN
        PERFORM FROM conversations WHERE user_low = low AND user_high = high FOR NO KEY UPDATE;
        UPDATE conversations AS kept SET
            message_count = kept.message_count - 1,
            unread_low = kept.unread_low - (NOT OLD.is_read AND NEW.receiver_id = low)::integer,
            unread_high = kept.unread_high - (NOT OLD.is_read AND NEW.receiver_id = high)::integer,
            last_message_id = CASE WHEN kept.last_message_id = NEW.id THEN (
                SELECT id FROM page_of_messages(low, high, NULL, NULL, 1, 0)
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

-- Where two deletions at once have left a conversation with a message that is gone.
UPDATE conversations SET last_message_id = (
    SELECT id FROM page_of_messages(user_low, user_high, NULL, NULL, 1, 0)
)
WHERE last_message_id IN (SELECT id FROM messages WHERE deleted_at IS NOT NULL);
