"""What app developers and operators look up: the API's description, made from the tables the server runs."""
