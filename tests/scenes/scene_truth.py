"""The graph, the errors, the retries and the origins in SQL are what really happened, for every fault of the simulator, whoever sends spans.

The simulator writes the truth of every call beside the spans; nothing here is a tolerance: the numbers are equal.
"""
import collections
import json
import os
import sqlite3
import subprocess

FIELDS = ("calls", "errors", "origin", "client_errors", "retries", "recovered")
MODES = {"": [], "applications alone": ["--sidecars", "off"], "proxies alone": ["--applications", "off"]}


def faults(c):
    listed = subprocess.run([c.program, "simulate", "--fault", "list"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines()]


def simulate(c, name, *args):
    """Spans into a file, by `replay` into a database; gives it and the lines of the truth."""
    spans, truth, db = (os.path.join(c.folder, name + end) for end in (".pb", ".truth", ".db"))
    subprocess.run([c.program, "simulate", "--from", "2026-11-23T10:00:00Z", "--out", spans, "--truth", truth, *args],
                   check=True, capture_output=True)
    done = subprocess.run([c.program, "replay", spans, "--db", db], check=True, capture_output=True, text=True).stdout
    assert json.loads(done)["rejected"] == 0
    head, *calls = [json.loads(line) for line in open(truth)]
    os.remove(spans)
    return sqlite3.connect(db), head, calls


def true_edges(calls):
    edges = collections.defaultdict(collections.Counter)
    for call in calls:
        if call["seen"] and call["sampled"]:
            edge = edges[call["caller"], call["caller_version"], call["callee"], call["callee_version"], call["via"]]
            edge.update(calls=1, errors=call["failed"], origin=call["origin"], client_errors=call["client_error"],
                        retries=call["retries"], recovered=call["recovered"])
    return {name: tuple(edge[f] for f in FIELDS) for name, edge in edges.items()}


def told_edges(db):
    rows = db.execute("SELECT caller_service, caller_version, callee_service, callee_version, via, sum(calls), sum(errors), sum(errors_origin), "
                      "sum(client_errors), sum(retries), sum(recovered) FROM edge_minute GROUP BY 1, 2, 3, 4, 5")
    return {row[:5]: row[5:] for row in rows}


def compare(c, name, *args):
    db, head, calls = simulate(c, name, *args)
    true, told = true_edges(calls), told_edges(db)
    different = {edge: (true.get(edge), told.get(edge)) for edge in set(true) | set(told) if true.get(edge) != told.get(edge)}
    assert not different, (name, head.get("told"), FIELDS, different)
    began = collections.Counter(call["began"] for call in calls if call["caller"] == "user" and call["failed"] and call["sampled"])
    origins = dict(db.execute("SELECT origin_service, count(*) FROM trace WHERE status = 'error' AND entry_service = 'istio-ingressgateway' GROUP BY 1"))
    assert dict(began) == origins, (name, began, origins)
    assert db.execute("SELECT sum(orphan), sum(duplicate), sum(conflict), sum(rejected), sum(late) FROM ingest_minute").fetchone() == (0,) * 5
    assert db.execute("SELECT count(*) FROM trace WHERE NOT complete").fetchone() == (0,)
    db.close()
    return head, calls


def share(c, part):
    """Every fourth fault, by all three modes; the first of each has as many seeds as modes."""
    for i, fault in enumerate(faults(c)):
        if i % 4 != part:
            continue
        for n, (mode, args) in enumerate(MODES.items()):
            head, calls = compare(c, "%s-%d" % (fault, n), "--mesh", "shop", "--fault", fault, "--seed", str(1 + (n if i < 4 else 0)),
                                  "--for", "40s", "--at", "10s", "--rate", "15", *args)
            acted = [call for call in calls if call["fault"]]
            assert head["fault"] == fault and all(call["start_ns"] >= head["from_ns"] for call in acted)
            # Traffic, clocks and versions that do well are no call's fault, nor are proxies that are not there.
            nobodys = fault in ("traffic-surge", "daily-wave", "clock-jump", "deploy") or (fault, n) == ("sidecar-overload", 1)
            assert bool(acted) != nobodys, (fault, mode)


def scene_faults_as_they_were_1(c):
    share(c, 0)


def scene_faults_as_they_were_2(c):
    share(c, 1)


def scene_faults_as_they_were_3(c):
    share(c, 2)


def scene_faults_as_they_were_4(c):
    share(c, 3)


def scene_made_meshes_as_they_were(c):
    for n, (mesh, fault, args) in enumerate((("10", "retry-storm", []), ("50", "timeout-chain", MODES["applications alone"]),
                                             ("50", "dead-callee", MODES["proxies alone"]), ("300", "failing-service", []))):
        compare(c, "made%d" % n, "--mesh", mesh, "--fault", fault, "--seed", str(n + 1), "--for", "30s", "--at", "5s", "--rate", "20", *args)


def scene_sampled_traces_are_whole_and_weighed(c):
    db, head, calls = simulate(c, "sampled", "--mesh", "shop", "--for", "2m", "--rate", "40", "--sampling", "0.25")
    true, told = true_edges(calls), told_edges(db)
    assert true == told
    assert db.execute("SELECT count(*) FROM trace WHERE NOT complete").fetchone() == (0,)
    counted, weighed = db.execute("SELECT sum(calls), sum(adjusted_calls) FROM edge_minute WHERE callee_service = 'frontend'").fetchone()
    asked = sum(1 for call in calls if call["callee"] == "frontend")
    assert weighed == 4 * counted and abs(weighed - asked) < asked / 10, (counted, weighed, asked)
