"""Development stand-ins and embedded servers: never imported in production."""
