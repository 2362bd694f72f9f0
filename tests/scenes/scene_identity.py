"""One workload is one node, whatever its sidecar, its SDK, its access log, its Zipkin endpoint and its callers call it (STITCHING §1)."""
import json

from lib import otlp_body, otlp_span
from stitching import BASE_US, INBOUND, Trace, otlp, out

WINDOW = "from=1699999000&to=1700001000&level=service"


def proxy(number, name="reviews.default", node_id=True, istio=True, cluster="c1"):
    """user > reviews, by its sidecar alone."""
    t = Trace(number)
    span = t.proxy("reviews@v2", "server", 0, 10, None, upstream=INBOUND, cluster=cluster)
    span["resource"] = {"service.name": name}
    span["attrs"] = {k: v for k, v in span["attrs"].items() if (istio or not k.startswith("istio.")) and (node_id or k != "node_id")}
    return t.spans


def sdk(number, **resource):
    t = Trace(number)
    t.server("reviews", 0, 10, resource={k.replace("__", "."): v for k, v in resource.items()})
    return t.spans


def caller(number, **attrs):
    """a > reviews, by what a says alone."""
    t = Trace(number)
    a = t.server("a", 0, 50)
    t.client("a", 1, 20, a, attrs=attrs)
    return t.spans


def by_sidecar(number):
    t = Trace(number)
    a = t.proxy("a", "server", 0, 50, None, upstream=INBOUND, cluster="c1")
    t.proxy("a", "client", 1, 20, a, upstream=out("reviews", "v2"), cluster="c1")
    return t.spans


def endpoint(number, name, **tags):
    return json.dumps([{"traceId": Trace(number).id, "id": "%016x" % number, "kind": "SERVER", "name": "get", "timestamp": BASE_US, "duration": 10_000,
                        "localEndpoint": {"serviceName": name}, "tags": tags}])


def log_line(second):
    return json.dumps({"start_time": "2023-11-14T22:13:%02d.000Z" % second, "method": "GET", "path": "/reviews/7", "protocol": "HTTP/1.1", "response_code": 200,
                       "response_flags": "-", "bytes_received": 0, "bytes_sent": 37, "duration": 5, "request_id": "7d3f0003-1111-9222-8333-44445555%04d" % second,
                       "authority": "reviews:9080", "upstream_host": "10.1.0.6:9080", "upstream_cluster": "inbound|9080||",
                       "downstream_local_address": "10.1.0.6:9080", "downstream_remote_address": "10.1.0.5:52000", "pod": "reviews-v2-7b8c9d-x2x4q",
                       "namespace": "default", "version": "v2"})


def nodes(c):
    return {n["id"]: n["calls"] for n in c.api("graph?" + WINDOW)["nodes"] if n["node"]["service"].startswith("reviews")}


