"""Routing, pure: rules, calendars, capacity, order, offers and the one function `step.step`.

No I/O and no clock: the caller hands in `now` and executes what comes back. Semantics and their
reasons stand in docs/concepts/routing.md and the design page "Routing: the semantics".
"""
