-- What the HTTP shell remembers: answers under idempotency keys, and counters when Redis is away.
CREATE TABLE idempotency_keys (
    subject text NOT NULL,
    route text NOT NULL,
    key varchar(255) NOT NULL,
    fingerprint bytea NOT NULL,
    locked_until timestamptz,
    response_status smallint,
    response_body bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subject, route, key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE UNLOGGED TABLE rate_counters (
    subject text NOT NULL,
    window_start timestamptz NOT NULL,
    hits integer NOT NULL,
    PRIMARY KEY (subject, window_start)
);

CREATE INDEX rate_counters_by_age ON rate_counters (window_start);
