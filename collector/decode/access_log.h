/* access_log.h - entries of access logs, whatever wrote them, on their way to spans.
 *
 * A reader (access_envoy.c, access_aws.c, access_nginx.c, access_haproxy.c, envoy_als.c) gathers
 * what an entry says into fields of text; access_span.c makes a span of them, which stitches like
 * the span that the proxy itself would have sent for the request.
 *
 * Identity. An entry without a span id of its own gets one from its line (access_id.h): the same
 * line is the same record, so a batch that comes again changes nothing. Lines that are equal byte
 * by byte and stand in one body, or in pieces of one log (repeats.h), are so many requests: the
 * second is told from the first by its number. An entry without a trace id is put into the trace of
 * its request id, else into one of its own.
 */
#ifndef DECODE_ACCESS_LOG_H
#define DECODE_ACCESS_LOG_H

#include "collector/base/map.h"
#include "collector/decode/value.h"

/* What an entry may say: X(field, the attribute that keeps it; '' for what goes elsewhere). */
#define ACCESS_FIELDS(X)                                                                           \
    X(TIME, "")                                                                                    \
    X(EPOCH_MS, "")                                                                                \
    X(REQUEST, "")                                                                                 \
    X(REQUEST_TIME, "")                                                                            \
    X(DURATION, "")                                                                                \
    X(METHOD, "http.method")                                                                       \
    X(PATH, "url.path")                                                                            \
    X(QUERY, "url.query")                                                                          \
    X(PROTOCOL, "http.protocol")                                                                   \
    X(SCHEME, "url.scheme")                                                                        \
    X(HOST, "http.host")                                                                           \
    X(STATUS, "http.status_code")                                                                  \
    X(GRPC_STATUS, "grpc.status_code")                                                             \
    X(UPSTREAM_STATUS, "upstream_status")                                                          \
    X(FLAGS, "response_flags")                                                                     \
    X(DETAILS, "response_code_details")                                                            \
    X(TERMINATION, "connection_termination_details")                                               \
    X(FAILURE, "upstream_transport_failure_reason")                                                \
    X(REASON, "error_reason")                                                                      \
    X(BYTES_IN, "request_size")                                                                    \
    X(BYTES_OUT, "response_size")                                                                  \
    X(UPSTREAM_TIME, "upstream_service_time")     /* milliseconds */                               \
    X(UPSTREAM_SECONDS, "upstream_response_time") /* nginx's, maybe of several tries */            \
    X(FORWARDED_FOR, "x_forwarded_for")                                                            \
    X(USER_AGENT, "user_agent")                                                                    \
    X(REFERER, "http.referer")                                                                     \
    X(REQUEST_ID, "guid:x-request-id")                                                             \
    X(CLIENT, "peer.address")                                                                      \
    X(LOCAL, "downstream_local_address")                                                           \
    X(UPSTREAM, "upstream_address")                                                                \
    X(UPSTREAM_LOCAL, "upstream_local_address")                                                    \
    X(UPSTREAM_NAME, "upstream_cluster")                                                           \
    X(SERVER_NAME, "requested_server_name")                                                        \
    X(ROUTE, "route_name")                                                                         \
    X(TLS_VERSION, "tls.protocol.version")                                                         \
    X(TLS_CIPHER, "tls.cipher")                                                                    \
    X(TLS_PEER, "peer.principal")                                                                  \
    X(ATTEMPTS, "upstream_request_attempt_count")                                                  \
    X(LISTENER, "listener")                                                                        \
    X(API, "aws.api_gateway.id")                                                                   \
    X(STAGE, "aws.api_gateway.stage")                                                              \
    X(TRACEPARENT, "")                                                                             \
    X(TRACE_STATE, "")                                                                             \
    X(TRACE_ID, "")                                                                                \
    X(SPAN_ID, "")                                                                                 \
    X(PARENT_ID, "")                                                                               \
    X(B3, "")                                                                                      \
    X(XRAY, "")                                                                                    \
    X(SERVICE, "")                                                                                 \
    X(NAMESPACE, "")                                                                               \
    X(VERSION, "")                                                                                 \
    X(CLUSTER, "")                                                                                 \
    X(INSTANCE, "")                                                                                \
    X(PROXY_NAME, "")                                                                              \
    X(SOURCE_SERVICE, "istio.source_canonical_service")                                            \
    X(SOURCE_NAMESPACE, "istio.source_namespace")                                                  \
    X(SOURCE_VERSION, "istio.source_canonical_revision")                                           \
    X(SOURCE_CLUSTER, "istio.source_cluster_id")                                                   \
    X(DESTINATION_SERVICE, "istio.destination_canonical_service")                                  \
    X(DESTINATION_NAMESPACE, "istio.destination_namespace")                                        \
    X(DESTINATION_VERSION, "istio.destination_canonical_revision")                                 \
    X(DESTINATION_CLUSTER, "istio.destination_cluster_id")                                         \
    X(NODE_ID, "node_id")                                                                          \
    X(ZONE, "zone")

