"""Real Envoys: six of them around four applications (tests/real/envoy-mesh), 63 requests of 29 kinds, by every tracer and span
format that the collector takes, the proxies alone and with spans of the applications' own. All twenty
configurations: make mesh. What it says is held against what the applications and the client wrote down."""
import collections
import concurrent.futures
import glob
import http.client
import itertools
import json
import os
import subprocess
import sys
import traceback

from lib import Collector, wait_for
from real import REAL, Process, installed

MESH = os.path.join(REAL, "envoy-mesh")
GATEWAY = "istio-ingressgateway"
APPLICATIONS = ["productpage", "reviews", "ratings", "details"]
GRPC_ERRORS = {2, 4, 8, 10, 12, 13, 14, 15}
RETRIES = 2  # of a callee that answers none of the attempts, so that no application writes them down (bootstrap.py, RETRY)

# Where the failure of each kind began, and what its trace may name as the reason. Kinds not listed end well. On a busy machine
# the request that waits for the one before it (overflow) may run into the route's timeout.
ORIGINS = {
    "deep-500": ("ratings", "500"), "timeout": ("ratings", "UT"), "per-try-timeout": ("ratings", "UT,URX"),
    "retry-exhausted": ("ratings", "503"), "refused": ("details", "UF,URX"), "no-endpoints": ("details", "UH"),
    "no-cluster": ("productpage", "NC"), "no-route": (GATEWAY, "NR"), "app-down": ("recommend", "UF"),
    "app-reset": ("details", "UC"), "mysql-refused": ("ratings", "500"), "grpc-internal": ("details", "grpc 13"),
    "grpc-unavailable": ("details", "grpc 14"), "grpc-refused": ("details", "UF,URX"), "overflow": ("ratings", "UO|UT"),
    "ejected": ("ratings", "500|UH"), "u-turn-500": ("details", "500"),
}
# With spans of their own, ratings tells of its database.
ORIGINS_OF_APPLICATIONS = {**ORIGINS, "mysql-refused": ("mysqldb", "ConnectionError('no answer')")}


def outcome(seen):
    """What a caller saw, in the words of the collector's fault column."""
    if seen.get("left"):
        return "gone"
    if seen.get("error") or seen.get("grpc_status", 0) in GRPC_ERRORS or seen.get("status", 0) >= 500:
        return "failed"
    return "client_error" if seen.get("status", 0) >= 400 else "ok"


class Truth:
    """The requests as client and applications wrote them down: `edges` of logical calls, `requests` with their ends.
    `attempts_seen`: the proxies report each attempt, also those that reached nobody. `databases`: somebody tells of calls to them."""

    def __init__(self, folder, attempts_seen, databases):
        self.attempts_seen, self.databases = attempts_seen, databases
        self.edges = collections.defaultdict(collections.Counter)
        self.hops = collections.defaultdict(collections.Counter)
        self.requests = {}
        records = collections.defaultdict(lambda: collections.defaultdict(list))
        clients = []
        for path in sorted(glob.glob(os.path.join(folder, "truth-*.jsonl"))):
            for line in map(json.loads, open(path)):
                if line["kind"] == "client":
                    clients.append(line)
                else:
                    records[masked(line["request_id"])][line["service"]].append(line)
        for client in clients:
            self.add_request(client, records[masked(client["request_id"])])

    def add_request(self, client, applications):
        kind, ended = client["scenario"], outcome(client)
        if kind == "no-route":
            ended = "failed"  # 404, but the gateway's own fault
        assert (ended == "failed") <= (kind in ORIGINS), "the mesh itself failed where it should not: %s" % client
        self.requests[masked(client["request_id"])] = (kind, ended)
        reached = "productpage" in applications
        self.add_call("user", GATEWAY, ended, 1, reached and ended == "failed")
        if reached:
            self.add_call(GATEWAY, "productpage", "gone" if ended == "gone" else outcome(applications["productpage"][0]), 1,
                          self.passes_failure_on(applications, "productpage"))
        for attempt in applications.get("ratings", []) if self.databases else []:
            for database in ("mongodb", "mysqldb"):
                if database in attempt:
                    self.add_call("ratings", database, "failed" if isinstance(attempt[database], str) else "ok", 1, False)
        for service, attempts in applications.items():
            assert len(attempts) == 1 or not any(a["calls"] for a in attempts), "only leaves are tried again: %s" % attempts
            for seen in attempts[0]["calls"]:
                callee = seen["to"]
                self.add_call(service, callee, outcome(seen), self.tries(kind, applications, callee),
                              self.passes_failure_on(applications, callee), seen.get("via", ""),
                              callee in applications or callee == "recommend")

    def tries(self, kind, applications, callee):
        """How many attempts the proxies can have seen of a call: recommend's sidecar got all, though its application none."""
        unreached = kind in ("refused", "grpc-refused") and self.attempts_seen
        return len(applications.get(callee, [])) or (1 + RETRIES if callee == "recommend" or unreached else 1)

    def passes_failure_on(self, applications, service):
        last = applications.get(service, [{"calls": []}])[-1]
        return any(outcome(seen) == "failed" for seen in last["calls"]) or (self.databases and isinstance(last.get("mysqldb"), str))

    def add_call(self, caller, callee, ended, tries, carried, via="", reached=True):
        self.edges[caller, callee, via].update({
            "calls": 1, "errors": ended == "failed", "errors_origin": ended == "failed" and not carried,
            "client_errors": ended == "client_error", "retries": tries - 1, "recovered": tries > 1 and ended == "ok"})
        way, silent = [("network", callee)], callee in ("mongodb", "mysqldb")  # what goes there by TCP the proxies do not trace
        if caller not in ("user", GATEWAY) and not silent:
            way.append(("sidecar_out", caller))
        if via:
            way += [("network", via), ("gateway", via)]
        if callee == GATEWAY:
            way.append(("gateway", callee))
        elif reached and not silent:
            way += [("sidecar_in", callee), ("application", callee)]
        self.hops[caller, callee].update(way)


