"""The simulation: whole mounts without a kernel, under a scheduler that owns every thread's turn, the clock, the network and the disk.
"""
