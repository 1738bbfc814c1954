#!/usr/bin/env bash
# Debian 12's Squid (5.7-2+deb12u6), as a forward proxy with its defaults, gives up some of the big uploads that pass through it.
#
# The bet, made before a battery of saves was run through it: each POST of 60,000,000 bytes with a Content-Length, from a client through
# Squid to a server that reads the whole body and answers 200, ends with 200.
#
# Seen (2 cores, loopback, curl 7.88.1): one in three to one in thirty ends early. Squid's log says
# TCP_MISS_ABORTED/000, its debug output "shouldCloseOnEof: yes" and ERR_CLIENT_GONE: it takes the client for gone, though the client is
# still sending; curl says "Send failure: Broken pipe", and the server sees the connection end in the middle of the body. Squid 6.13 of
# Debian 13: 25 of 25 with 200.
#
#     $ findings/squid-5.7-upload.sh
#     Squid Cache: Version 5.7
#     after 12 uploads of 60 MB with 200, one was cut
#
# Why it matters: a client has to send again what was cut before its end, and may: no server can have stored half a body.
# Runs on Debian 12 (apt-get download, nothing is installed) with curl and python3, in a temporary folder. 0: still so; 1: it isn't any more.
set -euo pipefail

tries=200       # at most; it ends with the first that is cut
folder=$(mktemp -d)
chmod 755 "$folder"         # Squid drops its privileges, if it has any
trap 'kill $(jobs -p) 2>/dev/null; wait; rm -rf "$folder"' EXIT
cd "$folder"

apt-get download squid=5.7-2+deb12u6 squid-common=5.7-2+deb12u6 squid-langpack libecap3 libltdl7 >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH=$folder/root/usr/lib/x86_64-linux-gnu

free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
proxy=$(free) server=$(free)

cat >squid.conf <<END
http_port 127.0.0.1:$proxy
http_access allow localhost
http_access deny all
pid_filename none
access_log none
cache_log /dev/null
netdb_filename none
pinger_enable off
shutdown_lifetime 0 seconds
coredump_dir $folder
mime_table $folder/root/usr/share/squid/mime.conf
icon_directory $folder/root/usr/share/squid/icons
error_directory $folder/root/usr/share/squid-langpack/en
err_page_stylesheet $folder/root/etc/squid/errorpage.css
unlinkd_program /bin/true
END

cat >server.py <<'END'
import http.server
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        left = int(self.headers["content-length"])
        while left:
            piece = self.rfile.read(min(left, 1 << 16))
            if not piece:
                self.close_connection = True
                return
            left -= len(piece)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
END

"$folder/root/usr/sbin/squid" -v | head -n 1
python3 server.py "$server" & "$folder/root/usr/sbin/squid" -N -f "$folder/squid.conf" &
head -c 60000000 /dev/urandom >body
for port in "$proxy" "$server"; do
    until (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do kill -0 $! && sleep 0.1; done
done

# upload FILE: the status that came of it
upload() {
    curl --silent --max-time 20 --proxy "http://127.0.0.1:$proxy" --header 'Expect:' --header 'Content-Type: application/octet-stream' \
        --data-binary "@$1" --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$server/" || true
}

[[ $(upload server.py) == 200 ]] || { echo "not even a small upload gets through: Squid or the server didn't start" >&2; exit 1; }
whole=0
while ((whole < tries)) && [[ $(upload body) == 200 ]]; do
    whole=$((whole + 1))
done
if ((whole == tries)); then
    echo "$whole uploads of 60 MB, all with 200: this isn't so any more" >&2
    exit 1
fi
echo "after $whole uploads of 60 MB with 200, one was cut"
