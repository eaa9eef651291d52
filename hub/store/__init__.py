"""The store: tables, transactions, the event log and what hangs on them, on two databases."""
