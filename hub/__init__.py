"""The omnichannel hub: one conversation per customer, whatever channel they write on.

Six floors; imports go downward only: ``app``, ``cli``, ``settings`` on ``api``, ``workers`` on
``ingress`` on ``services`` on ``adapters``, ``store``, ``unify``, ``routing`` on ``model``.
Start reading at ``hub.model.channel``.
"""

__version__ = "0.1.0"
