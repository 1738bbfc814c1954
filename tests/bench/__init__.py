"""The benchmarks: anthrofs beside rclone, curl and others, on one delayed wire, in one run. This is their map.

    proxy       the wire, a program of its own: delays connects and answers, limits bandwidth, counts
    wire        the proxy as a child; what it counted
    peers       rclone and s3fs: their servers, their mounts
    s3          s3fs's server, a program of its own
    clients     curl, and clients whose connection is kept
    process     what the kernel says of a process: CPU, memory
    builds      this version and the one of another commit, and their mounts
    stage       what each run needs: servers, the wire, fresh mounts; and the end of all of it
    table       what is measured, compared and printed: no I/O
    __main__    the command

    read        the reading benchmark
    read_stage  its files; what a read costs
    sequential  rows of whole files read from end to end, once and again
    scattered   rows of first bytes, random reads and small files
    memory      the row of the biggest file
    fast        rows of a server that is never waited for: http, https, seven readers at once
    front       that server: nginx before the emulator

    write       the writing benchmark
    write_stage its files, and when the servers have them; what a write costs
    saves       rows of many small files: written, written over, removed
    copies      rows of cp and rsync: a folder of small files, a big file
    sending     rows of the biggest file

    names       the benchmark of names: listings, attributes
    names_stage its files; mounts that haven't been looked at
    listings    rows of mounts and refreshes
    looks       rows of programs that look at many names; memory
    attributes  rows of programs that look at attributes which the kernel hasn't
    commands    rows of commands, and of a mount at rest
    million     rows of many files beside few
    catalogue   their server as a child
    pages       that server, a program of its own

    profile     in which functions a cold read's CPU goes

    walks       how far operations walk through the package: a command of its own, which measures no time

Times never fail a run, for machines are noisy; counts of requests and of bytes do.
"""
