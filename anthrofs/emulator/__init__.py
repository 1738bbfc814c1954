"""The Files API on loopback: an independent witness of the protocol.

It imports nothing of the rest of anthrofs, so it can't share a mistake with the client.

    python -m anthrofs.emulator --port 0 --data DIR

    values      model (files, ids, times) · rules (names, types, expiry, ranges, errors) · shapes (the three shapes)
                switches (how this server behaves) · faults (scripted mishaps)
    state       content (bytes on disk) · store (metadata in SQLite) · journal (what was asked) · bucket (rate)
                parts (all of it together)
    the wire    connections (TCP, and how to cut it) · exchange (one request: pace, headers, record)
                form (streaming multipart) · gate (auth, rate, faults around an operation) · enact (what faults do)
    routes      transfer (upload, download) · files_api (all five) · messages · tokens · admin (/_emulator)
    process     server (uvicorn, ready line, stopping) · __main__

Everything runs on one event loop; only the store is used from other threads, and it has the only lock.
"""
