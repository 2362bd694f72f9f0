/* access_envoy.c - Envoy's and Istio's access logs: their default texts, JSON, OTLP log records.
 *
 * An entry tells of one hop. Inbound (to the proxy's own application) it is the callee's half;
 * outbound it is the caller's half at a sidecar, and both at a gateway. The default formats do not
 * say whose proxy wrote them: the fields service, namespace, pod or node_id do, where the operator
 * adds them; else names and addresses tell what they can.
 */
#include "collector/decode/access_envoy.h"
#include "collector/decode/identity.h"
#include "collector/model/access_id.h"

#define NS_PER_MS UINT64_C(1000000)
#define MAX_TOKENS 64
#define ISTIO 20 /* words; the request line counts as one */
#define STOCK 13

static const uint8_t istio_fields[ISTIO] = {
    ACCESS_TIME,          ACCESS_REQUEST,        ACCESS_STATUS,        ACCESS_FLAGS,
    ACCESS_DETAILS,       ACCESS_TERMINATION,    ACCESS_FAILURE,       ACCESS_BYTES_IN,
    ACCESS_BYTES_OUT,     ACCESS_DURATION,       ACCESS_UPSTREAM_TIME, ACCESS_FORWARDED_FOR,
    ACCESS_USER_AGENT,    ACCESS_REQUEST_ID,     ACCESS_HOST,          ACCESS_UPSTREAM,
    ACCESS_UPSTREAM_NAME, ACCESS_UPSTREAM_LOCAL, ACCESS_LOCAL,         ACCESS_CLIENT};

static const uint8_t stock_fields[STOCK] = {
    ACCESS_TIME,          ACCESS_REQUEST,    ACCESS_STATUS,     ACCESS_FLAGS,
    ACCESS_BYTES_IN,      ACCESS_BYTES_OUT,  ACCESS_DURATION,   ACCESS_UPSTREAM_TIME,
    ACCESS_FORWARDED_FOR, ACCESS_USER_AGENT, ACCESS_REQUEST_ID, ACCESS_HOST,
    ACCESS_UPSTREAM};

static bool all_quoted(const struct token *tokens, int from, int to)
{
    for (int i = from; i < to; i++) {
        if (tokens[i].mark != '"')
            return false;
    }
    return true;
}

const char *access_read_envoy(struct access *access, struct str line)
{
    struct token tokens[MAX_TOKENS];
    int n = tokens_cut(line, tokens, MAX_TOKENS), at = 0;
    if (n < STOCK || tokens[0].mark != '[' || tokens[1].mark != '"')
        return "not [start time] \"request\" and 11 or more fields";
    bool istio = n >= ISTIO + 2 && tokens[6].mark == '"' && all_quoted(tokens, 11, 16);
    if (!istio && (!all_quoted(tokens, 8, STOCK) || tokens[6].mark))
        return "neither Istio's default format nor Envoy's";
    const uint8_t *fields = istio ? istio_fields : stock_fields;
    for (; at < (istio ? ISTIO : STOCK); at++)
        access_set(access, (enum access_field)fields[at], tokens[at].text);
    if (istio) {
        access_set(access, ACCESS_SERVER_NAME, tokens[at++].text);
        access_set(access, ACCESS_ROUTE, tokens[at++].text);
    }
    for (; at < n; at++)
        access_set_loose(access, tokens[at].text);
    return NULL;
}

/* ---- who wrote it ---- */

static struct str without_port(struct str address)
{
    size_t i = address.len;
    while (i && address.p[i - 1] >= '0' && address.p[i - 1] <= '9')
        i--;
    bool port = i > 1 && i < address.len && address.p[i - 1] == ':' &&
                (address.p[0] == '[' || str_find(address, ':') == (ptrdiff_t)i - 1);
    return port ? (struct str){address.p, i - 1} : address;
}

static bool is_loopback(struct str ip)
{
    return str_starts(ip, STR("127.")) || str_eq(ip, STR("[::1]")) || str_eq(ip, STR("::1"));
}

static bool is_address(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        if ((host.p[i] < '0' || host.p[i] > '9') && host.p[i] != '.' && host.p[i] != ':' &&
            host.p[i] != '[' && host.p[i] != ']')
            return false;
    }
    return true;
}

static bool is_inbound(struct str cluster)
{
    return str_starts(cluster, STR("inbound|")) || str_starts(cluster, STR("inbound_.")) ||
           str_starts(cluster, STR("InboundPassthrough"));
}

/* Of a request that was not sent on no cluster tells; but that it came over TLS of the mesh does.
 */
static bool came_in(const struct access *access)
{
    const struct str *at = access->at;
    bool router = str_starts(at[ACCESS_NODE_ID], STR("router~"));
    if (at[ACCESS_UPSTREAM_NAME].len || router)
        return is_inbound(at[ACCESS_UPSTREAM_NAME]);
    return at[ACCESS_TLS_PEER].len || str_starts(at[ACCESS_SERVER_NAME], STR("outbound_."));
}

/* A sidecar's clients are on its own pod; a gateway's come from elsewhere, and it says from where.
 */
