"""A second reading of STITCHING: slow, short, written from the document alone. `graph(spans)` takes the spans of one trace as `stitching.Trace` makes
them and gives the lines of the graph, a call each, and the line of the trace. It knows nothing of how the program does it: every question walks the tree anew.

A *visit* is what one workload did for one call it got: its spans that hang together, sidecars and application alike. A *call* goes from a visit to a
visit, to a name that never speaks, or comes from `user` or a queue.
"""
import ipaddress
import re

ERROR_GRPC, CLIENT_GRPC = {2, 4, 8, 10, 12, 13, 14, 15}, {3, 5, 6, 7, 9, 11, 16}
UNREACHED = {"UF", "UH", "UO", "UC", "UR", "URX"}
OWN = {"NR", "NC", "RL", "RLSE", "UAEX", "FI", "OM", "NFCF", "LR", "DT", "DO", "DF"}
FILTERS = {"FI", "RL", "RLSE", "UAEX", "RFCF", "NFCF", "OM", "IH", "DPE"}
CACHES = {"redis", "memcached", "valkey"}
INSIDE = [ipaddress.ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "127.0.0.0/8", "::1/128")]


class Span:
    """A span and what its attributes say. `kinds`: what is known of proxies that do not say what they are, by service."""
    def __init__(self, raw, kinds=None):
        self.raw, self.id, self.parent_id, self.kind = raw, raw["id"], raw["parent"], raw["kind"]
        a = self.attrs = {**raw["resource"], **raw["attrs"]}
        self.start, self.us = raw["start_us"], raw["us"]
        self.end = None if self.start is None or self.us is None else self.start + self.us
        self.proxy = a.get("component") == "proxy"
        kind = a.get("node_id", "").partition("~")[0] if self.proxy else ""
        self.untold = self.proxy and not kind
        self.role = {"sidecar": "sidecar", "router": "gateway", "waypoint": "waypoint"}.get(kind, "workload")
        known = lambda text, unknown: "" if text == unknown else text  # noqa: E731
        if "istio.canonical_service" in a:
            self.service, self.namespace = a["istio.canonical_service"], a["istio.namespace"]
            self.version, self.cluster = known(a["istio.canonical_revision"], "latest"), known(a["istio.cluster_id"], "unknown")
        else:
            self.service, self.namespace = a["service.name"], a.get("service.namespace", "")
            self.version, self.cluster = a.get("service.version", ""), a.get("k8s.cluster.name", "")
        if self.untold:
            self.role = (kinds or {}).get(self.service, "sidecar")
        self.upstream = a.get("upstream_cluster", "")
        self.flags = set(a.get("response_flags", "-").split(",")) - {"-"}
        if self.kind == "client" and a.get("messaging.operation.type") == "receive":
            self.kind = "consumer"
        self.children = []
        self.parent = None
        self.orphan = False
        self.silent = self.spoke = False

    @property
    def gateway(self):
        return self.role in ("gateway", "waypoint")

    def code(self):
        for name in ("http.response.status_code", "http.status_code"):
            if name in self.attrs:
                return int(self.attrs[name])
        return None

    def grpc(self):
        for name in ("rpc.grpc.status_code", "grpc.status_code"):
            if name in self.attrs:
                return int(self.attrs[name])
        return None

    def verdict(self):
        """'error', 'client_error', 'gone' or ''."""
        code, grpc, flags = self.code(), self.grpc(), self.flags - {"DI", "RFCF"}
        if self.raw["status"] == 1:
            return ""
        if flags & {"DC", "DR"} or self.attrs.get("canceled") == "true" or grpc == 1:
            return "gone"
        if code == 429 or (code in (401, 403, 404) and flags):
            return "error"
        if code is not None and 400 <= code < 500:
            return "client_error"
        if grpc in CLIENT_GRPC:
            return "client_error"
        said = self.raw["status"] == 2 or "error" in self.attrs
        return "error" if said or (code or 0) >= 500 or grpc in ERROR_GRPC or flags else ""

    def operation(self):
        url = self.attrs.get("http.url") if self.proxy else None
        if url:
            path = re.sub(r"^\w+://[^/]*", "", url).partition("?")[0]
            return self.attrs.get("http.method", "") + " " + re.sub(r"\d+", "{}", path)
        if self.proxy and self.parent and self.parent.proxy and self.parent.service == self.service:
            return self.parent.operation()
        return self.raw["name"]


