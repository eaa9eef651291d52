"""The vocabulary of the hub: ids, time, content, the channel contract, states and errors.

Nothing here does I/O. Standard library and pydantic only, so that every other room may import it.
"""
