-- Who is connected, and at which node. A node's own row is its lease: what it held ends with it.
CREATE TABLE presence_nodes (
    node text PRIMARY KEY,
    dies_at timestamptz NOT NULL
);

CREATE INDEX presence_nodes_by_end ON presence_nodes (dies_at);

CREATE TABLE presences (
    user_id uuid NOT NULL REFERENCES users (id),
    node text NOT NULL REFERENCES presence_nodes (node),
    PRIMARY KEY (user_id, node)
);

CREATE INDEX presences_of_node ON presences (node, user_id);

-- Rows written by servers that knew no nodes: whoever is still there says so again.
UPDATE users SET is_online = FALSE WHERE is_online;

-- While somebody is here their last moment is now; nothing is written for it.
CREATE FUNCTION seen_at(is_online boolean, last_seen timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT CASE WHEN is_online THEN now() ELSE last_seen END
$$;

-- The three functions below hold the people they write about, so that an arrival here and a departure there see
-- each other. They never wait for anybody: whoever is held elsewhere (by money, for a moment) is left out of the
-- answer and tried again, so a batch can neither block nor deadlock.

-- These people are connected to the node. Nobody at all in the answer: the node's own lease is gone.
CREATE FUNCTION arrive(people uuid[], at_node text) RETURNS TABLE (user_id uuid, has_changed boolean)
LANGUAGE plpgsql
AS $$
DECLARE
    held uuid[];
BEGIN
    PERFORM FROM presence_nodes WHERE presence_nodes.node = at_node FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    held := ARRAY(SELECT id FROM users WHERE id = ANY(people) FOR NO KEY UPDATE SKIP LOCKED);
    INSERT INTO presences (user_id, node) SELECT unnest(held), at_node ON CONFLICT DO NOTHING;
    RETURN QUERY
    WITH changed AS (
        UPDATE users SET is_online = TRUE, last_seen = now()
        WHERE id = ANY(held) AND NOT is_online AND status = 'active'
        RETURNING id
    )
    SELECT one.id, EXISTS (SELECT FROM changed WHERE changed.id = one.id) FROM unnest(held) AS one (id);
END
$$;

-- These people left the node, so many seconds ago; whoever is at no other node is offline.
CREATE FUNCTION depart(people uuid[], seconds_ago double precision[], at_node text)
RETURNS TABLE (user_id uuid, has_changed boolean)
LANGUAGE plpgsql
AS $$
DECLARE
    held uuid[];
BEGIN
    held := ARRAY(SELECT id FROM users WHERE id = ANY(people) FOR NO KEY UPDATE SKIP LOCKED);
    DELETE FROM presences WHERE presences.node = at_node AND presences.user_id = ANY(held);
    RETURN QUERY
    WITH changed AS (
        UPDATE users SET
            is_online = FALSE,
            last_seen = greatest(last_seen, now() - make_interval(secs => gone.seconds))
        FROM unnest(people, seconds_ago) AS gone (id, seconds)
        WHERE
            users.id = gone.id
            AND users.id = ANY(held)
            AND is_online
            AND NOT EXISTS (SELECT FROM presences WHERE presences.user_id = users.id)
        RETURNING users.id
    )
    SELECT one.id, EXISTS (SELECT FROM changed WHERE changed.id = one.id) FROM unnest(held) AS one (id);
END
$$;

-- Nodes that died take nobody with them: some of their people, those who are nowhere else now offline.
CREATE FUNCTION expire_presences(most integer) RETURNS TABLE (user_id uuid, has_changed boolean)
LANGUAGE plpgsql
AS $$
DECLARE
    held uuid[];
BEGIN
    held := ARRAY(
        SELECT id FROM users
        WHERE id IN (
            SELECT presences.user_id FROM presence_nodes
            INNER JOIN presences ON presences.node = presence_nodes.node
            WHERE presence_nodes.dies_at < now()
            LIMIT most
        )
        FOR NO KEY UPDATE SKIP LOCKED
    );
    DELETE FROM presences
    WHERE
        presences.user_id = ANY(held)
        AND presences.node IN (SELECT presence_nodes.node FROM presence_nodes WHERE dies_at < now());
    RETURN QUERY
    WITH changed AS (
        UPDATE users SET is_online = FALSE, last_seen = greatest(last_seen, now() - interval '45 seconds')
        WHERE
            id = ANY(held)
            AND is_online
            AND NOT EXISTS (SELECT FROM presences WHERE presences.user_id = users.id)
        RETURNING id
    )
    SELECT one.id, EXISTS (SELECT FROM changed WHERE changed.id = one.id) FROM unnest(held) AS one (id);
END
$$;

-- Who of the viewers may see the target beside them: both active, no block either way, and what the target shows
-- to whom. The one gate, for many pairs at once; can_see asks it for one.
CREATE FUNCTION sights(viewers uuid[], targets uuid[]) RETURNS TABLE (viewer uuid, target uuid)
LANGUAGE sql STABLE
AS $$
    SELECT pair.viewer, pair.target
    FROM unnest(viewers, targets) AS pair (viewer, target)
    INNER JOIN users AS me ON me.id = pair.viewer AND me.status = 'active'
    INNER JOIN users AS person ON person.id = pair.target AND person.status = 'active' AND person.role <> 'probe'
    INNER JOIN user_preferences AS prefs ON prefs.user_id = person.id
    WHERE
        pair.viewer <> pair.target
        AND NOT EXISTS (
            SELECT FROM user_interactions AS mine
            WHERE
                mine.user_id = pair.viewer
                AND mine.target_user_id = pair.target
                AND mine.interaction_type = 'block'
        )
        AND NOT EXISTS (
            SELECT FROM user_interactions AS theirs
            WHERE
                theirs.user_id = pair.target
                AND theirs.target_user_id = pair.viewer
                AND theirs.interaction_type = 'block'
        )
        AND (
            prefs.privacy_profile_visibility = 'public'
            OR (
                prefs.privacy_profile_visibility = 'matches'
                AND EXISTS (
                    SELECT FROM matches
                    WHERE
                        user_low = least(pair.viewer, pair.target)
                        AND user_high = greatest(pair.viewer, pair.target)
                )
            )
        )
$$;

CREATE OR REPLACE FUNCTION can_see(viewer uuid, target uuid) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (SELECT FROM sights(ARRAY[viewer], ARRAY[target]))
$$;
