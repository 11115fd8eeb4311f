-- name: initiate_call
-- Rings one person: the call and its charge, or the facts that forbid it. One statement: everything or nothing.
WITH facts AS (
    SELECT
        caller.full_name AS caller_name,
        caller.profile_image_url AS caller_image_url,
        caller.is_verified AS caller_is_verified,
        caller.coins_balance AS caller_balance,
        caller.role = 'probe' AS is_test,
        COALESCE(receiver.is_super_lover, FALSE) AS is_super_lover,
        can_interact(%(caller_id)s, %(receiver_id)s) AS may_interact,
        (
            %(policy)s = 'open'
            OR receiver.is_super_lover
            OR is_matched(%(caller_id)s, %(receiver_id)s)
        ) AS is_callable,
        (
            SELECT count(*) FROM calls
            WHERE
                caller_id = %(caller_id)s
                AND receiver_id = %(receiver_id)s
                AND status = 'missed'
                AND created_at > now() - interval '10 minutes'
        ) AS unanswered,
        (SELECT count(*) FROM live_calls WHERE user_id IN (%(caller_id)s, %(receiver_id)s)) AS busy
    FROM users AS caller
    LEFT JOIN users AS receiver ON receiver.id = %(receiver_id)s
    WHERE caller.id = %(caller_id)s
),

placed AS (
    INSERT INTO calls (
        caller_id, receiver_id, call_type, billing, price, coins_charged, share, block_seconds, max_seconds,
        ring_deadline, metered_by
    )
    SELECT
        %(caller_id)s,
        %(receiver_id)s,
        %(call_type)s,
        %(billing)s,
        %(price)s,
        %(price)s,
        CASE WHEN is_super_lover THEN %(share)s ELSE 0 END,
        %(block_seconds)s,
        %(max_seconds)s,
        now() + make_interval(secs => %(ring_seconds)s),
        %(metered_by)s
    FROM facts
    WHERE may_interact AND is_callable AND unanswered < 3 AND busy = 0
    RETURNING
        id,
        caller_id,
        receiver_id,
        call_type,
        status,
        billing,
        price,
        block_seconds::float AS block_seconds,
        max_seconds::float AS max_seconds,
        blocks_charged,
        webrtc_room_id,
        metered_by,
        started_at,
        ring_deadline,
        extract(EPOCH FROM ring_deadline - now())::float AS ring_seconds_left
),

charge AS (
    SELECT
        entry.id AS entry_id,
        entry.balance_after,
        entry.idempotency_key
    FROM placed
    CROSS JOIN LATERAL add_entry(
        %(caller_id)s, 'spend', %(price)s, 'call:' || placed.id || ':block:0',
        %(description)s, 'call', placed.id
    ) AS entry
    WHERE %(price)s > 0
)

SELECT
    facts.is_test,
    facts.caller_name,
    facts.caller_image_url,
    facts.caller_is_verified,
    facts.may_interact,
    facts.is_callable,
    facts.unanswered,
    placed.id,
    placed.caller_id,
    placed.receiver_id,
    placed.call_type,
    placed.status,
    placed.billing,
    placed.price,
    placed.block_seconds,
    placed.max_seconds,
    placed.blocks_charged,
    placed.webrtc_room_id,
    placed.metered_by,
    placed.started_at,
    placed.ring_deadline,
    placed.ring_seconds_left,
    charge.entry_id,
    charge.idempotency_key,
    COALESCE(charge.balance_after, facts.caller_balance) AS balance,
    CASE
        WHEN placed.id IS NOT NULL THEN push(placed.receiver_id, 'call', placed.id, %(ring_seconds)s) ELSE 0
    END AS pushes
FROM facts
LEFT JOIN placed ON TRUE
LEFT JOIN charge ON TRUE;

-- name: is_pushable
SELECT is_pushable FROM users WHERE id = %(user_id)s;

-- name: find_live_calls_of
-- The live calls of two people, to say which of them is busy and with whom.
SELECT
    live.user_id,
    calls.id,
    calls.caller_id,
    calls.receiver_id,
    calls.status
FROM live_calls AS live
INNER JOIN calls ON calls.id = live.call_id
WHERE live.user_id IN (%(caller_id)s, %(receiver_id)s);

