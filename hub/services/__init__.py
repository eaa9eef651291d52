"""Use cases. The only room that calls `db.run`: each prepares values, runs one unit, returns.

A unit is synchronous and touches nothing but its `Tx` and its arguments: no transaction is ever
open while a network is waited for.
"""
