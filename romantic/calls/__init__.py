"""Calls: their state machine, signaling, metering and billing."""
