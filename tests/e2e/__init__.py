"""The whole hub as a process, with real servers around it."""