# ---- the tree ----

def side(span):
    return "caller" if span.kind in ("client", "producer") else "callee"


def merged(raws, kinds=None):
    """Spans by their key. Attempts under one key differ by their start; of one span's pieces the longer and the worse wins."""
    spans = {}
    for raw in raws:
        span = Span(raw, kinds)
        key = span.id, side(span), span.service, span.start, span.proxy
        if key in spans:
            old = spans[key].raw
            us = max(old["us"] or -1, raw["us"] or -1)
            status = max(old["status"], raw["status"], key=lambda s: {1: 1, 0: 0, 2: 2}[s])
            span = Span({**raw, "attrs": {**raw["attrs"], **old["attrs"]}, "us": None if us < 0 else us, "status": status}, kinds)
        spans[key] = span
    return list(spans.values())


def join(spans):
    by_id = {}
    for span in spans:
        by_id.setdefault(span.id, []).append(span)
    for span in spans:
        halves = [other for other in by_id[span.id] if other is not span]
        if side(span) == "callee":
            caller = [h for h in halves if side(h) == "caller"]
            front = [h for h in halves if side(h) == "callee" and h.service == span.service and h.proxy and not span.proxy]
            if front or caller:
                begun = [f for f in front if f.start is not None and span.start is not None and f.start <= span.start]
                span.parent = max(begun, key=lambda f: f.start) if begun else (front or caller)[0]
                continue
        above = [s for s in by_id.get(span.parent_id, []) if s is not span and s.id != span.id]
        if not span.parent_id or (not above and span.parent_id == span.id):
            continue  # a root; its own parent is nobody's child
        if not above:
            span.orphan = True
            continue
        own = [s for s in above if s.service == span.service]
        if span.kind in ("server", "consumer") and not any(side(s) == "callee" for s in own) and \
                any(side(s) == "callee" and not shadow(s) for s in above):
            own = []  # who got the call called back
        attempt = span.proxy and span.kind == "client" and span.upstream  # a proxy's, beneath its own span of the request
        own = [s for s in own if attempt and s.proxy and side(s) == "callee" and s.upstream == span.upstream] or [s for s in own if not s.proxy] or own
        started = [s for s in own if s.start is not None and span.start is not None and s.start <= span.start]
        if started:
            span.parent = max(started, key=lambda s: s.start)
        else:
            span.parent = (own or [s for s in above if side(s) == "callee" and not shadow(s)] or [s for s in above if side(s) == "caller"] or above)[0]
    for span in list(spans):
        above = span.parent
        if above and span.raw["shared"] and span.kind == "server" and above.proxy and above.kind == "client" and outbound(above) and above.id != span.id:
            place = resolves(above.upstream.split("|")[-1]) if above.upstream.startswith("outbound|") else None
            if place and place[0] and place[1] != span.service:  # what its caller got under this id is lost, and so is the caller's half
                lost = next((s for s in spans if s.silent and s.parent is above), None)
                if not lost:
                    lost = silent(above, place)
                    for own in (s for s in spans if s.parent is above and s.service == lost.service and side(s) == "caller"):
                        own.parent, lost.spoke = lost, lost.spoke or not own.proxy
                    spans.append(lost)
                span.parent = lost
    for span in spans:  # a ring is cut above whatever started first in it
        ring, at = [], span
        while at and at not in ring:
            ring.append(at)
            at = at.parent
        if at is span:
            first = min(ring, key=lambda s: (s.start if s.start is not None else 1 << 62, s.id))
            first.parent, first.orphan = None, True
    for span in spans:
        if span.parent:
            span.parent.children.append(span)


def silent(above, place):
    """In place of the half of a callee who sends no spans."""
    span = Span({**above.raw, "kind": "server", "us": None, "status": 0, "attrs": {}})
    span.service, span.namespace, span.version, span.cluster = place[1], place[0], above.upstream.split("|")[2], ""
    span.silent, span.parent = True, above
    return span


