"""The traces that stitching must own, each with the graph it must give. A case is a function that gives (spans, text); several traces of one case
give their graphs one behind the other, in order of their ids. Scenes send them in every order, split, repeated and late."""
from stitching import INBOUND, Trace, out

CASES = []
_numbers = iter(range(1, 10000))


def case(function):
    CASES.append(function)
    return function


def new():
    return Trace(next(_numbers))


def bookinfo(sidecars, applications):
    """user -> productpage -> details, reviews -> ratings."""
    t = new()

    def call(caller, callee, version, start, ms, parent):
        """The halves of one call; gives the callee's span that its own calls hang beneath."""
        if applications and caller:
            parent = t.client(caller, start, ms, parent, attrs={"server__address": callee, "http__request__method": "GET"})
        if sidecars:
            if caller:
                parent = t.proxy(caller, "client", start + 0.3, ms - 0.6, parent, upstream=out(callee), path="/" + callee)
            parent = t.proxy(callee, "server", start + 0.8, ms - 1.6, parent, upstream=INBOUND, path="/" + callee, version=version)
        if applications:
            parent = t.server(callee, start + 1.1, ms - 2.2, parent)
        return parent

    page = call("", "productpage", "", 0, 100, None)
    call("productpage", "details", "", 5, 20, page)
    reviews = call("productpage", "reviews", "", 30, 60, page)
    call("reviews", "ratings", "", 40, 40, reviews)
    return t.spans, """user > productpage entry
        productpage > details both
        productpage > reviews both
        reviews > ratings both
        trace ok entry=productpage"""


@case
def bookinfo_with_applications():
    return bookinfo(False, True)


@case
def bookinfo_with_sidecars():
    return bookinfo(True, False)


@case
def bookinfo_with_both():
    return bookinfo(True, True)


@case
def shared_ids():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    b = t.server("b", 2, 80, ab, shared=True)
    bc = t.client("b", 3, 70, b)
    t.server("c", 4, 60, bc, shared=True)
    return t.spans, """user > a entry
        a > b both
        b > c both
        trace ok entry=a"""


@case
def a_gateway_that_only_reports_as_a_client():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    g = t.proxy("edge", "client", 5, 80, ab, role="gateway", upstream=out("b"))
    t.server("b", 10, 60, g)
    return t.spans, """user > a entry
        a > b both via=edge
        trace ok entry=a"""


@case
def a_gateway_that_only_reports_as_a_client_at_the_entry():
    t = new()
    g = t.proxy("edge", "client", 5, 80, None, role="gateway", upstream=out("b"))
    t.server("b", 10, 60, g)
    return t.spans, """user > edge#gateway entry
        edge#gateway > b both
        trace ok entry=edge#gateway"""


@case
def a_service_that_only_reports_as_a_client():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    m = t.client("middle", 5, 80, ab)
    t.server("b", 10, 60, m)
    return t.spans, """user > a entry
        a > middle both
        middle > b both
        trace ok entry=a"""


@case
def a_retry_on_another_instance():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND)
    ab = t.proxy("a", "client", 1, 90, a, upstream=out("b"))
    t.proxy("b@v1", "server", 5, 20, ab, upstream=INBOUND, code=503)
    t.proxy("b@v2", "server", 30, 50, ab, upstream=INBOUND)
    return t.spans, """user > a entry
        a > b@v2 both retries=1 recovered
        trace ok entry=a"""


@case
def a_retry_with_a_span_for_every_attempt():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND)
    ab = t.proxy("a", "server", 1, 90, a, upstream=out("b"))
    for i, code in enumerate((503, 200)):
        attempt = t.proxy("a", "client", 2 + 40 * i, 30, ab, upstream=out("b"), code=code, path="", attrs={"retry.count": "1"} if i else {})
        t.proxy("b", "server", 5 + 40 * i, 20, attempt, upstream=INBOUND, code=code)
    return t.spans, """user > a entry
        a > b both retries=1 recovered
        trace ok entry=a"""


@case
def two_servers_beneath_one_client_span_of_an_application_are_two_calls():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    t.server("b", 5, 20, ab, status=2, attrs={"http__response__status_code": 503})
    t.server("b", 30, 50, ab)
    return t.spans, """user > a entry
        a > b both origin
        a > b both
        trace ok entry=a"""


@case
def a_producer_and_its_consumer_in_another_trace():
    t, u = new(), new()
    a = t.server("a", 0, 100)
    send = t.span("a", "producer", 1, 5, a, attrs={"messaging__system": "kafka", "messaging__destination__name": "orders"})
    u.span("b", "consumer", 50, 30, None, links=[(t.id, send["id"])],
           attrs={"messaging__system": "kafka", "messaging__destination__name": "orders", "messaging__operation__type": "process"})
    return t.spans + u.spans, """user > a entry
        a > orders#queue caller_only [messaging_system]
        trace ok entry=a
        ---
        orders#queue > b link [messaging_system]
        trace ok entry=b"""


