-- Accounts of robots that test the service: keys instead of phones, and coins that come back by themselves.
-- A session with a key_hash is an API key: SHA-256 of 256 random bits, which need neither salt nor pepper.
ALTER TABLE user_sessions ADD COLUMN key_hash bytea CHECK (length(key_hash) = 32);

CREATE UNIQUE INDEX users_robots_by_name ON users (full_name) WHERE role = 'probe' AND phone_number LIKE 'probe-%';

-- What a call between robots moved goes back in the transaction that ends it, so whoever ends it, and however
-- the robot died, both have afterwards what they had before. The entries of the call itself stay what they
-- are; these are entries of their own, of type `probe`, and the call conserves its coins without them.
CREATE FUNCTION return_probe_coins() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    due record;
BEGIN
    FOR due IN
        SELECT party.user_id, party.entry_type, party.amount, party.side
        FROM (
            VALUES
            (NEW.caller_id, 'refund', NEW.coins_charged - NEW.coins_refunded, 'caller'),
            (NEW.receiver_id, 'spend', NEW.coins_earned, 'receiver')
        ) AS party (user_id, entry_type, amount, side)
        INNER JOIN users ON users.id = party.user_id AND users.role = 'probe'
        WHERE party.amount > 0
        ORDER BY party.user_id
    LOOP
        PERFORM add_entry(
            due.user_id, due.entry_type, due.amount, 'probe:' || NEW.id || ':' || due.side,
            'Coins of a test call returned', 'probe', NEW.id
        );
    END LOOP;
    RETURN NULL;
END
$$;

CREATE TRIGGER calls_return_probe_coins AFTER UPDATE OF status ON calls
FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
EXECUTE FUNCTION return_probe_coins();
