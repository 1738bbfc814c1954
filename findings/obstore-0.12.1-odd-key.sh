#!/usr/bin/env bash
# One object whose key has a tab in it makes obstore 0.12.1 unable to list anything at all of the bucket.
#
# The bet, made before obstore was tried on a bucket that other tools fill as well: a key that S3 allows and obstore can't name is left out
# of `list`, or shown in some other spelling; the others are shown.
#
# Seen (obstore 0.12.1, boto3 1.44.8 as the other tool, moto 5.2.5 as the server, Python 3.11): `list` raises InvalidPathError, "Encountered
# object with invalid path", with no object of that page, and without a prefix there is no way around the page. A key with two slashes
# in a row does the same.
#
#     $ findings/obstore-0.12.1-odd-key.sh
#     boto3 lists ['a.txt', 'odd\tname.txt', 'z.txt']
#     obstore's list: InvalidPathError after []
#     and with a key a//b instead: InvalidPathError after []
#
# Why it matters: whoever may write anywhere below a prefix ends the listings of all who read it with obstore, by accident.
# Needs python3 with venv, PyPI and nothing else, in a temporary folder. 0: still so; 1: it isn't any more.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv env
env/bin/pip install --quiet --disable-pip-version-check obstore==0.12.1 boto3==1.44.8 'moto[server]==5.2.5' 2>/dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
env/bin/moto_server -H 127.0.0.1 -p "$port" >server.log 2>&1 &

cat >look.py <<'END'
import socket
import sys
import time

import boto3
from obstore.store import S3Store

port = int(sys.argv[1])
for _ in range(300):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        break
    except OSError:
        time.sleep(0.1)
access = {"aws_access_key_id": "one", "aws_secret_access_key": "two"}
other = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", **access)
other.create_bucket(Bucket="bucket")
for key in ("a.txt", "odd\tname.txt", "z.txt"):
    other.put_object(Bucket="bucket", Key=key, Body=b"x")
store = S3Store("bucket", endpoint=f"http://127.0.0.1:{port}", region="us-east-1", client_options={"allow_http": True}, **access)


def listed():
    shown = []
    try:
        for page in store.list():
            shown += [found["path"] for found in page]
    except Exception as exc:
        return f"{type(exc).__name__} after {shown}"
    return str(sorted(shown))


print("boto3 lists", [found["Key"] for found in other.list_objects_v2(Bucket="bucket")["Contents"]])
first = listed()
print("obstore's list:", first)
other.delete_object(Bucket="bucket", Key="odd\tname.txt")
other.put_object(Bucket="bucket", Key="a//b", Body=b"x")
second = listed()
print("and with a key a//b instead:", second)
sys.exit([first, second] != ["InvalidPathError after []"] * 2)
END
env/bin/python look.py "$port"