@case
def a_u_turn_through_the_ingress_gateway():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, cluster="c1")
    o = t.proxy("a", "client", 1, 90, a, upstream="outbound|443||shop.example.com", cluster="c1")
    g = t.proxy("istio-ingressgateway", "server", 4, 80, o, role="gateway", upstream=out("b"), cluster="c1", namespace="istio-system")
    g = t.proxy("istio-ingressgateway", "client", 5, 76, g, role="gateway", upstream=out("b"), cluster="c1", namespace="istio-system", path="")
    t.proxy("b", "server", 8, 70, g, upstream=INBOUND, cluster="c1")
    return t.spans, """user > a entry
        a > b both via=istio-ingressgateway hairpin
        trace ok entry=a"""


@case
def an_east_west_gateway_between_two_clusters_is_no_hairpin():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, cluster="c1")
    o = t.proxy("a", "client", 1, 90, a, upstream=out("b"), cluster="c1")
    g = t.proxy("eastwest", "server", 4, 80, o, role="gateway", upstream=out("b"), cluster="c2", namespace="istio-system")
    t.proxy("b", "server", 8, 70, g, upstream=INBOUND, cluster="c2")
    return t.spans, """user > a entry
        a > b both via=eastwest
        trace ok entry=a"""


@case
def a_clock_that_is_5_s_off():
    t = new()
    a = t.server("a", 0, 100, attrs={"http__response__status_code": 500})
    ab = t.client("a", 1, 90, a, attrs={"http__response__status_code": 500}, status=2)
    b = t.server("b", 5002, 80, ab, attrs={"http__response__status_code": 500}, status=2)
    bc = t.client("b", 5003, 70, b, attrs={"http__response__status_code": 503}, status=2)
    t.server("c", 4, 60, bc, attrs={"http__response__status_code": 503}, status=2)
    return t.spans, """user > a entry carried
        a > b both carried
        b > c both origin
        trace error entry=a origin=c reason=503"""


@case
def one_name_in_two_clusters():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, cluster="c1")
    for i, cluster in enumerate(("c1", "c2")):
        o = t.proxy("a", "client", 1 + 40 * i, 30, a, upstream=out("pay"), cluster="c1", path="/pay/%s" % ("x" * i))
        t.proxy("pay", "server", 3 + 40 * i, 20, o, upstream=INBOUND, cluster=cluster)
    return t.spans, """//user > c1/default/a entry
        c1/default/a > c1/default/pay both
        c1/default/a > c2/default/pay both
        trace ok entry=c1/default/a"""


@case
def a_timeout_while_the_callee_succeeds():
    t = new()
    a = t.server("a", 0, 1010, status=2, attrs={"http__response__status_code": 504})
    ab = t.client("a", 2, 1000, a, status=2)
    b = t.server("b", 4, 3000, ab)
    bc = t.client("b", 10, 2900, b)
    t.server("c", 11, 2890, bc)
    return t.spans, """user > a entry carried
        a > b both origin
        b > c both
        trace error entry=a origin=c reason=timeout"""


@case
def a_timeout_of_a_callee_that_calls_nobody():
    t = new()
    a = t.server("a", 0, 1010, status=2, attrs={"http__response__status_code": 504})
    t.server("b", 4, 3000, t.client("a", 2, 1000, a, status=2, attrs={"error__type": "timeout"}))
    return t.spans, """user > a entry carried
        a > b both origin
        trace error entry=a origin=b reason=timeout"""


@case
def a_call_that_fails_only_after_it_was_given_up_explains_nothing():
    t = new()
    a = t.server("a", 0, 1010, status=2, attrs={"http__response__status_code": 504})
    ab = t.client("a", 2, 1000, a, status=2)
    b = t.server("b", 4, 3000, ab, status=2, attrs={"http__response__status_code": 500})
    bc = t.client("b", 100, 2500, b, status=2, attrs={"http__response__status_code": 500})
    t.server("c", 111, 200, bc, status=2, attrs={"http__response__status_code": 500})
    return t.spans, """user > a entry carried
        a > b both origin
        b > c both origin
        trace error entry=a origin=c reason=500"""


@case
def an_unreachable_callee():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, code=503)
    t.proxy("a", "client", 1, 90, a, upstream=out("b", "v2"), code=503, flags="UF,URX")
    return t.spans, """user > a entry carried
        a > b@v2 caller_only origin
        trace error entry=a origin=b@v2 reason=UF,URX"""


@case
def a_fault_hidden_behind_two_services():
    t = new()
    error = {"attrs": {"http__response__status_code": 500}, "status": 2}
    a = t.server("a", 0, 100, **error)
    ab = t.client("a", 1, 90, a, **error)
    b = t.server("b", 2, 80, ab, **error)
    bc = t.client("b", 3, 70, b, **error)
    t.server("c", 4, 60, bc, **error)
    return t.spans, """user > a entry carried
        a > b both carried
        b > c both origin
        trace error entry=a origin=c reason=500"""


@case
def an_uninstrumented_application_between_its_sidecars():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND)
    o = t.proxy("a", "client", 10, 40, a, upstream=out("b"))
    t.proxy("b", "server", 12, 30, o, upstream=INBOUND)
    o = t.proxy("a", "client", 60, 30, a, upstream=out("c"))
    t.proxy("c", "server", 62, 20, o, upstream=INBOUND)
    return t.spans, """user > a entry
        a > b both
        a > c both
        trace ok entry=a"""