def masked(request_id):
    """Without its 13th hex digit, where Envoy writes the trace decision."""
    return request_id[:14] + "-" + request_id[15:]


def stat(port, name):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    c.request("GET", "/stats?filter=tracing")
    lines = c.getresponse().read().decode().split("\n")
    c.close()
    return sum(int(line.split(": ")[1]) for line in lines if line.split(":")[0].endswith(name))


def ended(port):
    """Spans of its own that an application has ended: the SDK sends them a moment later."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    c.request("GET", "/-/ended")
    n = int(c.getresponse().read())
    c.close()
    return n


def wait_until_all_is_sent(c, admin_ports, app_ports):
    """Every thread of every proxy flushes each 5 s: two more flushes, and as many by the one as by the other thread."""
    before = {port: stat(port, ".timer_flushed") for port in admin_ports}

    def flushed(port):
        now = stat(port, ".timer_flushed")
        return now % 2 == 0 and now >= before[port] + 2
    wait_for(lambda: all(flushed(port) for port in admin_ports), 30, "a flush of every proxy")
    assert sum(stat(port, "_dropped") for port in admin_ports) == 0, "a proxy dropped spans"
    sent = sum(stat(port, ".spans_sent") for port in admin_ports) + sum(ended(port) for port in app_ports)
    wait_for(lambda: c.sql("SELECT coalesce(sum(received), 0) FROM ingest_minute WHERE format != 'envoy_als'") == [(sent,)], 20,
             "receipt of %d spans" % sent)
    return sent


def check_edges(c, truth):
    columns = "calls errors errors_origin client_errors retries recovered".split()
    rows = c.sql("SELECT caller_service, callee_service, via, %s FROM edge_minute WHERE protocol != 'tcp' GROUP BY 1, 2, 3" %
                 ", ".join("sum(%s)" % name for name in columns))
    seen = {row[:3]: dict(zip(columns, row[3:])) for row in rows}
    expected = {edge: {name: counts[name] for name in columns} for edge, counts in truth.edges.items()}
    assert seen == expected, "\nseen     %s\nexpected %s" % (sorted(seen.items()), sorted(expected.items()))
    assert c.sql("SELECT caller_service, gateway, callee_service, sum(calls) FROM hairpin") == [("productpage", GATEWAY, "details", 3)]
    began = c.sql("SELECT DISTINCT origin_operation FROM trace WHERE status = 'error' AND origin_operation != 'tcp'")
    assert all(text.startswith(("GET /", "/bookinfo.", "bookinfo.", "find")) for text, in began), began


def check_attempts(c):
    """A failed attempt is `recovered` where a retry made it good, and only there."""
    marks = dict(c.sql("SELECT json_extract(attributes, '$.scenario'), count(*) FROM span WHERE fault = 'recovered' GROUP BY 1"))
    assert set(marks) - {None} == {"retry-ok"}, marks  # those of applications bear no kind


def check_security(c, truth):
    """Mutual TLS between all sidecars but to ratings; a U-turn goes to the gateway in clear text; who was not reached tells nothing."""
    plain = {("user", GATEWAY, ""), ("reviews", "ratings", ""), ("productpage", "details", GATEWAY)}
    for caller, callee, via, calls, mtls, plaintext, errors in c.sql(
            "SELECT caller_service, callee_service, via, sum(calls), sum(mtls), sum(plaintext), sum(errors) FROM edge_minute "
            "WHERE protocol != 'tcp' AND connection_type != 'database' GROUP BY 1, 2, 3"):
        told, other = (plaintext, mtls) if (caller, callee, via) in plain else (mtls, plaintext)
        assert other == 0 and calls - errors <= told <= calls, (caller, callee, via, calls, mtls, plaintext)
    assert set(c.sql("SELECT caller_service, callee_service, via FROM edge_violation")) == plain


def check_hops(c, truth):
    """The way of every call, as the mesh is built: sidecars on both sides, a gateway between, and nothing behind where nobody was reached."""
    seen = collections.defaultdict(collections.Counter)
    for caller, callee, hop, name, calls in c.sql("SELECT caller_service, callee_service, hop, hop_name, sum(calls) FROM hop_minute GROUP BY 1, 2, 3, 4"):
        if (caller, callee) in truth.hops or callee not in ("mongodb", "mysqldb"):  # of those the TCP proxies' logs tell
            seen[caller, callee][hop, name] = calls
    assert seen == truth.hops, "\nseen     %s\nexpected %s" % (sorted(seen.items()), sorted(truth.hops.items()))


def check_traces(c, truth, origins):
    """Each request is one trace, that ended as the client saw it, with the failure's origin and reason."""
    traces = {}
    for trace, request in c.sql("SELECT DISTINCT trace_id, json_extract(attributes, '$.\"guid:x-request-id\"') FROM span WHERE format != 'envoy_als'"):
        if request:
            traces[trace] = masked(request)
    assert sorted(traces.values()) == sorted(truth.requests), "a trace for each request"
    for trace, status, service, reason, parts in c.sql(
            "SELECT trace_id, status, origin_service, origin_reason, parts FROM trace WHERE trace_id IN "
            "(SELECT trace_id FROM span WHERE format != 'envoy_als')"):
        kind, ended = truth.requests[traces[trace]]
        origin, reasons = origins[kind] if ended == "failed" else ("", "")
        wanted = ("error" if ended == "failed" else "ok", origin, 1)
        assert (status, service, parts) == wanted, (kind, ended, trace, (status, service, parts), wanted)
        assert set(reason.split(",")) in [set(r.split(",")) for r in reasons.split("|")], (kind, trace, reason, reasons)


