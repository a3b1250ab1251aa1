"""What every server must do: the fake, the embedded engine, a real daemon."""
