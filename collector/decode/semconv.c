/* semconv.c - one pass over a span's attributes, then each fact from the first key that has it. */
#include "collector/decode/semconv.h"

#include <math.h>

#include "collector/decode/identity.h"
#include "collector/decode/keys.h"
#include "collector/decode/operation.h"
#include "collector/decode/text.h"

#define LIST(...) ((const uint8_t[]){__VA_ARGS__, N_KNOWN_KEYS})

/* The number in an attribute of any type; false when it is none. */
static bool number_of(const struct attr *attr, int64_t *number)
{
    double real;
    switch (attr->type) {
    case VALUE_INT:
        *number = attr->integer;
        return true;
    case VALUE_DOUBLE:
        if (!(fabs(attr->real) < 1e9))
            return false;
        *number = (int64_t)attr->real;
        return true;
    case VALUE_TEXT:
        if (str_to_i64(attr->text, number))
            return true;
        if (!str_to_double(attr->text, &real) || fabs(real) > 1e9)
            return false;
        *number = (int64_t)real;
        return true;
    default:
        return false;
    }
}

static bool first_number(const struct seen_keys *seen, const uint8_t *list, int64_t *number)
{
    for (; *list != N_KNOWN_KEYS; list++) {
        if (seen->at[*list] && number_of(seen->at[*list], number))
            return true;
    }
    return false;
}

static bool is_true(const struct attr *attr)
{
    if (!attr)
        return false;
    return attr->type == VALUE_BOOL ? attr->integer != 0 : str_eq(attr->text, STR("true"));
}

static int32_t http_status(const struct seen_keys *seen)
{
    int64_t code;
    if (!first_number(seen, LIST(KEY_HTTP_RESPONSE_STATUS_CODE, KEY_HTTP_STATUS_CODE), &code) ||
        code < 0 || code > 999)
        return CODE_NONE;
    return (int32_t)code;
}

/* DEADLINE_EXCEEDED, or DeadlineExceeded as Envoy's logs have it. */
static bool same_words(struct str a, struct str b)
{
    size_t i = 0, j = 0;
    for (;;) {
        while (i < a.len && a.p[i] == '_')
            i++;
        while (j < b.len && b.p[j] == '_')
            j++;
        if (i == a.len || j == b.len)
            return i == a.len && j == b.len;
        if ((a.p[i++] | 0x20) != (b.p[j++] | 0x20))
            return false;
    }
}

static int16_t grpc_code_from_name(struct str name)
{
    static const char *const words[] = {"OK",
                                        "CANCELLED",
                                        "UNKNOWN",
                                        "INVALID_ARGUMENT",
                                        "DEADLINE_EXCEEDED",
                                        "NOT_FOUND",
                                        "ALREADY_EXISTS",
                                        "PERMISSION_DENIED",
                                        "RESOURCE_EXHAUSTED",
                                        "FAILED_PRECONDITION",
                                        "ABORTED",
                                        "OUT_OF_RANGE",
                                        "UNIMPLEMENTED",
                                        "INTERNAL",
                                        "UNAVAILABLE",
                                        "DATA_LOSS",
                                        "UNAUTHENTICATED"};
    for (int16_t i = 0; name.len && i < 17; i++) {
        if (same_words(name, str_of(words[i])))
            return i;
    }
    return same_words(name, STR("Canceled")) ? 1 : CODE_NONE;
}

static int16_t grpc_status(const struct seen_keys *seen)
{
    const uint8_t *list = LIST(KEY_RPC_STATUS_CODE, KEY_RPC_RESPONSE_STATUS_CODE,
                               KEY_RPC_GRPC_STATUS_CODE, KEY_GRPC_STATUS_CODE, KEY_GRPC_STATUS);
    int64_t code;
    if (first_number(seen, list, &code))
        return code >= 0 && code <= 16 ? (int16_t)code : CODE_NONE;
    return grpc_code_from_name(keys_first_text(seen, list));
}

static struct str cut_at(struct str text, char mark)
{
    const char *at = text.len ? memchr(text.p, mark, text.len) : NULL;
    return at ? (struct str){text.p, (size_t)(at - text.p)} : text;
}

