#!/usr/bin/python3
"""A web, S3 and AWS server that misbehaves on demand.

    fault_server.py PORT_FILE LOG_FILE DIRECTORY [CERTIFICATE KEY]

Serves the files of DIRECTORY under many names, each with its own fault, and
writes one line per request to LOG_FILE: method, target, status.  What is
signed is verified by an implementation of AWS Signature Version 4 of its own,
written from the specification with hmac and hashlib.
"""
import hashlib
import hmac
import os
import re
import socket
import ssl
import sys
import threading
import time
import urllib.parse

ACCESS, SECRET, TOKEN = "AKIAFAULTSERVER", "wJalrXUtnFEMI/K7MDENG+fault", "session/token+with=signs"
PORT_FILE, LOG_FILE, DIRECTORY = sys.argv[1:4]

lock = threading.Lock()
seen = {}


def times(key):
    """How often this was asked for before."""
    with lock:
        seen[key] = seen.get(key, 0) + 1
        return seen[key] - 1


def log(*words):
    with lock, open(LOG_FILE, "a", encoding="utf-8") as out:
        print(*words, file=out)


class Gone(Exception):
    pass


class Request:
    def __init__(self, connection):
        self.connection = connection
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                raise Gone
            head += more
        head, _, self.body = head.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ")
        self.path, _, self.query = self.target.partition("?")
        self.headers = [(n.strip().lower(), v.strip()) for n, v in (l.split(":", 1) for l in lines[1:])]
        length = int(self.get("content-length", "0"))
        while len(self.body) < length:
            more = connection.recv(65536)
            if not more:
                raise Gone
            self.body += more

    def get(self, name, default=None):
        return next((v for n, v in self.headers if n == name), default)

    def answer(self, status, body=b"", headers=(), promise=None, chunk=None):
        """promise: the Content-Length that is claimed; chunk: all that is sent."""
        if isinstance(body, str):
            body = body.encode()
        length = len(body) if promise is None else promise
        lines = ["HTTP/1.1 %d X" % status]
        if length >= 0:
            lines.append("Content-Length: %d" % length)
        lines += ["%s: %s" % h for h in headers] + ["Connection: close", "", ""]
        log(self.method, self.target, status)
        self.connection.sendall("\r\n".join(lines).encode("latin-1"))
        self.connection.sendall(body if chunk is None else body[:chunk])

    def xml_error(self, status, code, message="", headers=(), more=""):
        self.answer(status, '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s</Message>'
                    "%s<RequestId>1</RequestId></Error>" % (code, message, more), headers)


# ---------------------------------------------------------------------
# Objects
# ---------------------------------------------------------------------

def content(name):
    with open(os.path.join(DIRECTORY, os.path.basename(name)), "rb") as source:
        return source.read()


def etag_of(data):
    return '"%s"' % hashlib.md5(data).hexdigest()


def serve(r, data, cut=None, etag=None, ranges=True):
    """An object as it should be served, cut off after so many bytes."""
    etag = etag or etag_of(data)
    if r.get("if-match") not in (None, etag):
        return r.answer(412, headers=[("ETag", etag)])
    headers = [("ETag", etag)]
    start = re.fullmatch(r"bytes=(\d+)-", r.get("range", "")) if ranges else None
    if start:
        first = int(start.group(1))
        if first >= len(data):
            return r.answer(416)
        headers.append(("Content-Range", "bytes %d-%d/%d" % (first, len(data) - 1, len(data))))
        return r.answer(206, data[first:], headers, chunk=cut)
    return r.answer(200, data, headers, chunk=cut)