def ancestors(span):
    while span.parent:
        span = span.parent
        yield span


# ---- who acts for whom ----

def outbound(span):
    """A proxy's span that is the caller's half of a call."""
    if not span.proxy:
        return False
    if "|" in span.upstream:
        return not span.upstream.startswith("inbound")
    return span.kind == "client" or bool(span.parent and span.parent.service == span.service)


def answered_itself(span):
    """A gateway that answered before its router, or had no upstream: the callee itself."""
    return span.kind != "client" and (bool(span.flags & FILTERS) or not span.upstream)


def passes(span):
    """A gateway between: it has a workload above it in the trace."""
    return span.gateway and any(not a.gateway or (a.service != span.service and not passes(a)) for a in ancestors(span))


def shadow(span):
    return "-shadow" in span.attrs.get("http.url", "")


class Visit:
    def __init__(self, top):
        self.top, self.spans, self.calls, self.incoming = top, [], [], None


class Call:
    def __init__(self, caller, callee, known_by):
        self.caller, self.callee, self.known_by = caller, callee, known_by  # visits, or a node for who never speaks
        self.chain, self.hops, self.low = [], [], []  # spans of the caller's half, of gateways between, of the callee's half
        self.type, self.retries, self.recovered, self.mirror = "", 0, False, False
        self.into = None  # the attempt after it
        self.fault, self.key, self.under = None, None, None

    def said(self):
        return self.chain + self.hops + self.low

    def own_end(self):
        return self.chain[0].end if self.chain else None


def is_caller(span, visit):
    """A caller's span of its visit, by its kind or, where nobody set one, by its place."""
    if span.proxy:
        if span.gateway:
            return not passes(span) and bool(span.upstream) and not span.flags & FILTERS
        return outbound(span)
    if span is visit.top and span.parent and not span.orphan:
        return names_somebody(span)  # the callee's half of a call, whatever its kind; by its word the caller of another too
    if span.kind in ("client", "producer"):
        return True
    return span.kind == "unset" and span not in callee_half(visit) and len(span.children) < 2


def names_somebody(span):
    """A caller by kind that says whom it called."""
    return span.kind == "producer" or (span.kind == "client" and any(
        n in span.attrs for n in ("db.system", "db.system.name", "peer.service", "server.address", "url.full", "http.url", "messaging.system")))


def says_whom(span):
    """Without a kind, a call by its word: nothing beneath it, its own application above it, and the name of another."""
    host = span.attrs.get("peer.service") or span.attrs.get("server.address") or re.sub(
        r"^\w+://([^/:]*).*", r"\1", span.attrs.get("url.full") or span.attrs.get("http.url") or "")
    return not span.children and not span.parent.proxy and span.parent.service == span.service and host not in ("", span.service)


def boundary(above, span, visit):
    """Does `span`, right beneath `above`, begin a visit of its own?"""
    if span.kind == "consumer":
        return True
    if above.role == "sidecar" and not outbound(above) and not span.proxy and span.kind != "client":
        return False  # the application behind its sidecar, whatever it calls itself
    if span.role == "sidecar" and outbound(span) and not above.proxy and is_caller(above, visit) and span.service in (above.service, visit.top.service):
        return False  # the sidecar before its application
    if above.service != span.service:
        return True
    arrives = (not outbound(span)) if span.proxy else span.kind == "server"
    leaves = is_caller(above, visit) and not (above.proxy and not outbound(above)) and (above.proxy or above.kind == "client")
    return arrives and leaves


def only_calls_on(span):
    """A caller's span right beneath another workload's: the callee's own half is lost, or was never there."""
    if not span.parent or span.parent.service == span.service or passes(span) or span.kind == "consumer":
        return False
    if span.proxy:
        return span.role == "sidecar" and outbound(span)
    return names_somebody(span) or (span.kind == "client" and bool(span.children) and all(c.service != span.service for c in span.children))