/* scheme://user@host:port/path, or host:port: the host alone. */
static struct str host_of_url(struct str url)
{
    size_t at = 0;
    const char *mark = url.p && url.len > 3 ? memmem(url.p, url.len, "://", 3) : NULL;
    if (mark)
        at = (size_t)(mark - url.p) + 3;
    struct str rest = str_skip(url, at);
    rest = cut_at(cut_at(cut_at(rest, '/'), '?'), '#');
    ptrdiff_t user = str_find(rest, '@');
    return user >= 0 ? str_skip(rest, (size_t)user + 1) : rest;
}

static struct str without_port(struct str address)
{
    if (address.len && address.p[0] == '[') {
        ptrdiff_t close = str_find(address, ']');
        return close > 0 ? (struct str){address.p + 1, (size_t)close - 1} : address;
    }
    ptrdiff_t colon = str_find(address, ':');
    if (colon > 0 && str_find(str_skip(address, (size_t)colon + 1), ':') < 0)
        address.len = (size_t)colon;
    return address;
}

static bool is_cache(struct str system)
{
    return str_eq(system, STR("redis")) || str_eq(system, STR("memcached")) ||
           str_eq(system, STR("valkey")) || str_eq(system, STR("hazelcast"));
}

/* Of a proxy's span `peer.address` may be whose request it hands on. */
static struct str called_address(const struct seen_keys *seen)
{
    struct str address = keys_first_text(
        seen, LIST(KEY_NETWORK_PEER_ADDRESS, KEY_NET_SOCK_PEER_ADDR, KEY_NET_PEER_IP));
    bool proxy = seen->at[KEY_COMPONENT] && str_eq(seen->at[KEY_COMPONENT]->text, STR("proxy"));
    return address.len || proxy ? address : keys_first_text(seen, LIST(KEY_PEER_ADDRESS));
}

/* What was asked for, before where that was found: a name outlives an address. */
static struct str called_host(const struct facts *facts, const struct seen_keys *seen)
{
    struct str name = keys_first_text(seen, LIST(KEY_SERVER_ADDRESS, KEY_NET_PEER_NAME,
                                                 KEY_NET_SOCK_PEER_NAME, KEY_PEER_HOSTNAME));
    if (name.len)
        return without_port(name);
    return facts->url_host.len ? facts->url_host : without_port(called_address(seen));
}

/* A queue by its destination, a database by its namespace, a cache by its address, others by their
 * host. */
static void name_peer(struct facts *facts, const struct seen_keys *seen, bool callee_side)
{
    struct str named = keys_first_text(seen, LIST(KEY_SERVICE_PEER_NAME, KEY_PEER_SERVICE));
    facts->peer_role = ROLE_EXTERNAL;
    if (facts->messaging) {
        facts->peer =
            keys_first_text(seen, LIST(KEY_MESSAGING_DESTINATION_TEMPLATE,
                                       KEY_MESSAGING_DESTINATION_NAME, KEY_MESSAGING_DESTINATION));
        facts->peer_role = ROLE_QUEUE;
    } else if (callee_side) {
        facts->peer = STR_NONE;
    } else if (facts->database) {
        bool cache = is_cache(facts->protocol);
        facts->peer = cache ? STR_NONE : keys_first_text(seen, LIST(KEY_DB_NAMESPACE, KEY_DB_NAME));
        facts->peer_role = cache ? ROLE_CACHE : ROLE_DATABASE;
    }
    if (named.len) {
        facts->peer = named;
        facts->peer_namespace = keys_first_text(seen, LIST(KEY_SERVICE_PEER_NAMESPACE));
        facts->peer_resolvable = facts->peer_role == ROLE_EXTERNAL;
    }
    if (facts->peer.len || callee_side)
        return;
    facts->peer = called_host(facts, seen);
    /* A database that says nothing of itself but its kind. */
    if (!facts->peer.len && facts->database)
        facts->peer = facts->protocol;
}

/* A host that was asked for by its address; '' for a name. */
static struct str address_alone(struct str host)
{
    host = without_port(host);
    if (str_find(host, ':') >= 0)
        return host;
    for (size_t i = 0; i < host.len; i++) {
        if ((host.p[i] < '0' || host.p[i] > '9') && host.p[i] != '.')
            return STR_NONE;
    }
    return host;
}