def run_mesh(c, until, **settings):
    """Starts collector and mesh, drives it, waits until all is sent; gives what `until` gave and the truth."""
    envoy = installed("envoy", "lib/python3*/site-packages/envoy/_bin/envoy")
    c.start()
    folder = os.path.join(c.folder, "mesh")
    settings.update(otlp_http=c.otlp.split(":")[1], otlp_grpc=c.grpc.split(":")[1], zipkin=c.zipkin.split(":")[1])
    args = [sys.executable, os.path.join(MESH, "mesh.py"), envoy, folder] + ["%s=%s" % s for s in settings.items()]
    with Process(args, os.path.join(c.folder, "mesh.err")) as mesh:
        plan = mesh.line()
        subprocess.run([sys.executable, os.path.join(MESH, "drive.py"), plan, os.path.join(folder, "truth-client.jsonl")],
                       check=True, timeout=120)
        services = json.load(open(plan))["services"]
        sent = until(c, [s["ports"]["admin"] for s in services.values()],
                     [services[name]["ports"]["app"] for name in APPLICATIONS if settings.get("applications")])
        mesh.stop()
    c.flush()
    truth = Truth(folder, "spawn_all" in settings, "applications" in settings)
    assert len(truth.requests) == 63 and len({kind for kind, _ in truth.requests.values()}) == 29
    return sent, truth