-- name: set_ringing
UPDATE calls SET status = 'ringing'
WHERE
    id = %(call_id)s
    AND receiver_id = %(user_id)s
    AND status = 'initiated'
    AND ring_deadline > now()
RETURNING id, caller_id, receiver_id, webrtc_room_id;

-- name: accept_call
-- The first device wins. Metered by the server's wall clock only while neither side ever had a socket.
UPDATE calls SET
    status = 'answered',
    answered_at = now(),
    metered_by = CASE WHEN %(by_evidence)s THEN 'evidence' ELSE metered_by END,
    started_at = CASE WHEN NOT %(by_evidence)s AND metered_by = 'wallclock' THEN now() END,
    connect_deadline = CASE
        WHEN %(by_evidence)s OR metered_by = 'evidence' THEN now() + make_interval(secs => %(connect_seconds)s)
    END,
    next_tick_at = CASE
        WHEN NOT %(by_evidence)s AND metered_by = 'wallclock'
            THEN now() + make_interval(secs => max_seconds::float)
    END
WHERE
    id = %(call_id)s
    AND receiver_id = %(user_id)s
    AND status IN ('initiated', 'ringing')
    AND ring_deadline > now()
RETURNING
    id,
    caller_id,
    receiver_id,
    webrtc_room_id,
    status,
    metered_by,
    answered_at,
    push(receiver_id, 'cancel', id, but_session => %(session_id)s) AS pushes;

-- name: end_unanswered
-- A call that never was: rejected, cancelled or rung out, and every coin of it returned.
WITH done AS (
    UPDATE calls SET
        status = %(status)s,
        end_reason = %(end_reason)s,
        ended_by = %(ended_by)s,
        ended_at = clock_timestamp(),
        coins_refunded = coins_charged,
        webrtc_offer = NULL,
        webrtc_answer = NULL
    WHERE id = %(call_id)s AND status IN ('initiated', 'ringing')
    RETURNING id, caller_id, receiver_id, status, coins_charged
),

refund AS (
    SELECT entry.id
    FROM done
    CROSS JOIN LATERAL add_entry(
        done.caller_id, 'refund', done.coins_charged, 'call:' || done.id || ':refund',
        'Call refunded', 'call', done.id
    ) AS entry
    WHERE done.coins_charged > 0
)

SELECT
    done.id,
    (SELECT count(*) FROM refund) AS refunds,
    push(done.receiver_id, 'cancel', done.id, but_session => %(session_id)s)
    + CASE WHEN done.status = 'missed' THEN push(done.receiver_id, 'missed', done.id) ELSE 0 END AS pushes
FROM done;

-- name: lock_call
-- The call, for whoever is about to end it; decisions about money wait for each other here.
SELECT
    id,
    caller_id,
    receiver_id,
    call_type,
    status,
    billing,
    price,
    share,
    block_seconds::float AS block_seconds,
    max_seconds::float AS max_seconds,
    blocks_charged,
    coins_charged,
    metered_by,
    meter,
    meter_term,
    p2p_claimed,
    gaps,
    answered_at,
    started_at,
    ring_deadline <= now() AS is_ring_due,
    connect_deadline <= now() AS is_connect_due,
    next_tick_at <= now() AS is_tick_due,
    extract(EPOCH FROM clock_timestamp() - started_at)::float AS seconds_since_start
FROM calls
WHERE id = %(call_id)s
FOR UPDATE;

-- name: count_lenient_refunds
-- How often today a short call of this pair, whoever called, or a failed connection of this caller was given back.
SELECT
    count(*) FILTER (
        WHERE
        end_reason <> 'ice_failed'
        AND started_at IS NOT NULL
        AND %(receiver_id)s IN (caller_id, receiver_id)
    ) AS of_pair,
    count(*) FILTER (WHERE end_reason = 'ice_failed' AND caller_id = %(caller_id)s) AS of_caller
FROM calls
WHERE
    (caller_id = %(caller_id)s OR (caller_id = %(receiver_id)s AND receiver_id = %(caller_id)s))
    AND created_at > now() - interval '1 day'
    AND status = 'ended'
    AND coins_charged > 0
    AND coins_refunded = coins_charged;

