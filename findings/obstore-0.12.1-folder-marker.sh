#!/usr/bin/env bash
# obstore 0.12.1 lists a key that ends in a slash without that slash, and can then neither read nor delete it: the deletion says that
# it was done.
#
# The bet, made before obstore was tried as the client of a bucket that other tools use as well: each path that `list` shows can be given
# to `get` and to `delete`. Keys like `reports/`, of 0 bytes, are what S3's own console and many other tools make for "a new folder".
#
# Seen (obstore 0.12.1, boto3 1.44.8 as the other tool, moto 5.2.5 as the server, Python 3.11): `list` shows `reports`; `get` of that is
# FileNotFoundError, and so is `get` of `reports/`, for which it asks the server for `reports`; `delete` of either returns as if all
# were well, and boto3 still lists `reports/`.
#
#     $ findings/obstore-0.12.1-folder-marker.sh
#     boto3 lists  ['reports/', 'reports/may.csv']
#     obstore lists ['reports', 'reports/may.csv']
#     get reports: FileNotFoundError; get reports/: FileNotFoundError
#     after obstore's delete of reports and reports/, boto3 lists ['reports/', 'reports/may.csv']
#
# Why it matters: who clears a prefix by list and delete is told that it is empty, and it isn't; who copies one by list and get fails.
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
import obstore
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
other.put_object(Bucket="bucket", Key="reports/", Body=b"")
other.put_object(Bucket="bucket", Key="reports/may.csv", Body=b"1,2")
store = S3Store("bucket", endpoint=f"http://127.0.0.1:{port}", region="us-east-1", client_options={"allow_http": True}, **access)


def listed():
    return [found["Key"] for found in other.list_objects_v2(Bucket="bucket")["Contents"]]


def got(path):
    try:
        return repr(bytes(store.get(path).bytes()))
    except Exception as exc:
        return type(exc).__name__


shown = sorted(found["path"] for page in store.list() for found in page)
print("boto3 lists ", listed())
print("obstore lists", shown)
answers = [got("reports"), got("reports/")]
print(f"get reports: {answers[0]}; get reports/: {answers[1]}")
obstore.delete(store, "reports")
obstore.delete(store, "reports/")
print("after obstore's delete of reports and reports/, boto3 lists", listed())
same = (shown == ["reports", "reports/may.csv"] and answers == ["FileNotFoundError"] * 2
        and listed() == ["reports/", "reports/may.csv"])
sys.exit(not same)
END
env/bin/python look.py "$port"
