-- Nobody is in a call any more, so that the same pairs can call again; what they paid stays in the ledger.
SET session_replication_role = replica;
DELETE FROM call_events;
DELETE FROM live_calls;
DELETE FROM calls;
