-- The ledger: immutable entries; a balance is nothing but the consequence of its entries.
CREATE TABLE coin_transactions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    seq bigint GENERATED ALWAYS AS IDENTITY,
    user_id uuid NOT NULL REFERENCES users (id),
    transaction_type varchar(20) NOT NULL
    CHECK (transaction_type IN ('earn', 'spend', 'purchase', 'refund')),
    amount integer NOT NULL CHECK (amount > 0),
    signed_amount integer NOT NULL
    GENERATED ALWAYS AS (CASE WHEN transaction_type = 'spend' THEN -amount ELSE amount END) STORED,
    balance_after integer NOT NULL CHECK (balance_after >= 0),
    description text,
    reference_type varchar(20),
    reference_id uuid,
    idempotency_key varchar(200) NOT NULL UNIQUE,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX coin_transactions_of_user ON coin_transactions (user_id, seq DESC);
CREATE INDEX coin_transactions_of_reference ON coin_transactions (reference_id, seq)
WHERE reference_id IS NOT NULL;

-- Every entry moves its user's balance, in the statement that inserts it and nowhere else.
CREATE FUNCTION move_balance() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    balance integer;
    change integer := CASE WHEN NEW.transaction_type = 'spend' THEN -NEW.amount ELSE NEW.amount END;
BEGIN
    SELECT coins_balance INTO balance FROM users WHERE id = NEW.user_id FOR NO KEY UPDATE;
    IF balance + change < 0 THEN
        RAISE EXCEPTION 'insufficient coins' USING
            ERRCODE = 'RM402',
            DETAIL = json_build_object('required', NEW.amount, 'balance', balance)::text;
    END IF;
    NEW.balance_after := balance + change;
    UPDATE users SET
        coins_balance = NEW.balance_after,
        coins_earned = coins_earned + greatest(change, 0),
        coins_spent = coins_spent + greatest(-change, 0)
    WHERE id = NEW.user_id;
    RETURN NEW;
END
$$;

CREATE TRIGGER coin_transactions_move_balance BEFORE INSERT ON coin_transactions
FOR EACH ROW EXECUTE FUNCTION move_balance();

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION '% is immutable', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER coin_transactions_immutable BEFORE UPDATE OR DELETE ON coin_transactions
FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER coin_transactions_not_truncated BEFORE TRUNCATE ON coin_transactions
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Depth 1 is a statement of ours; only the trigger above writes balances, from depth 2.
CREATE FUNCTION guard_balance() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'balances follow from the ledger only' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER users_balance_guard BEFORE UPDATE OF coins_balance, coins_earned, coins_spent ON users
FOR EACH ROW WHEN (
    (OLD.coins_balance, OLD.coins_earned, OLD.coins_spent)
    IS DISTINCT FROM (NEW.coins_balance, NEW.coins_earned, NEW.coins_spent)
) EXECUTE FUNCTION guard_balance();
CREATE TRIGGER users_balance_starts_at_zero BEFORE INSERT ON users
FOR EACH ROW WHEN (NEW.coins_balance <> 0 OR NEW.coins_earned <> 0 OR NEW.coins_spent <> 0)
EXECUTE FUNCTION guard_balance();

-- The one way to write an entry. Under a key already used it returns the first entry and moves nothing;
-- the same key for another movement is refused (RM422), too few coins are refused (RM402).
CREATE FUNCTION add_entry(
    entry_user uuid,
    entry_type text,
    entry_amount integer,
    entry_key text,
    entry_description text,
    entry_reference_type text,
    entry_reference uuid,
    entry_metadata jsonb DEFAULT '{}'
) RETURNS coin_transactions
LANGUAGE plpgsql
AS $$
DECLARE
    entry coin_transactions;
BEGIN
    PERFORM FROM users WHERE id = entry_user FOR NO KEY UPDATE;
    SELECT * INTO entry FROM coin_transactions WHERE idempotency_key = entry_key;
    IF FOUND THEN
        IF (entry.user_id, entry.transaction_type, entry.amount) IS DISTINCT FROM (entry_user, entry_type, entry_amount) THEN
            RAISE EXCEPTION 'idempotency key stands for another entry' USING ERRCODE = 'RM422';
        END IF;
        RETURN entry;
    END IF;
    INSERT INTO coin_transactions (
        user_id, transaction_type, amount, balance_after, description,
        reference_type, reference_id, idempotency_key, metadata
    ) VALUES (
        entry_user, entry_type, entry_amount, 0, entry_description,
        entry_reference_type, entry_reference, entry_key, entry_metadata
    ) RETURNING * INTO entry;
    RETURN entry;
END
$$;

CREATE TABLE coin_packages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar(50) NOT NULL UNIQUE,
    coins integer NOT NULL CHECK (coins > 0),
    price numeric(10, 2) NOT NULL CHECK (price > 0),
    currency varchar(3) NOT NULL DEFAULT 'usd',
    is_active boolean NOT NULL DEFAULT TRUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ad_views (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (id),
    ad_type varchar(20) NOT NULL CHECK (ad_type IN ('rewarded', 'interstitial', 'banner')),
    coins_earned integer NOT NULL DEFAULT 0 CHECK (coins_earned >= 0),
    ad_provider varchar(20) NOT NULL DEFAULT 'admob',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ad_views_of_user ON ad_views (user_id, created_at DESC);