def scene_one_workload_by_all_its_names(c):
    c.start()
    spans = [proxy(1), proxy(2, istio=False), proxy(3, node_id=False), proxy(4, node_id=False, istio=False), proxy(5, name="reviews"),
             sdk(6), sdk(7, service__namespace="default", service__version="v2"), sdk(8, k8s__namespace__name="default", k8s__cluster__name="c1"),
             caller(9, peer__service="reviews"), caller(10, server__address="reviews.default.svc.cluster.local", server__port=9080),
             caller(11, url__full="http://reviews:9080/reviews/7"), by_sidecar(12)]
    for one in spans:
        assert c.post_otlp(otlp(one), json_body=True)[0] == 200
    for body in (endpoint(13, "reviews"), endpoint(14, "reviews.default", component="proxy", upstream_cluster=INBOUND)):
        assert c.post_zipkin(body)[0] == 202
    assert c.request(c.otlp, "POST", "/v1/access-logs/envoy_log", log_line(21) + "\n", {"Content-Type": "text/plain"})[0] == 204
    c.flush()
    known = c.sql("SELECT DISTINCT service, role FROM service WHERE service LIKE 'reviews%'")
    assert known == [("reviews", "workload")], known
    assert {row[0] for row in c.sql("SELECT DISTINCT namespace FROM service WHERE service = 'reviews'")} == {"", "default"}
    assert {row[0] for row in c.sql("SELECT DISTINCT version FROM service WHERE service = 'reviews'")} == {"", "v2"}
    assert c.sql("SELECT sum(calls) FROM edge_minute WHERE callee_service = 'reviews'") == [(15,)]
    assert nodes(c) == {"c1/default/reviews": 15}, nodes(c)  # what is unknown is the only one that is known in that minute
    # Lists say the same as the graph.
    whole = {"cluster": "c1", "namespace": "default", "service": "reviews", "version": "", "role": "workload"}
    for name in ("crossings", "security"):
        items = [i for i in c.api(name + "?" + WINDOW)["items"] if i["callee"]["service"] == "reviews"]
        assert all(i["callee"] == whole for i in items) and sum(i["calls"] for i in items) == 15, items
    ends = [(i["caller"]["service"], i["caller"]["cluster"]) for i in c.api("security?cluster=c1&" + WINDOW)["items"]]
    assert sorted(ends) == [("a", "c1"), ("user", ""), ("user", "")], ends
    services = [i for i in c.api("services?service=reviews")["items"]]
    assert [i["node"] for i in services] == [{**whole, "version": "v2"}], services
    assert [(services[0]["first_seen"], services[0]["last_seen"])] == c.sql("SELECT min(first_seen), max(last_seen) FROM service WHERE service = 'reviews'")
    operations = [i for i in c.api("operations?service=reviews")["items"] if i["node"]["role"] == "workload"]
    assert {json.dumps(i["node"]) for i in operations} == {json.dumps(services[0]["node"])}, operations
    assert sorted((i["operation"], i["kind"]) for i in operations) == c.sql("SELECT DISTINCT operation, kind FROM operation WHERE service = 'reviews' AND role = 'workload' ORDER BY 1, 2")


def scene_series_of_one_workload_are_one(c):
    """An unknown part is the only one that is known in that minute; with a second one it is unknown."""
    c.start()
    calls = lambda **labels: c.counter("traces_service_graph_request_total", server="reviews", **labels)  # noqa: E731
    whole = {"server_cluster": "c1", "server_service_namespace": "default", "server_service_version": "v2"}
    for one in (proxy(1), sdk(2), sdk(3, service__namespace="default"), sdk(6)):
        assert c.post_otlp(otlp(one), json_body=True)[0] == 200
    c.flush()
    assert calls() == calls(**whole) == 4, (calls(), calls(**whole))
    assert c.post_otlp(otlp(proxy(4, cluster="c2")), json_body=True)[0] == 200
    c.flush()
    assert c.post_otlp(otlp(sdk(5)), json_body=True)[0] == 200
    c.flush()
    assert (calls(), calls(**whole), calls(server_cluster="c2")) == (6, 4, 1), (calls(), calls(**whole), calls(server_cluster="c2"))


def scene_two_clusters_with_one_name_are_two(c):
    c.start()
    for one in (proxy(1), proxy(2, cluster="c2"), proxy(3, cluster="c2")):
        assert c.post_otlp(otlp(one), json_body=True)[0] == 200
    c.flush()
    assert nodes(c) == {"c1/default/reviews": 1, "c2/default/reviews": 2}, nodes(c)
    assert c.post_otlp(otlp(sdk(4)), json_body=True)[0] == 200  # whose it is nobody knows
    c.flush()
    assert sorted(nodes(c).values()) == [1, 1, 2] and nodes(c)["c2/default/reviews"] == 2, nodes(c)
    asked = {i["callee"]["cluster"]: i["calls"] for i in c.api("security?" + WINDOW)["items"]}
    assert asked == {"c1": 1, "c2": 2, "": 1} and len(c.api("services?service=reviews")["items"]) == 3, asked
    assert c.counter("traces_service_graph_request_total", client="user", server="reviews", server_cluster="c2") == 2


