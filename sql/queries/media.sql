-- name: add_stray
-- Before its object is written: should we die in between, the sweeper finds the key here.
INSERT INTO stray_media (key, due_at) VALUES (%(key)s, now() + interval '1 hour');

-- name: find_stray
-- Whether no message carries this key.
SELECT due_at FROM stray_media WHERE key = %(key)s;

-- name: list_strays
SELECT key FROM stray_media WHERE due_at <= now() ORDER BY due_at LIMIT 500;

-- name: delete_stray
DELETE FROM stray_media WHERE key = %(key)s;