static void read_address(struct facts *facts, const struct seen_keys *seen, bool callee_side)
{
    struct str address;
    if (callee_side)
        address = keys_first_text(seen, LIST(KEY_CLIENT_ADDRESS, KEY_HTTP_CLIENT_IP,
                                             KEY_NETWORK_PEER_ADDRESS, KEY_NET_SOCK_PEER_ADDR,
                                             KEY_NET_PEER_IP, KEY_PEER_ADDRESS));
    else
        address = keys_first_text(seen, LIST(KEY_UPSTREAM_ADDRESS));
    if (!callee_side && !address.len)
        address = called_address(seen);
    if (!callee_side && !address.len)
        address = address_alone(keys_first_text(seen, LIST(KEY_SERVER_ADDRESS, KEY_NET_PEER_NAME)));
    facts->peer_address = without_port(address);
}

/* What the span says of the connection itself, whatever its URL: UNKNOWN where it says nothing. */
static uint8_t stated_security(const struct seen_keys *seen)
{
    struct str policy =
        keys_first_text(seen, LIST(KEY_CONNECTION_SECURITY_POLICY, KEY_ISTIO_SECURITY_POLICY));
    struct str principal =
        keys_first_text(seen, LIST(KEY_PEER_PRINCIPAL, KEY_SOURCE_PRINCIPAL,
                                   KEY_DESTINATION_PRINCIPAL, KEY_ISTIO_SOURCE_PRINCIPAL,
                                   KEY_ISTIO_DESTINATION_PRINCIPAL, KEY_TLS_CLIENT_SUBJECT));
    bool has_principal = principal.len && !str_eq(principal, STR("unknown"));
    if (has_principal || is_true(seen->at[KEY_CONNECTION_MTLS]) ||
        str_eq(policy, STR("mutual_tls")))
        return SECURITY_MTLS;
    /* A proxy that is told to send the version sends a blank or a dash where there is none. */
    struct str version = str_trim(keys_first_text(seen, LIST(KEY_TLS_PROTOCOL_VERSION)));
    bool versionless = !version.len || str_eq(version, STR("-"));
    if ((seen->at[KEY_TLS_PROTOCOL_VERSION] && !versionless) || seen->at[KEY_TLS_CIPHER] ||
        seen->at[KEY_TLS_SERVER_SUBJECT] || is_true(seen->at[KEY_TLS_ESTABLISHED]))
        return SECURITY_TLS;
    bool none = seen->at[KEY_CONNECTION_MTLS] || seen->at[KEY_TLS_ESTABLISHED] ||
                seen->at[KEY_TLS_PROTOCOL_VERSION];
    return none || str_eq(policy, STR("none")) ? SECURITY_PLAINTEXT : SECURITY_UNKNOWN;
}

/* A call that found nobody to connect to has no connection: that its TLS has no version says
 * nothing. */
static bool is_unconnected(const struct facts *facts, uint8_t kind)
{
    const uint64_t no_cluster = FLAG_BIT(FLAG_NR) | FLAG_BIT(FLAG_NC),
                   nobody = FLAG_BIT(FLAG_UH) | FLAG_BIT(FLAG_UO) | FLAG_BIT(FLAG_UF) | no_cluster;
    bool onwards = kind == KIND_CLIENT || str_starts(facts->upstream_cluster, STR("outbound|")) ||
                   (facts->proxy != PROXY_GATEWAY && facts->flags & no_cluster);
    return facts->proxy != PROXY_NONE && onwards && facts->flags & nobody;
}

/* The scheme of a proxy's URL is what its own application said, not what went over the wire: only a
 * gateway that was called knows by it. */
static uint8_t security_of(const struct facts *facts, const struct seen_keys *seen, struct str url,
                           uint8_t kind)
{
    struct str scheme = keys_first_text(seen, LIST(KEY_URL_SCHEME, KEY_HTTP_SCHEME));
    uint8_t stated = stated_security(seen);
    if (stated == SECURITY_PLAINTEXT && is_unconnected(facts, kind))
        stated = SECURITY_UNKNOWN;
    bool gateway = facts->proxy == PROXY_GATEWAY || facts->proxy == PROXY_LOAD_BALANCER;
    bool outside = facts->proxy == PROXY_NONE || (gateway && kind == KIND_SERVER);
    bool https = str_starts(url, STR("https:")) || str_eq(scheme, STR("https"));
    bool http = str_starts(url, STR("http:")) || str_eq(scheme, STR("http"));
    if (stated > SECURITY_PLAINTEXT || (!https && stated == SECURITY_PLAINTEXT))
        return stated;
    return https ? SECURITY_TLS : http && outside ? SECURITY_PLAINTEXT : SECURITY_UNKNOWN;
}

