-- name: get_profile
SELECT
    id,
    phone_number,
    full_name,
    age,
    gender,
    bio,
    location,
    profile_image_url,
    is_verified,
    is_super_lover,
    coins_balance,
    seen_at(is_online, last_seen) AS last_seen,
    is_online,
    created_at
FROM users
WHERE id = %(user_id)s AND status <> 'deleted';

-- name: find_profile_by_phone
SELECT
    id,
    status,
    phone_number,
    full_name,
    age,
    gender,
    bio,
    location,
    coins_balance,
    created_at
FROM users
WHERE phone_number = %(phone_number)s;

-- name: add_user
WITH person AS (
    INSERT INTO users (phone_number, phone_hash, full_name, age, gender, bio, location, is_verified)
    VALUES (
        %(phone_number)s, %(phone_hash)s, %(full_name)s, %(age)s, %(gender)s, %(bio)s, %(location)s,
        %(is_verified)s
    )
    RETURNING id
),

preferences AS (
    INSERT INTO user_preferences (user_id) SELECT id FROM person
)

SELECT id FROM person;

-- name: set_profile
-- Only what was given changes.
UPDATE users SET
    full_name = COALESCE(%(full_name)s, full_name),
    age = COALESCE(%(age)s, age),
    gender = COALESCE(%(gender)s, gender),
    bio = CASE WHEN %(set_bio)s THEN %(bio)s ELSE bio END,
    location = CASE WHEN %(set_location)s THEN %(location)s ELSE location END,
    updated_at = now()
WHERE id = %(user_id)s AND status = 'active'
RETURNING id, full_name, age, gender, bio, location, updated_at;

-- name: find_visible_profile
-- Somebody else's profile, if they may see it; the visit counts once a day.
WITH visit AS (
    INSERT INTO profile_views (viewer_id, viewed_id)
    SELECT %(viewer_id)s, %(user_id)s WHERE can_see(%(viewer_id)s, %(user_id)s)
    ON CONFLICT DO NOTHING
)

SELECT
    person.id,
    person.full_name,
    person.age,
    person.gender,
    person.bio,
    person.location,
    person.profile_image_url,
    person.is_verified,
    person.is_super_lover,
    effective_status(
        person.super_lover_status, person.is_online, person.last_seen, person.is_pushable
    ) AS super_lover_status,
    person.super_lover_bio,
    person.super_lover_rating,
    person.super_lover_call_count,
    CASE WHEN prefs.privacy_show_last_seen THEN seen_at(person.is_online, person.last_seen) END AS last_seen,
    person.is_online AND prefs.privacy_show_online_status AS is_online,
    EXISTS (SELECT FROM live_calls WHERE live_calls.user_id = person.id) AS is_busy,
    is_matched(%(viewer_id)s, person.id) AS is_match
FROM users AS person
INNER JOIN user_preferences AS prefs ON prefs.user_id = person.id
WHERE person.id = %(user_id)s AND can_see(%(viewer_id)s, %(user_id)s);

-- name: discover
-- Who is new to me: nobody I judged, nobody blocked either way, nobody hidden. The order cannot change under a
-- cursor, so nobody is shown twice or skipped; one row more than a page tells whether there is another.
SELECT
    person.id,
    person.full_name,
    person.age,
    person.gender,
    person.bio,
    person.location,
    person.profile_image_url,
    person.is_verified,
    person.is_super_lover,
    effective_status(
        person.super_lover_status, person.is_online, person.last_seen, person.is_pushable
    ) AS super_lover_status,
    person.super_lover_bio,
    person.super_lover_rating,
    person.super_lover_call_count,
    CASE WHEN prefs.privacy_show_last_seen THEN seen_at(person.is_online, person.last_seen) END AS last_seen,
    person.is_online AND prefs.privacy_show_online_status AS is_online,
    EXISTS (SELECT FROM live_calls WHERE live_calls.user_id = person.id) AS is_busy,
    person.created_at
FROM (
    SELECT candidate.*
    FROM users AS candidate
    WHERE
        candidate.status = 'active'
        AND candidate.is_discoverable
        AND candidate.role <> 'probe'
        AND candidate.id <> %(user_id)s
        AND (%(gender)s::text IS NULL OR candidate.gender = %(gender)s)
        AND candidate.age BETWEEN %(age_min)s AND %(age_max)s
        AND (%(location)s::text IS NULL OR lower(candidate.location) = lower(%(location)s))
        AND (
            %(before_at)s::timestamptz IS NULL
            OR (candidate.created_at, candidate.id) < (%(before_at)s::timestamptz, %(before_id)s::uuid)
        )
        AND NOT EXISTS (
            SELECT FROM user_interactions AS mine
            WHERE
                mine.user_id = %(user_id)s
                AND mine.target_user_id = candidate.id
                AND (
                    mine.interaction_type IN ('like', 'block')
                    OR (mine.interaction_type = 'pass' AND mine.created_at > now() - interval '30 days')
                )
        )
        AND NOT EXISTS (
            SELECT FROM user_interactions AS theirs
            WHERE
                theirs.user_id = candidate.id
                AND theirs.target_user_id = %(user_id)s
                AND theirs.interaction_type = 'block'
        )
    ORDER BY candidate.created_at DESC, candidate.id DESC
    LIMIT %(page_size)s + 1 OFFSET %(page_offset)s
) AS person
INNER JOIN user_preferences AS prefs ON prefs.user_id = person.id
ORDER BY person.created_at DESC, person.id DESC;