def fault(r, kind, name):
    data = content(name)
    n = times(r.path)
    if kind == "ok":
        serve(r, data)
    elif kind == "cut":                 # thrice, at different places
        serve(r, data, cut=(1000, 70000, 0)[n] if n < 3 else None)
    elif kind == "cut-always":
        serve(r, data, cut=10 if n else 1000)
    elif kind == "cut-no-range":        # and ranges are not served
        serve(r, data, cut=1000 if n == 0 else None, ranges=False)
    elif kind == "cut-no-etag":
        r.answer(200, data, chunk=1000)
    elif kind == "changes":             # If-Match is honoured
        serve(r, data, cut=1000 if n == 0 else None, etag='"%d"' % n)
    elif kind == "changes-silently":    # If-Match is not
        if n == 0:
            serve(r, data, cut=1000, etag='"a"')
        else:
            r.answer(206, data[1000:], [("ETag", '"b"'), (
                "Content-Range", "bytes 1000-%d/%d" % (len(data) - 1, len(data)))])
    elif kind == "wrong-range":         # goes on somewhere else
        if n == 0:
            serve(r, data, cut=1000)
        else:
            r.answer(206, data[500:], [("ETag", etag_of(data)), (
                "Content-Range", "bytes 500-%d/%d" % (len(data) - 1, len(data)))])
    elif kind == "longer":              # than promised
        r.answer(200, data, [("ETag", etag_of(data))], promise=len(data) - 100)
    elif kind == "shorter":
        r.answer(200, data, promise=len(data) + 100)
    elif kind == "no-length":
        r.answer(200, data, promise=-1)
    elif kind == "huge":
        r.answer(200, data, promise=10 ** 15)
    elif kind == "endless-headers":
        r.connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for i in range(100000):
            r.connection.sendall(b"X-Header-%d: %s\r\n" % (i, b"x" * 500))
    elif kind == "stall":               # in the middle
        serve(r, data, cut=1000)
        time.sleep(600)
    elif kind == "stall-once":
        serve(r, data, cut=1000 if n == 0 else None)
        time.sleep(600 if n == 0 else 0)
    elif kind == "hang":                # before any answer
        time.sleep(600)
    elif kind == "drip":                # for ever, a little at a time
        r.answer(200, data, [("ETag", etag_of(data))], promise=10 ** 8, chunk=0)
        for _ in range(6000):
            r.connection.sendall(b"x" * 100)
            time.sleep(0.1)
    elif kind == "gone":                # no answer at all
        pass
    elif kind == "busy":                # twice
        if n < 2:
            r.answer(503 if n else 500, "secret of the body")
        else:
            serve(r, data)
    elif kind == "retry-after":
        if n == 0:
            r.answer(429, headers=[("Retry-After", "1")])
        else:
            serve(r, data)
    elif kind == "to-same":
        r.answer(302, headers=[("Location", "/ok/" + name)])
    elif kind == "to-other":
        r.answer(302, headers=[("Location", "http://localhost.example:1/ok/x?sig=SECRET")])
    elif kind == "to-port":
        r.answer(302, headers=[("Location", "http://127.0.0.1:1/ok/" + name)])
    elif kind == "to-file":
        r.answer(302, headers=[("Location", "file:///etc/passwd")])
    elif kind == "to-slashes":
        r.answer(302, headers=[("Location", "//127.0.0.2/ok/" + name)])
    elif kind == "loop":
        r.answer(302, headers=[("Location", "/loop/" + name)])
    elif re.fullmatch(r"\d+", kind):
        r.answer(int(kind), "secret of the body")
    else:
        r.answer(404)


# ---------------------------------------------------------------------
# Signatures
# ---------------------------------------------------------------------

def quote(s, safe=""):
    return urllib.parse.quote(s, safe=safe + "~")


