-- name: find_email
SELECT
    email_address AS address,
    email_verified_at AS verified_at
FROM user_preferences
WHERE user_id = %(user_id)s;

-- name: set_email
-- An address that is verified and given again stays verified; any other has to be proven.
UPDATE user_preferences SET
    email_verified_at = CASE WHEN email_address = %(address)s THEN email_verified_at END,
    email_address = %(address)s,
    email_proof_id = %(proof_id)s,
    email_attempts_left = %(attempts)s,
    email_proof_expires_at = now() + make_interval(secs => %(seconds)s),
    updated_at = now()
WHERE user_id = %(user_id)s
RETURNING email_address AS address, email_verified_at AS verified_at;

-- name: find_proof
SELECT
    email_address AS address,
    email_proof_id AS proof_id
FROM user_preferences
WHERE
    user_id = %(user_id)s
    AND email_verified_at IS NULL
    AND email_attempts_left > 0
    AND email_proof_expires_at > now();

-- name: judge_proof
-- One guess, counted and judged at once, at the code it was a guess of.
UPDATE user_preferences SET
    email_attempts_left = email_attempts_left - 1,
    email_verified_at = CASE WHEN %(is_right)s THEN now() END
WHERE
    user_id = %(user_id)s
    AND email_proof_id = %(proof_id)s
    AND email_verified_at IS NULL
    AND email_attempts_left > 0
RETURNING email_address AS address, email_verified_at AS verified_at;

-- name: forget_email
UPDATE user_preferences SET
    email_address = NULL,
    email_verified_at = NULL,
    email_proof_id = NULL,
    email_attempts_left = 0,
    updated_at = now()
WHERE user_id = %(user_id)s;

-- name: find_recipient
-- Whoever may be written to at this moment: a proven address, and the wish for it.
SELECT prefs.email_address AS address
FROM user_preferences AS prefs
INNER JOIN users ON users.id = prefs.user_id
WHERE
    prefs.user_id = %(user_id)s
    AND prefs.notifications_email
    AND prefs.email_verified_at IS NOT NULL
    AND users.status = 'active';
