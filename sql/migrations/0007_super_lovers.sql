-- Super lovers: who can be called, ratings bound to calls, and what their statistics are read from.

-- Whoever has had no socket for a quarter of an hour is offline, whatever they last said.
CREATE FUNCTION is_around(is_online boolean, last_seen timestamptz) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT is_online OR last_seen >= now() - interval '15 minutes'
$$;

CREATE FUNCTION effective_status(chosen text, is_online boolean, last_seen timestamptz) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN is_around(is_online, last_seen) THEN chosen ELSE 'offline' END
$$;

-- One rating per call; the average on the person is their sum and count, kept in the statement that adds one.
CREATE TABLE super_lover_ratings (
    call_id uuid PRIMARY KEY REFERENCES calls (id),
    rater_id uuid NOT NULL REFERENCES users (id),
    super_lover_id uuid NOT NULL REFERENCES users (id),
    rating smallint NOT NULL CHECK (rating BETWEEN 1 AND 5),
    comment text CHECK (length(comment) <= 500),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (rater_id <> super_lover_id)
);

CREATE INDEX super_lover_ratings_of ON super_lover_ratings (super_lover_id, created_at DESC);

ALTER TABLE users ADD COLUMN super_lover_rating_sum integer NOT NULL DEFAULT 0
CHECK (super_lover_rating_sum >= 0);
ALTER TABLE users ADD COLUMN super_lover_rating_count integer NOT NULL DEFAULT 0
CHECK (super_lover_rating_count >= 0);

-- Rates one call and returns it, or NULL when there is none to rate. The lock comes before the search, so that
-- two ratings at once find two calls, and the average never misses one.
CREATE FUNCTION rate_super_lover(rater uuid, target uuid, about_call uuid, stars integer, words text) RETURNS uuid
LANGUAGE plpgsql
AS $$
DECLARE
    rated uuid;
BEGIN
    PERFORM FROM users WHERE id = target AND is_super_lover FOR NO KEY UPDATE;
    IF NOT FOUND OR NOT can_interact(rater, target) THEN
        RETURN NULL;
    END IF;
    INSERT INTO super_lover_ratings (call_id, rater_id, super_lover_id, rating, comment)
    SELECT calls.id, rater, target, stars, words
    FROM calls
    WHERE
        calls.caller_id = rater
        AND calls.receiver_id = target
        AND (about_call IS NULL OR calls.id = about_call)
        AND calls.status = 'ended'
        AND calls.duration_seconds >= 10
        AND calls.ended_at >= now() - interval '7 days'
        AND NOT EXISTS (SELECT FROM super_lover_ratings AS earlier WHERE earlier.call_id = calls.id)
    ORDER BY calls.created_at DESC, calls.id DESC
    LIMIT 1
    RETURNING call_id INTO rated;
    IF rated IS NOT NULL THEN
        UPDATE users SET
            super_lover_rating_sum = super_lover_rating_sum + stars,
            super_lover_rating_count = super_lover_rating_count + 1,
            super_lover_rating
            = round((super_lover_rating_sum + stars)::numeric / (super_lover_rating_count + 1), 2)
        WHERE id = target;
    END IF;
    RETURN rated;
END
$$;

CREATE INDEX super_lovers_by_rating ON users (super_lover_rating DESC, super_lover_call_count DESC, id)
WHERE is_super_lover AND status = 'active';

-- Whom the viewer may call; `wanted` NULL is everybody who is not offline. Planned as part of the asking query:
-- of effective_status(…) = 'ready' the planner would expect one row in two hundred and sort instead of walking.
CREATE FUNCTION available_super_lovers(viewer uuid, wanted text) RETURNS SETOF users
LANGUAGE sql STABLE
AS $$
    SELECT person.*
    FROM users AS person
    WHERE
        person.is_super_lover
        AND person.status = 'active'
        AND person.id <> viewer
        AND CASE
            WHEN NOT is_around(person.is_online, person.last_seen) THEN wanted = 'offline'
            WHEN wanted IS NULL THEN person.super_lover_status <> 'offline'
            ELSE person.super_lover_status = wanted
        END
        AND (person.is_discoverable OR can_see(viewer, person.id))
        AND NOT EXISTS (
            SELECT FROM user_interactions AS mine
            WHERE
                mine.user_id = viewer
                AND mine.target_user_id = person.id
                AND mine.interaction_type = 'block'
        )
        AND NOT EXISTS (
            SELECT FROM user_interactions AS theirs
            WHERE
                theirs.user_id = person.id
                AND theirs.target_user_id = viewer
                AND theirs.interaction_type = 'block'
        )
$$;

-- What a super lover's statistics add up, so that they touch no other row.
CREATE INDEX calls_of_super_lover ON calls (receiver_id) INCLUDE (duration_seconds)
WHERE status = 'ended' AND share > 0 AND started_at IS NOT NULL;
CREATE INDEX coin_transactions_from_calls ON coin_transactions (user_id, created_at) INCLUDE (amount)
WHERE transaction_type = 'earn' AND reference_type = 'call';

-- Preferences take the values the API knows and no others.
ALTER TABLE user_preferences ADD CHECK (app_theme IN ('light', 'dark', 'system'));
ALTER TABLE user_preferences ADD CHECK (app_language ~ '^[a-z]{2}(-[A-Z]{2})?$');
