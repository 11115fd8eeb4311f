-- What probes found, for a day. A network is a keyed hash: no address is ever stored.
CREATE TABLE probe_results (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    network_id varchar(16) NOT NULL,
    network_kind varchar(20),
    verdict varchar(20)
    CHECK (verdict IN ('inconclusive', 'udp-blocked', 'unusable', 'relay-needed', 'degraded', 'direct')),
    nat_mapping varchar(10) CHECK (nat_mapping IN ('none', 'cone', 'symmetric', 'unknown')),
    result jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    -- Without a verdict it is still running.
    CHECK (num_nulls(verdict, nat_mapping, result, finished_at) IN (0, 4))
);

CREATE INDEX probe_results_of_user ON probe_results (user_id, created_at DESC);
CREATE INDEX probe_results_by_age ON probe_results (created_at);

-- What each party's path looked like during the call, a row each few seconds: as the server's own monitor
-- measured the leg to us, or as the client sees its leg to the other person. Never money.
CREATE TABLE call_quality_samples (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES calls (id),
    user_id uuid NOT NULL REFERENCES users (id),
    source varchar(10) NOT NULL CHECK (source IN ('monitor', 'client')),
    rtt_ms real NOT NULL CHECK (rtt_ms >= 0),
    jitter_ms real CHECK (jitter_ms >= 0),
    loss_pct real NOT NULL CHECK (loss_pct BETWEEN 0 AND 100),
    mos real NOT NULL CHECK (mos BETWEEN 1 AND 5),
    pair varchar(12),
    sampled_at timestamptz NOT NULL
);

CREATE INDEX call_quality_samples_of_call ON call_quality_samples (call_id, user_id);
CREATE INDEX call_quality_samples_by_age ON call_quality_samples (sampled_at);

CREATE INDEX users_robots ON users (id) WHERE role = 'probe';

-- Robots that test the service (users.role = 'probe') meet each other and nobody else, in calls, messages and
-- everything that comes to ask here.
CREATE OR REPLACE FUNCTION can_interact(one uuid, other uuid) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT
        one <> other
        AND (
            SELECT count(*) = 2 AND count(DISTINCT role = 'probe') = 1
            FROM users WHERE id IN (one, other) AND status = 'active'
        )
        AND NOT EXISTS (
            SELECT FROM user_interactions
            WHERE
                interaction_type = 'block'
                AND (
                    (user_id = one AND target_user_id = other)
                    OR (user_id = other AND target_user_id = one)
                )
        )
$$;

-- As before, without the robots.
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
