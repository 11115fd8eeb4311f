-- Files of messages lie in a storage that knows no transactions. The keys here are those no message carries:
-- written just now (not due yet), of a message taken back (due when moderators no longer need it), or of one gone.
CREATE TABLE stray_media (
    key text PRIMARY KEY,
    due_at timestamptz NOT NULL
);

CREATE INDEX stray_media_by_due ON stray_media (due_at);

CREATE FUNCTION follow_media() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        DELETE FROM stray_media WHERE key = NEW.media_key;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO stray_media (key, due_at) VALUES (OLD.media_key, now())
        ON CONFLICT (key) DO UPDATE SET due_at = least(stray_media.due_at, excluded.due_at);
    ELSIF NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL THEN
        INSERT INTO stray_media (key, due_at) VALUES (NEW.media_key, NEW.deleted_at + interval '90 days')
        ON CONFLICT (key) DO NOTHING;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER messages_media_added AFTER INSERT ON messages
FOR EACH ROW WHEN (NEW.media_key IS NOT NULL) EXECUTE FUNCTION follow_media();
CREATE TRIGGER messages_media_taken_back AFTER UPDATE OF deleted_at ON messages
FOR EACH ROW WHEN (NEW.media_key IS NOT NULL) EXECUTE FUNCTION follow_media();
CREATE TRIGGER messages_media_gone AFTER DELETE ON messages
FOR EACH ROW WHEN (OLD.media_key IS NOT NULL) EXECUTE FUNCTION follow_media();
