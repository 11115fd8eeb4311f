"""The probe: what a call would find on the way from a client's network, before it costs coins."""