-- name: count_discoverable
-- How many there are to discover, exact up to the cap.
SELECT count(*) FROM (
    SELECT
    FROM users AS candidate
    WHERE
        candidate.status = 'active'
        AND candidate.is_discoverable
        AND candidate.role <> 'probe'
        AND candidate.id <> %(user_id)s
        AND (%(gender)s::text IS NULL OR candidate.gender = %(gender)s)
        AND candidate.age BETWEEN %(age_min)s AND %(age_max)s
        AND (%(location)s::text IS NULL OR lower(candidate.location) = lower(%(location)s))
        AND NOT EXISTS (
            SELECT FROM user_interactions AS mine
            WHERE
                mine.user_id = %(user_id)s
                AND mine.target_user_id = candidate.id
                AND (
                    mine.interaction_type IN ('like', 'block')
                    OR (mine.interaction_type = 'pass' AND mine.created_at > now() - interval '30 days')
                )
        )
        AND NOT EXISTS (
            SELECT FROM user_interactions AS theirs
            WHERE
                theirs.user_id = candidate.id
                AND theirs.target_user_id = %(user_id)s
                AND theirs.interaction_type = 'block'
        )
    LIMIT %(cap)s
) AS candidates;

-- name: like_user
SELECT
    liked.is_match,
    liked.is_new,
    person.id,
    person.full_name,
    person.profile_image_url,
    me.full_name AS my_name,
    me.profile_image_url AS my_image_url,
    CASE WHEN liked.is_new THEN push(%(target_user_id)s, 'match', %(user_id)s) ELSE 0 END AS pushes
FROM like_user(%(user_id)s, %(target_user_id)s) AS liked
INNER JOIN users AS person ON person.id = %(target_user_id)s
INNER JOIN users AS me ON me.id = %(user_id)s;

-- name: pass_user
-- The last word counts: a pass takes a like back, and with it what it had made.
WITH visible AS (
    SELECT %(target_user_id)s::uuid AS id
    WHERE can_see(%(user_id)s, %(target_user_id)s)
),

taken_back AS (
    DELETE FROM user_interactions
    WHERE
        user_id = %(user_id)s
        AND target_user_id IN (SELECT id FROM visible)
        AND interaction_type = 'like'
),

parted AS (
    DELETE FROM matches
    WHERE
        user_low = least(%(user_id)s::uuid, %(target_user_id)s::uuid)
        AND user_high = greatest(%(user_id)s::uuid, %(target_user_id)s::uuid)
        AND EXISTS (SELECT FROM visible)
)

INSERT INTO user_interactions (user_id, target_user_id, interaction_type)
SELECT
    %(user_id)s,
    id,
    'pass'
FROM visible
ON CONFLICT (user_id, target_user_id, interaction_type) DO UPDATE SET created_at = now()
RETURNING target_user_id;

-- name: delete_pass
DELETE FROM user_interactions
WHERE user_id = %(user_id)s AND target_user_id = %(target_user_id)s AND interaction_type = 'pass'
RETURNING target_user_id;

-- name: delete_match
-- Unmatching takes the own like back, so that only a new one can match the two again.
WITH parted AS (
    DELETE FROM matches
    WHERE
        user_low = least(%(user_id)s::uuid, %(target_user_id)s::uuid)
        AND user_high = greatest(%(user_id)s::uuid, %(target_user_id)s::uuid)
    RETURNING user_low
),

taken_back AS (
    DELETE FROM user_interactions
    WHERE
        user_id = %(user_id)s
        AND target_user_id = %(target_user_id)s
        AND interaction_type = 'like'
        AND EXISTS (SELECT FROM parted)
)

SELECT count(*) FROM parted;

-- name: list_matches
-- The own matches with their last message, the liveliest first.
SELECT
    person.id,
    person.full_name,
    person.profile_image_url,
    pair.created_at AS matched_at,
    latest.message_text,
    latest.created_at AS last_message_at,
    COALESCE(CASE WHEN kept.user_low = person.id THEN kept.unread_high ELSE kept.unread_low END, 0) AS unread,
    count(*) OVER () AS total
