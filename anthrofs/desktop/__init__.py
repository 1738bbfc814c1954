"""The desktop that a mount runs beside, if there is one: what it is told.

Begin with notifications.py, which says a sentence to whoever sits there. session_bus.py is the way: one call to a
desktop's bus, with a bound.

Never   reads or changes a file of a mount, and never is needed by one: without a desktop all goes on.
"""
