"""graph --layer physical: applications, sidecars and gateways are nodes, hops are edges, each with its own time (CONTRACT §2, §7; STITCHING §3)."""
import json
import subprocess
import time

import stitching
from scene_truth import simulate
from stitching import INBOUND, Trace, otlp, out


def way(number, code=200, reached=True):
    """user > edge > a > b: a with sidecar and application, b with its sidecar alone and behind a second gateway."""
    t = Trace(number)
    status = {"attrs": {"http__response__status_code": code}, "status": 2 if code >= 500 else 0}
    g = t.proxy("edge", "server", 0, 100, None, role="gateway", upstream=out("a"), namespace="istio-system", cluster="c1", code=code)
    i = t.proxy("a", "server", 2, 96, g, upstream=INBOUND, cluster="c1", code=code)
    a = t.server("a", 3, 94, i, **status)
    c = t.client("a", 10, 60, a, **status)
    o = t.proxy("a", "client", 11, 58, c, upstream=out("b"), cluster="c1", code=code)
    e = t.proxy("east", "server", 13, 54, o, role="gateway", upstream=out("b"), namespace="istio-system", cluster="c1", code=code,
                flags="-" if reached else "UF")
    if reached:
        e = t.proxy("east", "client", 14, 52, e, role="gateway", upstream=out("b"), namespace="istio-system", cluster="c1", path="", code=code)
        t.proxy("b", "server", 16, 48, e, upstream=INBOUND, cluster="c1", code=code)
    return t.spans


def recent(spans):
    """Minutes are those of the call: now."""
    shift = int(time.time() * 1e6) - 20_000_000 - stitching.BASE_US
    for s in spans:
        s["start_us"] += shift
    return spans


def short(id_):
    return id_.rpartition("/")[2]


def scene_hops_are_edges_and_proxies_nodes(c):
    c.start()
    spans = way(1) + way(2) + way(3, 500) + way(4, 503, reached=False)
    status, text, _ = c.post_otlp(otlp(recent(spans)), json_body=True)
    assert status == 200, text
    c.flush()
    graph = c.api("graph?layer=physical")
    edges = {(short(e["caller"]), short(e["callee"])): e for e in graph["edges"]}
    seen = {k: (e["hop"], e["calls"], e["errors"]) for k, e in edges.items()}
    assert seen == {
        ("user#user", "edge#gateway"): ("network", 4, 0),
        ("edge#gateway", "a#sidecar"): ("network", 4, 0),
        ("a#sidecar", "a"): ("sidecar_in", 4, 2),
        ("a", "a#sidecar"): ("sidecar_out", 4, 2),
        ("a#sidecar", "east#gateway"): ("network", 4, 0),
        ("east#gateway", "b#sidecar"): ("network", 3, 0),
        ("b#sidecar", "b"): ("sidecar_in", 3, 1),
        ("east#gateway", "b"): ("network", 1, 1),
    }, seen
    nodes = {short(n["id"]): n for n in graph["nodes"]}
    assert nodes["east#gateway"]["node"] == {"cluster": "c1", "namespace": "istio-system", "service": "east", "version": "", "role": "gateway"}
    assert nodes["a#sidecar"]["node"]["role"] == "sidecar" and nodes["a"]["node"]["role"] == "workload"
    assert [n["id"] for n in graph["nodes"]] == sorted(n["id"] for n in graph["nodes"])
    failed = {n: (v["errors"], v["errors_origin"]) for n, v in nodes.items()}
    assert failed == {"user#user": (0, 0), "edge#gateway": (2, 0), "a#sidecar": (4, 0), "a": (2, 0), "east#gateway": (2, 0),
                      "b#sidecar": (1, 0), "b": (2, 2)}, failed
    near = lambda ns, ms: ns is not None and abs(ns - ms * 1e6) < 0.1 * ms * 1e6  # noqa: E731
    assert near(edges["a", "a#sidecar"]["p50_ns"], 2), edges["a", "a#sidecar"]          # c − o
    assert near(edges["a#sidecar", "a"]["p50_ns"], 2), edges["a#sidecar", "a"]          # i − s
    assert near(edges["a#sidecar", "east#gateway"]["p50_ns"], 4), edges["a#sidecar", "east#gateway"]
    assert near(nodes["a"]["p50_ns"], 94) and nodes["a"]["calls"] == 4, nodes["a"]
    assert near(nodes["east#gateway"]["p50_ns"], 2), nodes["east#gateway"]
    assert c.api("graph?layer=logical")["edges"] == c.api("graph")["edges"]
    assert all("hop" not in e for e in c.api("graph")["edges"])


