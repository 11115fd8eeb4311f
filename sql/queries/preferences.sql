-- name: get_preferences
SELECT
    notifications_push,
    notifications_email,
    notifications_sms,
    privacy_profile_visibility,
    privacy_show_online_status,
    privacy_show_last_seen,
    app_theme,
    app_language,
    app_auto_play_videos
FROM user_preferences
WHERE user_id = %(user_id)s;

-- name: set_preferences
-- Only what was given changes.
UPDATE user_preferences SET
    notifications_push = COALESCE(%(notifications_push)s, notifications_push),
    notifications_email = COALESCE(%(notifications_email)s, notifications_email),
    notifications_sms = COALESCE(%(notifications_sms)s, notifications_sms),
    privacy_profile_visibility = COALESCE(%(privacy_profile_visibility)s, privacy_profile_visibility),
    privacy_show_online_status = COALESCE(%(privacy_show_online_status)s, privacy_show_online_status),
    privacy_show_last_seen = COALESCE(%(privacy_show_last_seen)s, privacy_show_last_seen),
    app_theme = COALESCE(%(app_theme)s, app_theme),
    app_language = COALESCE(%(app_language)s, app_language),
    app_auto_play_videos = COALESCE(%(app_auto_play_videos)s, app_auto_play_videos),
    updated_at = now()
WHERE user_id = %(user_id)s
RETURNING
    notifications_push,
    notifications_email,
    notifications_sms,
    privacy_profile_visibility,
    privacy_show_online_status,
    privacy_show_last_seen,
    app_theme,
    app_language,
    app_auto_play_videos;

-- name: get_statistics
-- Name, age and gender are always there: 30 of the 100; the rest is what a person may add.
SELECT
    CASE WHEN person.is_online THEN now() ELSE person.last_seen END AS last_active_at,
    now() AS as_of,
    floor(extract(EPOCH FROM now() - person.created_at) / 86400)::integer AS account_age_days,
    (
        SELECT count(*) FROM matches
        WHERE matches.user_low = person.id OR matches.user_high = person.id
    ) AS matches,
    (
        SELECT count(*) FROM user_interactions
        WHERE user_interactions.target_user_id = person.id AND user_interactions.interaction_type = 'like'
    ) AS likes,
    (SELECT count(*) FROM profile_views WHERE profile_views.viewed_id = person.id) AS views,
    30
    + CASE WHEN btrim(person.bio) <> '' THEN 20 ELSE 0 END
    + CASE WHEN btrim(person.location) <> '' THEN 15 ELSE 0 END
    + CASE WHEN person.profile_image_url <> '' THEN 25 ELSE 0 END
    + CASE WHEN person.is_verified THEN 10 ELSE 0 END AS profile_completeness
FROM users AS person
WHERE person.id = %(user_id)s;