def visits_of(spans):
    """Every span that does not merely pass gets its visit."""
    of = {}

    def place(span):
        if span in of:
            return of[span]
        above = next((a for a in ancestors(span) if not passes(a)), None)
        beside = [s for s in spans if s in of and s.parent is span.parent and s.service == span.service and only_calls_on(s)]
        if only_calls_on(span) and beside:
            visit = of[beside[0]]
        elif above is None or span.gateway != above.gateway or any(passes(a) for a in ancestors(span) if a not in [above, *ancestors(above)]):
            visit = Visit(span)
        else:
            up = place(above)
            visit = Visit(span) if boundary(above, span, up) else up
        visit.spans.append(span)
        of[span] = visit
        return visit

    for span in spans:
        if not passes(span):
            place(span)
    return of


# ---- what is learnt across traces ----

def serves(span):
    """Of a proxy that does not say what it is, and a request that it got from elsewhere: the names of whom it handed that to."""
    if not span.untold or span.kind == "client" or (span.parent and span.parent.service == span.service):
        return set()
    if span.upstream.startswith("inbound|"):
        return {span.service}
    below = list(span.children)
    for child in span.children:  # its own span of the same request, one an attempt
        if child.proxy and child.kind == "client" and child.service == span.service and child.upstream == span.upstream:
            below += child.children
    meant = peer(span)[0][2] if span.upstream else ""
    return {c.service for c in below if side(c) == "callee" and (
        (not c.proxy) if c.service == span.service else (c.proxy or c.service == meant))}


def learn(traces):
    """Sidecar or gateway, by service: who ever served himself is a sidecar, who served others alone a gateway."""
    served = {}
    for raws in traces:
        spans = merged(raws)
        join(spans)
        for span in spans:
            served.setdefault(span.service, set()).update(serves(span))
    return {name: "sidecar" if name in of else "gateway" for name, of in served.items() if of}


# ---- names ----

def fill(spans, of, calls):
    """Unknown takes what a joined half knows (the caller's names its callee), else what the only other of that name knows."""
    def speaks_as_itself(span):  # and is no application behind a sidecar that calls it otherwise
        return not span.silent and (span not in of or of[span].top.service == span.service)

    for n, what in ((0, "cluster"), (1, "namespace"), (3, "version")):
        def take(span, values):
            values.discard("")
            if not getattr(span, what) and len(values) == 1:
                setattr(span, what, next(iter(values)))

        for visit in dict.fromkeys(of.values()):
            joined = {getattr(o, what) for o in visit.spans if speaks_as_itself(o)}
            for half in (visit.incoming.chain + visit.incoming.hops) if visit.incoming else ():
                if half.upstream and peer(half)[0][2] == visit.top.service:
                    joined.add(peer(half)[0][n])
            for span in visit.spans:
                take(span, set(joined))
        given = {s: getattr(s, what) for s in spans}
        for span in (s for s in spans if what != "version" or not s.silent):
            take(span, {given[o] for o in spans if o.service == span.service and speaks_as_itself(o)})
        for call in calls:
            if what != "version" and not isinstance(call.callee, Visit) and call.callee[4] == "workload" and not call.callee[n]:
                # which version nobody reached is not told
                values = {given[o] for o in spans if o.service == call.callee[2] and speaks_as_itself(o)} - {""}
                if len(values) == 1:
                    call.callee = call.callee[:n] + (next(iter(values)),) + call.callee[n + 1:]


def node_of(visit):
    top = visit.top
    role = "workload" if top.role == "sidecar" else top.role
    return top.cluster, top.namespace, top.service, top.version, role


def resolves(host):
    """A workload's (namespace, service) of a host inside, or None."""
    found = re.fullmatch(r"([^.]+)\.([^.]+)\.svc(\.cluster\.local)?", host)
    if found:
        return found[2], found[1]
    try:
        inside = any(ipaddress.ip_address(host) in net for net in INSIDE)
        return ("", host) if inside else None
    except ValueError:
        return None if "." in host else ("", host)


