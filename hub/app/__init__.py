"""The composition root: the only place that names concrete classes and puts them together.

rooms.py   every module of typed routes: one line to add one
loops.py   every background loop: one line to add one
build.py   opens the store and makes what use cases take
server.py  serves, drains, ends
"""
