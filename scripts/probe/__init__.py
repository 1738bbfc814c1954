"""Questions to the real service, asked once by somebody who has a key: `scripts/probe-service`.

    values      forms (names and bodies of uploads) · words (facts out of answers)
    the wire    service (requests, their budget, what ends a run) · litter (what was uploaded, and its end)
    questions   run (what questions share) · uploads · listings · deletions · downloads · table (all of them, in order)
    process     __main__ (command line, signals, the document, exit codes)

It uses plain HTTP and not anthrofs.remote: what that hides (statuses, headers, cut connections) is what is asked here.
"""
