"""A real Zipkin server beside the collector, given the same spans and asked the same questions: the answers are the same, and its page shows what is here. Java starts slowly: `make slow`."""
import glob
import http.client
import http.server
import json
import os
import random
import threading
import time
from urllib.parse import urlencode

from browse import play
from lib import wait_for
from real import Process, free_ports, installed
from scene_query_apis import fill


NAMES = {"frontend": ["get /", "get /cart", "post /checkout"], "cart": ["getcart", "addtocart"], "catalog": ["getproduct"], "checkout": ["placeorder"]}


class Zipkin(Process):
    def __init__(self, c):
        jar = glob.glob(os.path.join(installed("zipkin", "libs"), "zipkin-server-*-slim.jar"))[0]
        self.port, = free_ports(1)
        super().__init__(["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", jar], os.path.join(c.folder, "zipkin.err"), QUERY_PORT=str(self.port))
        wait_for(lambda: self.healthy(), 120, "Zipkin's health")

    def healthy(self):
        try:
            return self.ask("GET", "/health")[0] == 200
        except OSError:
            return False

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text


def made(r, now_us, n):
    """Traces of a shop, as instrumented clients and servers report them; the last is the newest."""
    traces = []
    for i in range(n):
        trace, spans, at = ("%032x" if r.random() < .7 else "%016x") % (r.getrandbits(64) << (64 if r.random() < .5 else 0) | r.getrandbits(64) | 1), [], now_us - (n - i) * 20_000_000

        def span(service, name, kind, start, length, parent=None, error="", remote=None, events=(), **tags):
            s = {"traceId": trace[-16:] if len(trace) == 16 else trace, "id": "%016x" % (r.getrandbits(64) | 1), "kind": kind, "name": name, "timestamp": at + start, "duration": length,
                 "localEndpoint": {"serviceName": service}, "tags": {k.replace("__", "."): str(v) for k, v in tags.items()}}
            if parent:
                s["parentId"] = parent["id"]
            if error:
                s["tags"]["error"] = error
            if remote:
                s["remoteEndpoint"] = {"serviceName": remote}
            if events:
                s["annotations"] = [{"timestamp": at + start + 10 * k, "value": e} for k, e in enumerate(events)]
            spans.append(s)
            return s
        fails = r.random() < .3
        name = r.choice(NAMES["frontend"])
        pace = r.choice([1, 1, 2, 5])
        root = span("frontend", name, "SERVER", 0, 9000 * pace, error="500" if fails else "", http__method=name.split()[0].upper(), http__path=name.split()[1])
        for k, callee in enumerate(r.sample(["cart", "catalog", "checkout"], r.randrange(1, 4))):
            bad = fails and k == 0
            call = span("frontend", NAMES[callee][0], "CLIENT", 100 + 2500 * pace * k, 2400 * pace, root, "503" if bad else "", callee)
            served = span(callee, r.choice(NAMES[callee]), "SERVER", 150 + 2500 * pace * k, 2200 * pace, call, "pool timeout" if bad else "", events=["pool.wait"] if bad else (),
                          tenant=r.choice(["a", "b", "c"]))
            if callee == "cart":
                span("cart", "hgetall", "CLIENT", 300 + 2500 * pace * k, 800 * pace, served, "no connection" if bad else "", "redis", db__system="redis")
        traces.append(spans)
    return traces


def same_span(theirs, ours):
    for key in ("traceId", "id", "parentId", "kind", "name", "timestamp", "duration", "localEndpoint", "remoteEndpoint", "annotations"):
        assert theirs.get(key) == ours.get(key), (key, theirs, ours)
    assert theirs.get("tags", {}).items() <= ours.get("tags", {}).items(), (theirs, ours)


