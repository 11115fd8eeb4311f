"""Super lovers: people who are paid for being called."""