def peer(span):
    """(node, connection type) of who was called and never speaks."""
    a = span.attrs
    if span.upstream and span.proxy:
        parts = span.upstream.split("|")
        if len(parts) == 4:
            place = resolves(parts[3])
            return (("", place[0], place[1], parts[2] if parts[0] == "outbound" else "", "workload") if place else ("", "", parts[3], "", "external")), ""
        return ("", "", span.upstream, "", "workload"), ""
    address = a.get("server.address", "")
    if "messaging.system" in a:
        return ("", "", a["messaging.destination.name"], "", "queue"), "messaging_system"
    for name in ("db.system.name", "db.system"):
        if name in a:
            cache = a[name] in CACHES
            said = address if cache else a.get("db.namespace") or a.get("db.name") or address
            return ("", "", a.get("peer.service") or said, "", "cache" if cache else "database"), "database"
    url = a.get("url.full") or a.get("http.url") or ""
    host = a.get("peer.service") or address or re.sub(r"^\w+://([^/:]*).*", r"\1", url)
    if not host:
        return ("", "", "unknown", "", "external"), ""
    place = resolves(host)
    return (("", place[0], place[1], "", "workload") if place else ("", "", host, "", "external")), ""


# ---- calls ----

def chain_above(span, visit):
    """The caller's half that ends with `span`, outermost first: caller spans right above each other, over steps between."""
    chain, at = [], span
    while at and at in visit.spans:
        if is_caller(at, visit):
            if at.kind == "unset" and chain and not chain[0].proxy:
                break
            chain.insert(0, at)
            if at.kind == "unset":
                break  # what lies above it may be anything
        elif not (at.kind in ("internal", "unset") and not at.proxy and at is not visit.top):
            break
        at = at.parent
    return chain


def calls_too(above, span, visit):
    """A callee's half whose kind says caller, and beneath it a span of another service: it is the caller's half of that."""
    return above is visit.top and above.kind == "client" and not above.proxy and above.service != span.service


def halves(chain, visit, of):
    """Without wrappers: a caller span with several caller spans beneath is none's half, unless a proxy's attempts hang there."""
    kept = []
    for span in reversed(chain):
        if kept and not (kept[0].proxy and kept[0].service == span.service) and count_below(span, visit, of) > 1:
            break
        kept.insert(0, span)
    return kept


def below_in(span, visit):
    """Spans of the visit beneath."""
    for child in span.children:
        if child in visit.spans:
            yield child
            yield from below_in(child, visit)


def count_below(span, visit, of):
    """How many caller spans right below, over steps."""
    n = 0
    for child in span.children:
        if child in visit.spans:
            n += 1 if is_caller(child, visit) else count_below(child, visit, of)
        else:
            n += 1
    return n


def callee_half(visit):
    """From the top down: the sidecar's spans towards its application, and the application's."""
    half, at = [], visit.top
    if only_calls_on(at):
        return half
    while at:
        half.append(at)
        at = next((c for c in at.children if c in visit.spans and at.proxy and not outbound(at) and not outbound(c)
                   and (c.proxy or c.kind in ("server", "unset", "internal"))), None)
    return half