def scene_zipkin_itself_answers_the_same(c):
    r, now_us = random.Random(3), int(time.time() * 1e6)
    c.start()
    with Zipkin(c) as zipkin:
        traces = made(r, now_us - 60_000_000, 120)
        body = json.dumps([s for t in traces for s in t])
        assert c.post_zipkin(body)[0] == 202 == zipkin.ask("POST", "/api/v2/spans", body)[0]
        c.flush()

        def both(path, **parameters):
            path = "/api/v2/" + path + ("?" + urlencode(parameters) if parameters else "")
            theirs, ours = zipkin.ask("GET", path), c.request(c.zipkin, "GET", path)
            assert theirs[0] == ours[0], (path, theirs[:2], ours[:2])
            return (json.loads(theirs[1]), json.loads(ours[1])) if theirs[0] == 200 else (theirs[0], ours[0])
        wait_for(lambda: len(json.loads(zipkin.ask("GET", "/api/v2/traces?limit=1000")[1])) == len(traces), 60, "Zipkin's storage")
        for path, parameters in [("services", {}), ("autocompleteKeys", {})] + [(p, {"serviceName": s}) for p in ("spans", "remoteServices") for s in [*NAMES, "Cart", "nobody"]]:
            theirs, ours = both(path, **parameters)
            assert theirs == ours, (path, parameters, theirs, ours)
        some = 0
        for i in range(300):
            asked = {"endTs": now_us // 1000 - r.choice([0, 0, 600_000]), "limit": r.choice([3, 1000, 1000])}
            for chance, key, values in ((.7, "serviceName", [*NAMES, "CART", "nobody"]), (.2, "spanName", ["getcart", "hgetall", "get /cart", "all", "GetCart"]), (.2, "remoteServiceName", ["redis", "cart", "Catalog"]),
                                        (.5, "annotationQuery", ["error", "error=503", "pool.wait", "tenant=a", "tenant=a and error", "db.system=redis and tenant", "pool.wait and error=no connection", "no.such"]),
                                        (.3, "minDuration", [1000, 4000, 9000, 20000]), (.3, "lookback", [300_000, 3_600_000])):
                if r.random() < chance:
                    asked[key] = r.choice(values)
            if "minDuration" in asked and r.random() < .5:
                asked["maxDuration"] = asked["minDuration"] * 2
            theirs, ours = both("traces", **asked)
            theirs, ours = ([t[0]["traceId"] for t in x] for x in (theirs, ours))
            assert sorted(theirs) == sorted(ours), (asked, len(theirs), len(ours))
            some += 0 < len(theirs) < len(traces)
        assert some > 60, some
        for trace in traces[:40]:
            theirs, ours = both("trace/" + trace[0]["traceId"])
            assert len(theirs) == len(ours) == len(trace)
            for a, b in zip(*(sorted(x, key=lambda s: s["id"]) for x in (theirs, ours))):
                same_span(a, b)
        theirs, ours = both("traceMany", traceIds=",".join(t[0]["traceId"] for t in traces[:5]) + ",%032x" % 7)
        assert sorted(t[0]["traceId"] for t in theirs) == sorted(t[0]["traceId"] for t in ours) and len(ours) == 5
        for back in ({}, {"lookback": 3_600_000}):
            theirs, ours = both("dependencies", endTs=now_us // 1000, **back)
            assert sorted(map(sorted_items, theirs)) == sorted(map(sorted_items, ours)), (theirs, ours)
            assert len(ours) == 4 and all(d["errorCount"] < d["callCount"] for d in ours)
        for path in ("traces?limit=0", "traces?endTs=x", "traces?maxDuration=5", "traceMany?traceIds=1", "traceMany", "trace/%032x" % 9, "trace/xyz", "dependencies", "spans", "remoteServices",
                     "autocompleteValues", "autocompleteValues?key=x", "traces?limit=x", "traces?lookback=x"):
            both(path)


def sorted_items(link):
    return sorted((k, str(v)) for k, v in link.items())


class Page:
    """Zipkin's page from its server, with the questions it asks sent to the collector: the reverse proxy that the README speaks of."""

    def __init__(self, c, zipkin):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asks = self.path.startswith("/zipkin/api/")
                connection = http.client.HTTPConnection(c.zipkin if asks else "127.0.0.1:%d" % zipkin.port, timeout=30)
                connection.request("GET", self.path[len("/zipkin"):] if asks else self.path)
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.getheader("Content-Type") or "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def scene_zipkins_page_shows_what_is_here(c):
    c.start()
    fill(c, 60)
    with Zipkin(c) as zipkin:
        page = Page(c, zipkin)
        trace = c.sql("SELECT trace_id FROM trace WHERE status = 'error' ORDER BY span_count DESC LIMIT 1")[0][0]
        # Behind its service, or the one that it calls.
        spans = c.sql("SELECT ': ' || coalesce(attributes ->> '$.\"span.name\"', operation) FROM span WHERE trace_id = ?", trace)
        facts = {"base": page.base, "service": "cart", "traces": [t[0] for t in c.sql("SELECT DISTINCT trace_id FROM span WHERE service = 'cart'")], "id": trace,
                 "spans": [s[0] for s in spans], "edges": len(c.sql("SELECT DISTINCT caller_service, callee_service FROM edge_minute WHERE caller_role != 'user'"))}
        try:
            play("zipkin.mjs", "shows_what_is_here", facts)
        finally:
            page.server.shutdown()
            page.server.server_close()
