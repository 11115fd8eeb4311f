-- Who keeps a call: its room, its evidence, its meter. A node lives as long as it says so here.
CREATE TABLE call_nodes (
    node text PRIMARY KEY,
    dies_at timestamptz NOT NULL
);

-- Grows whenever a call changes hands: what an earlier keeper still writes is refused.
ALTER TABLE calls ADD COLUMN meter_term integer NOT NULL DEFAULT 0;

-- Whether this node keeps its calls still; nobody does not.
CREATE FUNCTION keeps(keeper text) RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (SELECT FROM call_nodes WHERE node = keeper AND dies_at > now())
$$;
