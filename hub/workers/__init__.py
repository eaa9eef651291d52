"""Background loops: each an `async def run(..., stop)` under one supervisor."""
