-- Apps in the field that cannot send a token to /auth/login: the code they verified stands for it, once, for a short
-- while, from where it was verified (AUTH_LOGIN_GRANT_SECONDS). It ends after three tries, whoever makes them.
ALTER TABLE user_sessions
ADD COLUMN login_grant_until timestamptz,
ADD COLUMN login_grant_tries smallint NOT NULL DEFAULT 0 CHECK (login_grant_tries BETWEEN 0 AND 3);

CREATE INDEX user_sessions_with_grant ON user_sessions (phone_number) WHERE login_grant_until IS NOT NULL;
