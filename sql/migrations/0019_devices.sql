-- Phones that can be reached while no app is open on them, and the work of reaching them.

-- What the push service knows a phone by. It belongs to the session it was given in, and ends with it.
CREATE TABLE device_tokens (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    token text NOT NULL UNIQUE CHECK (length(token) BETWEEN 20 AND 2000),
    user_id uuid NOT NULL REFERENCES users (id),
    session_id uuid NOT NULL REFERENCES user_sessions (id),
    platform varchar(10) NOT NULL CHECK (platform IN ('android', 'ios', 'web')),
    -- The call this phone was last rung for: whoever ends it knows which phones to silence.
    rung_call_id uuid REFERENCES calls (id),
    last_seen timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (session_id, platform)
);

CREATE INDEX device_tokens_of_user ON device_tokens (user_id, last_seen DESC);

-- Those a push may go to at this moment; whether their owner wants any is for the asker to judge.
CREATE VIEW reachable_devices AS
SELECT
    device.id,
    device.token,
    device.platform,
    device.user_id,
    device.rung_call_id,
    prefs.notifications_push AS is_wanted
FROM device_tokens AS device
INNER JOIN user_sessions AS session
    ON session.id = device.session_id AND session.revoked_at IS NULL AND session.expires_at > now()
INNER JOIN users AS person ON person.id = device.user_id AND person.status = 'active'
INNER JOIN user_preferences AS prefs ON prefs.user_id = person.id;

-- Lists of people read one table: whether somebody has a phone that pushes reach, and wants them, is kept beside it.
ALTER TABLE users ADD COLUMN is_pushable boolean NOT NULL DEFAULT FALSE;

-- The lock comes before the look: of two phones that go at once, the second sees that it is the last.
CREATE FUNCTION judge_pushable(person uuid) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM FROM users WHERE id = person FOR NO KEY UPDATE;
    UPDATE users SET is_pushable = NOT is_pushable
    WHERE
        id = person
        AND is_pushable <> (
            EXISTS (SELECT FROM device_tokens WHERE user_id = person)
            AND EXISTS (SELECT FROM user_preferences WHERE user_id = person AND notifications_push)
        );
END
$$;

CREATE FUNCTION follow_device() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM judge_pushable(OLD.user_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM judge_pushable(NEW.user_id);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER device_tokens_followed
AFTER INSERT OR DELETE OR UPDATE OF user_id ON device_tokens
FOR EACH ROW EXECUTE FUNCTION follow_device();

CREATE FUNCTION follow_push_preference() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM judge_pushable(NEW.user_id);
    RETURN NULL;
END
$$;

CREATE TRIGGER user_preferences_push_followed
AFTER UPDATE OF notifications_push ON user_preferences
FOR EACH ROW WHEN (NEW.notifications_push <> OLD.notifications_push)
EXECUTE FUNCTION follow_push_preference();

-- Logout, logout everywhere, a ban, the end of an account, theft of a token: however a session ends.
CREATE FUNCTION follow_session_end() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM device_tokens WHERE session_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER user_sessions_end_followed
AFTER UPDATE OF revoked_at ON user_sessions
FOR EACH ROW WHEN (NEW.revoked_at IS NOT NULL AND OLD.revoked_at IS NULL)
EXECUTE FUNCTION follow_session_end();

-- One phone of a session: a newer token takes the place of the older, somebody else's token moves here under a new
-- id, and the phones of this person seen longest ago make room. NULL if the session is over: one that ends at this
-- moment either waits for the new row, or is seen here to have ended.
CREATE FUNCTION add_device(
    owner uuid, of_session uuid, new_token text, new_platform text, most integer
) RETURNS device_tokens
LANGUAGE plpgsql
AS $$
DECLARE
    device device_tokens;
BEGIN
    PERFORM FROM user_sessions WHERE id = of_session AND user_id = owner AND revoked_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('devices:' || owner::text, 0));
    DELETE FROM device_tokens
    WHERE session_id = of_session AND platform = new_platform AND token <> new_token;
    INSERT INTO device_tokens AS kept (token, user_id, session_id, platform)
    VALUES (new_token, owner, of_session, new_platform)
    ON CONFLICT (token) DO UPDATE SET
        id = CASE WHEN kept.user_id = excluded.user_id THEN kept.id ELSE excluded.id END,
        created_at = CASE WHEN kept.user_id = excluded.user_id THEN kept.created_at ELSE excluded.created_at END,
        rung_call_id = CASE WHEN kept.user_id = excluded.user_id THEN kept.rung_call_id END,
        user_id = excluded.user_id,
        session_id = excluded.session_id,
        platform = excluded.platform,
        last_seen = excluded.last_seen
    RETURNING * INTO device;
    DELETE FROM device_tokens
    WHERE id IN (
        SELECT id FROM device_tokens
        WHERE user_id = owner
        ORDER BY id = device.id DESC, last_seen DESC, id
        OFFSET most
    );
    RETURN device;
