"""Alembic's folder: how to compare and run, and the revisions in `versions/`."""
