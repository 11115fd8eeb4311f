-- What operators do from a command line, and what the moderators' page counts by day.

-- Who sat at the command line, by the name the machine knows; and what was touched, where that is nobody's row
-- with an id: the number of a job, an event of a provider, the keyed hash of a phone number.
ALTER TABLE admin_audit ADD COLUMN operator varchar(64);
ALTER TABLE admin_audit ADD COLUMN target_key varchar(300);
ALTER TABLE admin_audit ALTER COLUMN target_id DROP NOT NULL;
ALTER TABLE admin_audit ADD CHECK (num_nonnulls(target_id, target_key) > 0);

-- Somebody who is looked for by the beginning of their name.
CREATE INDEX users_by_name ON users (lower(full_name) text_pattern_ops);

-- What is counted by day.
CREATE INDEX calls_by_age ON calls (created_at);
CREATE INDEX reports_by_age ON reports (created_at);
