#!/usr/bin/env python3
"""Sends 63 requests of 29 kinds through the mesh's gateway and writes what the client saw. usage: drive.py PLAN.json TRUTH.jsonl [KIND ...]

A request bears its kind in x-scenario, which every proxy writes on its spans, and an x-request-id of its own, by which the truth
of the applications, the client's and the spans are joined (Envoy overwrites its 13th hex digit with the trace decision).
"""
import concurrent.futures
import http.client
import json
import sys
import time
import uuid

GRPC = {"path": "/bookinfo.Productpage/Details", "method": "POST", "body": b"\0\0\0\0\0",
        "headers": {"content-type": "application/grpc", "te": "trailers"}}
PARENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "rojo=00f067aa0ba902b7"}

# kind, how many, what differs from GET /productpage; `at_once`: together instead of one after the other; `leaves_when`: the client
# leaves as soon as that service works on its request
REQUESTS = [
    ("ok", 4, {}),
    ("ok-details", 2, {"path": "/details"}),
    ("ok-post", 1, {"method": "POST", "body": b"x" * 2000}),
    ("ok-with-parent", 1, {"headers": PARENT}),
    ("deep-500", 2, {"fault": "ratings=status:500"}),
    ("ok", 1, {}),
    ("leaf-404", 1, {"fault": "details=status:404"}),
    ("slow-but-ok", 2, {"fault": "ratings=sleep:300"}),
    ("timeout", 2, {"fault": "ratings=sleep:1500"}),
    ("ok", 1, {}),
    ("per-try-timeout", 1, {"fault": "ratings=sleep:1000", "headers": {"x-ratings-policy": "per-try"}}),
    ("ok", 1, {}),
    ("retry-ok", 2, {"fault": "ratings=flaky:1"}),
    ("retry-exhausted", 1, {"fault": "ratings=status:503"}),
    ("ok", 1, {}),
    ("refused", 2, {"path": "/details", "headers": {"x-details-version": "v2"}}),
    ("no-endpoints", 1, {"path": "/details", "headers": {"x-details-version": "v9"}}),
    ("no-cluster", 1, {"path": "/details", "headers": {"x-details-version": "missing"}}),
    ("no-route", 2, {"host": "unknown.example.com"}),
    ("app-down", 2, {"path": "/recommend"}),
    ("app-reset", 1, {"path": "/details", "fault": "details=reset"}),
    ("mysql-refused", 1, {"fault": "ratings=mysql"}),
    ("ok", 1, {}),
    ("fault-abort", 1, {"path": "/details", "headers": {"x-envoy-fault-abort-request": "418"}}),
    ("fault-delay", 1, {"path": "/details", "headers": {"x-envoy-fault-delay-request": "150"}}),
    ("client-gone", 2, {"path": "/details", "fault": "details=sleep:1500", "leaves_when": "details"}),
    ("grpc-ok", 2, GRPC),
    ("grpc-internal", 1, dict(GRPC, fault="details=status:500")),
    ("grpc-unavailable", 1, dict(GRPC, fault="details=status:503")),
    ("grpc-refused", 1, dict(GRPC, headers={**GRPC["headers"], "x-details-version": "v2"})),
    ("ok", 1, {}),
    ("overflow", 6, {"path": "/reviews", "fault": "ratings=sleep:200", "at_once": True}),
    ("ok", 2, {}),
    ("u-turn", 2, {"path": "/around"}),
    ("u-turn-500", 1, {"path": "/around", "fault": "details=status:500"}),
    ("ejected", 8, {"path": "/reviews", "fault": "ratings=status:500"}),
]


def wait_for_work(plan, service, wanted, limit=30):
    """Until the number of requests that a service works on is as wanted."""
    end = time.monotonic() + limit
    while True:
        c = http.client.HTTPConnection("127.0.0.1", plan["services"][service]["ports"]["app"], timeout=10)
        c.request("GET", "/-/working")
        n = int(c.getresponse().read())
        c.close()
        if wanted(n):
            return
        if time.monotonic() > end:
            raise SystemExit("%s works on %d requests, for %d s now" % (service, n, limit))
        time.sleep(0.01)


def send(plan, kind, number, request):
    """One request; gives what the client saw as a line of the truth."""
    wire_id = str(uuid.uuid5(uuid.NAMESPACE_DNS, "%s-%d" % (kind, number)))
    headers = {"host": request.get("host", "bookinfo.example.com"), "user-agent": "drive/1", "x-scenario": kind,
               "x-request-id": wire_id, **request.get("headers", {})}
    if "fault" in request:
        headers["x-fault"] = request["fault"]
    seen = {"kind": "client", "scenario": kind, "request_id": wire_id, "path": request.get("path", "/productpage"),
            "start_ns": time.time_ns()}
    if "leaves_when" in request:
        wait_for_work(plan, request["leaves_when"], lambda n: n == 0)  # on the request before
    c = http.client.HTTPConnection("127.0.0.1", plan["gateway"], timeout=60)
    c.request(request.get("method", "GET"), seen["path"], body=request.get("body"), headers=headers)
    if "leaves_when" in request:
        wait_for_work(plan, request["leaves_when"], lambda n: n > 0)
        seen["left"] = True
    else:
        answer = c.getresponse()
        answer.read()
        seen["status"] = answer.status
        if answer.getheader("grpc-status"):
            seen["grpc_status"] = int(answer.getheader("grpc-status"))
    c.close()
    seen["end_ns"] = time.time_ns()
    return seen


def main():
    plan, only = json.load(open(sys.argv[1])), sys.argv[3:]
    unknown = set(only) - {kind for kind, _, _ in REQUESTS}
    if unknown:
        raise SystemExit("no such kind: " + ", ".join(sorted(unknown)))
    number = 0
    with open(sys.argv[2], "a") as truth:
        for kind, n, request in REQUESTS:
            if only and kind not in only:
                continue
            with concurrent.futures.ThreadPoolExecutor(n if request.get("at_once") else 1) as pool:
                for seen in pool.map(lambda i: send(plan, kind, i, request), range(number, number + n)):
                    truth.write(json.dumps(seen) + "\n")
            number += n
            for service in ("productpage", "reviews", "ratings", "details"):
                wait_for_work(plan, service, lambda n: n == 0)  # those that were given up go on: their truth comes at their end


main()
