-- name: get_profile
SELECT
    id,
    phone_number,
    full_name,
    age,
    gender,
    bio,
    location,
    profile_image_url,
    is_verified,
    is_super_lover,
    coins_balance,
    last_seen,
    is_online,
    created_at
FROM users
WHERE id = %(user_id)s AND status <> 'deleted';

-- name: find_profile_by_phone
SELECT
    id,
    status,
    phone_number,
    full_name,
    age,
    gender,
    bio,
    location,
    coins_balance,
    created_at
FROM users
WHERE phone_number = %(phone_number)s;

-- name: add_user
WITH person AS (
    INSERT INTO users (phone_number, phone_hash, full_name, age, gender, bio, location, is_verified)
    VALUES (
        %(phone_number)s, %(phone_hash)s, %(full_name)s, %(age)s, %(gender)s, %(bio)s, %(location)s,
        %(is_verified)s
    )
    RETURNING id
),

preferences AS (
    INSERT INTO user_preferences (user_id) SELECT id FROM person
)

SELECT id FROM person;

-- name: set_presence
UPDATE users SET is_online = %(is_online)s, last_seen = now()
WHERE id = %(user_id)s;
