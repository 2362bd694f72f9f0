"""What real Envoys sent, captured in six configurations (tests/golden/envoy), against the truth of the same minute: that of every request, as its client and
its applications wrote it down (NAME.truth.jsonl.gz), and the counts of every edge (NAME.edges.json)."""
import gzip
import json
import re

from lib import frames, golden
from mesh_truth import GATEWAY, GRPC_ERRORS, ORIGINS, Truth, check_attempts, check_edges, check_hops, check_traces

# By name: who takes them, and whether the proxies report every attempt.
CAPTURES = {"otlp_grpc": ("otlp", False), "otlp_http": ("otlp", False), "spawn_all": ("otlp", True), "zipkin_json": ("zipkin", False),
            "zipkin_shared": ("zipkin", False), "zipkin_pb": ("zipkin", False)}


def line_of(line):
    """A line of a capture's truth, as today's mesh writes it."""
    saw = re.fullmatch(r"(\d+)(?: grpc-status (\d+))?", str(line.get("client_saw", "")))
    if saw:
        line["status"] = int(saw[1])
        line.update({"grpc_status": int(saw[2])} if saw[2] else {})
    elif line["kind"] == "client":
        assert line["client_saw"] == "client left", line
        line["left"] = True
    if line.get("did") == "reset":
        line["error"] = "reset"
    return line


def check_counts(c, name):
    """Calls, failures and 4xx of each edge, by what its callers saw."""
    for edge in json.loads(golden("envoy", name + ".edges.json"))["calls as the callers made them"]:
        if "(tcp" in edge["to"]:
            continue  # of those no span tells
        caller, failed, refused = edge["from"].replace("client", "user"), 0, 0
        for saw, n in edge.items():
            found = re.fullmatch(r"saw (\d+)(?: grpc(?:-status)? (\d+))?", saw)
            if not found:
                continue
            by_gateway = found[1] == "404" and edge["to"] == GATEWAY  # no route: its own fault
            failed += n * (int(found[1]) >= 500 or int(found[2] or 0) in GRPC_ERRORS or by_gateway)
            refused += n * (400 <= int(found[1]) < 500 and not by_gateway)
        (calls, errors, client_errors), = c.sql("SELECT sum(calls), sum(errors), sum(client_errors) FROM edge_minute WHERE caller_service = ? AND "
                                                "callee_service = ?", caller, edge["to"])
        assert calls == edge["calls"], (name, edge, calls)
        if any(saw.startswith("saw") for saw in edge):
            assert (errors, client_errors) == (failed, refused), (name, edge, errors, client_errors)


def scene_captures_of_all_configurations_are_as_they_were(c):
    for name, (port, attempts) in CAPTURES.items():
        c.sets["store.path"] = c.db = c.folder + "/%s.db" % name
        c.start()
        kind = {"Content-Type": "application/x-protobuf"}
        for body in frames(name):
            status = c.post_otlp(body)[0] if port == "otlp" else c.request(c.zipkin, "POST", "/api/v2/spans", body, kind)[0] if name == "zipkin_pb" else c.post_zipkin(body)[0]
            assert status in (200, 202), (name, status)
        c.flush()
        truth = Truth([line_of(json.loads(line)) for line in gzip.decompress(golden("envoy", name + ".truth.jsonl.gz")).splitlines()], attempts, False)
        check_edges(c, truth)
        check_hops(c, truth)
        check_traces(c, truth, ORIGINS)
        check_attempts(c, truth)
        check_counts(c, name)
        c.check_ledger()
        c.stop()


def scene_a_proxy_of_shared_ids_that_is_silent_invents_no_edge(c):
    """Each one left out of the capture, and the callers' halves of all: its callers name it, what it called is known by its callees, and attempts stay attempts."""
    spans = [span for body in frames("zipkin_shared") for span in json.loads(body)]

    def edges(kept):
        c.sets["store.path"] = c.db = c.folder + "/%d.db" % len(kept)
        c.start()
        assert c.post_zipkin(json.dumps(kept).encode())[0] in (200, 202)
        c.flush()
        c.check_ledger()
        found = {(a, b): (calls, retries) for a, b, calls, retries in c.sql(
            "SELECT caller_service, callee_service, sum(calls), sum(retries) FROM edge_minute WHERE callee_version != 'v2' OR callee_service = 'reviews' GROUP BY 1, 2")}
        c.stop()
        return found

    whole = edges(spans)
    for name in ("details", "productpage", "reviews", "ratings"):
        left = edges([s for s in spans if s["localEndpoint"]["serviceName"] != name + ".default"])
        # without the callee's half nobody tells its attempts, nor, without the caller's, those that reached nobody
        assert {e: n[0] for e, n in left.items() if e != ("productpage", "details")} == {e: n[0] for e, n in whole.items() if e != ("productpage", "details")}, (name, left, whole)
        assert left["productpage", "details"][0] == 27, (name, left)
        assert name == "ratings" or left["reviews", "ratings"] == whole["reviews", "ratings"], (name, left)
    assert edges([s for s in spans if s["kind"] == "SERVER"]) == whole