@case
def leaves_that_never_speak():
    t = new()
    a = t.server("a", 0, 100)
    t.client("a", 1, 5, a, attrs={"db__system": "postgresql", "db__name": "orders", "server__address": "10.0.0.9"})
    t.client("a", 10, 5, a, attrs={"db__system__name": "mysql", "server__address": "db.internal", "server__port": 3306})
    t.client("a", 20, 5, a, attrs={"db__system": "redis", "server__address": "cache-1", "db__namespace": "0"})
    t.client("a", 30, 5, a, attrs={"url__full": "https://api.stripe.com/v1/charges"})
    t.client("a", 40, 5, a, attrs={"server__address": "10.2.3.4"})
    t.client("a", 50, 5, a, attrs={"server__address": "pay.shop.svc.cluster.local"})
    t.client("a", 60, 5, a, attrs={"server__address": "10.2.3.5", "peer__service": "ledger"})
    t.client("a", 70, 5, a, attrs={"peer__service": "api.partner.example"})
    return t.spans, """user > a entry
        a > orders#database caller_only [database]
        a > db.internal#database caller_only [database]
        a > cache-1#cache caller_only [database]
        a > api.stripe.com#external caller_only
        a > 10.2.3.4 caller_only
        a > pay caller_only
        a > ledger caller_only
        a > api.partner.example#external caller_only
        trace ok entry=a"""


@case
def a_message_to_three_consumers():
    t = new()
    what = {"messaging__system": "kafka", "messaging__destination__name": "orders"}
    a = t.server("a", 0, 100)
    send = t.span("a", "producer", 1, 5, a, attrs=what)
    for i, service in enumerate("xyz"):
        t.span(service, "consumer", 10 + i, 20, send, attrs=what)
    return t.spans, """user > a entry
        a > orders#queue caller_only [messaging_system]
        orders#queue > x callee_only [messaging_system]
        orders#queue > y callee_only [messaging_system]
        orders#queue > z callee_only [messaging_system]
        trace ok entry=a"""


@case
def a_poll_loop_with_the_messages_it_processed():
    t = new()
    what = {"messaging__system": "kafka", "messaging__destination__name": "orders"}
    poll = t.client("a", 0, 100, None, attrs={**what, "messaging__operation__type": "receive"})
    for i in range(2):
        t.span("a", "consumer", 101 + 10 * i, 8, poll, attrs={**what, "messaging__operation__type": "process"}, links=[("%032x" % 77, "%016x" % (i + 1))])
    return t.spans, """orders#queue > a link [messaging_system]
        orders#queue > a link [messaging_system]
        trace ok entry=a"""


@case
def a_receive_span_is_a_consumer_whatever_its_kind():
    texts = []
    spans = []
    for kind in ("client", "consumer"):
        t = new()
        t.span("a", kind, 0, 100, None, attrs={"messaging__system": "aws_sqs", "messaging__destination__name": "jobs", "messaging__operation__type": "receive"})
        spans += t.spans
        texts.append("jobs#queue > a callee_only [messaging_system]\ntrace ok entry=a")
    return spans, "\n---\n".join(texts)


@case
def mirrored_traffic():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND)
    o = t.proxy("a", "client", 1, 90, a, upstream=out("b"))
    t.proxy("b@v1", "server", 5, 50, o, upstream=INBOUND)
    m = t.proxy("b@v2", "server", 6, 200, o, upstream=INBOUND, host="b-shadow", code=500)
    t.proxy("b@v2", "client", 8, 100, m, upstream=out("c"), code=503, flags="UH")
    return t.spans, """user > a entry
        a > b@v1 both
        a > b@v2 callee_only carried
        b@v2 > c caller_only origin
        trace ok entry=a"""


@case
def a_mirror_that_nothing_marks_overlaps():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND)
    o = t.proxy("a", "client", 1, 90, a, upstream=out("b"))
    t.proxy("b@v1", "server", 5, 50, o, upstream=INBOUND)
    t.proxy("b@v2", "server", 6, 60, o, upstream=INBOUND)
    return t.spans, """user > a entry
        a > b@v1 both
        a > b@v2 callee_only
        trace ok entry=a"""


@case
def two_versions_behind_one_name():
    spans, texts = [], []
    for i in range(20):
        t = new()
        a = t.server("a", 0, 100)
        ab = t.client("a", 1, 90, a)
        version = "v2" if i == 7 else "v1"
        t.server("b@" + version, 5, 50, ab)
        spans += t.spans
        texts.append("user > a entry\na > b@%s both\ntrace ok entry=a" % version)
    return spans, "\n---\n".join(texts)


@case
def a_waypoint_between_two_workloads():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    w = t.proxy("waypoint", "server", 5, 80, ab, role="waypoint", upstream="inbound-vip|9080|http|b.default.svc.cluster.local")
    w = t.proxy("waypoint", "client", 6, 78, w, role="waypoint", upstream="inbound-vip|9080|http|b.default.svc.cluster.local", path="")
    t.server("b", 10, 60, w)
    return t.spans, """user > a entry
        a > b both via=waypoint
        trace ok entry=a"""


@case
def a_waypoint_that_alone_speaks_for_both():
    t = new()
    peers = {"istio.source_canonical_service": "a", "istio.source_namespace": "shop", "istio.source_canonical_revision": "v1",
             "istio.destination_canonical_service": "b", "istio.destination_namespace": "shop", "istio.destination_canonical_revision": "v3"}
    w = t.proxy("waypoint", "server", 5, 80, None, role="waypoint", attrs=peers)
    t.proxy("waypoint", "client", 6, 78, w, role="waypoint", path="", attrs=peers)
    return t.spans, """/shop/a@v1 > /shop/b@v3 caller_only via=waypoint
        trace ok entry=/shop/a@v1"""


