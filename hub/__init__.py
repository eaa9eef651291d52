"""The omnichannel hub: one conversation per customer, whatever channel they write on.

Six floors, imports go downward only: ``app``/``cli``/``settings``, ``api``/``workers``, ``ingress``,
``services``, ``adapters``/``store``/``unify``/``routing``, ``model``. Start reading at ``hub.model``.
"""