FROM (
    SELECT user_high AS other, created_at FROM matches WHERE user_low = %(user_id)s
    UNION ALL
    SELECT user_low, created_at FROM matches WHERE user_high = %(user_id)s
) AS pair
INNER JOIN users AS person ON person.id = pair.other AND person.status = 'active'
LEFT JOIN conversations AS kept
    ON
        kept.user_low = least(%(user_id)s::uuid, person.id)
        AND kept.user_high = greatest(%(user_id)s::uuid, person.id)
LEFT JOIN messages AS latest ON latest.id = kept.last_message_id
ORDER BY greatest(latest.created_at, pair.created_at) DESC, person.id
LIMIT %(page_size)s OFFSET %(page_offset)s;

-- name: list_likes_received
-- Who likes me and waits for an answer.
SELECT
    person.id,
    person.full_name,
    person.age,
    person.profile_image_url,
    liked.created_at AS liked_at,
    count(*) OVER () AS total
FROM user_interactions AS liked
INNER JOIN users AS person ON person.id = liked.user_id AND person.status = 'active'
WHERE
    liked.target_user_id = %(user_id)s
    AND liked.interaction_type = 'like'
    AND NOT EXISTS (
        SELECT FROM user_interactions AS mine
        WHERE
            mine.user_id = %(user_id)s
            AND mine.target_user_id = liked.user_id
            AND mine.interaction_type IN ('like', 'pass', 'block')
    )
ORDER BY liked.created_at DESC, person.id
LIMIT %(page_size)s OFFSET %(page_offset)s;

-- name: block_user
-- Nobody meets a robot, so there is nothing to be protected from.
SELECT
    NOT EXISTS (SELECT FROM users WHERE id = %(target_user_id)s AND role = 'probe')
    AND block_user(%(user_id)s, %(target_user_id)s);

-- name: delete_block
DELETE FROM user_interactions
WHERE user_id = %(user_id)s AND target_user_id = %(target_user_id)s AND interaction_type = 'block'
RETURNING target_user_id;

-- name: list_strangers
-- Those of the people with whom there is nothing to talk about any more: blocked either way, banned, gone.
SELECT person AS id FROM unnest(%(people)s::uuid []) AS person
WHERE NOT can_interact(%(user_id)s, person);

-- name: list_blocked
SELECT
    person.id,
    person.full_name,
    person.profile_image_url,
    blocked.created_at AS blocked_at,
    count(*) OVER () AS total
FROM user_interactions AS blocked
INNER JOIN users AS person ON person.id = blocked.target_user_id
WHERE blocked.user_id = %(user_id)s AND blocked.interaction_type = 'block'
ORDER BY blocked.created_at DESC, person.id
LIMIT %(page_size)s OFFSET %(page_offset)s;

-- name: add_report
-- A report with what a moderator will need; one a day about the same person. A block does not forbid it.
WITH subject AS (
    SELECT
        id,
        jsonb_build_object(
            'fullName', full_name,
            'age', age,
            'gender', gender,
            'bio', bio,
            'location', location,
            'profileImageUrl', profile_image_url,
            'superLoverBio', super_lover_bio
        ) AS profile
    FROM users
    WHERE id = %(target_user_id)s AND id <> %(user_id)s AND status <> 'deleted' AND role <> 'probe'
),

flag AS (
    INSERT INTO user_interactions (user_id, target_user_id, interaction_type)
    SELECT %(user_id)s, id, 'report' FROM subject
    ON CONFLICT DO NOTHING
),

written AS (
    INSERT INTO reports (reporter_id, reported_user_id, reason, description, snapshot)
    SELECT
        %(user_id)s,
        subject.id,
        %(reason)s,
        %(description)s,
        jsonb_build_object('profile', subject.profile, 'messages', COALESCE((
            SELECT jsonb_agg(to_jsonb(recent) ORDER BY recent.created_at)
            FROM (
                SELECT id, sender_id, message_text, message_type, created_at
                FROM (
                    SELECT * FROM page_of_messages(%(user_id)s, subject.id, NULL, NULL, 20, 0)
                    UNION ALL
                    (
                        SELECT * FROM messages
                        WHERE
                            least(sender_id, receiver_id) = least(%(user_id)s::uuid, subject.id)
                            AND greatest(sender_id, receiver_id) = greatest(%(user_id)s::uuid, subject.id)
                            AND deleted_at IS NOT NULL
                        ORDER BY created_at DESC, id DESC
                        LIMIT 20
                    )
                ) AS shown_and_taken_back
                ORDER BY created_at DESC, id DESC
                LIMIT 20
            ) AS recent
        ), '[]'))
    FROM subject
    WHERE NOT EXISTS (
        SELECT FROM reports
        WHERE
            reporter_id = %(user_id)s
            AND reported_user_id = %(target_user_id)s
            AND created_at > now() - interval '1 day'
    )
    RETURNING id
)

