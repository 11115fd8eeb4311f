"""The only way in: run.py [serve] | migrate | demo | admin | bench | config | routes."""

from romantic.cli.main import main

if __name__ == "__main__":
    main()