-- name: end_answered
-- The settled end: status, numbers, refund and earnings commit together, accounts in the order of their ids.
WITH done AS (
    UPDATE calls SET
        status = 'ended',
        end_reason = %(end_reason)s,
        ended_by = %(ended_by)s,
        ended_at = clock_timestamp(),
        duration_seconds = %(duration)s,
        client_duration_seconds = %(client_duration)s,
        coins_refunded = %(refunded)s,
        coins_earned = %(earned)s,
        evidence_level = COALESCE(%(evidence_level)s, evidence_level),
        gaps = %(gaps)s,
        quality_score = (
            SELECT avg(party.mos)
            FROM (
                SELECT avg(mos) AS mos FROM call_quality_samples
                WHERE call_id = %(call_id)s
                GROUP BY user_id
            ) AS party
        ),
        webrtc_offer = NULL,
        webrtc_answer = NULL,
        next_tick_at = NULL
    WHERE id = %(call_id)s AND status = 'answered'
    RETURNING id, caller_id, receiver_id, coins_refunded, coins_earned
),

due AS (
    SELECT
        caller_id AS user_id,
        'refund' AS entry_type,
        coins_refunded AS amount,
        'call:' || id || ':refund' AS entry_key,
        'Call refunded' AS description,
        id AS call_id
    FROM done
    WHERE coins_refunded > 0
    UNION ALL
    SELECT
        receiver_id,
        'earn',
        coins_earned,
        'call:' || id || ':earn',
        'Earned from a call',
        id
    FROM done
    WHERE coins_earned > 0
    ORDER BY user_id
),

moved AS (
    SELECT entry.id
    FROM due
    CROSS JOIN LATERAL add_entry(
        due.user_id, due.entry_type, due.amount, due.entry_key, due.description, 'call', due.call_id
    ) AS entry
)

SELECT
    done.id,
    (SELECT count(*) FROM moved) AS entries
FROM done;

-- name: count_super_lover_call
UPDATE users SET super_lover_call_count = super_lover_call_count + 1
WHERE id = %(user_id)s AND is_super_lover;

-- name: charge_block
-- The next block of a metered call, before it starts; a call that ended meanwhile is not charged.
WITH due AS (
    UPDATE calls SET
        blocks_charged = blocks_charged + 1,
        coins_charged = coins_charged + price
    WHERE
        id = %(call_id)s
        AND status = 'answered'
        AND blocks_charged = %(block)s
        AND meter_term = %(term)s
    RETURNING id, caller_id, price
)

SELECT
    entry.id,
    entry.user_id,
    entry.transaction_type,
    entry.amount,
    entry.signed_amount,
    entry.balance_after,
    entry.reference_type,
    entry.reference_id,
    entry.idempotency_key,
    entry.created_at = now() AS is_new,
    (SELECT role = 'probe' FROM users WHERE users.id = entry.user_id) AS is_test
FROM due
CROSS JOIN LATERAL add_entry(
    due.caller_id, 'spend', due.price, 'call:' || due.id || ':block:' || %(block)s::integer,
    'Next minute of a call', 'call', due.id
) AS entry;

-- name: find_call
-- Everything about a call; whoever asks checks whose it is.
SELECT
    id,
    caller_id,
    receiver_id,
    call_type,
    status,
    end_reason,
    ended_by,
    duration_seconds,
    client_duration_seconds,
    coins_charged,
    coins_refunded,
    coins_spent,
    coins_earned,
    billing,
    price,
    share,
    block_seconds::float AS block_seconds,
    max_seconds::float AS max_seconds,
    blocks_charged,
    webrtc_room_id,
    webrtc_offer,
    webrtc_answer,
    metered_by,
    meter,
    meter_node,
    meter_term,
    NOT keeps(meter_node) AS is_orphan,
    extract(EPOCH FROM next_tick_at - now())::float AS rejoin_seconds_left,
    evidence_level,
    gaps,
    p2p_claimed,
    quality_score,
    ring_deadline,
    connect_deadline,
    answered_at,
    started_at,
    ended_at,
    created_at,
    extract(EPOCH FROM COALESCE(answered_at, ended_at) - created_at)::float AS ring_seconds,
    extract(EPOCH FROM started_at - answered_at)::float AS setup_seconds,
    (SELECT role = 'probe' FROM users WHERE users.id = calls.caller_id) AS is_test
FROM calls
WHERE id = %(call_id)s;

-- name: find_active_call
SELECT calls.id
FROM live_calls
INNER JOIN calls ON calls.id = live_calls.call_id
WHERE live_calls.user_id = %(user_id)s;

