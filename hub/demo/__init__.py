"""Simulators of the providers, on loopback, for tests and the demo; no adapter is imported here."""
