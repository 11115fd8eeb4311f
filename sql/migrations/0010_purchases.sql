-- Coins for money: purchases at the price they were offered, provider events that take effect once, and debt.
-- A package without a currency of its own is sold in the server's.
ALTER TABLE coin_packages ALTER COLUMN currency DROP DEFAULT, ALTER COLUMN currency DROP NOT NULL;

CREATE TABLE coin_purchases (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (id),
    package_id uuid NOT NULL REFERENCES coin_packages (id),
    coins integer NOT NULL CHECK (coins > 0),
    price numeric(10, 2) NOT NULL CHECK (price > 0),
    currency varchar(3) NOT NULL,
    provider varchar(20) NOT NULL CHECK (provider IN ('stripe', 'apple', 'google')),
    provider_id varchar(255) UNIQUE,
    request_key varchar(255),
    status varchar(20) NOT NULL DEFAULT 'pending'
    CHECK (status IN ('pending', 'paid', 'failed', 'refunded', 'disputed')),
    coins_taken_back integer NOT NULL DEFAULT 0 CHECK (coins_taken_back BETWEEN 0 AND coins),
    paid_at timestamptz,
    checked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (status IN ('pending', 'failed') OR paid_at IS NOT NULL)
);

CREATE INDEX coin_purchases_of_user ON coin_purchases (user_id, created_at DESC, id);
CREATE INDEX coin_purchases_by_age ON coin_purchases (created_at DESC, id);
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

-- Why coins of a purchase are taken back: what of a charge is refunded so far, and each dispute until it is won.
CREATE TABLE purchase_reversals (
    reversal_id varchar(100) PRIMARY KEY,
    purchase_id uuid NOT NULL REFERENCES coin_purchases (id),
    kind varchar(10) NOT NULL CHECK (kind IN ('refund', 'dispute')),
    coins integer NOT NULL CHECK (coins > 0),
    is_returned boolean NOT NULL DEFAULT FALSE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
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
FOR EACH ROW WHEN (NEW.transaction_type <> 'spend')
EXECUTE FUNCTION pay_debt();

-- Brings what was taken back of a purchase to what its reversals say by now: takes coins as far as they are
-- there and writes the rest down as debt, or gives back what a won dispute had taken. It looks at the sum and
-- not at the event, so that events may come twice and in any order; before the credit it does nothing.
CREATE FUNCTION settle_reversals(settled uuid, cause text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    bought coin_purchases;
    due integer;
    disputed boolean;
    change integer;
    there integer;
BEGIN
    SELECT * INTO bought FROM coin_purchases WHERE id = settled FOR UPDATE;
    IF bought.paid_at IS NULL THEN RETURN; END IF;
    SELECT
        least(bought.coins, COALESCE(sum(coins), 0)),
        COALESCE(bool_or(kind = 'dispute'), FALSE)
    INTO due, disputed
    FROM purchase_reversals
    WHERE purchase_id = settled AND NOT is_returned;
    change := due - bought.coins_taken_back;
    UPDATE coin_purchases SET
        coins_taken_back = due,
        status = CASE WHEN disputed THEN 'disputed' WHEN due = coins THEN 'refunded' ELSE 'paid' END,
        updated_at = now()
    WHERE id = settled;
    IF change > 0 THEN
        SELECT coins_balance INTO there FROM users WHERE id = bought.user_id FOR NO KEY UPDATE;
        there := least(there, change);
        IF there > 0 THEN
            PERFORM add_entry(
                bought.user_id, 'spend', there, 'purchase:' || settled || ':clawback:' || cause,
                'Taken back with a refund', 'purchase_refund', settled
            );
        END IF;
        UPDATE users SET coin_debt = coin_debt + change - there WHERE id = bought.user_id AND change > there;
    ELSIF change < 0 THEN
        PERFORM add_entry(
            bought.user_id, 'refund', -change, 'purchase:' || settled || ':return:' || cause,
            'Given back after a dispute', 'purchase', settled
        );
    END IF;
END
$$;