def scene_what_fails_at_an_application_or_a_gateway_is_its_own(c):
    """Seen by its sidecar, too, it counts once; what the application answered well and its sidecar did not began between the two."""
    c.start()
    spans = []
    for number, sidecar, application in ((1, 500, 500), (2, 503, 200), (3, 200, 200)):
        t = Trace(number)
        i = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, cluster="c1", code=sidecar)
        t.server("a", 3, 94, i, attrs={"http__response__status_code": application}, status=2 if application >= 500 else 0)
        spans += t.spans
    t = Trace(4)
    t.proxy("edge", "server", 0, 5, None, role="gateway", namespace="istio-system", cluster="c1", code=503, flags="NR")
    assert c.post_otlp(otlp(recent(spans + t.spans)), json_body=True)[0] == 200
    c.flush()
    graph = c.api("graph?layer=physical")
    failed = {short(n["id"]): (n["calls"], n["errors"], n["errors_origin"]) for n in graph["nodes"] if n["node"]["role"] != "user"}
    assert failed == {"a#sidecar": (3, 2, 0), "a": (3, 2, 2), "edge#gateway": (1, 1, 1)}, failed
    between = [(e["errors"], e["errors_origin"]) for e in graph["edges"] if e["hop"] == "sidecar_in"]
    assert between == [(2, 1)], between


def scene_the_physical_graph_of_the_command_is_the_api_s(c):
    c.start()
    assert c.post_otlp(otlp(recent(way(1) + way(2, 500))), json_body=True)[0] == 200
    c.flush()
    run = lambda *more: subprocess.run([c.program, "graph", *more], capture_output=True, timeout=30)  # noqa: E731
    by_url = json.loads(run("--url", "http://" + c.web, "--layer", "physical", "--format", "json").stdout)
    by_file = json.loads(run("--db", c.db, "--layer", "physical", "--format", "json").stdout)
    again = json.loads(run("--url", "http://" + c.web, "--layer", "physical", "--format", "json").stdout)
    assert by_url["to"] <= by_file["to"] <= again["to"], (by_url["to"], by_file["to"])
    calls = lambda g: sorted((e["caller"], e["callee"], e["hop"], e["calls"], e["errors"]) for e in g["edges"])  # noqa: E731
    assert calls(by_url) == calls(by_file) == calls(c.api("graph?layer=physical")) and by_file["edges"]
    assert b"a#sidecar" in run("--db", c.db, "--layer", "physical").stdout
    assert b"sidecar" in run("--db", c.db, "--layer", "physical", "--format", "dot").stdout
    wrong = run("--db", c.db, "--layer", "other")
    assert wrong.returncode == 2 and b"logical or physical" in wrong.stderr
    for path in ("graph?layer=other", "graph?layer=physical&base=-30m..-15m"):
        assert c.get("/api/v1/" + path)[0] == 400
    versions = c.api("graph?layer=physical&level=version")
    assert any(n["id"].endswith("#sidecar") for n in versions["nodes"])
    near = c.api("graph?layer=physical&focus=b&hops=1")
    assert {short(n["id"]) for n in near["nodes"]} >= {"b", "b#sidecar"} and len(near["nodes"]) < len(by_file["nodes"]), near["nodes"]


def scene_what_comes_to_a_sidecar_goes_on_to_its_application(c):
    """In a mesh of fifty services every call that the network brings to a sidecar goes on; none gets lost between the layers."""
    db, _, _ = simulate(c, "fifty", "--mesh", "50", "--for", "30s", "--rate", "20")
    path = db.execute("PRAGMA database_list").fetchone()[2]
    window = [str(t) for t in db.execute("SELECT min(minute_ns) / 1000000000, max(minute_ns) / 1000000000 + 60 FROM hop_minute").fetchone()]
    layers = {}
    for layer in ("logical", "physical"):
        told = subprocess.run([c.program, "graph", "--db", path, "--layer", layer, "--format", "json", "--from", window[0], "--to", window[1]],
                              check=True, capture_output=True).stdout
        layers[layer] = json.loads(told)
    came, went = {}, {}
    for e in layers["physical"]["edges"]:
        if e["hop"] == "network" and e["callee"].endswith("#sidecar"):
            came[e["callee"]] = came.get(e["callee"], 0) + e["calls"]
        if e["hop"] == "sidecar_in":
            went[e["caller"]] = e["calls"]
    assert came == went and len(came) > 30, (came, went)
    workloads = lambda g: {n["id"]: n["calls"] for n in g["nodes"] if n["node"]["role"] == "workload"}  # noqa: E731
    assert workloads(layers["logical"]) == workloads(layers["physical"])
    assert len(layers["physical"]["nodes"]) > len(layers["logical"]["nodes"]) + 30 and not layers["physical"]["truncated"]
