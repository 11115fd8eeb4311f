-- A code that WhatsApp does not bring goes by SMS, once.
ALTER TABLE otp_codes ADD COLUMN fallback_at timestamptz,
ADD COLUMN sms_message_id varchar(100);

CREATE INDEX otp_codes_by_sms ON otp_codes (sms_message_id) WHERE sms_message_id IS NOT NULL;