static void read_url(struct facts *facts, const struct seen_keys *seen, const struct span *span)
{
    struct str url = keys_first_text(seen, LIST(KEY_URL_FULL, KEY_HTTP_URL));
    struct str host =
        url.len ? host_of_url(url) : keys_first_text(seen, LIST(KEY_HTTP_HOST, KEY_GRPC_AUTHORITY));
    facts->url_host = without_port(host);
    facts->mirrored = str_ends(facts->url_host, STR("-shadow"));
    facts->security = security_of(facts, seen, url, span->kind);
}

static struct str protocol(const struct facts *facts, const struct seen_keys *seen)
{
    struct str system =
        keys_first_text(seen, LIST(KEY_DB_SYSTEM_NAME, KEY_DB_SYSTEM, KEY_MESSAGING_SYSTEM,
                                   KEY_RPC_SYSTEM_NAME, KEY_RPC_SYSTEM));
    if (system.len)
        return system;
    if (facts->grpc_status != CODE_NONE || seen->at[KEY_GRPC_PATH])
        return STR("grpc");
    if (facts->http_status != CODE_NONE || seen->at[KEY_HTTP_METHOD] ||
        seen->at[KEY_HTTP_REQUEST_METHOD] || seen->at[KEY_HTTP_URL] || seen->at[KEY_URL_FULL] ||
        seen->at[KEY_HTTP_PROTOCOL])
        return STR("http");
    return STR_NONE;
}

static void read_error_tag(struct facts *facts, const struct attr *error)
{
    if (!error)
        return;
    bool bare = is_true(error);
    int64_t code;
    /* Zipkin writes what went wrong into the tag; any text but "false" is an error there. */
    facts->error_tag = bare || (error->type == VALUE_TEXT && error->text.len &&
                                !str_eq(error->text, STR("false")));
    bool says_code = bare || (number_of(error, &code) && code >= 400 && code < 500);
    facts->error_tag_4xx_only = facts->error_tag && says_code && facts->http_status >= 400 &&
                                facts->http_status < 500 && facts->grpc_status <= 0;
}

/* What one of `share` stands for, bounded: a sum of weights must not run over. */
static float weight_of_share(double share)
{
    if (share >= 1)
        return WEIGHT_ONE_STATED;
    return share > 1 / MOST_WEIGHT ? (float)(1 / share) : (float)MOST_WEIGHT;
}

/* Up to 14 hex digits behind a point: the share of requests that was left out. */
static bool read_threshold(struct str digits, double *threshold)
{
    uint64_t number;
    if (!hex_to_u64(digits, &number))
        return false;
    *threshold = ldexp((double)number, -4 * (int)digits.len);
    return true;
}

/* tracestate ot=th:… (OpenTelemetry's threshold), else sampler.type = probabilistic or const. */
static float weight_of(struct str trace_state, const struct seen_keys *seen)
{
    struct str member, rest = trace_state, sub;
    while (rest.len) {
        str_cut(rest, ',', &member, &rest);
        member = str_trim(member);
        if (!str_starts(member, STR("ot=")))
            continue;
        member = str_skip(member, 3);
        while (member.len) {
            str_cut(member, ';', &sub, &member);
            if (!str_starts(sub, STR("th:")) || sub.len > 17)
                continue;
            double threshold;
            if (read_threshold(str_skip(sub, 3), &threshold))
                return weight_of_share(1 - threshold);
        }
    }
    const struct attr *param = seen->at[KEY_SAMPLER_PARAM];
    struct str type = keys_first_text(seen, LIST(KEY_SAMPLER_TYPE));
    if (str_eq(type, STR("const")))
        return WEIGHT_ONE_STATED;
    if (!param || !str_eq(type, STR("probabilistic")))
        return 1.0f;
    double share = param->type == VALUE_DOUBLE ? param->real
                   : param->type == VALUE_INT  ? (double)param->integer
                                               : 0;
    if (param->type == VALUE_TEXT && !str_to_double(param->text, &share))
        share = 0;
    return share > 0 && share <= 1 ? weight_of_share(share) : 1.0f;
}

static uint16_t resend_count(const struct seen_keys *seen)
{
    int64_t count;
    if (!first_number(seen,
                      LIST(KEY_HTTP_REQUEST_RESEND_COUNT, KEY_RETRY_COUNT, KEY_HTTP_RESEND_COUNT),
                      &count) ||
        count < 0)
        return 0;
    return count > UINT16_MAX ? UINT16_MAX : (uint16_t)count;
}

