"""One report, told to a person, a monitoring system, a build server, a scraper and a browser."""
