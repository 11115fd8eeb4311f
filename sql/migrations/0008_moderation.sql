-- Moderation: sessions of their own, decisions that two people cannot both make, and the trail they leave.
ALTER TABLE users ADD COLUMN suspended_until timestamptz;

ALTER TABLE reports ADD COLUMN version integer NOT NULL DEFAULT 1;
ALTER TABLE reports ADD COLUMN decided_by uuid REFERENCES users (id);
ALTER TABLE reports ADD COLUMN action varchar(20)
CHECK (action IN ('none', 'warn', 'suspend', 'ban', 'remove_photo'));

CREATE TABLE admin_sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (id),
    ip inet,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX admin_sessions_of_user ON admin_sessions (user_id, created_at DESC);

-- Who did what to whom, with the state before and after. Nobody edits it.
CREATE TABLE admin_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor_id uuid REFERENCES users (id),
    action varchar(40) NOT NULL,
    target_type varchar(20) NOT NULL,
    target_id uuid NOT NULL,
    reason text,
    before jsonb NOT NULL DEFAULT '{}',
    after jsonb NOT NULL DEFAULT '{}',
    request_id varchar(64),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX admin_audit_of_target ON admin_audit (target_id, id DESC);
CREATE INDEX admin_audit_of_actor ON admin_audit (actor_id, id DESC);
CREATE TRIGGER admin_audit_immutable BEFORE UPDATE OR DELETE ON admin_audit
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER admin_audit_not_truncated BEFORE TRUNCATE ON admin_audit
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE INDEX users_by_age_of_account ON users (created_at DESC, id);
CREATE INDEX users_suspended ON users (suspended_until) WHERE status = 'suspended';
CREATE INDEX users_seen ON users (last_seen);
CREATE INDEX users_online ON users (last_seen) WHERE is_online;