def scene_whom_a_lone_call_names(c):
    """A name comes before an address, what was asked for before where it was found; `peer.address` is the callee's, but for a proxy."""
    rows = [({"server.address": "cart", "http.url": "http://other/x", "network.peer.address": "10.1.1.1"}, "cart"),
            ({"http.url": "https://api.pay.example:8443/x", "net.peer.ip": "9.9.9.9"}, "api.pay.example"), ({"http.host": "pay:81", "net.sock.peer.addr": "10.1.1.1"}, "pay"),
            ({"net.peer.name": "stock", "http.url": "http://10.1.1.1/"}, "stock"), ({"net.peer.ip": "10.1.1.2"}, "10.1.1.2"), ({"peer.address": "10.1.1.3:80"}, "10.1.1.3"),
            ({"peer.address": "10.1.1.3:80", "component": "proxy"}, "unknown"), ({"peer.hostname": "mail", "peer.address": "10.1.1.4"}, "mail")]
    c.start()
    spans = [otlp_span("%032x" % (i + 1), "%016x" % 1, kind=3, start=1_700_000_000_000 + i, **attrs) for i, (attrs, _) in enumerate(rows)]
    assert c.post_otlp(otlp_body(spans), True)[0] == 200
    c.flush()
    assert c.sql("SELECT peer FROM span ORDER BY start_ns") == [(peer,) for _, peer in rows]


def scene_who_has_no_name_has_his_workloads(c):
    """Without a service's name Kubernetes' will do, but for what it draws anew with every rollout; a word is nothing drawn."""
    rows = [({"k8s.pod.name": "cart-6b9f7c5d8-x2x7q"}, "cart"), ({"k8s.pod.name": "ts-order-service-58d6cc9f4b-7kzmh"}, "ts-order-service"),
            ({"k8s.pod.name": "stock-12"}, "stock"), ({"k8s.pod.name": "agent-x2x7q"}, "agent"), ({"k8s.pod.name": "front-end"}, "front-end"),
            ({"k8s.pod.name": "x2x7q"}, "x2x7q"), ({"k8s.pod.name": "pay-6b9f7c5d8-x2x7q", "k8s.container.name": "main"}, "pay"),
            ({"k8s.replicaset.name": "mail-6b9f7c5d8", "k8s.pod.name": "mail-6b9f7c5d8-x2x7q"}, "mail"),
            ({"k8s.deployment.name": "tax-6b9f7c5d8", "k8s.pod.name": "tax-6b9f7c5d8-x2x7q"}, "tax-6b9f7c5d8"),
            ({"service.name": "unknown_service:java", "k8s.pod.name": "ads-6b9f7c5d8-x2x7q"}, "ads"),
            ({"k8s.job.name": "report-28912345", "k8s.cronjob.name": "report"}, "report"), ({"k8s.job.name": "sum-28912345"}, "sum"),
            ({"k8s.pod.name": "tidy-28912345-x2x7q"}, "tidy"), ({"k8s.job.name": "load-2"}, "load-2"), ({"k8s.daemonset.name": "log", "k8s.cronjob.name": "no"}, "log"),
            ({"k8s.container.name": "box", "faas.name": "f"}, "box"), ({"k8s.pod.labels.app.kubernetes.io/name": "shop", "k8s.deployment.name": "no"}, "shop"),
            ({"k8s.pod.label.app.kubernetes.io/name": "no", "k8s.pod.label.app.kubernetes.io/instance": "shop-eu"}, "shop-eu"),
            ({"k8s.pod.annotations.resource.opentelemetry.io/service.name": "said", "k8s.pod.label.app.kubernetes.io/instance": "no"}, "said"),
            ({"service.name": "web-6b9f7c5d8-x2x7q", "k8s.pod.name": "web-6b9f7c5d8-x2x7q"}, "web-6b9f7c5d8-x2x7q"), ({}, "unknown_service")]
    c.start()
    body = json.loads(otlp_body([otlp_span("%032x" % (i + 1), "%016x" % 1, start=1_700_000_000_000 + i, service=str(i)) for i in range(len(rows))]))
    for group, (names, _) in zip(body["resourceSpans"], rows):
        group["resource"]["attributes"] = [{"key": key, "value": {"stringValue": value}} for key, value in names.items()]
    assert c.post_otlp(json.dumps(body).encode(), True)[0] == 200
    c.flush()
    assert c.sql("SELECT service FROM span ORDER BY start_ns") == [(service,) for _, service in rows]
    # A proxy's log says no more than its node, unless its operator set a name.
    body = [{"start_time": "2023-11-14T22:13:40.%03dZ" % i, "method": "GET", "path": "/x", "response_code": 200, "duration": 7, "authority": "other:80",
             "upstream_cluster": "outbound|80||other.shop.svc.cluster.local", "request_id": "7d3f0003-1111-9222-8333-44443333%04d" % i,
             "node_id": "%s~10.1.1.%d~%s.shop~shop.svc.cluster.local" % (kind, i, pod)}
            for i, (kind, pod) in enumerate((("sidecar", "web-7d9f8b6c5d-x2x9z"), ("sidecar", "db-0"), ("router", "edge-7d9f8b6c5d-x2x9z")))]
    assert c.request(c.otlp, "POST", "/v1/access-logs/envoy_log", "\n".join(map(json.dumps, body)) + "\n", {"Content-Type": "text/plain"})[0] == 204
    c.flush()
    assert c.sql("SELECT service, namespace, instance FROM span WHERE format = 'envoy_log' ORDER BY start_ns") == [
        ("web", "shop", "web-7d9f8b6c5d-x2x9z"), ("db", "shop", "db-0"), ("edge", "shop", "edge-7d9f8b6c5d-x2x9z")]