static bool is_gateway(const struct access *access)
{
    struct str client = without_port(access->at[ACCESS_CLIENT]),
               own = without_port(access->at[ACCESS_UPSTREAM_LOCAL]);
    if (client.len && own.len && !is_loopback(client) && !is_loopback(own))
        return !str_eq(client, own);
    return access->at[ACCESS_FORWARDED_FOR].len != 0;
}

/* reviews.default.svc.cluster.local:9080, reviews.default, reviews */
static void name_by_host(struct access *access, struct str host)
{
    struct str service, rest, namespace, svc;
    host = without_port(host);
    if (!host.len || is_address(host))
        return;
    str_cut(host, '.', &service, &rest);
    str_cut(rest, '.', &namespace, &svc);
    if (svc.len && !str_starts(svc, STR("svc")))
        return; /* a host of the world outside: whose it is inside is not said */
    access->at[ACCESS_SERVICE] = service;
    if (!access->at[ACCESS_NAMESPACE].len)
        access->at[ACCESS_NAMESPACE] = namespace;
}

/* The name that the caller's proxy asked TLS for (outbound_.9080_.v2_.reviews.default.svc…) is the
 * service's own; the authority may be one of the world outside. */
static void name_by_asked(struct access *access)
{
    struct str name = access->at[ACCESS_SERVER_NAME], part;
    if (str_starts(name, STR("outbound_."))) {
        str_cut(name, '_', &part, &name);
        str_cut(str_skip(name, 1), '_', &part, &name);
        str_cut(str_skip(name, 1), '_', &part, &name);
        name_by_host(access, str_skip(name, 1));
    }
    if (!access->at[ACCESS_SERVICE].len)
        name_by_host(access, access->at[ACCESS_HOST]);
}

/* Envoy's `service-cluster`, as Istio sets it: reviews.default. */
static void name_by_proxy(struct access *access)
{
    struct str service, namespace;
    str_cut(access->at[ACCESS_PROXY_NAME], '.', &service, &namespace);
    access->at[ACCESS_SERVICE] = service;
    if (namespace.len && str_find(namespace, '.') < 0 && !access->at[ACCESS_NAMESPACE].len)
        access->at[ACCESS_NAMESPACE] = namespace;
}

static void name_sender(struct access *access, bool inbound)
{
    struct str own = without_port(access->at[ACCESS_UPSTREAM_LOCAL]);
    if (access->at[ACCESS_SERVICE].len)
        return;
    if (access->at[ACCESS_PROXY_NAME].len)
        name_by_proxy(access);
    else if (inbound)
        name_by_asked(access);
    if (!access->at[ACCESS_SERVICE].len)
        access->at[ACCESS_SERVICE] = workload_of_pod(node_id_parse(access->at[ACCESS_NODE_ID]).pod);
    if (access->at[ACCESS_SERVICE].len)
        return;
    if (inbound)
        own = without_port(access->at[ACCESS_LOCAL]);
    access->at[ACCESS_SERVICE] =
        own.len && !is_loopback(own) && access->proxy != PROXY_GATEWAY ? own : STR("envoy");
}

/* sidecar~…, router~…, waypoint~… */
static uint8_t proxy_of(const struct access *access, bool inbound)
{
    struct str id = access->at[ACCESS_NODE_ID];
    if (str_starts(id, STR("router~")))
        return PROXY_GATEWAY;
    if (str_starts(id, STR("waypoint~")))
        return PROXY_WAYPOINT;
    if (inbound || str_starts(id, STR("sidecar~")))
        return PROXY_SIDECAR;
    return is_gateway(access) ? PROXY_GATEWAY : PROXY_SIDECAR;
}

const char *access_finish_envoy(struct access *access)
{
    struct str *at = access->at;
    uint64_t lasted;
    if (at[ACCESS_REQUEST].len && !str_eq(at[ACCESS_REQUEST], STR("- - -")))
        access_set_request(access, at[ACCESS_REQUEST]);
    if (!access->start_ns && !access_time(at[ACCESS_TIME], &access->start_ns) &&
        !access->may_lack_time)
        return "the start time is unreadable";
    if (!access->end_ns && access_number_ns(at[ACCESS_DURATION], NS_PER_MS, &lasted))
        access->end_ns = access->start_ns + lasted;
    if (!at[ACCESS_STATUS].len && !at[ACCESS_FLAGS].len && !at[ACCESS_UPSTREAM_NAME].len &&
        !access->tcp)
        return "neither response_code nor upstream_cluster";
    access->tcp = access->tcp || !at[ACCESS_METHOD].len;
    if (access->tcp)
        at[ACCESS_STATUS] = STR_NONE;
    if (str_starts(at[ACCESS_HOST], STR("outbound_.")))
        at[ACCESS_HOST] = STR_NONE;
    bool inbound = came_in(access);
    access->proxy = proxy_of(access, inbound);
    access->kind = !inbound && access->proxy == PROXY_SIDECAR ? KIND_CLIENT : KIND_SERVER;
    if (access->kind == KIND_CLIENT) /* of the application's own connection to its sidecar */
        at[ACCESS_TLS_VERSION] = at[ACCESS_TLS_CIPHER] = at[ACCESS_TLS_PEER] = STR_NONE;
    name_sender(access, inbound);
    return NULL;
}

