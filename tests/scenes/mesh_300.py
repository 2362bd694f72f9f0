"""mesh_300.py - minute rows of three hundred services, written into a database while no collector has it: what graphs of that size are
measured and pictured with. Ten namespaces in layers, stores and externals at the end; the entry's failures are passed on by two edges.
"""
import random
import sqlite3

SPACES = ["media", "search", "recommend", "identity", "shop", "catalog", "payments", "warehouse", "data-platform", "pricing"]
ROLES = {"workload": 0, "gateway": 2, "database": 5, "external": 8, "user": 9}


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def histogram(r, calls, middle):
    counts, out, last = {}, b"", 0
    for _ in range(min(calls, 60)):
        bucket = max(17, int(r.gauss(middle, 5)))
        counts[bucket] = counts.get(bucket, 0) + 1
    for bucket in sorted(counts):
        out, last = out + varint(bucket - last) + varint(counts[bucket]), bucket
    return out


def fill(path, minute, n=300, n_edges=1000, minutes=60):
    """Rows up to `minute` (Unix minutes)."""
    r, db, names, nodes = random.Random(4), sqlite3.connect(path), {"": 0}, []

    def name(text):
        if text not in names:
            names[text] = db.execute("INSERT INTO name (text) VALUES (?)", (text,)).lastrowid
        return names[text]

    def node(cluster, namespace, service, version, role):
        seen = ((minute - minutes) * 60_000_000_000, minute * 60_000_000_000)
        nodes.append(db.execute("INSERT INTO node (cluster, namespace, service, version, role, first_seen_ns, last_seen_ns) VALUES (?,?,?,?,?,?,?)",
                                (name(cluster), name(namespace), name(service), name(version), ROLES[role], *seen)).lastrowid)

    node("", "", "user", "", "user")
    node("eu-1", "istio-system", "ingress", "", "gateway")
    node("eu-1", "web", "frontend", "v1", "workload")
    last = n - 30
    for i in range(3, last):
        node("eu-1", SPACES[i * len(SPACES) // last], "svc-%03d" % i, "v1", "workload")
    for i in range(23):
        node("", "", "db-%02d" % i, "", "database")
    for i in range(7):
        node("", "", "partner-%d.example" % i, "", "external")
    pairs = [(0, 1), (1, 2)]
    seen = set(pairs)
    while len(pairs) < n_edges:
        a = 2 if r.random() < .05 else r.randrange(2, last)
        step = last // len(SPACES)
        b = min(last - 1, a + step + int(r.expovariate(1 / 20))) if r.random() < .75 else r.randrange(last, n)
        if a != b and (a, b) not in seen:
            seen.add((a, b))
            pairs.append((a, b))
    edges, rows = [], []
    for a, b in pairs:
        for known in [6] if a == 0 else [2] if b >= last else [0, 2] if r.random() < .3 else [0]:
            row = db.execute("INSERT INTO edge (caller, callee, connection_type, protocol, via, crossing, known_by) VALUES (?,?,0,?,0,1,?)",
                             (nodes[a], nodes[b], name("http"), known)).lastrowid
            edges.append((row, a, b))
    for at in range(minute - minutes, minute):
        for row, a, b in edges:
            calls = 60 + row % 500
            bad = calls // 8 if (a, b) in ((0, 1), (1, 2)) and at > minute - 17 else 0
            rows.append((at, row, calls, 0, bad, 0, 0, 0, 0, 0, 0, 0, 0, calls, 0, calls * 1024, 0, None, None, None, None, minute * 60,
                         histogram(r, calls, 150 + row % 40), histogram(r, calls, 120)))
    db.executemany("INSERT INTO edge_minute_row VALUES (%s, 0, 0, 0)" % ",".join("?" * 24), rows)
    db.commit()
    db.close()
    return len(rows)
