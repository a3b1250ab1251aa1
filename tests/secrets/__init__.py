"""Where a key or a password could get to, and that it does not."""
