-- Coins for money: purchases at the price they were offered, provider events that take effect once, and debt.
CREATE TABLE coin_purchases (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (id),
    package_id uuid NOT NULL REFERENCES coin_packages (id),
    coins integer NOT NULL CHECK (coins > 0),
    price numeric(10, 2) NOT NULL CHECK (price > 0),
    currency varchar(3) NOT NULL,
    provider varchar(20) NOT NULL CHECK (provider IN ('stripe', 'apple', 'google')),
    provider_id varchar(255) UNIQUE,
    status varchar(20) NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'paid', 'failed', 'refunded', 'disputed')),
    coins_taken_back integer NOT NULL DEFAULT 0 CHECK (coins_taken_back BETWEEN 0 AND coins),
    paid_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (status NOT IN ('paid') OR paid_at IS NOT NULL)
);

CREATE INDEX coin_purchases_of_user ON coin_purchases (user_id, created_at DESC, id);
CREATE INDEX coin_purchases_pending ON coin_purchases (created_at) WHERE status = 'pending';

-- Every event of a provider, once, as it came.
CREATE TABLE webhook_events (
    provider varchar(20) NOT NULL,
    event_id varchar(255) NOT NULL,
    event_type varchar(80) NOT NULL,
    outcome varchar(40) NOT NULL,
    payload jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, event_id)
);

CREATE INDEX webhook_events_by_age ON webhook_events (received_at);

-- What was taken back of a purchase, by refund or dispute; each of them once.
CREATE TABLE purchase_reversals (
    reversal_id varchar(255) PRIMARY KEY,
    purchase_id uuid NOT NULL REFERENCES coin_purchases (id),
    kind varchar(10) NOT NULL CHECK (kind IN ('refund', 'dispute')),
    coins integer NOT NULL CHECK (coins > 0),
    taken integer NOT NULL DEFAULT 0 CHECK (taken >= 0),
    is_applied boolean NOT NULL DEFAULT FALSE,
    is_returned boolean NOT NULL DEFAULT FALSE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX purchase_reversals_of_purchase ON purchase_reversals (purchase_id);

-- Debt is paid first: a credit is followed at once by the entry that pays what the person owes.
CREATE FUNCTION pay_debt() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    owed integer;
BEGIN
    SELECT least(coin_debt, coins_balance, NEW.amount) INTO owed FROM users WHERE id = NEW.user_id;
    IF owed > 0 THEN
        UPDATE users SET coin_debt = coin_debt - owed WHERE id = NEW.user_id;
        INSERT INTO coin_transactions (
            user_id, transaction_type, amount, balance_after, description,
            reference_type, reference_id, idempotency_key
        ) VALUES (
            NEW.user_id, 'spend', owed, 0, 'Debt of an earlier refund', 'debt', NEW.id, 'debt:' || NEW.id
        );
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER coin_transactions_pay_debt AFTER INSERT ON coin_transactions
FOR EACH ROW WHEN (NEW.transaction_type IN ('earn', 'purchase'))
EXECUTE FUNCTION pay_debt();

-- Takes a reversal's coins back as far as they are there and writes the rest down as debt. Once per reversal,
-- and only of a purchase whose coins were credited; before that it waits for the credit.
CREATE FUNCTION take_back(reversal text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    back purchase_reversals;
    bought coin_purchases;
    there integer;
    due integer;
BEGIN
    SELECT * INTO back FROM purchase_reversals WHERE reversal_id = reversal FOR UPDATE;
    IF NOT FOUND OR back.is_applied THEN RETURN; END IF;
    SELECT * INTO bought FROM coin_purchases WHERE id = back.purchase_id FOR UPDATE;
    IF bought.paid_at IS NULL THEN RETURN; END IF;
    due := least(back.coins, bought.coins - bought.coins_taken_back);
    SELECT coins_balance INTO there FROM users WHERE id = bought.user_id FOR NO KEY UPDATE;
    there := least(there, due);
    IF there > 0 THEN
        PERFORM add_entry(
            bought.user_id, 'spend', there, 'purchase:' || bought.id || ':clawback:' || reversal,
            'Taken back with a refund', 'purchase_refund', bought.id
        );
    END IF;
    UPDATE users SET coin_debt = coin_debt + due - there WHERE id = bought.user_id AND due > there;
    UPDATE purchase_reversals SET is_applied = TRUE, taken = due WHERE reversal_id = reversal;
    UPDATE coin_purchases SET coins_taken_back = coins_taken_back + due, updated_at = now() WHERE id = bought.id;
END
$$;
