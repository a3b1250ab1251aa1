"""Structured output and tool calls: JSON schemas from types and functions, and typed values from text."""

from __future__ import annotations

from .functions import call_with, function_schema
from .kinds import as_plain
from .listed import Records
from .shapes import SchemaMismatch, Shape, schema_for
from .validate import Mismatch

__all__ = ["Mismatch", "Records", "SchemaMismatch", "Shape", "as_plain", "call_with", "function_schema", "schema_for"]
