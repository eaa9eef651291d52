"""Pure rules that make one conversation out of many channels."""