END
$$;

-- Work for every phone of a person, in the transaction of what it tells of; for how many phones. Not begun any more
-- after so many seconds: a day, a minute for the end of a call. Beyond ten thousand of a kind that wait for a push
-- service which is away, no more are taken on.
CREATE FUNCTION push(
    person uuid, what text, about uuid, seconds double precision DEFAULT NULL, but_session uuid DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    until timestamptz := now() + make_interval(
        secs => COALESCE(seconds, CASE what WHEN 'cancel' THEN 60 ELSE 86400 END)
    );
    phones integer;
BEGIN
    IF NOT EXISTS (SELECT FROM device_tokens WHERE user_id = person) THEN
        RETURN 0;
    END IF;
    IF EXISTS (
        SELECT FROM jobs WHERE kind = 'push.' || what AND status IN ('waiting', 'running') OFFSET 9999 LIMIT 1
    ) THEN
        RETURN 0;
    END IF;
    INSERT INTO jobs (kind, key, payload, run_at, expires_at)
    SELECT
        'push.' || what,
        device.id || ':' || about,
        jsonb_build_object('deviceId', device.id, 'about', about, 'until', extract(EPOCH FROM until)),
        now(),
        until
    FROM device_tokens AS device
    WHERE device.user_id = person AND device.session_id IS DISTINCT FROM but_session
    ON CONFLICT (kind, key) WHERE status IN ('waiting', 'running') DO NOTHING;
    GET DIAGNOSTICS phones = ROW_COUNT;
    RETURN phones;
END
$$;

-- Whatever gives coins tells of it. The welcome is known to whoever is being welcomed.
CREATE FUNCTION follow_credit() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM push(NEW.user_id, 'coins', NEW.id);
    RETURN NULL;
END
$$;

CREATE TRIGGER coin_transactions_credit_followed
AFTER INSERT ON coin_transactions
FOR EACH ROW WHEN (
    NEW.transaction_type IN ('purchase', 'earn') AND NEW.reference_type IS DISTINCT FROM 'welcome'
)
EXECUTE FUNCTION follow_credit();

-- Whoever has neither had a socket for a quarter of an hour nor a phone that pushes reach is offline, whatever they
-- last said. (With three arguments the function stays for servers of the release before.)
CREATE FUNCTION effective_status(
    chosen text, is_online boolean, last_seen timestamptz, is_pushable boolean
) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN is_around(is_online, last_seen) OR is_pushable THEN chosen ELSE 'offline' END
$$;

CREATE OR REPLACE FUNCTION available_super_lovers(viewer uuid, wanted text) RETURNS SETOF users
LANGUAGE sql STABLE
AS $$
    SELECT person.*
    FROM users AS person
    WHERE
        person.is_super_lover
        AND person.status = 'active'
        AND person.role <> 'probe'
        AND person.id <> viewer
        AND CASE
            WHEN NOT (is_around(person.is_online, person.last_seen) OR person.is_pushable) THEN wanted = 'offline'
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
