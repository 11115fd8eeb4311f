-- name: add_package
INSERT INTO coin_packages (name, coins, price) VALUES (%(name)s, %(coins)s, %(price)s)
ON CONFLICT (name) DO NOTHING;

-- name: make_super_lover
UPDATE users SET is_super_lover = TRUE, super_lover_status = 'ready', super_lover_bio = %(bio)s
WHERE id = %(user_id)s;

-- name: list_people
SELECT
    id,
    full_name,
    phone_number,
    coins_balance,
    is_super_lover,
    is_online
FROM users
WHERE status = 'active'
ORDER BY created_at, phone_number
LIMIT 50;