def signature_problem(r):
    """None, or why the request is refused: an S3 error code."""
    auth = r.get("authorization", "")
    m = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request,"
                     r"SignedHeaders=([^,]+),Signature=([0-9a-f]{64})", auth)
    if not m:
        return "AccessDenied"
    access, day, region, service, names, signature = m.groups()
    r.region, r.service = region, service
    if access != ACCESS:
        return "InvalidAccessKeyId"
    names = names.split(";")
    must = {n for n, _ in r.headers if n.startswith("x-amz-")} | {"host"}
    if names != sorted(names) or not must <= set(names):
        return "AccessDenied"
    body_hash = hashlib.sha256(r.body).hexdigest()
    if r.get("x-amz-content-sha256") != body_hash:
        return "XAmzContentSHA256Mismatch"
    path = r.path if service == "s3" else quote(r.path, "/")
    pairs = []
    for part in r.query.split("&") if r.query else []:
        name, _, value = part.partition("=")
        pairs.append((quote(urllib.parse.unquote(name)), quote(urllib.parse.unquote(value))))
    query = "&".join("%s=%s" % p for p in sorted(pairs))
    canonical = "\n".join([r.method, path, query] + [
        "%s:%s" % (n, " ".join(r.get(n).split())) for n in names] + ["", ";".join(names), body_hash])
    stamp = r.get("x-amz-date")
    scope = "%s/%s/%s/aws4_request" % (day, region, service)
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + SECRET).encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    if hmac.new(key, text.encode(), hashlib.sha256).hexdigest() != signature or stamp[:8] != day:
        return "SignatureDoesNotMatch"
    if abs(time.mktime(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - time.timezone - time.time()) > 900:
        return "RequestTimeTooSkewed"
    return None


# ---------------------------------------------------------------------
# S3: buckets are named after their faults
# ---------------------------------------------------------------------

LIST = '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


def list_objects(r, bucket):
    args = dict(urllib.parse.parse_qsl(r.query, keep_blank_values=True))
    keys = sorted(["cur/2018-10/part %d+é&.csv" % i for i in range(1, 8)] + ["cur/2018-10/", "cur/other.csv", "x"])
    keys = [k for k in keys if k.startswith(args.get("prefix", ""))]
    start = int(args.get("continuation-token", "0:").split(":")[0])
    page = keys[start:start + 3]
    more = start + 3 < len(keys)
    if bucket == "endless-list":
        page, more, start = ["cur/%d" % start], True, start - 2
    if bucket == "stranger":            # below another prefix
        page, more = ["x"], False
    if bucket == "same-token":
        more, start = True, -3
    out = LIST + "<Name>%s</Name><EncodingType>url</EncodingType><IsTruncated>%s</IsTruncated>" % (
        bucket, "true" if more else "false")
    data = content("bill.csv")
    for k in page:
        bill = k.endswith(".csv")
        out += "<Contents><Key>%s</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>&quot;%s&quot;" \
            "</ETag><Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>" % (
                urllib.parse.quote_plus(k, safe="/"), etag_of(data).strip('"') if bill else "e",
                len(data) if bill else 0)
    if more:
        out += "<NextContinuationToken>%d:/+= token</NextContinuationToken>" % (start + 3)
    r.answer(200, out + "</ListBucketResult>")


def s3(r, bucket, key):
    n = times(bucket + "/" + key + "?" + r.query)
    problem = signature_problem(r)
    if problem:
        return r.xml_error(403, problem, "refused for %s" % ACCESS)
    if bucket == "token" and r.get("x-amz-security-token") != TOKEN:
        return r.xml_error(400, "InvalidToken", "The provided token is malformed.")
    if bucket == "elsewhere" and r.region != "eu-central-1":
        if n == 0:
            return r.xml_error(301, "PermanentRedirect", headers=[("x-amz-bucket-region", "eu-central-1")])
        return r.xml_error(400, "AuthorizationHeaderMalformed", more="<Region>eu-central-1</Region>")
    if bucket == "nowhere":
        return r.xml_error(307, "TemporaryRedirect", headers=[("Location", "http://127.0.0.2:1/")])
    if bucket == "slow" and n < 2:
        return r.xml_error(503, "SlowDown", "Please reduce your request rate.")
    if bucket == "latin":               # bytes that are no UTF-8
        r.answer(403, b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>Zugriff verwehrt f\xfcr</Message></Error>')
        return None
    if bucket == "broken-list":
        return r.answer(200, LIST + "<Contents><Key>a</Key>" * 3)
    if bucket == "endless-xml":
        r.answer(200, LIST, promise=10 ** 9)
        while True:
            r.connection.sendall(b"<Contents><Key>a</Key><Size>1</Size></Contents>" * 1000)
    if bucket == "entities":
        return r.answer(200, '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + LIST + "&b;</ListBucketResult>")
    if not key:
        return list_objects(r, bucket)
    if key.startswith("denied"):
        return r.xml_error(403, "AccessDenied", "Access Denied")
    if key.startswith("cut/"):
        return fault(r, "cut", key[4:])
    if key.startswith("cur/2018-10/part"):
        return serve(r, content("bill.csv"))
    if not os.path.exists(os.path.join(DIRECTORY, os.path.basename(key))):
        return r.xml_error(404, "NoSuchKey", "The specified key does not exist.")
    return serve(r, content(key))


# ---------------------------------------------------------------------
# Services that speak JSON
# ---------------------------------------------------------------------

def service(r):
    problem = signature_problem(r)
    json = [("Content-Type", "application/x-amz-json-1.1")]
    operation = r.get("x-amz-target").split(".")[-1]
    n = times(operation)
    if problem:
        return r.answer(400, '{"__type":"com.amazon#%s","message":"refused"}' % problem, json)
    if operation == "Throttled" and n < 2:
        return r.answer(400, '{"__type":"com.amazon#ThrottlingException","message":"Rate exceeded"}', json)
    if operation == "Invalid":
        return r.answer(400, '{"__type":"ValidationException","message":"Start is \\"late\\""}', json)
    if operation == "Denied":
        return r.answer(400, '{"__type":"AccessDeniedException","Message":"not allowed"}', json)
    if operation == "Down":
        return r.answer(500, "secret of the body")
    if operation == "NoJson":
        return r.answer(200, "<html>secret of the body</html>")
    return r.answer(200, '{"service":"%s","region":"%s","body":%s}' % (
        r.service, r.region, r.body.decode() or "null"), json)


def handle(connection):
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        r = Request(connection)
        path = urllib.parse.unquote(r.path)
        if r.method == "POST":
            service(r)
        elif path.startswith("/s3/"):
            r.answer(404)
        elif r.get("authorization"):
            _, bucket, *key = path.split("/", 2)
            host = r.get("host").split(":")[0]
            if host.endswith(".localhost"):
                s3(r, host[:-len(".localhost")], path[1:])
            else:
                s3(r, bucket, key[0] if key else "")
        else:
            _, kind, name = path.split("/", 2)
            fault(r, kind, name)
    except (Gone, OSError):
        pass
    finally:
        connection.close()


def serve_tls(listener):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[4:6])
    while True:
        raw = listener.accept()[0]
        try:
            handle(context.wrap_socket(raw, server_side=True))
        except (ssl.SSLError, OSError):
            raw.close()


def main():
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", 0))
    server.listen(64)
    # a queue that is full, so that another connection is not made
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen(0)
    waiting = [socket.socket() for _ in range(3)]
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(silent.getsockname())
    secure = socket.socket()
    secure.bind(("127.0.0.1", 0))
    secure.listen(64)
    if len(sys.argv) > 5:
        threading.Thread(target=serve_tls, args=(secure,), daemon=True).start()
    with open(PORT_FILE + ".tmp", "w", encoding="ascii") as out:
        out.write(" ".join(str(s.getsockname()[1]) for s in (server, silent, secure)))
    os.rename(PORT_FILE + ".tmp", PORT_FILE)
    while True:
        threading.Thread(target=handle, args=(server.accept()[0],), daemon=True).start()


main()
