"""Every SQL statement of the hub, by subject. Functions take a `Tx` and plain values."""