def calls_of(spans, of):
    calls = []

    def add(caller, callee, known_by, type_=""):
        call = Call(caller, callee, known_by)
        call.type = type_
        calls.append(call)
        if isinstance(caller, Visit):
            caller.calls.append(call)
        if isinstance(callee, Visit):
            callee.incoming = call
            call.low = callee_half(callee)
        return call

    def starts(call, chain, visit):
        call.chain = halves(chain, visit, of) or call.hops
        call.under = call.chain[0].parent if call.chain else None

    for visit in dict.fromkeys(of.values()):
        top = visit.top
        if top.kind == "consumer":
            if not any(c.kind == "consumer" and c.service == top.service for c in top.children):
                add(peer(top)[0], visit, "link" if top.raw["links"] else "callee_only", "messaging_system")
            continue
        above = next((a for a in ancestors(top) if not passes(a)), None)
        if above is None:
            outside = any(top.attrs.get(n) and resolves(top.attrs[n]) is None for n in ("network.peer.address",))
            if is_caller(top, visit) and not top.gateway:
                pass  # a caller at the root: its service is the entry, there is no call to it
            elif not top.orphan or top.role == "gateway" or outside:
                add(("", "", "user", "", "user"), visit, "entry")
            continue
        up = of[above]
        chain = chain_above(above, up) or ([above] if calls_too(above, top, up) else [])
        nobody_s = (top.silent and not top.spoke) or (top.proxy and only_calls_on(top))  # a proxy's way on is no half of the call
        call = add(up, visit, "callee_only" if not chain and top.parent is above else "caller_only" if nobody_s else "both")
        call.hops = [a for a in ancestors(top) if passes(a) and a not in ancestors(above)][::-1]
        starts(call, chain, up)
    for span in spans:  # caller spans that nobody answered
        if passes(span):
            if any(not shadow(c) for c in span.children):
                continue
            above = next(a for a in ancestors(span) if not passes(a))
            chain = chain_above(above, of[above])
            hops = [span] + [a for a in ancestors(span) if a not in [above, *ancestors(above)]]
            if answered_itself(hops[-1]) and len(hops) == 1:
                own = Visit(span)
                call = add(of[above], own, "both" if chain else "callee_only")
                call.low = [span]
            else:
                call = add(of[above], peer(next(h for h in hops if h.upstream))[0], "caller_only")
                call.hops = hops[::-1]
            starts(call, chain, of[above])
            continue
        visit = of[span]
        if not is_caller(span, visit) or span.kind == "consumer":
            continue
        if span.kind != "producer" and (any(of.get(c) is not visit and not shadow(c) for c in span.children) or
                                        any(is_caller(c, visit) or any(of.get(d) is not visit for d in c.children) for c in below_in(span, visit))):
            continue
        chain = chain_above(span, visit)
        if span.kind == "unset" and not says_whom(span):
            continue  # nobody said that it called
        named = peer(span)
        if span.proxy and not span.upstream and span.kind == "client" and len(chain) > 1 and not span.attrs.get("http.url"):
            named = peer(chain[-2])
        call = add(visit, named[0], "caller_only", named[1])
        starts(call, chain, visit)
    return calls


# ---- how they ended ----

def outcome(call):
    """'error', 'client_error', 'gone' or '' of a call as it stands (of its last attempt)."""
    said = [s.verdict() for s in call.said()]
    if "error" in said:
        return "error"
    if "gone" in said:
        return "gone" if gone_above(call) else "error"
    told = [s.verdict() for s in {*call.chain, *call.hops}] or [s.verdict() for s in call.low]
    return "client_error" if "client_error" in told else ""


def gone_above(call):
    """An unbroken chain of clients gone up to the entry."""
    if not isinstance(call.caller, Visit) or call.caller.incoming is None:
        return True
    above = call.caller.incoming
    return "gone" in [s.verdict() for s in above.said()] and "error" not in [s.verdict() for s in above.said()] and gone_above(above)


def named(call):
    node = node_of(call.callee) if isinstance(call.callee, Visit) else call.callee
    return node[2]


def own_operation(call):
    return call.chain[0].operation()


def asked(call):
    """What tells its request from another of the same operation, by side: the URL as the caller has it (hosts may change), path and route as the callee has them."""
    def first(spans, names):
        return next((re.sub(r"^\w+://[^/]*", "", str(s.attrs[n])) for s in spans for n in names if n in s.attrs), "")
    low = [s for s in call.low[:1] + call.low[-1:]]
    route = next((s.attrs.get("http.route") or ("" if s.proxy or s.raw["name"].upper() in ("GET", "POST", "HTTP") else s.raw["name"]) for s in call.low[-1:]), "")
    return {"method": first(call.chain + call.hops + low[::-1], ("http.request.method", "http.method")),
            "request": first(call.chain + call.hops, ("url.full", "http.url", "db.statement")),
            "target": first(low, ("url.path", "http.target", "url.full", "http.url")).partition("?")[0], "route": route}


def alike(a, b):
    if a["method"] and b["method"] and a["method"] != b["method"]:
        return False
    return next((a[n] == b[n] for n in ("request", "target", "route") if a[n] and b[n]), True)


def fold_into(first, call):
    """`call` becomes what the folded call shows; the number of attempts adds up."""
    if outcome(first) == "error" or first.recovered:
        call.recovered = True
    call.retries += first.retries + 1


