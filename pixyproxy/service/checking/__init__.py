"""Checking what is kept: rows against files, files against rows."""
