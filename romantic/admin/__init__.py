"""Moderation: staff with sessions of their own, decisions, and the trail they leave."""