def fold(calls):
    """Attempts are one call."""
    proxies = {}
    for call in calls:
        if call.low and shadow(call.low[0]):
            call.mirror = True
        if call.known_by == "both" and call.chain and call.chain[-1].proxy and isinstance(call.callee, Visit):
            if not call.mirror:
                proxies.setdefault(id(call.chain[-1]), []).append(call)
    gone, keys = set(), {}
    for call in calls:
        if call.known_by == "callee_only" and not call.chain and not call.hops and not call.mirror and isinstance(call.callee, Visit):
            top = call.callee.top
            keys.setdefault((top.id, top.kind, top.service, top.proxy, id(top.parent)), []).append(call)
    for group in keys.values():  # attempts of one key whose caller's half is lost
        group.sort(key=lambda c: c.callee.top.start)
        for first, call in zip(group, group[1:]):
            if outcome_low(first) in ("error", "gone"):
                call.retries, call.recovered = first.retries + 1, True
                gone.add(first)
    for group in proxies.values():
        group.sort(key=lambda c: c.callee.top.start)
        upstream = peer(group[0].chain[-1])[0][2]
        group = [c for c in group if named(c) == upstream]
        if len(group) > 1 and all(outcome_low(c) in ("error", "gone") for c in group[:-1]):
            for first, call in zip(group, group[1:]):
                call.retries, call.recovered = first.retries + 1, True
                gone.add(first)
        else:
            for n, call in enumerate(group):
                if any(o.callee.top.end > call.callee.top.start for o in group[:n] if not o.mirror):
                    call.mirror = True
    for call in calls:
        if call.mirror:
            call.known_by, call.chain, call.hops = "callee_only", [], []
    calls = [c for c in calls if c not in gone]
    kept = []
    siblings = {}
    for call in sorted((c for c in calls if c.chain and c.type != "messaging_system"), key=lambda c: c.chain[0].start):
        # the attempts of a proxy hang beneath its own span, else whole halves lie side by side
        top = call.chain[0]
        place = next((s for s in call.chain if any(True for o in calls if o is not call and o.chain and s in o.chain)), None)
        at = call.chain.index(place) + 1 if place else 0
        top = call.chain[at] if at < len(call.chain) else call.chain[-1]
        place = id(top.parent) if top.parent else top.parent_id if top.orphan else id(top)
        siblings.setdefault((place, top.service, named(call), top.operation()), []).append((top, call, asked(call)))
    for group in siblings.values():
        open_ = []
        for top, call, wanted in group:
            n = max(int(s.attrs.get(k, 0)) for s in [top, *call.chain] for k in ("http.request.resend_count", "retry.count") if True)
            said = n > 0
            fit = [o for o in open_ if o[0].end <= top.start and (said or outcome(o[1]) == "error")]
            fit = [o for o in fit if alike(o[2], wanted)] or (said and ([o for o in open_ if o[0].end > top.start and alike(o[2], wanted)][-1:] or fit))
            if fit:
                last = max(fit, key=lambda o: o[0].end)
                call.recovered = call.recovered or last[1].recovered or outcome(last[1]) == "error"
                call.retries += last[1].retries + 1
                wanted = {k: v or last[2][k] for k, v in wanted.items()}
                open_.remove(last)
                gone.add(last[1])
                last[1].into = call
            open_.append((top, call, wanted))
    kept = [c for c in calls if c not in gone]
    for call in kept:
        call.recovered = call.recovered and outcome(call) != "error"
    return kept, gone


def outcome_low(call):
    said = [s.verdict() for s in call.low]
    return "error" if "error" in said else "gone" if "gone" in said else ""


# ---- blame ----

