-- name: add_event
-- Nothing for an event that came before; a second one at the same moment waits for the first.
INSERT INTO webhook_events (provider, event_id, event_type, outcome, payload)
VALUES (%(provider)s, %(event_id)s, %(event_type)s, %(outcome)s, %(payload)s::jsonb)
ON CONFLICT DO NOTHING
RETURNING TRUE;

-- name: find_payload
SELECT payload FROM webhook_events WHERE provider = %(provider)s AND event_id = %(event_id)s;

-- name: find_event
SELECT
    provider,
    event_id,
    event_type,
    outcome,
    received_at
FROM webhook_events
WHERE provider = %(provider)s AND event_id = %(event_id)s;

-- name: list_events
SELECT
    provider,
    event_id,
    event_type,
    outcome,
    received_at
FROM webhook_events
WHERE
    (%(provider)s::text IS NULL OR provider = %(provider)s)
    AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
ORDER BY received_at DESC
LIMIT %(page_size)s;
