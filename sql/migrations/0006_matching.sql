-- Who likes whom, who may see whom, and what moderators are shown.
CREATE TABLE matches (
    user_low uuid NOT NULL REFERENCES users (id),
    user_high uuid NOT NULL REFERENCES users (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_low, user_high),
    CHECK (user_low < user_high)
);

CREATE INDEX matches_of_high ON matches (user_high, user_low);

CREATE TABLE profile_views (
    viewer_id uuid NOT NULL REFERENCES users (id),
    viewed_id uuid NOT NULL REFERENCES users (id),
    day date NOT NULL DEFAULT current_date,
    PRIMARY KEY (viewed_id, viewer_id, day)
);

-- What a moderator needs to judge, as it was when it was reported.
ALTER TABLE reports ADD COLUMN snapshot jsonb NOT NULL DEFAULT '{}';
CREATE INDEX reports_of_pair ON reports (reporter_id, reported_user_id, created_at DESC);

CREATE FUNCTION is_matched(one uuid, other uuid) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (
        SELECT FROM matches WHERE user_low = least(one, other) AND user_high = greatest(one, other)
    )
$$;

-- Discovery reads one table: whether a profile is public is kept beside it.
ALTER TABLE users ADD COLUMN is_discoverable boolean NOT NULL DEFAULT TRUE;

CREATE FUNCTION follow_visibility() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE users SET is_discoverable = NEW.privacy_profile_visibility = 'public'
    WHERE id = NEW.user_id AND is_discoverable <> (NEW.privacy_profile_visibility = 'public');
    RETURN NULL;
END
$$;

CREATE TRIGGER user_preferences_followed
AFTER INSERT OR UPDATE OF privacy_profile_visibility ON user_preferences
FOR EACH ROW EXECUTE FUNCTION follow_visibility();

-- May the viewer open this profile: the gate between two people, and what its owner shows to whom.
CREATE FUNCTION can_see(viewer uuid, target uuid) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT
        can_interact(viewer, target)
        AND EXISTS (
            SELECT FROM users
            INNER JOIN user_preferences ON user_preferences.user_id = users.id
            WHERE
                users.id = target
                AND users.role <> 'probe'
                AND (
                    privacy_profile_visibility = 'public'
                    OR (privacy_profile_visibility = 'matches' AND is_matched(viewer, target))
                )
        )
$$;

-- Newest first is an order nobody can change while somebody else is swiping.
CREATE INDEX users_to_discover ON users (created_at DESC, id DESC) INCLUDE (age, gender)
WHERE status = 'active' AND is_discoverable AND role <> 'probe';
CREATE INDEX users_to_discover_by_gender ON users (gender, created_at DESC, id DESC) INCLUDE (age)
WHERE status = 'active' AND is_discoverable AND role <> 'probe';
CREATE INDEX users_to_discover_by_age ON users (gender, age, created_at DESC, id DESC)
WHERE status = 'active' AND is_discoverable AND role <> 'probe';
CREATE INDEX users_to_discover_by_location ON users (lower(location), created_at DESC, id DESC)
INCLUDE (age, gender)
WHERE status = 'active' AND is_discoverable AND role <> 'probe';

-- One like. The pair's lock lets the second of two simultaneous likes see the first: exactly one match.
CREATE FUNCTION like_user(me uuid, target uuid) RETURNS TABLE (is_match boolean, is_new boolean)
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(
        hashtextextended('pair:' || least(me, target)::text || greatest(me, target)::text, 0)
    );
    IF NOT can_see(me, target) THEN
        RAISE EXCEPTION 'no such person' USING ERRCODE = 'RM404', DETAIL = '{}';
    END IF;
    DELETE FROM user_interactions
    WHERE user_id = me AND target_user_id = target AND interaction_type = 'pass';
    INSERT INTO user_interactions (user_id, target_user_id, interaction_type)
    VALUES (me, target, 'like') ON CONFLICT DO NOTHING;
    is_match := EXISTS (
        SELECT FROM user_interactions
        WHERE user_id = target AND target_user_id = me AND interaction_type = 'like'
    );
    is_new := FALSE;
    IF is_match THEN
        INSERT INTO matches (user_low, user_high) VALUES (least(me, target), greatest(me, target))
        ON CONFLICT DO NOTHING;
        is_new := FOUND;
    END IF;
    RETURN NEXT;
END
$$;

-- One block: nothing that joined the two remains.
CREATE FUNCTION block_user(me uuid, target uuid) RETURNS boolean
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(
        hashtextextended('pair:' || least(me, target)::text || greatest(me, target)::text, 0)
    );
    IF me = target OR NOT EXISTS (SELECT FROM users WHERE id = target AND status <> 'deleted') THEN
        RETURN FALSE;
    END IF;
    DELETE FROM matches WHERE user_low = least(me, target) AND user_high = greatest(me, target);
    DELETE FROM user_interactions
    WHERE
        interaction_type IN ('like', 'pass')
        AND ((user_id = me AND target_user_id = target) OR (user_id = target AND target_user_id = me));
    INSERT INTO user_interactions (user_id, target_user_id, interaction_type)
    VALUES (me, target, 'block') ON CONFLICT DO NOTHING;
    RETURN TRUE;
END
$$;


-- Photos lie in a storage that knows no transactions. The keys here are those nobody shows: written just now
-- (not due yet), or shown no more.
ALTER TABLE users ADD COLUMN profile_image_key text, ADD COLUMN profile_thumbnail_url text;

CREATE TABLE stray_photos (
    key text PRIMARY KEY,
    due_at timestamptz NOT NULL
);

CREATE INDEX stray_photos_by_due ON stray_photos (due_at);

-- Whoever takes a photo away, the owner, a moderator or the end of an account, empties its URL.
CREATE FUNCTION follow_photo() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF NEW.profile_image_url IS NULL THEN
        NEW.profile_image_key := NULL;
        NEW.profile_thumbnail_url := NULL;
    END IF;
    IF NEW.profile_image_key IS DISTINCT FROM OLD.profile_image_key THEN
        DELETE FROM stray_photos WHERE key = NEW.profile_image_key;
        INSERT INTO stray_photos (key, due_at)
        SELECT OLD.profile_image_key, now() WHERE OLD.profile_image_key IS NOT NULL
        ON CONFLICT (key) DO NOTHING;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER users_photo_followed
BEFORE UPDATE OF profile_image_url, profile_image_key ON users
FOR EACH ROW EXECUTE FUNCTION follow_photo();
