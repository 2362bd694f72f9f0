"""bootstrap.py - the configuration of one Envoy of the mesh, as a tree to be written as JSON: stock Envoy configured like Istio.

Settings (in the plan): `provider` is one of otlp_http, otlp_grpc, zipkin_json, zipkin_proto, zipkin_shared (shared span context
on), none; `otlp_http`, `otlp_grpc`, `zipkin`: the collector's ports; `spawn_all`: every proxy reports a span per attempt, not the
gateway alone; `verbose`: with the events of a span; `canary`: a second version of details (plan.py); `stats`: statistics as OTLP
metrics to the gRPC port, so many seconds apart; `access_log_grpc`, `access_log_otlp`: access logs to the gRPC port too; `applications`: the
interpreter of applications with spans of their own (own_spans.py).
"""
import plan as mesh_plan
from plan import DOMAIN, GATEWAY, OUTER, PLAIN

TYPE = "type.googleapis.com/envoy."
EXTENSION = TYPE + "extensions."

# 503 and connection failures are tried twice more, on another host if there is one.
RETRY = {"retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", "num_retries": 2,
         "retriable_status_codes": [503], "host_selection_retry_max_attempts": "5",
         "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {
             "@type": EXTENSION + "retry.host.previous_hosts.v3.PreviousHostsPredicate"}}]}

LOG_LINE = ('[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
            '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% '
            '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
            '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% '
            '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n')


def typed(name, kind, **fields):
    return {"name": name, "typed_config": {"@type": kind, **fields}}


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def assignment(name, ports):
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(p)}} for p in ports]}] if ports else []
    return {"cluster_name": name, "endpoints": endpoints}


OUTER_CLUSTER = "outbound|80||" + OUTER


def cluster_name(callee, subset=""):
    return "outbound|9080|%s|%s" % (subset, callee["host"])


