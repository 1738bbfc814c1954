"""One mount's life, and the answers that it gives while it lives.

Begin with build.py, which has all constructors, and the bells (bell.py) by which parts call back. mount.py starts the
parts in order, serves, drains and stops them. recovery.py makes sense of a state after a crash; greeting.py is the
first look at the service; drain.py waits until everything is sent, after last_closes.py. control.py is the socket that
commands come through, requests.py the table of what can be asked: report.py (status), left.py (what isn't on the server
yet), folder_list.py (ls), user_decisions.py (retry, discard, push), holdings.py (free, fetch). process.py has the log,
the signals and the limits of the process; notify.py and watchdog.py tell systemd.
"""