def run(c, applications=False, **settings):
    if applications:
        settings["applications"] = installed("otel_python", "bin/python")
    sent, truth = run_mesh(c, wait_until_all_is_sent, **settings)
    check_edges(c, truth)
    check_traces(c, truth, ORIGINS_OF_APPLICATIONS if applications else ORIGINS)
    check_attempts(c)
    check_security(c, truth)
    check_hops(c, truth)
    assert c.sql("SELECT count(*) FROM span WHERE format != 'envoy_als'") == [(sent,)]
    c.check_ledger()


def scene_otlp_http(c):
    run(c, provider="otlp_http")


def scene_otlp_grpc_and_applications_with_a_span_for_every_attempt(c):
    run(c, True, provider="otlp_grpc", spawn_all=1, verbose=1)
    assert set(c.sql("SELECT DISTINCT format, transport FROM ingest_minute")) == {("otlp_pb", "grpc"), ("otlp_pb", "http")}


def scene_zipkin_json_and_applications(c):
    run(c, True, provider="zipkin_json")


def scene_zipkin_protobuf_with_a_span_for_every_attempt(c):
    run(c, provider="zipkin_proto", spawn_all=1)


def scene_zipkin_json_with_shared_ids(c):
    run(c, provider="zipkin_shared")


def scene_spans_and_access_logs(c):
    """Every proxy reports each request twice, by its span and to the access log service: it counts once."""
    run(c, provider="otlp_grpc", access_log_grpc=1)
    n, rejected = c.sql("SELECT sum(received), sum(rejected) FROM ingest_minute WHERE format = 'envoy_als'")[0]
    assert n > 250 and not rejected, (n, rejected)
    assert {r[0] for r in c.sql("SELECT DISTINCT callee_service FROM edge_minute WHERE protocol = 'tcp'")} == {"mongodb", "mysqldb"}


def wait_until_logs_are_sent(c, admin_ports, app_ports):
    """Each proxy writes every entry to a file as well: as many lines as entries have come, and no request is under way."""
    def active():
        total = 0
        for port in admin_ports:
            ask = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            ask.request("GET", "/stats?filter=downstream_(rq|cx)_active$&type=Gauges")
            lines = [line.split(": ") for line in ask.getresponse().read().decode().splitlines()]
            total += sum(int(n) for name, n in lines if name.startswith(("http.inbound", "http.outbound", "tcp.")) and name.endswith("rq_active"))
            ask.close()
        return total

    def written():
        return sum(len(open(path).readlines()) for path in glob.glob(os.path.join(c.folder, "mesh", "access-*.log")))

    wait_for(lambda: active() == 0 and c.counter("faultline_ingest_records_total", format="envoy_als") == written(), 30, "receipt of every entry")
    return written()


def scene_access_logs_alone(c):
    """No tracing at all: six proxies' access log streams, joined by x-request-id alone, give the calls that the applications wrote down."""
    sent, truth = run_mesh(c, wait_until_logs_are_sent, provider="none", access_log_grpc=1)
    assert c.sql("SELECT count(*) FROM span") == [(sent,)]
    seen = {(a, b, via): (n, errors) for a, b, via, n, errors in c.sql(
        "SELECT caller_service, callee_service, via, sum(calls), sum(errors) FROM edge_minute WHERE protocol != 'tcp' GROUP BY 1, 2, 3")}
    expected = {edge: (counts["calls"], counts["errors"]) for edge, counts in truth.edges.items()}
    assert seen == expected, "\nseen     %s\nexpected %s" % (sorted(seen.items()), sorted(expected.items()))
    c.check_ledger()


def one(build, provider, spawn_all, applications):
    """A line that says how a mesh of this configuration compared."""
    c = Collector(build)
    what = "%s%s%s" % (provider, ", a span for every attempt" if spawn_all else "", ", with applications" if applications else ", proxies alone")
    try:
        run(c, applications, provider=provider, **({"spawn_all": 1, "verbose": 1} if spawn_all else {}))
        return "as it was   %s" % what
    except Exception:  # the next one tells something too
        return "different   %s\n%s" % (what, traceback.format_exc())
    finally:
        c.close()


def all_meshes(build):
    """Every tracer, with and without a span for every attempt, with and without spans of the applications' own."""
    wanted = itertools.product(("otlp_http", "otlp_grpc", "zipkin_json", "zipkin_proto", "zipkin_shared"), (False, True), (False, True))
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for line in pool.map(lambda settings: one(build, *settings), wanted):
            print(line, flush=True)
            bad += not line.startswith("as it was")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(all_meshes(sys.argv[1]))