def given_up(call):
    if not call.chain or not call.low or call.mirror or outcome(call) != "error":
        return False
    a, b = call.chain[0].us, call.callee.top.us
    return any("UT" in s.flags for s in call.chain) or (a is not None and b is not None and b > a + max(1000, a // 100))


def explaining(call, calls):
    """The failed calls beneath that ended within their caller's time."""
    if not isinstance(call.callee, Visit):
        return []
    found = []
    for below in call.callee.calls:
        if below not in calls or below.mirror or outcome(below) != "error":
            continue
        if below.chain and not only_calls_on(call.callee.top) and below.chain and below.own_end() is not None:
            server = next((a for a in ancestors(below.chain[0]) if a in call.callee.spans and a.kind in ("server", "consumer") and not outbound(a)),
                          call.callee.top)
            if server.end is not None and below.own_end() > server.end + max(1000, server.us // 100):
                continue
            if given_up(call) and below.own_end() - call.callee.top.start > call.chain[0].us:
                continue
        found.append(below)
    return found


def ended_at(call):
    return call.own_end() if call.own_end() is not None else max([s.end or 0 for s in call.low], default=0)


def follow(call, calls):
    found = explaining(call, calls)
    if found:
        return follow(max(found, key=lambda c: (ended_at(c), c.callee.top.start if isinstance(c.callee, Visit) else 0)), calls)
    if given_up(call):
        waited = [c for c in call.callee.calls if c in calls and c.chain and c.chain[0].us * 2 > call.callee.top.us]
        if waited:
            return critical(max(waited, key=lambda c: c.chain[0].us))
    for span in call.said():
        if span.flags & OWN and not span.flags & UNREACHED:
            return span
    return call


def critical(call):
    if isinstance(call.callee, Visit):
        waited = [c for c in call.callee.calls if c.chain and c.chain[0].us * 2 > call.callee.top.us]
        if waited:
            return critical(max(waited, key=lambda c: c.chain[0].us))
    return call


# ---- the graph as text ----

def node_text(node, whole):
    cluster, namespace, service, version, role = node
    return ("/".join([cluster, namespace, service]) if whole else service) + ("@" + version if version else "") + ("#" + role if role not in ("workload", "user") else "")


def node(end):
    return node_of(end) if isinstance(end, Visit) else end


def call_line(call, calls, whole):
    words = [node_text(node(call.caller), whole), ">", node_text(node(call.callee), whole), call.known_by]
    ended = outcome(call)
    fault = {"error": "carried" if explaining(call, calls) else "origin", "gone": "client_gone"}.get(ended, ended)
    if fault:
        words.append(fault)
    if call.retries:
        words.append("retries=%d" % call.retries)
    if call.recovered:
        words.append("recovered")
    if call.hops:
        words.append("via=" + ",".join(dict.fromkeys(h.service for h in call.hops)))
        a, b = node(call.caller)[0], node(call.callee)[0]
        if a and a == b and any(h.role == "gateway" for h in call.hops):
            words.append("hairpin")
    if call.type not in ("", "virtual_node"):
        words.append("[%s]" % call.type)
    return " ".join(words)


def graph(raws, whole=True, kinds=None):
    spans = merged(raws, kinds)
    join(spans)
    of = visits_of(spans)
    calls = calls_of(spans, of)
    fill(spans, of, calls)
    calls, gone = fold(calls)
    tops = [s for s in spans if not s.parent]
    roots = [s for s in tops if not s.orphan] or tops
    root = min(roots, key=lambda s: (s.start, s.id))
    visit = of[root]
    entry = visit.incoming
    if entry is None:
        began = [c for c in calls if c.caller is visit and c.chain and root in c.chain]
        for first in (c for c in gone if c.caller is visit and root in c.chain):
            while first.into:
                first = first.into
            began += [first] * (first in calls)
        if began and is_caller(root, visit):
            entry = max(began, key=lambda c: (outcome(c) == "error", c.callee.top.start if isinstance(c.callee, Visit) else 0))
    if entry is None and not is_caller(root, visit):
        entry = Call(None, visit, "")  # nobody knows who called, but how that call ended
        entry.low = callee_half(visit)
        calls.append(entry)
    bad = entry is not None and entry in calls and outcome(entry) == "error"
    last = "trace %s entry=%s" % ("error" if bad else "ok", node_text(node_of(visit), whole))
    if bad:
        at = follow(entry, calls)
        where = node_of(of.get(at) or Visit(at)) if isinstance(at, Span) else node(at.callee)
        last += " origin=" + node_text(where, whole)
    if len(tops) != 1:
        last += " parts=%d" % len(tops)
    if len(tops) != 1 or any(s.orphan for s in spans):
        last += " incomplete"
    return "\n".join(sorted(call_line(c, calls, whole) for c in calls if c.caller) + [last])
