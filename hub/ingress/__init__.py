"""The way in: verify -> parse -> receive -> respond, and the spool when the store is away."""
