#!/usr/bin/env python3
"""One application of the mesh. usage: service.py NAME PLAN.json TRUTH.jsonl

It hands the trace headers on, calls the next services through its own sidecar, and writes what really happened to TRUTH, a
line for each request it got. GET /-/working says how many requests it works on now. The request header
`x-fault: SERVICE=WHAT[:N]` tells a service to misbehave:
  status:N  answer N                           sleep:N  work for N ms, then answer as always
  flaky:N   answer 503 to the first N attempts  reset    close the connection without an answer
  mysql     (ratings) ask the database that nobody serves, and fail
With the setting `applications` it has spans of its own (own_spans.py); GET /-/ended says how many have ended.
"""
import http.client
import http.server
import json
import socket
import socketserver
import struct
import sys
import threading
import time
from contextlib import nullcontext

import plan

TRACE = ["traceparent", "tracestate", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags"]
HANDED_ON = ["x-request-id", "x-fault", "x-scenario", "x-details-version", "x-ratings-policy", "user-agent"]
GRPC = {200: 0, 404: 5, 500: 13, 502: 14, 503: 14, 504: 4}  # what a gRPC request gets instead of an HTTP status
PAGES = {"/details": ["details"], "/around": ["details"], "/reviews": ["reviews"], "/recommend": ["recommend"],
         "/bookinfo.Productpage/Details": ["details"]}

NAME, PLAN, TRUTH = sys.argv[1], json.load(open(sys.argv[2])), open(sys.argv[3], "a", buffering=1)
ME = PLAN["services"][NAME]
lock, working = threading.Lock(), 0
own_spans, spans = None, None
if PLAN["settings"].get("applications"):
    import own_spans
    spans = own_spans.Spans(PLAN["settings"], ME)


def call(callee, headers, grpc, around):
    """A call through the own sidecar: what was seen, as a status or as the error's text. `around`: by the name that the gateway serves."""
    seen = {"to": callee, **({"via": plan.GATEWAY} if around else {})}
    c = http.client.HTTPConnection("127.0.0.1", ME["ports"]["outbound"], timeout=30)
    host = plan.OUTER if around else PLAN["services"][callee]["host"] + ":9080"
    headers = dict(headers, Host=host)
    method, path, body = ("POST", "/bookinfo.%s/Get" % callee.capitalize(), b"\0\0\0\0\0") if grpc else ("GET", "/%s/0" % callee, None)
    if grpc:
        headers.update({"content-type": "application/grpc", "te": "trailers"})
    with spans.call(method, host, path, headers, grpc) if spans else nullcontext() as span:
        try:
            c.request(method, path, body=body, headers=headers)
            answer = c.getresponse()
            answer.read()
            seen["status"] = answer.status
            if grpc:
                seen["grpc_status"] = int(answer.getheader("grpc-status", -1))
            if span:
                own_spans.answered(span, answer.status, seen.get("grpc_status"))
        except (OSError, http.client.HTTPException) as error:
            seen["error"] = repr(error)
            if span:
                own_spans.failed(span, error)
    c.close()
    return seen


def failed(seen):
    return bool(seen.get("error") or seen.get("grpc_status") or seen["status"] >= 500)


def ask(port):
    """Bytes of the answer, or what went wrong: its sidecar takes the connection and closes it when it reaches nobody."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            s.sendall(b"find ratings\n")
            return len(s.recv(64)) or "closed"
    except OSError as error:
        return repr(error)


def ask_database(system, name, port):
    with spans.query(system, name) if spans else nullcontext() as span:
        answer = ask(port)
        if span and isinstance(answer, str):
            own_spans.failed(span, ConnectionError("no answer"))
    return answer


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else head and body leave in two segments and every answer costs 40 ms

    def log_message(self, *args):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.work()

    def do_GET(self):
        if self.path == "/-/working":
            return self.answer(200, b"%d" % working, "text/plain")
        if self.path == "/-/ended":
            return self.answer(200, b"%d" % (spans.ended if spans else 0), "text/plain")
        self.work()

    def work(self):
        global working
        with lock:
            working += 1
        grpc = (self.headers.get("content-type") or "").startswith("application/grpc")
        try:
            headers = {k.lower(): v for k, v in self.headers.items()}
            with spans.request(headers, self.command, self.path, grpc) if spans else nullcontext() as span:
                self.serve(grpc, span)
        finally:
            with lock:
                working -= 1

    def fault(self):
        """What the header tells this service to do: (what, argument)."""
        service, _, what = (self.headers.get("x-fault") or "").partition("=")
        what, _, argument = (what if service == NAME else "").partition(":")
        return what, int(argument or 0)

    def serve(self, grpc, span):
        what, argument = self.fault()
        self.truth = {"kind": "application", "service": NAME, "path": self.path, "scenario": self.headers.get("x-scenario"),
                      "request_id": self.headers.get("x-request-id"), "start_ns": time.time_ns(),
                      "attempt": int(self.headers.get("x-envoy-attempt-count") or 1), "calls": []}
        if what == "reset":
            return self.reset(span)
        if what == "sleep":
            time.sleep(argument / 1000)
        if what == "status":
            status = argument
        elif what == "flaky" and self.truth["attempt"] <= argument:
            status = 503
        else:
            status = self.call_all(grpc, what == "mysql")
        self.truth.update(status=status, end_ns=time.time_ns(), **({"grpc_status": GRPC[status]} if grpc else {}))
        if span:
            own_spans.answered(span, 200 if grpc else status, GRPC[status] if grpc else None)
        try:
            if grpc:
                self.answer(200, b"", "application/grpc", **{"grpc-status": str(GRPC[status])})
            else:
                self.answer(status, json.dumps({"service": NAME, "status": status}).encode(), "application/json")
        except OSError as error:
            self.truth["client_gone"] = repr(error)
        TRUTH.write(json.dumps(self.truth) + "\n")

    def call_all(self, grpc, mysql):
        handed_on = HANDED_ON + ([] if spans else TRACE)
        headers = {k: self.headers[k] for k in handed_on if self.headers.get(k)}
        callees = PAGES.get(self.path, ["details", "reviews"]) if NAME == "productpage" else ME["calls"]
        self.truth["calls"] = [call(callee, headers, grpc, self.path == "/around") for callee in callees]
        if NAME == "ratings":
            self.truth["mongodb"] = ask_database("mongodb", "mongodb", ME["ports"]["mongo_out"])
            if mysql:
                self.truth["mysqldb"] = ask_database("mysql", "mysqldb", ME["ports"]["mysql_out"])
                return 500
        if any(failed(seen) for seen in self.truth["calls"]):
            return 502 if NAME == "reviews" else 500
        return 200

    def reset(self, span):
        if span:
            own_spans.failed(span, ConnectionResetError("as it was told"))
        self.truth.update(error="reset", end_ns=time.time_ns())
        TRUTH.write(json.dumps(self.truth) + "\n")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def answer(self, status, body, kind, **headers):
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Mongo(socketserver.BaseRequestHandler):
    def handle(self):
        while got := self.request.recv(64):
            self.request.sendall(b"ok " + got)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


if NAME == "ratings":
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    mongo = socketserver.ThreadingTCPServer(("127.0.0.1", PLAN["mongo"]), Mongo)
    mongo.daemon_threads = True
    threading.Thread(target=mongo.serve_forever, daemon=True).start()
Server(("127.0.0.1", ME["ports"]["app"]), Handler).serve_forever()