/* ---- OTLP log records ---- */

static void set_attrs(struct decoding *decoding, struct access *access, const struct attr *attrs,
                      uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        enum access_field peer = access_peer_of(attrs[i].key);
        bool text = attrs[i].type == VALUE_TEXT || attrs[i].type == VALUE_JSON;
        if (peer != N_ACCESS_FIELDS && text)
            access_read_peer(decoding, access, peer, attrs[i].text);
        else if (attrs[i].type == VALUE_TEXT)
            access_set_named(access, attrs[i].key, attrs[i].text);
    }
}

static struct str text_of(const struct attr *attrs, uint32_t n, struct str key)
{
    for (uint32_t i = 0; i < n; i++) {
        if (attrs[i].type == VALUE_TEXT && str_eq(attrs[i].key, key))
            return attrs[i].text;
    }
    return STR_NONE;
}

/* Names of a resource that are not those of a log's fields. */
static void set_resource(struct access *access, const struct access_record *record)
{
    static const struct {
        struct str key;
        enum access_field field;
    } rows[] = {{{"service.name", 12}, ACCESS_SERVICE},
                {{"service.namespace", 17}, ACCESS_NAMESPACE},
                {{"k8s.namespace.name", 18}, ACCESS_NAMESPACE},
                {{"service.version", 15}, ACCESS_VERSION},
                {{"k8s.cluster.name", 16}, ACCESS_CLUSTER},
                {{"k8s.pod.name", 12}, ACCESS_INSTANCE},
                {{"service.instance.id", 19}, ACCESS_INSTANCE},
                {{"node_name", 9}, ACCESS_NODE_ID},
                {{"zone_name", 9}, ACCESS_ZONE},
                {{"cluster_name", 12}, ACCESS_PROXY_NAME}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        access_set(access, rows[i].field,
                   text_of(record->resource_attrs, record->n_resource_attrs, rows[i].key));
    if (str_starts(access->at[ACCESS_SERVICE], STR("unknown_service")))
        access->at[ACCESS_SERVICE] = STR_NONE;
}

/* Of maps only those with a field that proxies alone write: applications log requests as maps too.
 * A collector that read the line from a file sends the map as the text that it was. */
static bool is_map_of_proxy(struct decoding *decoding, struct access *access,
                            const struct access_record *record, struct str body)
{
    struct access found = *access;
    struct str map = record->body_map;
    if (!map.len && body.len && body.p[0] == '{')
        map = body;
    if (!map.len || access_read_json(decoding, &found, map) ||
        (!found.at[ACCESS_FLAGS].len && !found.at[ACCESS_UPSTREAM_NAME].len))
        return false;
    *access = found;
    return true;
}

/* What only an access log says: in its labels, or in its body, a text or a map. */
static bool is_access_log(struct decoding *decoding, struct access *access,
                          const struct access_record *record)
{
    struct str body = str_trim(record->body);
    bool map = is_map_of_proxy(decoding, access, record, body);
    set_attrs(decoding, access, record->attrs, record->n_attrs);
    if (map)
        return true;
    bool labels = access->at[ACCESS_FLAGS].len || access->at[ACCESS_UPSTREAM_NAME].len ||
                  (access->at[ACCESS_STATUS].len && access->at[ACCESS_DURATION].len &&
                   access->at[ACCESS_METHOD].len);
    bool text = body.len && body.p[0] == '[' && !access_read_envoy(access, body);
    return labels || text;
}

static uint64_t record_id(const struct access_record *record)
{
    char time[24];
    size_t n = 0;
    for (uint64_t rest = record->time_ns; rest; rest /= 10)
        time[n++] = (char)('0' + rest % 10);
    uint64_t id = access_id_of((struct str){time, n}) * 31 + access_id_of(record->body);
    if (record->body_map.len)
        id = id * 31 + access_id_of(record->body_map);
    for (uint32_t i = 0; i < record->n_attrs; i++)
        id = id * 31 + access_id_of(record->attrs[i].key) * 7 + access_id_of(record->attrs[i].text);
    return id ? id : 1;
}

bool access_record_span(struct decoding *decoding, struct senders *senders,
                        const struct access_record *record, struct span *span)
{
    struct access access = {.format = FORMAT_ACCESS_LOG_OTLP, .start_ns = record->time_ns};
    struct span made;
    if (!is_access_log(decoding, &access, record))
        return false;
    set_resource(&access, record);
    access_set(&access, ACCESS_TRACE_ID, record->trace_id);
    access_set(&access, ACCESS_SPAN_ID, record->span_id);
    if (access_finish_envoy(&access) ||
        access_span(decoding, senders, &access, record_id(record), &made))
        return false;
    made.format = FORMAT_ACCESS_LOG_OTLP;
    *span = made;
    return true;
}
