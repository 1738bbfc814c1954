"""Help for a machine on which something is wrong: what that is, why it matters, and the command that mends it.

masks.py takes out of any text what is secret, before somebody else is shown it: of what the last gate writes down
(cli/last_gate.py), and of what is packed for a report.

Nothing here prints, and no check changes anything, raises, or waits without a bound.
"""