@case
def kinds_that_nobody_set():
    t = new()
    a = t.span("a", "unset", 0, 100)
    ab = t.span("a", "unset", 1, 90, a)
    b = t.span("b", "unset", 5, 80, ab)
    bc = t.span("b", "unset", 6, 70, b)
    t.span("c", "unset", 10, 60, bc)
    return t.spans, """user > a entry
        a > b both
        b > c both
        trace ok entry=a"""


@case
def calls_without_a_kind_that_say_whom_they_call():
    t = new()
    a = t.span("a", "unset", 0, 100)
    t.span("a", "unset", 1, 5, a, attrs={"net.peer.name": "b"}, status=2)
    t.span("a", "unset", 10, 5, a, attrs={"peer.service": "c"})
    t.span("a", "unset", 20, 5, a, attrs={"url.full": "http://d/x"})
    t.span("a", "unset", 30, 5, a, attrs={"server.address": "a"})  # itself
    t.span("a", "unset", 40, 5, a, attrs={"http.route": "/x"})  # a step of its own
    e = t.span("a", "unset", 50, 5, a, attrs={"server.address": "f"})
    t.span("a", "unset", 51, 1, e)
    return t.spans, """user > a entry
        a > b caller_only origin
        a > c caller_only
        a > d caller_only
        trace ok entry=a"""


@case
def kinds_that_are_wrong():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    b = t.client("b", 5, 80, ab)
    bc = t.server("b", 6, 70, b)
    t.server("c", 10, 60, bc)
    bd = t.client("b", 80, 4, b)
    t.client("d", 81, 2, bd)
    return t.spans, """user > a entry
        a > b both
        b > c callee_only
        b > d both
        trace ok entry=a"""


@case
def orphans():
    t = new()
    t.server("a", 0, 100)
    b = t.server("b", 5, 80, "00000000000000ff")
    bc = t.client("b", 6, 70, b)
    t.server("c", 10, 60, bc)
    return t.spans, """user > a entry
        b > c both
        trace ok entry=a parts=2 incomplete"""


@case
def an_orphan_at_a_gateway_came_from_outside():
    t = new()
    g = t.proxy("edge", "server", 0, 100, "00000000000000ff", role="gateway", upstream=out("b"))
    t.proxy("b", "server", 5, 80, g, upstream=INBOUND)
    return t.spans, """user > edge#gateway entry
        edge#gateway > b both
        trace ok entry=edge#gateway incomplete"""


@case
def an_orphan_whose_peer_is_outside_came_from_there():
    spans, texts = [], []
    for address, lines in (("93.184.216.34", "user > a entry\n"), ("10.0.0.5", ""), ("127.0.0.6", "")):
        t = new()
        t.server("a", 0, 100, "00000000000000ff", attrs={"network__peer__address": address})
        spans += t.spans
        texts.append(lines + "trace ok entry=a incomplete")
    return spans, "\n---\n".join(texts)


@case
def one_span_in_two_pieces():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    t.server("b", 5, 0, ab, id="00000000000000bb", no_duration=True)
    t.server("b", 5, 80, ab, id="00000000000000bb", attrs={"http__response__status_code": 500}, status=2)
    return t.spans, """user > a entry
        a > b both origin
        trace ok entry=a"""


@case
def a_404_and_a_429():
    t = new()
    a = t.server("a", 0, 100, attrs={"http__response__status_code": 500}, status=2)
    for i, (callee, code) in enumerate((("b", 404), ("c", 429))):
        o = t.client("a", 10 + 30 * i, 20, a, attrs={"http__response__status_code": code}, status=2)
        t.server(callee, 11 + 30 * i, 10, o, attrs={"http__response__status_code": code})
    return t.spans, """user > a entry carried
        a > b both client_error
        a > c both origin
        trace error entry=a origin=c reason=429"""


@case
def a_404_beneath_explains_no_500():
    t = new()
    a = t.server("a", 0, 100, attrs={"http__response__status_code": 500}, status=2)
    o = t.client("a", 10, 20, a, attrs={"http__response__status_code": 404}, status=2)
    t.server("b", 11, 10, o, attrs={"http__response__status_code": 404})
    return t.spans, """user > a entry origin
        a > b both client_error
        trace error entry=a origin=a reason=500"""


@case
def a_client_that_left():
    t = new()
    g = t.proxy("edge", "server", 0, 100, None, role="gateway", upstream=out("a"), code=0, flags="DC")
    g = t.proxy("edge", "client", 1, 98, g, role="gateway", upstream=out("a"), code=0, path="", attrs={"canceled": "true"})
    a = t.proxy("a", "server", 2, 96, g, upstream=INBOUND, code=0, flags="DC")
    o = t.proxy("a", "client", 3, 400, a, upstream=out("b"))
    t.proxy("b", "server", 4, 398, o, upstream=INBOUND)
    return t.spans, """user > edge#gateway entry client_gone
        edge#gateway > a both client_gone
        a > b both
        trace ok entry=edge#gateway"""