enum access_field {
#define X(field, key) ACCESS_##field,
    ACCESS_FIELDS(X)
#undef X
        N_ACCESS_FIELDS
};

#define MAX_ACCESS_EXTRAS 16

struct access {
    struct str at[N_ACCESS_FIELDS]; /* '' for what is not said; never "-" */
    struct {
        struct str key, text;
    } extras[MAX_ACCESS_EXTRAS]; /* kept as attributes as they are */
    uint32_t n_extras;
    uint64_t start_ns, end_ns; /* 0: not known */
    uint8_t kind;              /* enum span_kind: SERVER, or CLIENT of a caller's sidecar */
    uint8_t proxy;             /* enum proxy_kind */
    uint8_t format;            /* enum format */
    bool tcp;                  /* a connection: neither method nor status */
    bool plaintext;            /* the entry says that there was no TLS */
    bool may_lack_time;        /* it is an entry without a start too */
};

/* Sets a field; "" and "-" say nothing. */
void access_set(struct access *access, enum access_field field, struct str text);
/* address:port, of which IPv6 may stand without brackets: then the port is left out, so that the
 * address can be told. */
void access_set_address(struct access *access, enum access_field field, struct str text);
/* Sets the field that a name has in JSON logs and name=value pairs, written in whatever way
 * (request_id, requestId, x-request-id); unknown names become extras. */
void access_set_named(struct access *access, struct str name, struct str text);
/* N_ACCESS_FIELDS for an unknown name. */
enum access_field access_field_of(struct str name);
/* Istio's filter state of a request, `downstream_peer` and `upstream_peer`: who is at the other end
 * of it. The first of the fields for the name of such an object, else N_ACCESS_FIELDS. */
enum access_field access_peer_of(struct str name);
void access_set_peer(struct access *access, enum access_field first, struct str key,
                     struct str text);
/* The same of a JSON object; what is none says nothing. */
void access_read_peer(struct decoding *decoding, struct access *access, enum access_field first,
                      struct str text);
/* The members of a JSON object as fields: NULL, or why it is none. */
const char *access_read_json(struct decoding *decoding, struct access *access, struct str text);
/* For tests: the table of names is searched by halves. */
bool access_fields_are_in_order(void);
/* METHOD target PROTOCOL; a target that is a URL gives scheme and host too. */
void access_set_request(struct access *access, struct str line);
/* What stands behind the fixed fields of a text format: name=value pairs, a bare traceparent, an
 * X-Amzn-Trace-Id. */
void access_set_loose(struct access *access, struct str token);

/* ---- text ---- */

struct token {
    struct str text; /* without its quotes or brackets */
    char mark;       /* '"', '[', or 0 for a bare word */
};

/* The next word of a line; false at its end, or (with *broken set) when a quote or bracket never
 * closes. Escapes in quotes are left as they are. */
bool token_next(struct str *line, struct token *token, bool *broken);
/* All words of a line, at most `max`; more, or a broken one, give -1. */
int tokens_cut(struct str line, struct token *tokens, int max);

/* ISO 8601 (without a zone: UTC), Apache's 10/Oct/2000:13:55:36 -0700 (HAProxy's with milliseconds
 * and no zone: UTC), or Unix seconds with or without a fraction. 0 (unknown) for a time before 1970
 * or beyond what the number can hold; false for what is no time. */
bool access_time(struct str text, uint64_t *ns);
/* A number with a fraction, in units of `unit_ns`; false for anything else, and below 0. */
bool access_number_ns(struct str text, uint64_t unit_ns, uint64_t *ns);

/* ---- spans ---- */

/* Who wrote entries: one resource for all of one sender. */
struct senders {
    struct map map; /* hash of the naming texts -> index */
    struct resource **by_index;
    uint32_t cap;
};

void senders_init(struct senders *senders);
void senders_fini(struct senders *senders);

/* Fills the span from the entry; `id` is what its line came to. NULL, or why the entry is no span;
 * decoding->err is set when memory is what is missing. */
const char *access_span(struct decoding *decoding, struct senders *senders,
                        const struct access *access, uint64_t id, struct span *span);

/* ---- readers: NULL, or why the line is none of theirs ---- */

typedef const char *access_read_f(struct access *access, struct str line);
access_read_f access_read_alb, access_read_nlb, access_read_nginx, access_read_haproxy,
    access_read_envoy;
/* After the members of a JSON line are set. */
typedef const char *access_finish_f(struct access *access);
access_finish_f access_finish_envoy, access_finish_nginx, access_finish_apigw, access_finish_alb,
    access_finish_nlb, access_finish_haproxy;

#endif