-- name: list_live_calls
SELECT id FROM calls
WHERE id = ANY(%(call_ids)s::uuid []) AND status IN ('initiated', 'ringing', 'answered');

-- name: list_calls
-- Both sides of the history in one order; each branch walks its own index.
SELECT
    id,
    caller_id,
    receiver_id,
    call_type,
    status,
    end_reason,
    duration_seconds,
    coins_spent,
    coins_earned,
    coins_refunded,
    started_at,
    ended_at,
    created_at
FROM (
    (
        SELECT
            id,
            caller_id,
            receiver_id,
            call_type,
            status,
            end_reason,
            duration_seconds,
            coins_spent,
            coins_earned,
            coins_refunded,
            started_at,
            ended_at,
            created_at
        FROM calls
        WHERE caller_id = %(user_id)s
        ORDER BY created_at DESC, id
        LIMIT %(page_offset)s::integer + %(page_size)s::integer
    )
    UNION ALL
    (
        SELECT
            id,
            caller_id,
            receiver_id,
            call_type,
            status,
            end_reason,
            duration_seconds,
            coins_spent,
            coins_earned,
            coins_refunded,
            started_at,
            ended_at,
            created_at
        FROM calls
        WHERE receiver_id = %(user_id)s
        ORDER BY created_at DESC, id
        LIMIT %(page_offset)s::integer + %(page_size)s::integer
    )
) AS both_sides
ORDER BY created_at DESC, id
LIMIT %(page_size)s OFFSET %(page_offset)s;

-- name: count_calls
SELECT
    (SELECT count(*) FROM calls WHERE caller_id = %(user_id)s)
    + (SELECT count(*) FROM calls WHERE receiver_id = %(user_id)s) AS total;

-- name: set_offer
UPDATE calls SET webrtc_offer = %(sdp)s WHERE id = %(call_id)s AND ended_at IS NULL;

-- name: set_answer
UPDATE calls SET webrtc_answer = %(sdp)s WHERE id = %(call_id)s AND ended_at IS NULL;

-- name: require_evidence
-- A side has a socket: from now on the call is metered by evidence of both, from what the wall clock has counted.
UPDATE calls SET
    metered_by = 'evidence',
    next_tick_at = CASE WHEN status = 'answered' THEN now() + make_interval(secs => %(rejoin_seconds)s) END,
    meter = CASE
        WHEN status = 'answered' THEN jsonb_build_object(
            'state', 'suspect',
            'billed_seconds', least(extract(EPOCH FROM now() - started_at), max_seconds),
            'started_ago', extract(EPOCH FROM now() - started_at),
            'opened_ago', NULL,
            'proven_ago', 0,
            'levels', jsonb_build_array('E1', 'E1'),
            'gaps', 0,
            'offer_relayed', TRUE,
            'answer_relayed', TRUE
        )
    END
WHERE
    id IN (SELECT call_id FROM live_calls WHERE user_id = %(user_id)s)
    AND metered_by = 'wallclock'
    AND ended_at IS NULL
RETURNING id;

-- name: set_started
-- The billing clock starts, and its first word is written down with it; said twice, it started the first time.
UPDATE calls SET
    started_at = COALESCE(started_at, now() - make_interval(secs => %(seconds_ago)s)),
    connect_deadline = NULL,
    meter = %(meter)s::jsonb,
    next_tick_at = now() + make_interval(secs => %(rejoin_seconds)s)
WHERE id = %(call_id)s AND status = 'answered' AND meter_term = %(term)s
RETURNING started_at;

-- name: save_meter
-- What any process needs to settle the call, should this one die. next_tick_at is when it may assume so.
UPDATE calls SET
    meter = %(meter)s::jsonb,
    gaps = %(gaps)s,
    evidence_level = %(evidence_level)s,
    p2p_claimed = p2p_claimed OR %(p2p_claimed)s,
    last_evidence_caller = COALESCE(
        now() - make_interval(secs => %(caller_seconds_ago)s), last_evidence_caller
    ),
    last_evidence_receiver = COALESCE(
        now() - make_interval(secs => %(receiver_seconds_ago)s), last_evidence_receiver
    ),
    next_tick_at = now() + make_interval(secs => %(rejoin_seconds)s)
WHERE id = %(call_id)s AND status = 'answered' AND meter_term = %(term)s
RETURNING id;

