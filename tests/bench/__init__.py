"""The reading benchmark: anthrofs beside rclone, curl and the local disk, on one delayed wire, in one run. This is its map.

    proxy       the wire, a program of its own: delays connects and answers, limits bandwidth, counts
    wire        the proxy as a child; what it counted
    peers       rclone (server and mount), curl, a client whose connection is kept
    stage       everything of one run: files, servers, the wire, fresh mounts; and the end of all of it
    table       what is measured, compared and printed: no I/O
    sequential  rows of whole files read from end to end, once and again
    scattered   rows of first bytes, random reads and small files
    memory      the row of the biggest file
    read        the command

Times never fail a run, for machines are noisy; counts of requests and of bytes do.
"""
