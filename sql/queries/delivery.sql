-- name: find_sendable
-- A code that is worth sending: unused, in time, the newest of its number.
SELECT
    code.id,
    code.phone_number,
    code.code_hash,
    code.country_prefix,
    code.delivery_method,
    code.delivery_status,
    code.sms_message_id,
    extract(EPOCH FROM code.expires_at - now())::float AS seconds_left
FROM otp_codes AS code
WHERE
    code.id = %(code_id)s
    AND NOT code.is_used
    AND code.expires_at > now()
    AND code.attempts_count < code.attempts_allowed
    AND NOT EXISTS (
        SELECT FROM otp_codes AS newer
        WHERE newer.phone_number = code.phone_number AND newer.created_at > code.created_at
    );

-- name: find_delivery
SELECT
    delivery_method,
    delivery_status,
    whatsapp_message_id
FROM otp_codes
WHERE id = %(code_id)s;

-- name: set_whatsapp
-- News of the message may have come before its id.
UPDATE otp_codes SET
    whatsapp_message_id = %(message_id)s,
    delivery_status = CASE delivery_status WHEN 'pending' THEN 'sent' ELSE delivery_status END
WHERE id = %(code_id)s;

-- name: claim_fallback
-- Once per code, however many reasons there are for it.
UPDATE otp_codes SET fallback_at = now()
WHERE id = %(code_id)s AND fallback_at IS NULL AND NOT is_used AND expires_at > now()
RETURNING TRUE;

-- name: set_sms
-- From now on the SMS is the message whose fate counts.
UPDATE otp_codes SET
    delivery_method = 'sms',
    sms_message_id = %(message_id)s,
    delivery_status = CASE delivery_status WHEN 'delivered' THEN 'delivered' ELSE 'sent' END
WHERE id = %(code_id)s;

-- name: set_failed
-- No provider took it; what one took stays taken.
UPDATE otp_codes SET delivery_status = 'failed'
WHERE id = %(code_id)s AND delivery_status = 'pending';

-- name: lock_sent
-- Always in the same order: deliveries of the provider overlap.
SELECT
    id,
    whatsapp_message_id,
    sms_message_id
FROM otp_codes
WHERE
    whatsapp_message_id = ANY(%(message_ids)s::text[])
    OR sms_message_id = ANY(%(message_ids)s::text[])
    OR id = ANY(%(code_ids)s::uuid[])
ORDER BY id
FOR NO KEY UPDATE;

-- name: advance
-- Of all that is told of a message the furthest counts, if it is further than where the message is. A
-- WhatsApp message that failed is past once an SMS went out in its place.
WITH ranks AS (
    SELECT ARRAY['pending', 'sent', 'failed', 'delivered', 'read'] AS ranks
),

told AS (
    SELECT
        code.id,
        max(array_position(ranks.ranks, news.status)) AS reached,
        max(news.message_id) FILTER (WHERE news.message_id IS DISTINCT FROM code.sms_message_id) AS whatsapp_id
    FROM unnest(%(message_ids)s::text[], %(statuses)s::text[], %(code_ids)s::uuid[])
        AS news (message_id, status, code_id)
    INNER JOIN otp_codes AS code
        ON
            code.id = news.code_id
            OR code.whatsapp_message_id = news.message_id
            OR code.sms_message_id = news.message_id
    CROSS JOIN ranks
    WHERE
        code.sms_message_id IS NULL
        OR code.sms_message_id = news.message_id
        OR news.status <> 'failed'
    GROUP BY code.id
)

UPDATE otp_codes SET
    whatsapp_message_id = COALESCE(otp_codes.whatsapp_message_id, told.whatsapp_id),
    delivery_status = CASE ranks.ranks[told.reached]
        WHEN 'read' THEN 'delivered' ELSE ranks.ranks[told.reached]
    END,
    read_at = CASE ranks.ranks[told.reached] WHEN 'read' THEN now() END
FROM told, ranks
WHERE
    otp_codes.id = told.id
    AND told.reached > array_position(
        ranks.ranks, CASE WHEN otp_codes.read_at IS NULL THEN otp_codes.delivery_status::text ELSE 'read' END
    )
RETURNING otp_codes.id, otp_codes.delivery_method, otp_codes.delivery_status;
