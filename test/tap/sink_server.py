#!/usr/bin/python3
"""Where notifications end up, with faults on demand.

    sink_server.py PORT_FILE LOG_FILE [CERTIFICATE KEY]

Takes POST over HTTP and HTTPS and mail over SMTP, and writes one JSON object
per request or mail to LOG_FILE.  The first part of the path, or the local part
of the first recipient, names the fault.  PORT_FILE gets the ports of HTTP,
HTTPS and SMTP; without a certificate HTTPS closes every connection and SMTP
has no STARTTLS.
"""
import base64
import json
import os
import socket
import ssl
import sys
import threading
import time

PORT_FILE, LOG_FILE = sys.argv[1:3]
TLS = None
if len(sys.argv) > 4:
    TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    TLS.load_cert_chain(sys.argv[3], sys.argv[4])

lock = threading.Lock()
request = threading.local()
seen = {}


def times(key):
    """How often this was asked for before."""
    with lock:
        seen[key] = seen.get(key, 0) + 1
        return seen[key] - 1


def log(**what):
    with lock, open(LOG_FILE, "a", encoding="utf-8") as out:
        out.write(json.dumps(dict(what, at=time.time())) + "\n")


def read_line(stream):
    line = stream.readline(100000)
    if not line:
        raise ConnectionError
    return line.decode("latin-1").rstrip("\r\n")


def note(status):
    """Once for each request, and before its answer: who has that may look."""
    if request.what:
        log(status=status, **request.what)
    request.what = None


def answer(connection, status, headers=(), body="ok"):
    note(status)
    head = "HTTP/1.1 %d x\r\nContent-Length: %d\r\nConnection: close\r\n" % (status, len(body))
    connection.sendall((head + "".join("%s: %s\r\n" % h for h in headers) + "\r\n" + body).encode())
    return status


def respond(connection, path, headers):
    fault = path.split("/")[1] if "/" in path else path
    again = times((path, headers.get("idempotency-key")))
    if fault == "busy-once":
        return answer(connection, 429, [("Retry-After", "2")], "slow down") if again == 0 else answer(connection, 200)
    if fault == "failing-twice":
        return answer(connection, 500, body="broken <b>") if again < 2 else answer(connection, 200)
    if fault == "always-500":
        return answer(connection, 500, body="no")
    if fault == "bad":
        return answer(connection, 400, body="invalid_payload")
    if fault == "gone":
        return answer(connection, 302, [("Location", "http://169.254.169.254/")], "")
    if fault == "created":
        return answer(connection, 201, body="{}")
    if fault == "slow":
        time.sleep(1)
        return answer(connection, 200)
    if fault == "never":
        time.sleep(600)
    if fault == "half-head" and again == 0:
        connection.sendall(b"HTTP/1.1 200 O")
        return 0
    if fault == "half-body":
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nok")
        return 200
    if fault == "reset" and again == 0:
        return 0
    if fault == "endless":
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)
    if fault == "linger-first" and times(path) == 0:
        # taken, and the sender is gone before it knows
        return "linger"
    return answer(connection, 200)


def serve_http(connection):
    stream = connection.makefile("rb")
    method, path, _ = read_line(stream).split(" ")
    headers = {}
    while True:
        line = read_line(stream)
        if line == "":
            break
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0"))).decode("utf-8", "replace")
    request.what = {"method": method, "path": path, "headers": headers, "body": body}
    status = 0
    try:
        status = respond(connection, path, headers)
    finally:
        note(status)
    if status == "linger":
        time.sleep(600)


def serve_tls(connection):
    if TLS is None:
        return
    with TLS.wrap_socket(connection, server_side=True) as secured:
        serve_http(secured)


def serve_smtp(connection):
    say = lambda text: connection.sendall((text + "\r\n").encode())
    mail = {"recipients": [], "login": None, "tls": False}
    stream = connection.makefile("rb")
    say("220 sink")
    while True:
        line = read_line(stream)
        verb = line.split(" ")[0].upper()
        if verb in ("EHLO", "HELO"):
            if TLS and not mail["tls"]:
                say("250-sink\r\n250-STARTTLS\r\n250 AUTH PLAIN")
            else:
                say("250-sink\r\n250 AUTH PLAIN")
        elif verb == "STARTTLS" and TLS:
            say("220 go")
            connection = TLS.wrap_socket(connection, server_side=True)
            stream = connection.makefile("rb")
            mail["tls"] = True
        elif verb == "AUTH":
            word = line.split(" ")[2] if len(line.split(" ")) > 2 else None
            if word is None:
                say("334 ")
                word = read_line(stream)
            mail["login"] = base64.b64decode(word).decode().split("\0")[1:]
            say("235 fine" if mail["login"][1] == "pass word" else "535 wrong")
        elif verb == "MAIL":
            mail["from"] = line
            say("250 ok")
        elif verb == "RCPT":
            if "refused@" in line:
                say("550 nobody here")
            elif "later@" in line and times(line) == 0:
                say("451 try again")
            else:
                mail["recipients"].append(line)
                say("250 ok")
        elif verb == "DATA":
            say("354 go on")
            text = []
            while True:
                part = read_line(stream)
                if part == ".":
                    break
                text.append(part[1:] if part.startswith(".") else part)
            if any("silent@" in r for r in mail["recipients"]):
                time.sleep(600)
            log(mail=dict(mail, text="\n".join(text)))
            say("250 taken")
        elif verb == "QUIT":
            say("221 bye")
            return
        else:
            say("500 what")


def guarded(serve, connection):
    try:
        serve(connection)
    except (OSError, ValueError, ssl.SSLError):
        pass
    finally:
        connection.close()


def listen(serve):
    server = socket.create_server(("127.0.0.1", 0), backlog=64)

    def accept():
        while True:
            connection, _ = server.accept()
            threading.Thread(target=guarded, args=(serve, connection), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return server.getsockname()[1]


ports = [listen(serve_http), listen(serve_tls), listen(serve_smtp)]
with open(PORT_FILE + ".new", "w", encoding="ascii") as out:
    print(*ports, file=out)
os.rename(PORT_FILE + ".new", PORT_FILE)
while True:
    time.sleep(3600)
