#!/usr/bin/python3
"""Writes to an S3 store: s3_put.py ENDPOINT ACCESS SECRET PATH [FILE]

Signs by the specification of AWS Signature Version 4 with hashlib and hmac, so
that what finops reads was not written by finops.  Prints the status.
"""
import hashlib
import hmac
import http.client
import sys
import time
import urllib.parse

endpoint, access, secret, path = sys.argv[1:5]
body = open(sys.argv[5], "rb").read() if len(sys.argv) > 5 else b""
host = urllib.parse.urlsplit(endpoint).netloc
path = urllib.parse.quote(path, safe="/~")
stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
digest = hashlib.sha256(body).hexdigest()
scope = stamp[:8] + "/us-east-1/s3/aws4_request"
names = "host;x-amz-content-sha256;x-amz-date"
canonical = "PUT\n%s\n\nhost:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n%s\n%s" % (
    path, host, digest, stamp, names, digest)
key = ("AWS4" + secret).encode()
for part in scope.split("/"):
    key = hmac.new(key, part.encode(), hashlib.sha256).digest()
text = "AWS4-HMAC-SHA256\n%s\n%s\n%s" % (stamp, scope, hashlib.sha256(canonical.encode()).hexdigest())
signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
try:
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("PUT", path, body, {
        "x-amz-date": stamp, "x-amz-content-sha256": digest,
        "Authorization": "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
            access, scope, names, signature)})
    print(connection.getresponse().status)
except OSError:
    print(0)