class Bootstrap:
    """Of one proxy of the plan; `folder` has the certificates and gets the access logs."""

    def __init__(self, plan, name, folder):
        self.plan, self.me, self.folder = plan, plan["services"][name], folder
        self.settings = plan["settings"]
        self.is_gateway = name == GATEWAY

    # -- tracing and access logs

    def peer_tags(self, direction):
        """What the connection was that a span tells of, by OpenTelemetry's names; a gateway's tells of the one on which it was asked.
        With the blank Envoy sends the version of clear text too."""
        side, key = ("DOWNSTREAM", "client") if direction == "inbound" else ("UPSTREAM", "server")
        return [{"tag": "tls.protocol.version", "value": " %%%s_TLS_VERSION%%" % side},
                {"tag": "tls.%s.subject" % key, "value": "%%%s_PEER_URI_SAN%%" % side}]

    def tracing(self, direction):
        provider = self.settings["provider"]
        if provider == "none":
            return {}
        tags = {"istio.canonical_revision": self.me["version"], "istio.canonical_service": self.me["name"],
                "istio.cluster_id": "Kubernetes", "istio.mesh_id": "cluster.local", "istio.namespace": self.me["namespace"]}
        everything = {"value": 100}
        return {"tracing": {
            "provider": self.otlp_provider() if provider.startswith("otlp") else self.zipkin_provider(),
            "random_sampling": everything, "client_sampling": everything, "overall_sampling": everything,
            "spawn_upstream_span": self.is_gateway or bool(self.settings.get("spawn_all")),
            "verbose": bool(self.settings.get("verbose")),
            "custom_tags": [{"tag": k, "literal": {"value": v}} for k, v in tags.items()] +
                           self.peer_tags(direction) + [{"tag": "scenario", "request_header": {"name": "x-scenario"}}]}}

    def otlp_provider(self):
        if self.settings["provider"] == "otlp_grpc":
            service = {"grpc_service": {"envoy_grpc": {"cluster_name": "otlp_grpc"}, "timeout": "1s"}}
        else:
            service = {"http_service": {"http_uri": {"uri": "http://faultline/v1/traces", "cluster": "otlp_http", "timeout": "1s"}}}
        return typed("envoy.tracers.opentelemetry", TYPE + "config.trace.v3.OpenTelemetryConfig",
                     service_name="%s.%s" % (self.me["name"], self.me["namespace"]), **service)

    def zipkin_provider(self):
        provider = self.settings["provider"]
        return typed("envoy.tracers.zipkin", TYPE + "config.trace.v3.ZipkinConfig", collector_cluster="zipkin",
                     collector_endpoint="/api/v2/spans", collector_hostname="faultline", trace_id_128bit=True,
                     collector_endpoint_version="HTTP_PROTO" if provider == "zipkin_proto" else "HTTP_JSON",
                     shared_span_context=provider == "zipkin_shared")

    def access_logs(self, protocol="http"):
        logs = [typed("envoy.access_loggers.file", EXTENSION + "access_loggers.file.v3.FileAccessLog",
                      path="%s/access-%s.log" % (self.folder, self.me["key"]),
                      log_format={"text_format_source": {"inline_string": LOG_LINE}})]
        if self.settings.get("access_log_grpc"):
            common = {"log_name": protocol + "_envoy_accesslog", "transport_api_version": "V3",
                      "grpc_service": {"envoy_grpc": {"cluster_name": "otlp_grpc"}}}
            headers = {"additional_request_headers_to_log": ["traceparent", "x-b3-traceid"], "additional_response_headers_to_log": ["grpc-status"],
                       "additional_response_trailers_to_log": ["grpc-status"]} if protocol == "http" else {}
            logs.append(typed("envoy.access_loggers.%s_grpc" % protocol,
                              EXTENSION + "access_loggers.grpc.v3.%sGrpcAccessLogConfig" % protocol.capitalize(),
                              common_config=common, **headers))
        if self.settings.get("access_log_otlp"):
            logs.append(typed("envoy.access_loggers.open_telemetry",
                              EXTENSION + "access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
                              log_name="otel_envoy_accesslog", disable_builtin_labels=True, body={"string_value": LOG_LINE},
                              grpc_service={"envoy_grpc": {"cluster_name": "otlp_grpc"}}))
        return logs

    # -- listeners and routes

    def http_filter(self, prefix, routes, direction):
        kind = EXTENSION + "filters.network.http_connection_manager.v3.HttpConnectionManager"
        always = {"numerator": 100}
        return typed("envoy.filters.network.http_connection_manager", kind, stat_prefix=prefix, codec_type="AUTO",
                     generate_request_id=True, preserve_external_request_id=True, use_remote_address=self.is_gateway,
                     server_name="istio-envoy", access_log=self.access_logs(), route_config=routes, **self.tracing(direction),
                     http_filters=[
                         typed("envoy.filters.http.fault", EXTENSION + "filters.http.fault.v3.HTTPFault",
                               abort={"header_abort": {}, "percentage": always}, delay={"header_delay": {}, "percentage": always}),
                         typed("envoy.filters.http.router", EXTENSION + "filters.http.router.v3.Router")])

    def listener(self, name, port, direction, filters, **chain):
        return {"name": name, "address": address(self.me["ports"][port]), "traffic_direction": direction,
                "filter_chains": [{"filters": filters, **chain}]}

    def gateway_listener(self):
        page, details = self.plan["services"]["productpage"], self.plan["services"]["details"]
        hosts = [{"name": "bookinfo.example.com:80", "domains": ["bookinfo.example.com"],
                  "routes": [route(page, cluster_name(page), name="bookinfo")]},
                 {"name": OUTER + ":80", "domains": [OUTER], "routes": [route(details, cluster_name(details, "v1"), name="outer")]}]
        routes = {"name": "http.8080", "validate_clusters": False, "virtual_hosts": hosts}
        return self.listener("0.0.0.0_8080", "outbound", "OUTBOUND", [self.http_filter("outbound_0.0.0.0_8080", routes, "inbound")])

    def inbound_listener(self):
        host = {"name": "inbound|http|9080", "domains": ["*"], "routes": [route(self.me, "inbound|9080||", retry=None)]}
        routes = {"name": "inbound|9080||", "validate_clusters": False, "virtual_hosts": [host]}
        tls = typed("envoy.transport_sockets.tls", EXTENSION + "transport_sockets.tls.v3.DownstreamTlsContext",
                    require_client_certificate=True, common_tls_context=self.certificates())
        return self.listener("virtualInbound", "inbound", "INBOUND", [self.http_filter("inbound_0.0.0.0_9080", routes, "inbound")],
                             **({} if self.me["name"] in PLAIN else {"transport_socket": tls}))

    def outbound_listener(self):
        nobody = {"name": "block_all", "match": {"prefix": "/"}, "direct_response": {"status": 502}}
        hosts = [virtual_host(self.plan["services"][c], mesh_plan.CANARY in self.plan["services"]) for c in self.me["calls"]]
        hosts.append({"name": OUTER + ":80", "domains": [OUTER], "routes": [route({"host": OUTER}, OUTER_CLUSTER, name="outer")]})
        routes = {"name": "9080", "validate_clusters": False,
                  "virtual_hosts": hosts + [{"name": "block_all", "domains": ["*"], "routes": [nobody]}]}
        return self.listener("0.0.0.0_9080", "outbound", "OUTBOUND", [self.http_filter("outbound_0.0.0.0_9080", routes, "outbound")])

    def tcp_listener(self, port, cluster):
        proxy = typed("envoy.filters.network.tcp_proxy", EXTENSION + "filters.network.tcp_proxy.v3.TcpProxy", stat_prefix=cluster,
                      cluster=cluster, max_connect_attempts=2, access_log=self.access_logs("tcp"))
        return self.listener(cluster, port, "OUTBOUND", [proxy])

    # -- clusters

    def certificates(self, **validation):
        certificate = {"certificate_chain": {"filename": "%s/%s.pem" % (self.folder, self.me["key"])},
                       "private_key": {"filename": "%s/%s.key" % (self.folder, self.me["key"])}}
        return {"tls_certificates": [certificate],
                "validation_context": {"trusted_ca": {"filename": self.folder + "/ca.pem"}, **validation}}

    def service_cluster(self, callee, subset, ports):
        name = cluster_name(callee, subset)
        names = [{"san_type": "URI", "matcher": {"exact": callee["spiffe"]}}]
        cluster = {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment(name, ports),
                   "circuit_breakers": {"thresholds": [{"max_retries": 1000}]},
                   "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
                   **({} if callee["name"] in PLAIN else {"transport_socket": typed(
                       "envoy.transport_sockets.tls", EXTENSION + "transport_sockets.tls.v3.UpstreamTlsContext",
                       sni="outbound_.9080_._." + callee["host"],
                       common_tls_context=self.certificates(match_typed_subject_alt_names=names))})}
        if callee["name"] == "ratings":  # one request at a time and one that waits; five errors in a row eject the host
            cluster["circuit_breakers"] = {"thresholds": [{"max_connections": 1, "max_pending_requests": 1, "max_retries": 2}]}
            cluster["outlier_detection"] = {
                "consecutive_5xx": 5, "interval": "0.5s", "base_ejection_time": "2s", "max_ejection_percent": 100,
                "enforcing_consecutive_5xx": 100, "enforcing_consecutive_gateway_failure": 0, "enforcing_success_rate": 0}
        return cluster

    def callee_clusters(self):
        clusters = []
        for name in self.me["calls"]:
            callee = self.plan["services"][name]
            inbound = [callee["ports"]["inbound"]]
            subsets = {"details": {"v1": inbound, "v2": [self.plan["closed"]], "v9": []}, "reviews": {"v2": inbound}}
            if mesh_plan.CANARY in self.plan["services"]:
                subsets["details"]["canary"] = [self.plan["services"][mesh_plan.CANARY]["ports"]["inbound"]]
            clusters += [self.service_cluster(callee, s, p) for s, p in subsets.get(name, {"": inbound}).items()]
        if not self.is_gateway:
            clusters.append(self.plain_cluster(OUTER_CLUSTER, self.plan["gateway"]))
        return clusters

    def plain_cluster(self, name, port, http2=False):
        cluster = {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment(name, [port])}
        if http2:
            kind = "extensions.upstreams.http.v3.HttpProtocolOptions"
            cluster["typed_extension_protocol_options"] = {"envoy." + kind: {
                "@type": TYPE + kind, "explicit_http_config": {"http2_protocol_options": {}}}}
        return cluster

    def collector_clusters(self):
        ports = {name: self.settings.get(name) for name in ("otlp_http", "otlp_grpc", "zipkin")}
        return [self.plain_cluster(name, port, name == "otlp_grpc") for name, port in ports.items() if port]

    def statistics(self):
        if not self.settings.get("stats"):
            return {}
        return {"stats_flush_interval": "%ds" % self.settings["stats"],
                "stats_sinks": [typed("envoy.stat_sinks.open_telemetry", EXTENSION + "stat_sinks.open_telemetry.v3.SinkConfig",
                                      grpc_service={"envoy_grpc": {"cluster_name": "otlp_grpc"}})]}

    # -- all of it

    def tcp(self):
        """The databases of ratings: listener and cluster each, which the tracers know nothing of."""
        if self.me["name"] != "ratings":
            return [], []
        mongo, mysql = "outbound|27017||mongodb.default." + DOMAIN, "outbound|3306||mysqldb.default." + DOMAIN
        return ([self.tcp_listener("mongo_out", mongo), self.tcp_listener("mysql_out", mysql)],
                [self.plain_cluster(mongo, self.plan["mongo"]), self.plain_cluster(mysql, self.plan["closed"])])

    def node(self):
        me, kind = self.me, "router" if self.is_gateway else "sidecar"
        return {"id": "%s~127.0.0.1~%s.%s~%s.%s" % (kind, me["pod"], me["namespace"], me["namespace"], DOMAIN),
                "cluster": "%s.%s" % (me["name"], me["namespace"]), "locality": {"region": "eu-west-1", "zone": "eu-west-1a"},
                "metadata": {"NAME": me["pod"], "NAMESPACE": me["namespace"], "CLUSTER_ID": "Kubernetes", "MESH_ID": "cluster.local",
                             "WORKLOAD_NAME": me["workload"], "SERVICE_ACCOUNT": me["account"], "INSTANCE_IPS": "127.0.0.1",
                             "LABELS": {"app": me["name"], "version": me["version"],
                                        "service.istio.io/canonical-name": me["name"],
                                        "service.istio.io/canonical-revision": me["version"]}}}

    def tree(self):
        tcp_listeners, tcp_clusters = self.tcp()
        clusters = self.callee_clusters() + tcp_clusters + self.collector_clusters()
        if self.is_gateway:
            listeners = [self.gateway_listener()]
        else:
            listeners = [self.inbound_listener(), self.outbound_listener()] + tcp_listeners
            clusters.append(self.plain_cluster("inbound|9080||", self.me["ports"]["app"]))
        return {"node": self.node(), **self.statistics(), "admin": {"address": address(self.me["ports"]["admin"])},
                "static_resources": {"listeners": listeners, "clusters": clusters}}


