"""What every adapter may use beside `hub.model`: the outbound HTTP port and text rules."""
