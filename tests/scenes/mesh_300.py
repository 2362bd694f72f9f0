"""mesh_300.py - minute rows of three hundred services, written into a database while no collector has it: what graphs of that size are
measured and pictured with. Ten namespaces in three tiers, stores and externals at the end; for the last 17 minutes calls of the cart to its
cache fail, and the way back to the users passes that on.
"""
import functools
import random
import sqlite3

SPACES = ["media", "search", "recommend", "identity", "shop", "catalog", "payments", "warehouse", "data-platform", "pricing"]
TIERS = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2]  # of the namespaces
ROLES = {"workload": 0, "gateway": 2, "database": 5, "cache": 6, "external": 8, "user": 9}


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


@functools.lru_cache(None)
def histogram(middle, variant):
    """Sixty times around a bucket."""
    r, counts, out, last = random.Random(97 * middle + variant), {}, b"", 0
    for _ in range(60):
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
    space = lambda i: (i - 3) * len(SPACES) // (last - 3)  # noqa: E731
    cart = next(i for i in range(3, last) if SPACES[space(i)] == "shop")
    for i in range(3, last):
        node("eu-1", SPACES[space(i)], "cart" if i == cart else "svc-%03d" % i, "v1", "workload")
    node("", "", "redis", "", "cache")
    for i in range(22):
        node("", "", "db-%02d" % i, "", "database")
    for i in range(7):
        node("", "", "partner-%d.example" % i, "", "external")
    failing = [(0, 1), (1, 2), (2, cart), (cart, last)]
    first = [next(i for i in range(3, last) if space(i) == k) for k in range(len(SPACES))]
    pairs = failing + [(2 if TIERS[k] == 0 else first[k - 3], first[k]) for k in range(len(SPACES)) if first[k] != cart]
    pairs += [(first[space(i)], i) for i in range(3, last) if i not in first] + [(r.randrange(3, last), i) for i in range(last + 1, n)]
    seen = set(pairs)
    while len(pairs) < n_edges:
        a = 2 if r.random() < .03 else r.randrange(3, last)
        b = r.randrange(3, last) if r.random() < .75 else r.randrange(last, n)
        if b < last:
            down = b > a and space(a) == space(b) if a > 2 else TIERS[space(b)] == 0
            if not (down or a > 2 and TIERS[space(b)] == TIERS[space(a)] + 1):
                continue
        if (a, b) not in seen:
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
            calls = 60 * ([9600, 9400, 3460, 3700][failing.index((a, b))] if (a, b) in failing else 5 + row % 97)
            bad = calls // 8 if (a, b) in failing and at > minute - 17 else 0
            began = (bad, 0) if b == last else (0, bad)
            rows.append((at, row, calls, *began, 0, 0, 0, 0, 0, 0, 0, 0, calls, 0, calls * 1024, 0, None, None, None, None, minute * 60,
                         histogram(150 + row % 40, at % 8), histogram(120, (row + at) % 8)))
    db.executemany("INSERT INTO edge_minute_row VALUES (%s, 0, 0, 0)" % ",".join("?" * 24), rows)
    db.commit()
    db.close()
    return len(rows)
