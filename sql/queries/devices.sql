-- name: add_device
-- Nothing if the session has just ended.
SELECT
    id,
    platform,
    last_seen,
    created_at
FROM add_device(%(user_id)s, %(session_id)s, %(token)s, %(platform)s, %(most)s)
WHERE id IS NOT NULL;

-- name: delete_device
DELETE FROM device_tokens WHERE id = %(device_id)s AND user_id = %(user_id)s
RETURNING id;

-- name: forget_token
-- The push service knows it no more; a newer one that took its place meanwhile stays.
DELETE FROM device_tokens WHERE id = %(device_id)s AND token = %(token)s
RETURNING id;

-- name: delete_lost_devices
-- Those of sessions that ran out without anybody saying so.
DELETE FROM device_tokens
USING user_sessions
WHERE user_sessions.id = device_tokens.session_id AND user_sessions.expires_at < now();

-- name: find_ring
-- A call that still rings, for one phone of the person who is called.
SELECT
    device.token,
    device.platform,
    device.user_id,
    calls.status,
    extract(EPOCH FROM calls.ring_deadline - now())::float AS seconds_left
FROM reachable_devices AS device
INNER JOIN calls ON calls.receiver_id = device.user_id
WHERE
    device.id = %(device_id)s
    AND device.is_wanted
    AND calls.id = %(about)s
    AND calls.status IN ('initiated', 'ringing')
    AND calls.ring_deadline > now()
    AND can_interact(calls.caller_id, calls.receiver_id);

-- name: begin_ring
-- Writes down that this phone is rung, before it is, and holds the call for it: whoever ends the call later finds it
-- written, and whoever ended it before leaves no row here.
WITH ringing AS (
    SELECT
        id,
        caller_id,
        receiver_id,
        call_type,
        webrtc_room_id,
        created_at,
        ring_deadline
    FROM calls
    WHERE id = %(about)s AND status IN ('initiated', 'ringing') AND ring_deadline > now()
    FOR SHARE
)

UPDATE device_tokens SET rung_call_id = ringing.id
FROM ringing
INNER JOIN users AS caller ON caller.id = ringing.caller_id
WHERE device_tokens.id = %(device_id)s AND device_tokens.user_id = ringing.receiver_id
RETURNING
    ringing.id AS call_id,
    ringing.webrtc_room_id,
    ringing.call_type,
    ringing.created_at,
    ringing.ring_deadline,
    caller.id AS caller_id,
    caller.full_name AS caller_name,
    caller.profile_image_url AS caller_image_url,
    extract(EPOCH FROM ringing.ring_deadline - now())::float AS seconds_left;

-- name: find_cancel
-- A call that rings no more, for a phone that push() found to have been rung for it, wanted or not.
SELECT
    device.token,
    device.platform,
    device.user_id,
    calls.id AS call_id,
    CASE
        WHEN calls.answered_at IS NOT NULL THEN 'answered_elsewhere'
        WHEN calls.status = 'rejected' THEN 'declined_elsewhere'
        WHEN calls.end_reason = 'caller_cancelled' THEN 'caller_cancelled'
        ELSE 'timeout'
    END AS reason
FROM reachable_devices AS device
INNER JOIN calls ON calls.receiver_id = device.user_id
WHERE
    device.id = %(device_id)s
    AND calls.id = %(about)s
    AND calls.status NOT IN ('initiated', 'ringing');

-- name: find_missed
SELECT
    device.token,
    device.platform,
    device.user_id,
    calls.id AS call_id,
    calls.call_type,
    calls.created_at,
    caller.id AS caller_id,
    caller.full_name AS caller_name
FROM reachable_devices AS device
INNER JOIN calls ON calls.receiver_id = device.user_id
INNER JOIN users AS caller ON caller.id = calls.caller_id
WHERE
    device.id = %(device_id)s
    AND device.is_wanted
    AND calls.id = %(about)s
    AND calls.status = 'missed'
    AND can_interact(calls.caller_id, calls.receiver_id);

-- name: find_message
-- A message nobody has read or taken back; never its text.
SELECT
    device.token,
    device.platform,
    device.user_id,
    messages.id AS message_id,
    messages.message_type,
    sender.id AS sender_id,
    sender.full_name AS sender_name,
    CASE
        WHEN conversations.user_low = device.user_id THEN conversations.unread_low ELSE conversations.unread_high
    END AS unread
FROM reachable_devices AS device
INNER JOIN messages ON messages.receiver_id = device.user_id
INNER JOIN users AS sender ON sender.id = messages.sender_id
INNER JOIN conversations
    ON
        conversations.user_low = least(messages.sender_id, messages.receiver_id)
        AND conversations.user_high = greatest(messages.sender_id, messages.receiver_id)
WHERE
    device.id = %(device_id)s
    AND device.is_wanted
    AND messages.id = %(about)s
    AND NOT messages.is_read
    AND messages.deleted_at IS NULL
    AND can_interact(messages.sender_id, messages.receiver_id);

-- name: find_match
-- A match that still is one.
SELECT
    device.token,
    device.platform,
    device.user_id,
    person.id AS match_id,
    person.full_name AS match_name,
    person.profile_image_url AS match_image_url
FROM reachable_devices AS device
INNER JOIN users AS person ON person.id = %(about)s
WHERE
    device.id = %(device_id)s
    AND device.is_wanted
    AND is_matched(device.user_id, person.id)
    AND can_interact(device.user_id, person.id);

-- name: find_credit
-- Coins that came, and the balance as it is by now.
SELECT
    device.token,
    device.platform,
    device.user_id,
    entry.id AS entry_id,
    entry.amount,
    entry.transaction_type,
    entry.reference_type,
    person.coins_balance
FROM reachable_devices AS device
INNER JOIN coin_transactions AS entry ON entry.user_id = device.user_id
INNER JOIN users AS person ON person.id = device.user_id
WHERE device.id = %(device_id)s AND device.is_wanted AND entry.id = %(about)s;
