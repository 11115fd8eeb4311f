-- Somebody who looks at the app is told of a missed call only where a phone had to be rung for it. Whether it was is
-- written down when the call ends, as the end of its ring is: another call may move the phone's mark at any time.
CREATE OR REPLACE FUNCTION push(
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
        jsonb_build_object(
            'deviceId', device.id,
            'about', about,
            'until', extract(EPOCH FROM until),
            'wasRung', COALESCE(device.rung_call_id = about, FALSE)
        ),
        now(),
        until
    FROM device_tokens AS device
    WHERE
        device.user_id = person
        AND device.session_id IS DISTINCT FROM but_session
        AND (what <> 'cancel' OR device.rung_call_id = about)
    ON CONFLICT (kind, key) WHERE status IN ('waiting', 'running') DO NOTHING;
    GET DIAGNOSTICS phones = ROW_COUNT;
    RETURN phones;
END
$$;