def route(callee, cluster, header=None, timeout="10s", retry=RETRY, name="default"):
    match = {"prefix": "/"}
    if header:
        match["headers"] = [{"name": header[0], "string_match": {"exact": header[1]}}]
    action = {"cluster": cluster, "timeout": timeout, **({"retry_policy": retry} if retry else {})}
    return {"name": name, "match": match, "decorator": {"operation": callee["host"] + ":9080/*"}, "route": action}


def virtual_host(callee, canary):
    """The routes to a service, as its callers' sidecars have them. Ratings has 0.8 s, or three tries of 0.4 s."""
    name, host = callee["name"], callee["host"]
    if name == "details":
        routes = [route(callee, cluster_name(callee, subset), ("x-details-version", subset), name=why)
                  for subset, why in (("v2", "refused"), ("v9", "no-endpoints"), ("missing", "no-cluster")) + ((("canary", "canary"),) if canary else ())]
        routes.append(route(callee, cluster_name(callee, "v1")))
    elif name == "ratings":
        retry = dict(RETRY, retry_on=RETRY["retry_on"] + ",5xx", per_try_timeout="0.4s")
        routes = [route(callee, cluster_name(callee), ("x-ratings-policy", "per-try"), "3s", retry, "per-try"),
                  route(callee, cluster_name(callee), timeout="0.8s")]
    else:
        routes = [route(callee, cluster_name(callee, "v2" if name == "reviews" else ""))]
    return {"name": host + ":9080", "include_request_attempt_count": True, "domains": [host + ":9080", name + ":9080", name],
            "routes": routes}


def write(plan, folder):
    """Writes envoy-NAME.json for every proxy of the plan; gives their paths by name."""
    import json
    paths = {}
    for name in plan["services"]:
        paths[name] = "%s/envoy-%s.json" % (folder, name)
        with open(paths[name], "w") as f:
            json.dump(Bootstrap(plan, name, folder).tree(), f, indent=1)
    return paths
