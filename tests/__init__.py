"""The tests, one folder per room of the house; shared servers in ``servers`` and ``conftest``."""
