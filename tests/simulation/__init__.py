"""The simulation: whole mounts without a kernel, under a scheduler that owns every thread's turn, the clock, the network and the disk.

Begin with scheduler.py: a simulated thread is a greenlet, and whoever waits hands over to it. threads.py is what the package
gets in the place of `threading`; mount.py is one mount on all this, world.py two or three of them with one service, and
programs that use them; fleet.py has the board and the store that mounts may share. steps.py says what can be done, as plain
data; plan.py draws a run's steps from its seed, judge.py
says what must be true, shrink.py makes a run that fails short. `python -m tests.simulation` is scripts/simulate.
"""