@case
def a_caller_that_gave_up_although_its_own_client_stayed():
    t = new()
    a = t.proxy("a", "server", 0, 450, None, upstream=INBOUND, code=504)
    o = t.proxy("a", "client", 1, 400, a, upstream=out("b"), code=504, flags="UT")
    t.proxy("b", "server", 2, 398, o, upstream=INBOUND, code=0, flags="DC")
    return t.spans, """user > a entry carried
        a > b both origin
        trace error entry=a origin=b reason=UT"""


@case
def a_root_that_is_a_caller_has_the_status_of_its_call():
    t = new()
    a = t.client("job", 0, 100)
    t.server("b", 5, 80, a, attrs={"http__response__status_code": 503}, status=2)
    return t.spans, """job > b both origin
        trace error entry=job origin=b reason=503"""


@case
def retries_are_told_from_parallel_calls():
    t = new()
    a = t.server("a", 0, 200)
    bad, good = {"http__response__status_code": 503}, {"http__response__status_code": 200}
    for start, ms, what in ((10, 10, bad), (10, 30, bad), (22, 10, good), (50, 10, good)):
        o = t.client("a", start, ms, a, name="GET /b", attrs=what, status=2 if what is bad else 0)
        t.server("b", start + 1, ms - 2, o, attrs=what, status=2 if what is bad else 0)
    return t.spans, """user > a entry
        a > b both retries=1 recovered
        a > b both retries=1 recovered
        trace ok entry=a"""


@case
def a_sender_that_counts_its_attempts():
    t = new()
    a = t.server("a", 0, 200)
    for i, code in enumerate((401, 200)):
        o = t.client("a", 10 + 20 * i, 10, a, name="GET /b", attrs={"http__response__status_code": code, **({"http__request__resend_count": 1} if i else {})})
        t.server("b", 11 + 20 * i, 8, o, attrs={"http__response__status_code": code})
    return t.spans, """user > a entry
        a > b both retries=1
        trace ok entry=a"""


@case
def a_service_that_its_sdk_and_its_sidecar_call_differently():
    t = new()
    i = t.proxy("reviews", "server", 0, 100, None, upstream=INBOUND, version="v1")
    s = t.server("shop/reviews-service@1.4.2", 1, 98, i)
    c = t.client("shop/reviews-service@1.4.2", 10, 50, s)
    o = t.proxy("reviews", "client", 11, 48, c, upstream=out("ratings"), version="v1")
    i = t.proxy("ratings", "server", 12, 46, o, upstream=INBOUND)
    t.server("other/ratings", 13, 44, i)
    return t.spans, """//user > /default/reviews@v1 entry
        /default/reviews@v1 > /default/ratings both
        trace ok entry=/default/reviews@v1"""


@case
def a_proxy_without_any_mark_of_its_kind():
    """Stock Envoys, not of Istio: plain names of clusters, no node id."""
    t = new()
    plain = {"component": "proxy", "response_flags": "-", "http.status_code": "200"}
    a = t.server("a", 0, 100, attrs={**plain, "upstream_cluster": "local_app"})
    o = t.client("a", 10, 50, a, attrs={**plain, "upstream_cluster": "service_b"})
    t.server("b", 12, 40, o, attrs={**plain, "upstream_cluster": "local_app"})
    t.client("a", 70, 5, a, attrs={**plain, "upstream_cluster": "service_c", "response_flags": "UH", "http.status_code": "503"})
    return t.spans, """user > a entry
        a > b both
        a > service_c caller_only origin
        trace ok entry=a"""


@case
def nginx_between_two_workloads():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    n = t.server("front-nginx", 5, 80, ab, resource={"telemetry.sdk.name": "opentelemetry"}, attrs={"component": "proxy"})
    n["attrs"].update({"node_id": "router~10.0.0.1~front-nginx-1.web~web.svc.cluster.local"})
    t.server("b", 10, 60, n)
    return t.spans, """user > a entry
        a > b both via=front-nginx
        trace ok entry=a"""


@case
def a_gateway_that_reaches_nobody():
    t = new()
    a = t.server("a", 0, 100, attrs={"http__response__status_code": 500}, status=2)
    for i, (upstream, flags, code) in enumerate(((out("b", "v1"), "UH", 503), (None, "NR", 404))):
        o = t.client("a", 1 + 40 * i, 30, a, name="GET %d" % i, attrs={"http__response__status_code": code}, status=2)
        t.proxy("edge", "server", 5 + 40 * i, 20, o, role="gateway", upstream=upstream, flags=flags, code=code)
    return t.spans, """user > a entry carried
        a > b@v1 caller_only origin via=edge
        a > edge#gateway both origin
        trace error entry=a origin=edge#gateway reason=NR"""


@case
def a_wrapper_around_two_calls():
    t = new()
    a = t.server("a", 0, 100)
    w = t.client("a", 1, 90, a, name="dao")
    for i, callee in enumerate("bc"):
        o = t.client("a", 2 + 40 * i, 30, w, name="GET")
        t.server(callee, 3 + 40 * i, 20, o)
    return t.spans, """user > a entry
        a > b both
        a > c both
        trace ok entry=a"""


