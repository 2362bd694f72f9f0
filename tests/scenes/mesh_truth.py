"""What really happened in a mesh of real Envoys, by what its client and applications wrote down, and how the collector's tables compare with it."""
import collections

GATEWAY = "istio-ingressgateway"
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
    """Of lines that client and applications wrote down: `edges` of logical calls, `requests` with their ends.
    `attempts_seen`: the proxies report each attempt, also those that reached nobody. `databases`: somebody tells of calls to them."""

    def __init__(self, lines, attempts_seen, databases):
        self.attempts_seen, self.databases = attempts_seen, databases
        self.edges = collections.defaultdict(collections.Counter)
        self.hops = collections.defaultdict(collections.Counter)
        self.requests = {}
        records = collections.defaultdict(lambda: collections.defaultdict(list))
        clients = []
        for line in lines:
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


def check_edges(c, truth):
    columns = "calls errors errors_origin client_errors retries recovered".split()
    rows = c.sql("SELECT caller_service, callee_service, via, %s FROM edge_minute WHERE protocol != 'tcp' GROUP BY 1, 2, 3" %
                 ", ".join("sum(%s)" % name for name in columns))
    seen = {row[:3]: dict(zip(columns, row[3:])) for row in rows}
    expected = {edge: {name: counts[name] for name in columns} for edge, counts in truth.edges.items()}
    assert seen == expected, "\nseen     %s\nexpected %s" % (sorted(seen.items()), sorted(expected.items()))
    turns = [(*edge, counts["calls"]) for edge, counts in truth.edges.items() if edge[2]]
    assert c.sql("SELECT caller_service, callee_service, gateway, sum(calls) FROM hairpin GROUP BY 1, 2, 3") == turns
    began = c.sql("SELECT DISTINCT origin_operation FROM trace WHERE status = 'error' AND origin_operation != 'tcp'")
    assert all(text.startswith(("GET /", "/bookinfo.", "bookinfo.", "find")) for text, in began), began


def check_attempts(c, truth):
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
