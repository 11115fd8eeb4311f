-- Work that is written down with what caused it, and done by whichever process is free.
CREATE TABLE jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    key text,
    payload jsonb NOT NULL,
    status text NOT NULL DEFAULT 'waiting'
    CHECK (status IN ('waiting', 'running', 'done', 'expired', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    -- When it is due. Of a running job: when whoever runs it is taken for dead.
    run_at timestamptz NOT NULL,
    expires_at timestamptz,
    reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CHECK ((finished_at IS NULL) = (status IN ('waiting', 'running')))
);

CREATE UNIQUE INDEX jobs_one_per_key ON jobs (kind, key) WHERE status IN ('waiting', 'running');

CREATE INDEX jobs_due ON jobs (run_at) WHERE status IN ('waiting', 'running');

CREATE INDEX jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