def scene_a_store_at_an_outside_address_is_outside_whichever_attribute_says_it(c):
    c.start()
    wanted = {"9.9.9.1": "out", "10.0.0.9": "inside", "2001:db8::1": "out", "pg.shop": "inside"}
    for n, address in enumerate(wanted):
        t = Trace(n)
        a = t.server("a", 0, 100)
        t.client("a", 1, 5, a, attrs={"db__system": "postgresql", "db__name": address, "server__address": address})
        t.client("a", 1, 5, a, attrs={"db__system": "postgresql", "db__name": "net " + address, "net__peer__name": address})
        assert c.post_otlp(otlp(t.spans), json_body=True)[0] == 200
    c.flush()
    rows = dict(c.sql("SELECT callee_service, crossing FROM edge_minute WHERE callee_role = 'database'"))
    assert rows == {**wanted, **{"net " + a: way for a, way in wanted.items()}}, rows


def scene_a_pod_s_label_is_its_version_where_the_service_says_none(c):
    c.start()
    for n, resource in enumerate(({"k8s.pod.label.version": "v1"}, {"k8s.pod.labels.version": "v2"}, {"k8s.pod.label.version": "v4", "service.version": "v3"},
                                  {"k8s.pod.label.app.kubernetes.io/version": "v5", "k8s.pod.label.version": "no"},
                                  {"istio.canonical_revision": "v6", "k8s.pod.label.app.kubernetes.io/version": "no"},
                                  {"istio.canonical_revision": "latest", "k8s.pod.labels.version": "v7"},
                                  {"k8s.pod.annotation.resource.opentelemetry.io/service.version": "v8", "istio.canonical_revision": "no"}, {"service.version": 9})):
        t = Trace(n)
        t.server("a", 0, 100, resource=resource)
        assert c.post_otlp(otlp(t.spans), json_body=True)[0] == 200
    c.flush()
    assert c.sql("SELECT DISTINCT version FROM span ORDER BY 1") == [(v,) for v in ["9"] + ["v%d" % i for i in range(1, 9) if i != 4]]