static uint8_t message_step(const struct seen_keys *seen)
{
    struct str step =
        keys_first_text(seen, LIST(KEY_MESSAGING_OPERATION_TYPE, KEY_MESSAGING_OPERATION));
    if (str_eq(step, STR("receive")))
        return MESSAGE_RECEIVE;
    if (str_eq(step, STR("process")) || str_eq(step, STR("deliver")))
        return MESSAGE_PROCESS;
    return str_eq(step, STR("settle")) ? MESSAGE_SETTLE : MESSAGE_UNSAID;
}

/* A header is a list of texts, of which this one has one: ["…"]. */
static struct str of_list(const struct attr *attr)
{
    bool one = attr->type == VALUE_JSON && attr->text.len > 4 && attr->text.p[0] == '[' &&
               attr->text.p[1] == '"' && str_find(attr->text, '\\') < 0 &&
               str_find(str_skip(attr->text, 2), '"') == (ptrdiff_t)attr->text.len - 4;
    return one ? (struct str){attr->text.p + 2, attr->text.len - 4} : STR_NONE;
}

static struct str request_id(const struct seen_keys *seen)
{
    struct str text = keys_first_text(
        seen, LIST(KEY_REQUEST_ID, KEY_HEADER_REQUEST_ID, KEY_HEADER_REQUEST_ID_OLD));
    for (unsigned key = KEY_HEADER_REQUEST_ID; !text.len && key <= KEY_HEADER_REQUEST_ID_OLD; key++)
        text = seen->at[key] ? of_list(seen->at[key]) : text;
    return text;
}

/* One flag has one name, by which all that is stored is searched and counted. False: memory. */
static bool shorten_flags(struct batch *batch, struct str *flags)
{
    struct str rest = *flags, name;
    if (rest.len < LEAST_LONG_FLAG)
        return true;
    char *text = arena_alloc(&batch->arena, rest.len);
    size_t n = 0;
    if (!text)
        return false;
    while (rest.len) {
        str_cut(rest, ',', &name, &rest);
        name = str_trim(name);
        int number = response_flag_number(name);
        if (number >= 0)
            name = str_of(response_flag_word((unsigned)number));
        if (!name.len)
            continue;
        if (n)
            text[n++] = ',';
        memcpy(text + n, name.p, name.len);
        n += name.len;
    }
    *flags = (struct str){text, n};
    return true;
}

bool semconv_span(struct batch *batch, struct span *span)
{
    struct seen_keys seen;
    struct facts *facts = &span->facts;
    *facts = (struct facts){0};
    keys_seen(&seen, span->attrs, span->n_attrs);
    identity_of_span(span, &seen);
    facts->http_status = http_status(&seen);
    facts->grpc_status = grpc_status(&seen);
    facts->upstream_cluster =
        keys_first_text(&seen, LIST(KEY_UPSTREAM_CLUSTER, KEY_UPSTREAM_CLUSTER_NAME));
    facts->response_flags = keys_first_text(&seen, LIST(KEY_RESPONSE_FLAGS));
    if (!shorten_flags(batch, &facts->response_flags))
        return false;
    facts->flags = facts->response_flags.len ? response_flags_parse(facts->response_flags) : 0;
    facts->request_id = request_id(&seen);
    facts->canceled = is_true(seen.at[KEY_CANCELED]);
    facts->resend_count = resend_count(&seen);
    facts->messaging = seen.at[KEY_MESSAGING_SYSTEM] || seen.at[KEY_MESSAGING_DESTINATION_NAME] ||
                       seen.at[KEY_MESSAGING_DESTINATION];
    facts->message = facts->messaging ? message_step(&seen) : MESSAGE_UNSAID;
    facts->database = seen.at[KEY_DB_SYSTEM_NAME] || seen.at[KEY_DB_SYSTEM];
    facts->protocol = protocol(facts, &seen);
    read_url(facts, &seen, span);
    bool callee_side = span->kind == KIND_SERVER || span->kind == KIND_CONSUMER;
    read_address(facts, &seen, callee_side);
    name_peer(facts, &seen, callee_side);
    read_error_tag(facts, seen.at[KEY_ERROR]);
    facts->weight = span->trace_state.len || seen.at[KEY_SAMPLER_PARAM]
                        ? weight_of(span->trace_state, &seen)
                        : 1.0f;
    return operation_of_span(batch, span, &seen);
}