@case
def a_step_between_a_client_span_and_its_callee():
    t = new()
    a = t.server("a", 0, 100)
    c = t.client("a", 1, 90, a)
    s = t.span("a", "internal", 2, 88, c)
    t.server("b", 3, 80, s)
    return t.spans, """user > a entry
        a > b both
        trace ok entry=a"""


@case
def its_own_parent_and_a_ring_of_parents():
    t = new()
    t.server("a", 0, 100, "00000000000000aa", id="00000000000000aa")
    t.server("b", 1, 50, "00000000000000b2", id="00000000000000b1")
    t.client("b", 2, 40, "00000000000000b1", id="00000000000000b2")
    return t.spans, """user > a entry
        b > unknown#external caller_only
        trace ok entry=a parts=2 incomplete"""


@case
def attempts_of_an_application_without_kinds_before_its_sidecar():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND)
    s = t.span("a", "unset", 1, 98, a)
    c = t.span("a", "unset", 5, 20, s, name="GET /b", status=2)
    t.proxy("a", "client", 6, 18, c, upstream=out("b"), code=503, flags="UF")
    c = t.span("a", "unset", 30, 40, s, name="GET /b")
    o = t.proxy("a", "client", 31, 38, c, upstream=out("b"))
    t.proxy("b", "server", 32, 36, o, upstream=INBOUND)
    return t.spans, """user > a entry
        a > b both retries=1 recovered
        trace ok entry=a"""


@case
def a_callee_of_shared_ids_whose_caller_s_half_is_lost():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    b = t.server("b", 2, 80, ab, shared=True)
    t.server("c", 4, 60, b)
    return t.spans, """user > a entry
        a > b both
        b > c callee_only
        trace ok entry=a"""


@case
def a_gateway_on_the_way_says_where_others_of_its_name_are():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, cluster="c1")
    o = t.proxy("a", "client", 1, 40, a, upstream=out("b"), cluster="c1")
    g = t.proxy("edge", "server", 4, 30, o, role="gateway", upstream=out("b"), cluster="c1")
    t.proxy("b", "server", 8, 20, g, upstream=INBOUND, cluster="c1")
    g = t.proxy("edge", "server", 54, 30, "00000000000000ff", role="gateway", upstream=out("b"))
    t.proxy("b", "server", 58, 20, g, upstream=INBOUND, cluster="c1")
    return t.spans, """//user > c1/default/a entry
        c1/default/a > c1/default/b both via=edge hairpin
        //user > c1/default/edge#gateway entry
        c1/default/edge#gateway > c1/default/b both
        trace ok entry=c1/default/a parts=2 incomplete"""


@case
def an_application_that_ends_before_the_calls_that_its_sidecar_makes_for_it():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND, code=500)
    t.server("a", 1, 20, a)
    o = t.proxy("a", "client", 30, 40, a, upstream=out("b"), code=503)
    t.proxy("b", "server", 32, 36, o, upstream=INBOUND, code=503)
    return t.spans, """user > a entry carried
        a > b both origin
        trace error entry=a origin=b reason=503"""


@case
def a_callee_of_shared_ids_whose_own_half_is_lost_was_called_once():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    bc = t.client("b", 5, 20, ab, name="GET /c", status=2, attrs={"server__address": "c"})  # beneath the id that b's lost half shared
    t.server("c", 6, 18, bc, status=2, attrs={"http__response__status_code": 503})
    bc = t.client("b", 30, 20, ab, name="GET /c", attrs={"server__address": "c"})
    t.server("c", 31, 18, bc)
    t.client("b", 60, 5, ab, attrs={"db__system": "mysql", "db__name": "orders"})
    return t.spans, """user > a entry
        a > b both
        b > c both retries=1 recovered
        b > orders#database caller_only [database]
        trace ok entry=a"""


@case
def a_copy_of_a_request_with_a_shared_id_is_nobody_else_s_parent():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND)
    o = t.proxy("a", "client", 1, 60, a, upstream=out("b"))
    t.proxy("m", "server", 2, 80, o, upstream=INBOUND, host="b-shadow", shared=True)
    t.server("b", 3, 50, o)  # its sidecar's half, of the same id, is lost
    return t.spans, """user > a entry
        a > b both
        a > m callee_only
        trace ok entry=a"""


@case
def a_step_of_the_caller_beneath_an_id_that_its_callee_shares():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    t.server("b", 5, 80, ab, shared=True)
    t.span("a", "internal", 2, 2, ab)
    t.client("a", 92, 5, ab, attrs={"db__system": "mysql", "db__name": "log"})  # its own, not the callee's
    return t.spans, """user > a entry
        a > b both
        a > log#database caller_only [database]
        trace ok entry=a"""


@case
def a_sidecar_that_takes_its_application_s_id_and_gives_every_attempt_a_span():
    """Its span of the request bears the id of the application's half; the attempt beneath that id is its own."""
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    o = t.proxy("a", "server", 2, 88, ab, upstream=out("b"), shared=True)
    for i, code in enumerate((503, 200)):
        attempt = t.proxy("a", "client", 3 + 40 * i, 30, o, upstream=out("b"), code=code, path="", attrs={"retry.count": "1"} if i else {})
        b = t.proxy("b", "server", 5 + 40 * i, 20, attempt, upstream=INBOUND, code=code, shared=True)
        t.proxy("b", "client", 6 + 40 * i, 18, b, upstream=INBOUND, code=code, path="")
    return t.spans, """user > a entry
        a > b both retries=1 recovered
        trace ok entry=a"""


