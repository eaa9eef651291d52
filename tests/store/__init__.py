"""Tests of the store; most run once on SQLite and once on PostgreSQL."""
