"""Work nobody waits for."""
