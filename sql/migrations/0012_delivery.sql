-- What the provider says became of a code it took: also when it was read.
ALTER TABLE otp_codes ADD COLUMN read_at timestamptz,
ADD CHECK (read_at IS NULL OR delivery_status = 'delivered');