-- name: add_call_event
INSERT INTO call_events (call_id, event, user_id, detail)
VALUES (%(call_id)s, %(event)s, %(user_id)s, %(detail)s::jsonb);

-- name: add_quality_samples
-- Ages are in seconds: the clock of the database is the only one that is stored.
INSERT INTO call_quality_samples (call_id, user_id, source, rtt_ms, jitter_ms, loss_pct, mos, pair, sampled_at)
SELECT
    %(call_id)s,
    sample.user_id,
    sample.source,
    sample.rtt_ms,
    sample.jitter_ms,
    sample.loss_pct,
    sample.mos,
    sample.pair,
    clock_timestamp() - make_interval(secs => sample.age)
FROM jsonb_to_recordset(%(samples)s::jsonb -> 'rows') AS sample (
    user_id uuid, source text, rtt_ms real, jitter_ms real, loss_pct real, mos real, pair text, age float
);

-- name: list_quality
-- The timeline of both paths in at most a hundred steps each, times in milliseconds from the answer.
SELECT
    sample.user_id,
    sample.source,
    min(greatest(0, extract(EPOCH FROM sample.sampled_at - calls.answered_at) * 1000))::bigint AS at_ms,
    avg(sample.rtt_ms)::float AS rtt_ms,
    avg(sample.jitter_ms)::float AS jitter_ms,
    avg(sample.loss_pct)::float AS loss_pct,
    avg(sample.mos)::float AS mos,
    (array_agg(sample.pair ORDER BY sample.id DESC))[1] AS pair,
    count(*) AS samples
FROM call_quality_samples AS sample
INNER JOIN calls ON calls.id = sample.call_id
WHERE sample.call_id = %(call_id)s
GROUP BY
    sample.user_id,
    sample.source,
    floor(
        extract(EPOCH FROM sample.sampled_at - calls.answered_at)
        / greatest(5, extract(EPOCH FROM COALESCE(calls.ended_at, now()) - calls.answered_at) / 99)
    )
ORDER BY at_ms, sample.user_id
LIMIT 400;

-- name: delete_old_samples
DELETE FROM call_quality_samples WHERE sampled_at < now() - interval '30 days';

-- name: list_call_events
SELECT
    event,
    user_id,
    detail,
    created_at
FROM call_events
WHERE call_id = %(call_id)s
ORDER BY id
LIMIT 500;

-- name: list_due_calls
-- Calls whose deadline has passed; each is locked and judged again before it is touched.
SELECT id
FROM calls
WHERE
    (status IN ('initiated', 'ringing') AND ring_deadline <= now())
    OR (status = 'answered' AND started_at IS NULL AND connect_deadline <= now())
    OR (status = 'answered' AND next_tick_at IS NOT NULL AND next_tick_at <= now())
LIMIT 50;

-- name: list_standings
-- Where the calls this process knows stand by now.
SELECT
    id,
    caller_id,
    receiver_id,
    call_type,
    status,
    metered_by,
    meter_node,
    meter_term,
    NOT keeps(meter_node) AS is_orphan
FROM calls
WHERE id = ANY(%(call_ids)s);

-- name: keep_calls
-- The node lives for so many seconds more.
INSERT INTO call_nodes (node, dies_at) VALUES (%(node)s, now() + make_interval(secs => %(seconds)s))
ON CONFLICT (node) DO UPDATE SET dies_at = excluded.dies_at;

-- name: keep_no_calls
-- The node is gone for good, and so are those nobody has heard of for a day.
DELETE FROM call_nodes WHERE node = %(node)s OR dies_at < now() - interval '1 day';

-- name: claim_call
-- This node keeps the call from now on: nobody does who lives, or the one who does agrees. Of two that try one wins.
UPDATE calls SET
    meter_node = %(node)s,
    meter_term = meter_term + 1
WHERE
    id = %(call_id)s
    AND ended_at IS NULL
    AND meter_term = %(term)s
    AND (%(is_agreed)s OR meter_node = %(node)s OR NOT keeps(meter_node))
RETURNING meter_term;

-- name: release_call
-- Nobody keeps the call: whoever needs it next may.
UPDATE calls SET
    meter_node = NULL,
    meter_term = meter_term + 1
WHERE id = %(call_id)s AND ended_at IS NULL AND meter_term = %(term)s
RETURNING id;
