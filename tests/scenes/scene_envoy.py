"""Real Envoys: six of them around four applications (tests/real/envoy-mesh), 63 requests of 29 kinds, by every tracer and span
format that the collector takes, the proxies alone and with spans of the applications' own. All twenty
configurations: make mesh. What it says is held against what the applications and the client wrote down."""
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
from mesh_truth import ORIGINS, ORIGINS_OF_APPLICATIONS, Truth, check_attempts, check_edges, check_hops, check_security, check_traces
from real import REAL, Process, installed

MESH = os.path.join(REAL, "envoy-mesh")
APPLICATIONS = ["productpage", "reviews", "ratings", "details"]


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
    lines = [json.loads(line) for path in sorted(glob.glob(os.path.join(folder, "truth-*.jsonl"))) for line in open(path)]
    truth = Truth(lines, "spawn_all" in settings, "applications" in settings)
    assert len(truth.requests) == 63 and len({kind for kind, _ in truth.requests.values()}) == 29
    return sent, truth


def run(c, applications=False, **settings):
    if applications:
        settings["applications"] = installed("otel_python", "bin/python")
    sent, truth = run_mesh(c, wait_until_all_is_sent, **settings)
    check_edges(c, truth)
    check_traces(c, truth, ORIGINS_OF_APPLICATIONS if applications else ORIGINS)
    check_attempts(c, truth)
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
