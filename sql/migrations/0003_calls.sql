-- Calls. Deadlines stand here so that any process can carry a call to its end.
CREATE TABLE calls (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    caller_id uuid NOT NULL REFERENCES users (id),
    receiver_id uuid NOT NULL REFERENCES users (id),
    call_type varchar(10) NOT NULL CHECK (call_type IN ('audio', 'video')),
    status varchar(20) NOT NULL DEFAULT 'initiated'
    CHECK (status IN ('initiated', 'ringing', 'answered', 'ended', 'missed', 'rejected')),
    end_reason varchar(30) CHECK (end_reason IN (
        'timeout', 'caller_cancelled', 'rejected', 'not_connected', 'ice_failed', 'user_hangup', 'disconnected',
        'unstable', 'insufficient_coins', 'max_duration', 'blocked', 'banned', 'account_deleted', 'admin'
    )),
    ended_by uuid REFERENCES users (id),
    duration_seconds integer NOT NULL DEFAULT 0 CHECK (duration_seconds >= 0),
    client_duration_seconds integer,
    coins_charged integer NOT NULL CHECK (coins_charged >= 0),
    coins_refunded integer NOT NULL DEFAULT 0 CHECK (coins_refunded >= 0),
    coins_spent integer NOT NULL GENERATED ALWAYS AS (coins_charged - coins_refunded) STORED,
    coins_earned integer NOT NULL DEFAULT 0 CHECK (coins_earned >= 0),
    billing varchar(10) NOT NULL CHECK (billing IN ('flat', 'metered')),
    price integer NOT NULL CHECK (price >= 0),
    share numeric(4, 3) NOT NULL CHECK (share BETWEEN 0 AND 1),
    block_seconds numeric(8, 3) NOT NULL CHECK (block_seconds > 0),
    max_seconds numeric(8, 3) NOT NULL CHECK (max_seconds > 0),
    blocks_charged integer NOT NULL DEFAULT 1 CHECK (blocks_charged >= 1),
    webrtc_room_id varchar(100) GENERATED ALWAYS AS ('room_' || id::text) STORED UNIQUE,
    webrtc_offer text,
    webrtc_answer text,
    ring_deadline timestamptz NOT NULL,
    connect_deadline timestamptz,
    next_tick_at timestamptz,
    answered_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    metered_by varchar(10) NOT NULL DEFAULT 'wallclock' CHECK (metered_by IN ('wallclock', 'evidence')),
    meter_node varchar(40),
    meter jsonb,
    evidence_level varchar(2) CHECK (evidence_level IN ('E1', 'E2')),
    last_evidence_caller timestamptz,
    last_evidence_receiver timestamptz,
    gaps integer NOT NULL DEFAULT 0 CHECK (gaps >= 0),
    p2p_claimed boolean NOT NULL DEFAULT FALSE,
    quality_score numeric(3, 2) CHECK (quality_score BETWEEN 1 AND 5),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (caller_id <> receiver_id),
    CHECK (coins_earned + coins_refunded <= coins_charged),
    CHECK (ended_at IS NOT NULL OR coins_earned + coins_refunded = 0),
    CHECK (status NOT IN ('missed', 'rejected') OR coins_refunded = coins_charged),
    CHECK ((status IN ('ended', 'missed', 'rejected')) = (ended_at IS NOT NULL)),
    CHECK ((status IN ('ended', 'missed', 'rejected')) = (end_reason IS NOT NULL)),
    CHECK (status <> 'answered' OR answered_at IS NOT NULL),
    -- Session descriptions hold addresses of people: kept for late joiners, gone when the call is.
    CHECK (ended_at IS NULL OR (webrtc_offer IS NULL AND webrtc_answer IS NULL))
);

CREATE UNIQUE INDEX calls_live_of_caller ON calls (caller_id) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX calls_live_of_receiver ON calls (receiver_id) WHERE ended_at IS NULL;
CREATE INDEX calls_of_caller ON calls (caller_id, created_at DESC, id);
CREATE INDEX calls_of_receiver ON calls (receiver_id, created_at DESC, id);
CREATE INDEX calls_of_pair ON calls (caller_id, receiver_id, created_at DESC);
CREATE INDEX calls_to_ring_out ON calls (ring_deadline) WHERE status IN ('initiated', 'ringing');
CREATE INDEX calls_to_connect ON calls (connect_deadline) WHERE status = 'answered' AND started_at IS NULL;
CREATE INDEX calls_to_sweep ON calls (next_tick_at) WHERE status = 'answered' AND next_tick_at IS NOT NULL;

-- One live call per person, whichever side they are on. The two rows follow from calls.
CREATE TABLE live_calls (
    user_id uuid PRIMARY KEY REFERENCES users (id),
    call_id uuid NOT NULL REFERENCES calls (id)
);

CREATE INDEX live_calls_of_call ON live_calls (call_id);

-- The timeline of a call, for whoever has to explain it.
CREATE TABLE call_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    call_id uuid NOT NULL REFERENCES calls (id),
    event varchar(30) NOT NULL,
    user_id uuid REFERENCES users (id),
    detail jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX call_events_of_call ON call_events (call_id, id);

CREATE FUNCTION follow_call() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        -- Both rows in the order of the ids, so that two people calling each other wait instead of deadlocking.
        INSERT INTO live_calls (user_id, call_id)
        SELECT party, NEW.id FROM unnest(ARRAY[NEW.caller_id, NEW.receiver_id]) AS party ORDER BY party;
    ELSIF NEW.ended_at IS NOT NULL THEN
        DELETE FROM live_calls WHERE call_id = NEW.id;
    END IF;
    INSERT INTO call_events (call_id, event, user_id, detail)
    VALUES (NEW.id, NEW.status, NEW.ended_by, jsonb_strip_nulls(jsonb_build_object('reason', NEW.end_reason)));
    RETURN NULL;
END
$$;

CREATE TRIGGER calls_followed AFTER INSERT ON calls FOR EACH ROW EXECUTE FUNCTION follow_call();
CREATE TRIGGER calls_followed_on AFTER UPDATE OF status ON calls
FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION follow_call();

-- The state machine, once more where no bug of ours can pass it.
CREATE FUNCTION guard_call() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL THEN
        RAISE EXCEPTION 'a call that is over does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF (OLD.caller_id, OLD.receiver_id, OLD.billing, OLD.price, OLD.share)
        IS DISTINCT FROM (NEW.caller_id, NEW.receiver_id, NEW.billing, NEW.price, NEW.share) THEN
        RAISE EXCEPTION 'what was agreed when it rang does not change' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.status <> NEW.status AND NOT (
        (OLD.status = 'initiated' AND NEW.status IN ('ringing', 'answered', 'missed', 'rejected'))
        OR (OLD.status = 'ringing' AND NEW.status IN ('answered', 'missed', 'rejected'))
        OR (OLD.status = 'answered' AND NEW.status = 'ended')
    ) THEN
        RAISE EXCEPTION 'a call does not go from % to %', OLD.status, NEW.status USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER calls_guard BEFORE UPDATE ON calls FOR EACH ROW EXECUTE FUNCTION guard_call();
CREATE TRIGGER calls_kept BEFORE DELETE ON calls FOR EACH ROW EXECUTE FUNCTION refuse_change();
