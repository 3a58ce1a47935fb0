#!/usr/bin/python3
"""Cost Explorer and Athena, as far as the tests need them.

    aws_server.py PORT_FILE LOG_FILE

Every request must carry a correct AWS Signature Version 4, which is worked
out here from the specification with hashlib and hmac.  GET /control?NAME=N
makes the next N requests fail; LOG_FILE gets one JSON line per request.
"""
import datetime
import hashlib
import hmac
import http.server
import json
import os
import sys
import threading
import time
import urllib.parse

ACCESS, SECRET, TOKEN = "AKIATESTSERVER", "wJalrXUtnFEMI/K7MDENG+tests", "token/with+signs="
PORT_FILE, LOG_FILE = sys.argv[1:3]
REGION = "us-east-1"

lock = threading.Lock()
control = {}            # name -> how often yet
queries = {}            # id -> state of an Athena query
tokens = {}             # ClientRequestToken -> id


def spent(name):
    with lock:
        left = control.get(name, 0)
        control[name] = max(left - 1, 0)
        return left > 0


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


def digest(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def verify(headers, body, service):
    """The canonical request, the string to sign and the signature, by the book."""
    def fail(why):
        raise Refused(400, "InvalidSignatureException", why)
    authorization = headers.get("authorization", "")
    if not authorization.startswith("AWS4-HMAC-SHA256 "):
        raise Refused(400, "MissingAuthenticationTokenException", "not signed")
    parts = dict(p.strip().split("=", 1) for p in authorization[17:].split(","))
    access, date, region, signed_service, end = parts["Credential"].split("/")
    if access != ACCESS:
        raise Refused(400, "UnrecognizedClientException", "no such key")
    if (region, signed_service, end) != (REGION, service, "aws4_request"):
        fail("signed for %s %s" % (region, signed_service))
    stamp = headers["x-amz-date"]
    at = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    if abs((datetime.datetime.now(datetime.timezone.utc) - at).total_seconds()) > 300 or stamp[:8] != date:
        fail("at another time")
    names = parts["SignedHeaders"].split(";")
    needed = {"host", "x-amz-date", "x-amz-target", "content-type"}
    needed |= {"x-amz-security-token"} & set(headers)
    if names != sorted(names) or not needed <= set(names):
        fail("headers are not signed: %s" % names)
    if headers.get("x-amz-security-token", TOKEN) != TOKEN:
        raise Refused(400, "ExpiredTokenException", "token")
    payload = hashlib.sha256(body).hexdigest()
    if headers.get("x-amz-content-sha256", payload) != payload:
        fail("another body")
    canonical = "\n".join(["POST", "/", ""] + ["%s:%s" % (n, " ".join(headers[n].split())) for n in names]
                          + ["", ";".join(names), payload])
    scope = "/".join([date, region, service, "aws4_request"])
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + SECRET).encode()
    for part in (date, region, service, "aws4_request"):
        key = digest(key, part)
    if not hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), parts["Signature"]):
        fail("the signature does not match")


# --- Cost Explorer

def days(period, granularity):
    start, end = (datetime.date.fromisoformat(period[k][:10]) for k in ("Start", "End"))
    step = {"DAILY": 1, "HOURLY": 1}.get(granularity)
    while start < end:
        if step:
            after = start + datetime.timedelta(days=1)
        else:
            after = min((start.replace(day=1) + datetime.timedelta(days=32)).replace(day=1), end)
        yield start, after
        start = after


def get_cost_and_usage(body):
    groups = body.get("GroupBy", [])
    for group in groups:
        if group["Type"] == "DIMENSION" and group["Key"] not in ("SERVICE", "REGION", "LINKED_ACCOUNT"):
            raise Refused(400, "ValidationException", "no dimension %s" % group["Key"])
    every = list(days(body["TimePeriod"], body["Granularity"]))
    at = int(body.get("NextPageToken", "0"))
    if spent("garbage"):
        return {"Results": []}
    results = []
    for start, end in every[at:at + 2]:             # two days a page
        result = {"TimePeriod": {"Start": start.isoformat(), "End": end.isoformat()}, "Total": {}, "Groups": [],
                  "Estimated": start >= datetime.date(2024, 1, 4)}
        for i, name in enumerate(["Amazon Simple Storage Service", "AWS Lambda"] if groups else [None]):
            # more digits than a float holds
            amounts = {m: {"Amount": "NaN" if spent("nan") else "%d.%d0000000000000000%d" % (start.day, i, i + 1),
                           "Unit": "USD"} for m in body["Metrics"]}
            if name is None:
                result["Total"] = amounts
            else:
                keys = [name] + ["team$blue"] * (len(groups) - 1)
                result["Groups"].append({"Keys": keys, "Metrics": amounts})
        results.append(result)
    answer = {"ResultsByTime": results, "DimensionValueAttributes": []}
    if at + 2 < len(every):
        answer["NextPageToken"] = str(at if spent("same_page") else at + 2)
    return answer


# --- Athena

def execution(query):
    return {"QueryExecutionId": query["id"], "Query": query["sql"], "WorkGroup": query["workgroup"],
            "StatementType": query["type"], "QueryExecutionContext": query["context"],
            "ResultConfiguration": {"OutputLocation": "s3://results/%s.csv" % query["id"]},
            "Status": {"State": query["state"], "SubmissionDateTime": 1704067200.125,
                       **({"StateChangeReason": "SYNTAX_ERROR: line 1:8"} if query["state"] == "FAILED" else {})},
            "Statistics": {"DataScannedInBytes": query["scanned"], "EngineExecutionTimeInMillis": 1234}}