SELECT
    (SELECT id FROM written) AS report_id,
    EXISTS (SELECT FROM subject) AS is_known;

-- name: delete_account
-- The person is gone, what audits need stays: ledger, calls, reports. The phone number is free again.
UPDATE users SET
    status = 'deleted',
    deleted_at = now(),
    phone_number = NULL,
    full_name = 'Deleted user',
    bio = NULL,
    location = NULL,
    profile_image_url = NULL,
    is_super_lover = FALSE,
    super_lover_status = 'offline',
    super_lover_bio = NULL,
    is_online = FALSE,
    is_discoverable = FALSE,
    updated_at = now()
WHERE id = %(user_id)s AND status <> 'deleted'
RETURNING id;

-- name: delete_ties
-- Likes, passes, blocks, matches, visits, phones and the e-mail address of somebody who is gone.
WITH interactions AS (
    DELETE FROM user_interactions WHERE user_id = %(user_id)s OR target_user_id = %(user_id)s
),

views AS (
    DELETE FROM profile_views WHERE viewer_id = %(user_id)s OR viewed_id = %(user_id)s
),

devices AS (
    DELETE FROM device_tokens WHERE user_id = %(user_id)s
),

mail AS (
    UPDATE user_preferences SET email_address = NULL, email_verified_at = NULL WHERE user_id = %(user_id)s
)

DELETE FROM matches WHERE user_low = %(user_id)s OR user_high = %(user_id)s;

-- name: export_user
-- Everything about a person as one JSON object; each list newest first, at most ten thousand rows.
SELECT jsonb_build_object(
    'profile', (
        SELECT to_jsonb(person) - 'phone_hash' FROM users AS person WHERE person.id = %(user_id)s
    ),
    'preferences', (
        SELECT to_jsonb(prefs) - 'id' - 'user_id' - 'email_proof_id' FROM user_preferences AS prefs WHERE prefs.user_id = %(user_id)s
    ),
    'sessions', (
        SELECT COALESCE(jsonb_agg(to_jsonb(one) - 'refresh_counter' - 'key_hash'), '[]')
        FROM (
            SELECT * FROM user_sessions WHERE user_id = %(user_id)s ORDER BY created_at DESC LIMIT 10000
        ) AS one
    ),
    'devices', (
        SELECT COALESCE(jsonb_agg(to_jsonb(one) - 'token' - 'rung_call_id'), '[]')
        FROM (
            SELECT * FROM device_tokens WHERE user_id = %(user_id)s ORDER BY last_seen DESC LIMIT 10000
        ) AS one
    ),
    'transactions', (
        SELECT COALESCE(jsonb_agg(to_jsonb(one) - 'idempotency_key'), '[]')
        FROM (
            SELECT * FROM coin_transactions WHERE user_id = %(user_id)s ORDER BY seq DESC LIMIT 10000
        ) AS one
    ),
    'calls', (
        SELECT COALESCE(jsonb_agg(to_jsonb(one) - 'meter' - 'meter_node' - 'meter_term'), '[]')
        FROM (
            SELECT * FROM calls
            WHERE caller_id = %(user_id)s OR receiver_id = %(user_id)s
            ORDER BY created_at DESC LIMIT 10000
        ) AS one
    ),
    'messages', (
        SELECT COALESCE(jsonb_agg(to_jsonb(one)), '[]')
        FROM (
            SELECT * FROM messages
            WHERE sender_id = %(user_id)s OR receiver_id = %(user_id)s
            ORDER BY created_at DESC LIMIT 10000
        ) AS one
    ),
    'interactions', (
        SELECT COALESCE(jsonb_agg(to_jsonb(one) - 'id'), '[]')
        FROM (
            SELECT * FROM user_interactions WHERE user_id = %(user_id)s ORDER BY created_at DESC LIMIT 10000
        ) AS one
    ),
    'ratings', (
        SELECT COALESCE(jsonb_agg(to_jsonb(one)), '[]')
        FROM (
            SELECT * FROM super_lover_ratings
            WHERE rater_id = %(user_id)s ORDER BY created_at DESC LIMIT 10000
        ) AS one
    ),
    'reports', (
        SELECT COALESCE(jsonb_agg(to_jsonb(one) - 'snapshot' - 'admin_notes'), '[]')
        FROM (
            SELECT * FROM reports WHERE reporter_id = %(user_id)s ORDER BY created_at DESC LIMIT 10000
        ) AS one
    )
) AS everything;
