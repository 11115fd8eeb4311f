-- name: add_stray
-- Before its object is written: should we die in between, the sweeper finds the key here.
INSERT INTO stray_photos (key, due_at) VALUES (%(key)s, now() + interval '1 hour');

-- name: set_photo
-- Two uploads at once queue up behind the row; the trigger on users takes the new key off the list of strays
-- and puts the old one there.
UPDATE users SET
    profile_image_key = %(key)s,
    profile_image_url = %(image_url)s,
    profile_thumbnail_url = %(thumbnail_url)s,
    updated_at = now()
FROM (
    SELECT id, profile_image_key FROM users WHERE id = %(user_id)s AND status = 'active' FOR UPDATE
) AS before
WHERE users.id = before.id
RETURNING before.profile_image_key AS key_before;

-- name: list_strays
SELECT key FROM stray_photos WHERE due_at <= now() ORDER BY due_at LIMIT 500;

-- name: delete_stray
DELETE FROM stray_photos WHERE key = %(key)s;
