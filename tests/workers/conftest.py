"""The services' world, on both databases."""

from tests.services.conftest import any_url, postgres_url, sqlite_template, sqlite_url, world

__all__ = ["any_url", "postgres_url", "sqlite_template", "sqlite_url", "world"]
