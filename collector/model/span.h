/* span.h - a span as a decoder gives it: text points into the body (or the batch's arena), nothing
 * is interned yet. Decoders fill everything up to `facts`; decode/semconv.c fills `facts` from
 * attributes.
 */
#ifndef MODEL_SPAN_H
#define MODEL_SPAN_H

#include "collector/model/words.h"

struct trace_id {
    uint64_t high, low; /* big-endian halves of the 16 bytes; a 64-bit id has high = 0 */
};

/* store.keep: of 100 shares the one that a trace is in, by its id alone; so who keeps n of them and
 * who asks whether a trace will stay agree. */
static inline unsigned trace_id_share(struct trace_id id)
{
    uint64_t mixed =
        (id.high ^ id.low * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
    return (unsigned)((mixed >> 32) % 100);
}

static inline bool trace_id_eq(struct trace_id a, struct trace_id b)
{
    return a.low == b.low && a.high == b.high;
}

enum value_type {
    VALUE_EMPTY,  /* an attribute without a value; JSON null */
    VALUE_TEXT,   /* `text` */
    VALUE_BOOL,   /* `integer` 0 or 1 */
    VALUE_INT,    /* `integer` */
    VALUE_DOUBLE, /* `real`; NaN and infinities are shown as text */
    VALUE_JSON    /* `text` is rendered JSON: arrays, maps; bytes are a base64 string */
};

/* Keys and VALUE_TEXT are valid UTF-8 without NUL and within limit.* (the decoder cleans and cuts).
 */
struct attr {
    struct str key;
    struct str text;
    union {
        int64_t integer;
        double real;
    };
    uint8_t type; /* enum value_type */
    bool plain;   /* key and text can be copied between JSON quotes as they are */
};

/* Who sent it: an OTLP resource, or a Zipkin endpoint. One per distinct sender in a batch. */
struct resource {
    struct attr *attrs;
    uint32_t n_attrs;
    uint32_t index; /* its place in the batch, from 0 */
    /* Read from the attributes by semconv, '' when unknown; a span's own tags may overrule (facts).
     */
    struct str cluster, namespace, service, version, instance, zone;
    struct str host;          /* whose clock it is: k8s.node.name, host.name */
    struct str host_instance; /* an instance by its host, where nothing else tells it */
    struct str sdk_name;      /* telemetry.sdk.name */
    struct str host_address;  /* net.host.ip, host.ip, k8s.pod.ip, Zipkin's localEndpoint address */
};

enum proxy_kind {
    PROXY_NONE,    /* an application */
    PROXY_UNKNOWN, /* marks of a proxy, its type not said */
    PROXY_SIDECAR,
    PROXY_GATEWAY, /* Envoy node type `router`, NGINX, HAProxy, Traefik, Kong */
    PROXY_WAYPOINT,
    PROXY_LOAD_BALANCER /* AWS's */
};

/* What an entry of an access log knows of its ids. Stored with the shape: append only. */
enum log_ids {
    LOG_NONE,    /* a span, no entry of a log */
    LOG_OF_SPAN, /* its span id is the one the proxy gave its own span of this request */
    LOG_ALONE,   /* its span id is made from its line (its trace id too, where it names none); its
                    parent is whom the logged header names: its proxy's own span, or its caller's */
    LOG_OF_REQUEST, /* both are made: its trace is that of its x-request-id */
    N_LOG_IDS
};

enum direction { DIRECTION_UNKNOWN, DIRECTION_INBOUND, DIRECTION_OUTBOUND };

/* What a messaging client's span does, where it says so. Stored with the shape: append only. */
enum message_step { MESSAGE_UNSAID, MESSAGE_RECEIVE, MESSAGE_PROCESS, MESSAGE_SETTLE };

#define CODE_NONE (-1)
#define DURATION_UNKNOWN UINT64_MAX

#define WEIGHT_ONE_STATED 1.0000001f
#define MOST_WEIGHT 1e9

/* What STITCHING needs to know of a span, read from its attributes once. Text '' when not there. */
struct facts {
    /* The node that the span itself speaks for (STITCHING §1), canonical: a sidecar's
     * `reviews.default` is service `reviews`, namespace `default`. Role sidecar/gateway/waypoint is
     * in `proxy`. */
    struct str cluster, namespace, service, version, instance, zone;
    struct str host;             /* whose clock it is: the machine, else the instance */
    struct str address;          /* its own, as others reach it; no port */
    struct str operation;        /* what `span.operation` shows: span name, or for a proxy method +
                                    templated path */
    struct str upstream_cluster; /* Envoy's, as it came:
                                    outbound|9080|v2|reviews.default.svc.cluster.local */
    struct str
        peer; /* the other end as this span names it, by the order of STITCHING §1 (peer.service,
                 database, destination, server address without port, host of the URL, …) */
    struct str peer_namespace; /* service.peer.namespace or the namespace part of a cluster host,
                                  else '' */
    struct str peer_address;   /* address (no port) of the other end: network.peer.address,
                                  peer.address, … */
    struct str url_host;       /* host (no port) of url.full / http.url / :authority */
    struct str protocol; /* CONTRACT §5: http grpc tcp or db.system, messaging.system; '' unknown */
    struct str request_id;     /* guid:x-request-id */
    struct str response_flags; /* by their short names; one without stays as it came */
    uint32_t flags;            /* FLAG_BIT()s of response_flags */
    int32_t http_status;       /* CODE_NONE when not there; 0 is Envoy's "no answer sent" */
    int16_t grpc_status;       /* CODE_NONE when not there */
    uint16_t resend_count;     /* http.request.resend_count, retry.count; 0 when not there */
    uint8_t proxy;             /* enum proxy_kind */
    uint8_t peer_role; /* enum role of the peer where attributes tell: ROLE_DATABASE, ROLE_CACHE,
                          ROLE_QUEUE, else ROLE_EXTERNAL meaning "not said" */
    uint8_t security;  /* enum security, from scheme, tls.*, peer principal */
    uint8_t message;   /* enum message_step */
    uint8_t log;       /* enum log_ids */
    bool error_tag;    /* `error` tag true, or Zipkin's `error` present */
    bool error_tag_4xx_only; /* the `error` tag says nothing but a 4xx code */
    bool canceled;           /* canceled=true */
    bool mirrored;           /* `-shadow` in the authority */
    bool messaging;          /* has messaging.* */
    bool database;           /* has db.* */
    bool peer_resolvable; /* `peer` came from a cluster host or service name: a workload even when
                             nobody knows it */
    float weight; /* ≥ 1: requests this one stands for (tracestate ot=th, sampler tags); exactly 1
                     when not stated, WEIGHT_ONE_STATED when it is said to stand for itself */
};

struct span {
    struct trace_id trace_id; /* never 0 */
    uint64_t span_id;         /* never 0 */
    uint64_t parent_id;       /* 0: none */
    uint64_t start_ns;        /* Unix time; 0 unknown */
    uint64_t duration_ns; /* DURATION_UNKNOWN when start or end is not known; 0 when it ended before
                             it started */
    uint8_t kind;         /* enum span_kind */
    uint8_t status;       /* enum span_status */
    uint8_t proxy;        /* enum proxy_kind, where the format alone tells; else PROXY_NONE */
    uint8_t format;       /* enum format, of a record that stands in a body of another; else 0 */
    bool shared;          /* Zipkin: the callee's half under the caller's id */
    bool bad_times; /* ended before it started, or year 1970 or ≥ 2262, or unknown: kept out of time
                       statistics */
    struct str name;
    struct str status_message;
    struct str trace_state;
    struct str scope_name, scope_version;
    const struct resource *resource;
    struct attr *attrs;
    uint32_t n_attrs;
    struct str
        events; /* JSON array [{"time":…,"name":…,"attributes":{…}}], '' when there are none */
    struct str links; /* JSON array [{"trace_id":…,"span_id":…,"attributes":{…}}], '' when there are
                         none */
    struct facts facts;
};

#endif
