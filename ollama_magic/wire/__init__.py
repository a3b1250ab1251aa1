"""Encodes requests as JSON bodies and decodes response bytes to events, without any I/O."""
