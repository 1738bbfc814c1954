#!/usr/bin/env bash
# gcp-storage-emulator 2026.7.19 takes a conditional creation (ifGenerationMatch=0) of an object that exists, and overwrites it.
#
# The bet, made before it was tried as a server for tests of writers that race: with Google's own client a second upload with
# if_generation_match=0 is answered 412 (PreconditionFailed), as the documentation of Cloud Storage says, and the first content stays.
#
# Seen (gcp-storage-emulator 2026.7.19, google-cloud-storage 3.17.1, Python 3.11): the second upload is answered as a success,
# its content is what is there afterwards, and of 12 that race all are told that they have made the object.
#
#     $ findings/gcp-storage-emulator-2026.7-create.sh
#     second creation: no error; content: two
#     of 12 racing creations 12 succeeded
#
# Why it matters: a test against it proves nothing of locks, leases or "first one wins" that rest on this condition: with it, both win.
# Needs python3 with venv, PyPI and nothing else, in a temporary folder. 0: still so; 1: it isn't any more.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check gcp-storage-emulator==2026.7.19 google-cloud-storage==3.17.1 2>/dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
env/bin/gcp-storage-emulator start --host=127.0.0.1 --port="$port" --in-memory >server.log 2>&1 &

cat >look.py <<'END'
import os
import socket
import sys
import threading
import time

from google.api_core.exceptions import PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

port = int(sys.argv[1])
os.environ["STORAGE_EMULATOR_HOST"] = f"http://127.0.0.1:{port}"
for _ in range(300):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        break
    except OSError:
        time.sleep(0.1)
bucket = storage.Client(project="one", credentials=AnonymousCredentials()).create_bucket("bucket")


def create(name, content):
    try:
        bucket.blob(name).upload_from_string(content, if_generation_match=0)
    except PreconditionFailed:
        return False
    return True


create("note", b"one")
again = create("note", b"two")
content = bucket.blob("note").download_as_bytes().decode()
print(f"second creation: {'no error' if again else 'refused'}; content: {content}")
won, start = [], threading.Barrier(12)


def race(number):
    start.wait()
    won.append(create("raced", b"%d" % number))


racers = [threading.Thread(target=race, args=(number,)) for number in range(12)]
for racer in racers:
    racer.start()
for racer in racers:
    racer.join()
print(f"of 12 racing creations {sum(won)} succeeded")
sys.exit(not (again and content == "two" and sum(won) > 1))
END
timeout 120 env/bin/python look.py "$port"
