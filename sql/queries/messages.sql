-- name: send_message
-- The message and its charge, or the facts that forbid it; a client id that was used returns its first message.
WITH facts AS (
    SELECT
        can_interact(%(sender_id)s, %(receiver_id)s) AS may_interact,
        (%(policy)s = 'open' OR is_matched(%(sender_id)s, %(receiver_id)s)) AS is_allowed,
        (
            SELECT id FROM messages
            WHERE sender_id = %(sender_id)s AND client_message_id = %(client_message_id)s
        ) AS earlier_id
),

sent AS (
    INSERT INTO messages (
        sender_id, receiver_id, message_text, message_type, media_key, coins_spent, client_message_id
    )
    SELECT
        %(sender_id)s,
        %(receiver_id)s,
        %(message_text)s,
        %(message_type)s,
        %(media_key)s,
        %(cost)s,
        %(client_message_id)s
    FROM facts
    WHERE may_interact AND is_allowed AND earlier_id IS NULL
    RETURNING id, sender_id, receiver_id, message_text, message_type, media_key, is_read, coins_spent, created_at
),

charge AS (
    SELECT entry.*
    FROM sent
    CROSS JOIN LATERAL add_entry(
        %(sender_id)s, 'spend', %(cost)s, 'message:' || sent.id, 'Message', 'chat', sent.id
    ) AS entry
    WHERE %(cost)s > 0
)

SELECT
    facts.*,
    sent.*,
    charge.id AS entry_id,
    charge.balance_after,
    charge.idempotency_key
FROM facts
LEFT JOIN sent ON TRUE
LEFT JOIN charge ON TRUE;

-- name: find_message_of_client
SELECT
    message.id,
    message.sender_id,
    message.receiver_id,
    message.message_text,
    message.message_type,
    message.media_key,
    message.is_read,
    message.coins_spent,
    message.created_at,
    users.coins_balance AS balance
FROM messages AS message
INNER JOIN users ON users.id = message.sender_id
WHERE message.sender_id = %(sender_id)s AND message.client_message_id = %(client_message_id)s;

-- name: list_conversations
-- The latest first; each branch walks its own index, and the row already knows last message and unread count.
SELECT
    mine.other AS user_id,
    person.full_name,
    person.profile_image_url,
    mine.last_message_at,
    mine.unread,
    latest.message_text,
    latest.message_type,
    latest.sender_id AS last_sender_id
FROM (
    (
        SELECT user_high AS other, last_message_id, last_message_at, unread_low AS unread
        FROM conversations
        WHERE user_low = %(user_id)s AND can_interact(user_low, user_high)
        ORDER BY last_message_at DESC, user_high
        LIMIT %(page_offset)s::integer + %(page_size)s::integer
    )
    UNION ALL
    (
        SELECT user_low, last_message_id, last_message_at, unread_high
        FROM conversations
        WHERE user_high = %(user_id)s AND can_interact(user_low, user_high)
        ORDER BY last_message_at DESC, user_low
        LIMIT %(page_offset)s::integer + %(page_size)s::integer
    )
) AS mine
INNER JOIN users AS person ON person.id = mine.other
LEFT JOIN messages AS latest ON latest.id = mine.last_message_id
ORDER BY mine.last_message_at DESC, mine.other
LIMIT %(page_size)s OFFSET %(page_offset)s;

-- name: count_conversations
SELECT
    (SELECT count(*) FROM conversations WHERE user_low = %(user_id)s)
    + (SELECT count(*) FROM conversations WHERE user_high = %(user_id)s) AS total;

-- name: find_conversation
-- Whether the two may still talk, and how many messages there are.
SELECT
    can_interact(%(user_id)s, %(other_id)s) AS may_interact,
    COALESCE((
        SELECT message_count FROM conversations
        WHERE
            user_low = least(%(user_id)s::uuid, %(other_id)s::uuid)
            AND user_high = greatest(%(user_id)s::uuid, %(other_id)s::uuid)
    ), 0) AS total;

-- name: list_messages
SELECT
    id,
    sender_id,
    receiver_id,
    message_text,
    message_type,
    media_key,
    is_read,
    created_at
FROM page_of_messages(
    %(user_id)s, %(other_id)s, %(before_at)s, %(before_id)s, %(page_size)s, %(page_offset)s
)
ORDER BY created_at DESC, id DESC;

-- name: find_place
-- Where a message stands in its conversation, for those who may see it.
SELECT created_at, id FROM messages
WHERE id = %(message_id)s AND %(user_id)s IN (sender_id, receiver_id);

-- name: read_messages
-- Everything the other one wrote so far; the newest of it marks how far was read.
WITH seen AS (
    UPDATE messages SET is_read = TRUE, read_at = now()
    WHERE
        receiver_id = %(user_id)s AND sender_id = %(other_id)s AND NOT is_read AND deleted_at IS NULL
        AND can_interact(%(user_id)s, %(other_id)s)
    RETURNING id, created_at
)

SELECT
    count(*) AS read_count,
    (SELECT id FROM seen ORDER BY created_at DESC, id DESC LIMIT 1) AS up_to
FROM seen;

-- name: delete_message
-- Only who sent it may; it is gone for both, and kept for moderators.
UPDATE messages SET deleted_at = now()
WHERE id = %(message_id)s AND sender_id = %(user_id)s AND deleted_at IS NULL
RETURNING receiver_id;

-- name: find_own_message
SELECT deleted_at FROM messages WHERE id = %(message_id)s AND sender_id = %(user_id)s;

-- name: may_interact
SELECT can_interact(%(user_id)s, %(other_id)s);

-- name: delete_taken_back
-- Moderators have had their time; reports carry what they are about. A batch, so that nobody waits for long: an array,
-- because a subquery that skips what is locked may be run once per row, and take another thousand each time.
DELETE FROM messages
WHERE id = ANY(ARRAY(
    SELECT id FROM messages
    WHERE deleted_at < now() - interval '90 days'
    ORDER BY deleted_at
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
));
