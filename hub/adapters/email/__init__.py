"""E-mail: reading (pure), sender checks, references; transport in its own modules."""