def start_query_execution(body):
    sql, token = body["QueryString"], body["ClientRequestToken"]
    if not 32 <= len(token) <= 128:
        raise Refused(400, "InvalidRequestException", "token")
    with lock:
        if token in tokens:
            return {"QueryExecutionId": tokens[token]}
        name = "query-%d" % (len(queries) + 1)
        tokens[token] = name
        queries[name] = {"id": name, "sql": sql, "workgroup": body["WorkGroup"], "state": "QUEUED",
                         "context": body.get("QueryExecutionContext", {}),
                         "type": "DDL" if sql.startswith("SHOW") else "DML",
                         "scanned": 3 * 2**40 if "big" in sql else 123}
    if spent("lost_answer"):
        raise Refused(500, "InternalServerException", "after the query was started")
    return {"QueryExecutionId": name}


def get_query_execution(body):
    query = queries[body["QueryExecutionId"]]
    answer = {"QueryExecution": execution(query)}
    if query["state"] == "QUEUED":
        query["state"] = "RUNNING"
    elif query["state"] == "RUNNING" and "sleep" not in query["sql"]:
        query["state"] = "FAILED" if "fail" in query["sql"] else "SUCCEEDED"
    return answer


COLUMNS = [("service", "varchar"), ("cost", "decimal"), ("n", "bigint"), ("ratio", "double"), ("paid", "boolean"), ("n", "integer")]
ROWS = [["AmazonS3", "12345678901234567.000000000000000001", "9223372036854775807", "NaN", "true", "1"],
        ["", None, "0", "1.5E-7", "false", None], ["größe", "-1", "2", "Infinity", None, "3"]]


def get_query_results(body):
    query = queries[body["QueryExecutionId"]]
    if query["state"] != "SUCCEEDED":
        raise Refused(400, "InvalidRequestException", "not finished")
    def row(values):
        return {"Data": [{} if v is None else {"VarCharValue": v} for v in values]}
    if query["type"] == "DDL":
        columns, rows = [("tab_name", "string")], [["tab_name"], ["cur"]]
    else:
        columns, rows = COLUMNS, [[c[0] for c in COLUMNS]] + ROWS
    at = int(body.get("NextToken", "0"))
    answer = {"ResultSet": {"Rows": [row(r) for r in rows[at:at + 2]],
                            "ResultSetMetadata": {"ColumnInfo": [{"Name": n, "Type": t} for n, t in columns]}}}
    if at + 2 < len(rows):
        answer["NextToken"] = str(at + 2)
    return answer


def stop_query_execution(body):
    queries[body["QueryExecutionId"]]["state"] = "CANCELLED"
    return {}


def get_work_group(body):
    configuration = {"BytesScannedCutoffPerQuery": 10 * 2**20} if body["WorkGroup"] == "limited" else {}
    return {"WorkGroup": {"Name": body["WorkGroup"], "Configuration": configuration}}


def list_query_executions(body):
    names = sorted(queries, key=lambda n: -int(n.split("-")[1]))
    at, most = int(body.get("NextToken", "0")), min(body["MaxResults"], 3)
    answer = {"QueryExecutionIds": names[at:at + most]}
    if at + most < len(names):
        answer["NextToken"] = str(at + most)
    return answer


def batch_get_query_execution(body):
    return {"QueryExecutions": [execution(queries[i]) for i in body["QueryExecutionIds"]]}


ACTIONS = {"AWSInsightsIndexService": ("ce", {"GetCostAndUsage": get_cost_and_usage}),
           "AmazonAthena": ("athena", {
               "StartQueryExecution": start_query_execution, "GetQueryExecution": get_query_execution,
               "GetQueryResults": get_query_results, "StopQueryExecution": stop_query_execution,
               "GetWorkGroup": get_work_group, "ListQueryExecutions": list_query_executions,
               "BatchGetQueryExecution": batch_get_query_execution})}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, value):
        data = json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        with lock:
            for name, value in urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query):
                control[name] = int(value)
        self.answer(200, {})

    def do_POST(self):
        arrived = time.time()
        headers = {n.lower(): v.strip() for n, v in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        target = headers.get("x-amz-target", "")
        try:
            service, actions = ACTIONS[target.split(".")[0]]
            verify(headers, body, service)
            for name, status, code in (("throttle", 400, "ThrottlingException"), ("busy", 503, "ServiceUnavailable"),
                                       ("denied", 400, "com.amazon.coral#AccessDeniedException")):
                if spent(name):
                    raise Refused(status, code, "on demand")
            status, value = 200, actions[target.split(".")[1]](json.loads(body))
        except Refused as refused:
            status, value = refused.status, {"__type": refused.code, "message": str(refused)}
        with lock, open(LOG_FILE, "a", encoding="utf-8") as out:
            print(json.dumps({"at": arrived, "target": target, "status": status, "code": value.get("__type"),
                              "body": json.loads(body or b"{}")}), file=out)
        self.answer(status, value)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(PORT_FILE + ".new", "w", encoding="ascii") as out:
    print(server.server_port, file=out)
os.rename(PORT_FILE + ".new", PORT_FILE)
server.serve_forever()