@case
def a_callee_of_shared_ids_that_calls_its_caller_back_with_a_half_that_is_lost():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    b = t.server("b", 2, 80, ab, shared=True)
    t.server("a", 20, 30, b, id="00000000000000dd")  # b's half, of this id, is lost
    return t.spans, """user > a entry
        a > b both
        b > a callee_only
        trace ok entry=a"""


def asked_twice(first, second, **more):
    """Two calls of a, one after the other, that its SDK names `GET`: the first fails. Each is (attributes of the caller's half, what the callee's is named)."""
    t = new()
    a = t.server("a", 0, 100)
    for i, ((attrs, name), code) in enumerate(((first, 503), (second, 200))):
        k = t.client("a", 10 + 40 * i, 20, a, name="GET", attrs={"http__response__status_code": code, **attrs})
        if name:
            t.server("b", 12 + 40 * i, 10, k, name=name, attrs={"http__response__status_code": code, **more})
    return t.spans


TWO = """user > a entry
        a > b both origin
        a > b both
        trace ok entry=a"""
TAKEN_UP = """user > a entry
        a > b both retries=1 recovered
        trace ok entry=a"""


@case
def requests_to_two_urls_are_two_calls_whatever_their_name():
    return asked_twice(({"url__full": "http://b/item/1"}, "GET"), ({"url__full": "http://b/item/2"}, "GET")), TWO


@case
def a_request_of_another_method_takes_up_none():
    return asked_twice(({"http__request__method": "GET", "url__full": "http://b/x"}, "GET"), ({"http__request__method": "PUT", "url__full": "http://b/x"}, "GET")), TWO


@case
def a_request_to_one_url_at_another_host_is_a_retry():
    return asked_twice(({"http__url": "http://10.0.0.1:80/item/1?q=\"x\""}, "GET"), ({"http__url": "http://10.0.0.2:80/item/1?q=\"x\""}, "GET /item")), TAKEN_UP


@case
def without_a_url_the_callee_tells_requests_apart():
    return asked_twice(({}, "GET /x"), ({"url__full": "http://b/y"}, "GET /y")), TWO


@case
def without_a_url_and_a_route_a_request_is_a_retry():
    return asked_twice(({}, "GET"), ({"url__full": "http://b/y"}, "GET /y")), TAKEN_UP


@case
def with_one_path_at_the_callee_a_request_is_a_retry_whatever_it_answers_it_with():
    return asked_twice(({}, "refused"), ({}, "GET /x"), url__path="/x"), TAKEN_UP


@case
def statements_of_one_name_are_calls_each():
    t = new()
    a = t.server("a", 0, 100)
    for i, text in enumerate(("select 'x' from \"one\"", "select 'x' from \"two\"", "select 'x' from \"one\"")):
        t.client("a", 10 + 20 * i, 10, a, name="SELECT", status=0 if i else 2, attrs={"db__system": "mysql", "db__name": "log", "db__statement": text})
    return t.spans, """user > a entry
        a > log#database caller_only [database]
        a > log#database caller_only retries=1 recovered [database]
        trace ok entry=a"""


@case
def what_an_attempt_does_not_say_an_earlier_one_said():
    t = new()
    a = t.server("a", 0, 200)
    for i, url in enumerate(({"url__full": "http://b/x"}, {}, {"url__full": "http://b/y"}, {"url__full": "http://b/x"})):
        t.client("a", 10 + 40 * i, 20, a, name="GET", status=0 if i > 1 else 2, attrs={"server__address": "b", **url})
    return t.spans, """user > a entry
        a > b caller_only
        a > b caller_only retries=2 recovered
        trace ok entry=a"""


@case
def attempts_whose_parent_never_came():
    t = new()
    lost = "00000000000000ee"
    for i, code in enumerate((503, 200)):
        attempt = t.proxy("a", "client", 2 + 40 * i, 30, lost, upstream=out("b"), code=code, path="", attrs={"retry.count": "1"} if i else {})
        t.proxy("b", "server", 5 + 40 * i, 20, attempt, upstream=INBOUND, code=code)
    return t.spans, """a > b both retries=1 recovered
        trace ok entry=a parts=2 incomplete"""


@case
def beneath_two_parents_that_never_came_calls_are_two():
    t = new()
    for i, code in enumerate((503, 200)):
        o = t.proxy("a", "client", 2 + 40 * i, 30, "00000000000000e%d" % i, upstream=out("b"), code=code)
        t.proxy("b", "server", 5 + 40 * i, 20, o, upstream=INBOUND, code=code)
    return t.spans, """a > b both origin
        a > b both
        trace error entry=a origin=b reason=503 parts=2 incomplete"""


@case
def an_attempt_that_says_so_takes_up_one_that_goes_on():
    t = new()
    a = t.server("a", 0, 100)
    for i, (start, ms) in enumerate(((10, 60), (20, 45), (30, 30))):
        attrs = {"http__response__status_code": 200 if i == 2 else 503, "server__address": "b", "url__full": "http://b/%s" % "xyx"[i]}
        t.client("a", start, ms, a, name="GET", attrs={**attrs, **({"http__request__resend_count": 1} if i == 2 else {})})
    return t.spans, """user > a entry
        a > b caller_only origin
        a > b caller_only retries=1 recovered
        trace ok entry=a"""


