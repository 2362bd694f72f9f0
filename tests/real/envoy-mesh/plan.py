"""plan.py - who is in the mesh, who calls whom, and which port on 127.0.0.1 each listens on.

    client -> istio-ingressgateway -> productpage -> details (v1; v2: nobody listens; v9: no endpoints)
                                                  -> reviews (v2) -> ratings -> mongodb (TCP), mysqldb (TCP, nobody listens)
                                                  -> recommend (its sidecar runs, the application does not)
                                                  -> istio-ingressgateway -> details: by the name that the outer world uses

With the setting `canary` there is a second version of details, details-v2, for requests with x-details-version: canary.
Between sidecars there is mutual TLS, but to ratings: its sidecar takes clear text.

Names, versions and ids are Istio's. The plan is plain data, written as JSON for the services and the driver.
"""

GATEWAY = "istio-ingressgateway"
DOMAIN = "svc.cluster.local"
OUTER = "details.example.com"  # what the gateway takes to details
PLAIN = {"ratings"}  # called in clear text
PORTS = 64  # a mesh has a block of as many
GUARD = PORTS - 3  # the one of them that says that the block is taken

# name: namespace, version, suffix of the pod's name, whom it calls
SERVICES = {
    GATEWAY: ("istio-system", "latest", "7d9f8b6c5d-x2x4q", ["productpage", "details"]),
    "productpage": ("default", "v1", "5c8b9c7d6f-q7wzx", ["details", "reviews", "recommend"]),
    "reviews": ("default", "v2", "6c9f8bcbcb-abcde", ["ratings"]),
    "ratings": ("default", "v1", "84f7c9d5b8-k2m9p", []),
    "details": ("default", "v1", "79c5d6fbd4-hh8vn", []),
    "recommend": ("default", "v1", "66d4b8f7c9-zzt5r", []),
}
CANARY = "details-v2"
# Those that are somebody's further version.
VERSIONS = {CANARY: ("details", ("default", "v2", "5d9b7c6f4-zw7kp", []))}
APPLICATIONS = ["productpage", "reviews", "ratings", "details"]
LISTENERS = ["inbound", "outbound", "admin", "app", "mongo_out", "mysql_out"]


def service(key, place, first_port):
    """`key` names its files and its faults; the mesh knows it by the service whose version it is."""
    name, (namespace, version, pod, calls) = VERSIONS.get(key) or (key, SERVICES[key])
    workload = name if name == GATEWAY else "%s-%s" % (name, version)
    account = name + "-service-account" if name == GATEWAY else "bookinfo-" + name
    at = first_port + len(LISTENERS) * place
    return {"key": key, "name": name, "namespace": namespace, "version": version, "workload": workload, "pod": "%s-%s" % (workload, pod),
            "account": account, "spiffe": "spiffe://cluster.local/ns/%s/sa/%s" % (namespace, account),
            "host": "%s.%s.%s" % (name, namespace, DOMAIN), "calls": calls,
            "ports": {kind: at + i for i, kind in enumerate(LISTENERS)}}


def make(first_port, **settings):
    """The plan of a mesh whose ports begin at first_port; settings are those of bootstrap.py."""
    keys = list(SERVICES) + ([CANARY] if settings.get("canary") else [])
    services = {key: service(key, place, first_port) for place, key in enumerate(keys)}
    return {"services": services, "gateway": services[GATEWAY]["ports"]["outbound"], "mongo": first_port + PORTS - 2,
            "closed": first_port + PORTS - 1, "settings": settings}


def applications(plan):
    return APPLICATIONS + [key for key in VERSIONS if key in plan["services"]]
