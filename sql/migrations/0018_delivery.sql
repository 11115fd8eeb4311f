-- A code that WhatsApp does not bring goes by SMS, once.
ALTER TABLE otp_codes ADD COLUMN fallback_at timestamptz,
ADD COLUMN sms_message_id varchar(100);

CREATE INDEX otp_codes_by_sms ON otp_codes (sms_message_id) WHERE sms_message_id IS NOT NULL;

-- Where somebody can be written to: an address counts once its owner has typed the code it was sent.
ALTER TABLE user_preferences ADD COLUMN email_address varchar(254),
ADD COLUMN email_verified_at timestamptz,
ADD COLUMN email_proof_id uuid,
ADD COLUMN email_attempts_left integer NOT NULL DEFAULT 0 CHECK (email_attempts_left >= 0),
ADD COLUMN email_proof_expires_at timestamptz,
ADD CHECK (email_verified_at IS NULL OR email_address IS NOT NULL);