def kong(t, kind, start, ms, parent, name, **more):
    return t.span("kong", kind, start, ms, parent, name=name, scope="kong-internal", **more)


def traefik(t, kind, start, ms, parent, name, **more):
    return t.span("traefik", kind, start, ms, parent, name=name, scope="github.com/traefik/traefik", **more)


@case
def kong_before_a_service_with_spans_of_its_plugins():
    t = new()
    k = kong(t, "server", 0, 100, None, "kong")
    kong(t, "internal", 1, 1, k, "kong.router")
    kong(t, "internal", 3, 4, k, "kong.access.plugin.cors")
    t.server("b", 12, 60, kong(t, "client", 10, 80, k, "kong.balancer"))
    return t.spans, """user > kong#gateway entry
        kong#gateway > b both
        trace ok entry=kong#gateway"""


@case
def kong_between_two_services_with_spans_of_its_plugins():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    k = kong(t, "server", 5, 80, ab, "kong")
    kong(t, "internal", 6, 1, k, "kong.router")
    t.server("b", 12, 60, kong(t, "client", 10, 70, k, "kong.balancer"))
    kong(t, "internal", 82, 1, k, "kong.header_filter.plugin.cors")
    return t.spans, """user > a entry
        a > b both via=kong
        trace ok entry=a"""


@case
def kong_between_whose_balancer_reached_nobody():
    t = new()
    a = t.server("a", 0, 100)
    ab = t.client("a", 1, 90, a)
    k = kong(t, "server", 5, 80, ab, "kong", attrs={"http__status_code": 503})
    kong(t, "internal", 6, 1, k, "kong.router")
    kong(t, "client", 10, 70, k, "kong.balancer", status=2, attrs={"net__peer__name": "b"})
    return t.spans, """user > a entry
        a > b caller_only origin via=kong
        trace ok entry=a"""


@case
def kong_that_refuses_by_a_plugin():
    t = new()
    k = kong(t, "server", 0, 10, None, "kong", attrs={"http__status_code": 429})
    kong(t, "internal", 1, 1, k, "kong.router")
    kong(t, "internal", 3, 4, k, "kong.access.plugin.rate-limiting")
    return t.spans, """user > kong#gateway entry origin
        trace error entry=kong#gateway origin=kong#gateway reason=429"""


@case
def traefik_between_two_services_with_spans_of_its_middlewares():
    t = new()
    a = t.server("a", 0, 100)
    above = traefik(t, "server", 5, 80, t.client("a", 1, 90, a), "EntryPoint")
    for n, name in enumerate(("Router", "Metrics", "Service")):
        above = traefik(t, "internal", 6 + n, 78 - 2 * n, above, name)
    t.server("b", 12, 60, traefik(t, "client", 10, 70, above, "ReverseProxy"))
    return t.spans, """user > a entry
        a > b both via=traefik
        trace ok entry=a"""


@case
def a_step_of_a_sidecar_is_no_call():
    t = new()
    s = t.proxy("a", "server", 0, 100, None, upstream=INBOUND)
    t.proxy("a", "internal", 1, 2, s, path="")
    t.server("a", 5, 90, s)
    return t.spans, """user > a entry
        trace ok entry=a"""


@case
def a_message_that_is_created_and_sent_is_one_call():
    t = new()
    queue = {"messaging__system": "kafka", "messaging__destination__name": "orders"}
    a = t.server("a", 0, 100)
    create = t.span("a", "producer", 1, 20, a, attrs={**queue, "messaging__operation__type": "create"})
    t.client("a", 3, 10, create, attrs={**queue, "messaging__operation__type": "send"})
    t.span("b", "consumer", 50, 30, create, attrs=queue)
    t.client("a", 12, 5, create, attrs={**queue, "messaging__destination__name": "audit"})  # another message
    return t.spans, """user > a entry
        a > orders#queue caller_only [messaging_system]
        a > audit#queue caller_only [messaging_system]
        orders#queue > b callee_only [messaging_system]
        trace ok entry=a"""


@case
def callees_of_whom_only_ways_on_came():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND)
    ab = t.proxy("a", "client", 1, 90, a, upstream=out("b"))
    t.proxy("b", "client", 10, 20, ab, upstream=out("c"))  # a proxy's way on is no callee's half, whatever lies above it
    return t.spans, """user > a entry
        a > b caller_only
        b > c caller_only
        trace ok entry=a"""


@case
def attempts_of_one_key_whose_caller_s_half_is_lost():
    t = new()
    a = t.proxy("a", "server", 0, 100, None, upstream=INBOUND)
    for i, code in enumerate((503, 0, 200)):
        t.proxy("b", "server", 5 + 30 * i, 20, a, upstream=INBOUND, id="00000000000000cc", code=code, flags="-" if code else "DC")
    t.proxy("c", "server", 5, 20, a, upstream=INBOUND, id="00000000000000dd")
    t.proxy("c", "server", 35, 20, a, upstream=INBOUND, id="00000000000000dd")  # the one before was answered
    return t.spans, """user > a entry
        a > b callee_only retries=2 recovered
        a > c callee_only
        a > c callee_only
        trace ok entry=a"""
