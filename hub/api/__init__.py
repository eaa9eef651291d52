"""HTTP and WebSocket in: handlers that read a request, call one use case and show its result."""
