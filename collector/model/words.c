/* words.c - the closed lists as tables; the numbers index them. */
#include "collector/model/words.h"

#include "collector/model/metric.h"

static const char *const kinds[N_KINDS] = {"unset",  "internal", "server",
                                           "client", "producer", "consumer"};
static const char *const statuses[N_STATUSES] = {"unset", "ok", "error"};
static const char *const faults[N_FAULTS] = {"",          "origin",      "carried",
                                             "recovered", "client_gone", "client_error"};
static const char *const roles[N_ROLES] = {"workload",      "sidecar",  "gateway", "waypoint",
                                           "load_balancer", "database", "cache",   "queue",
                                           "external",      "user"};
static const char *const connection_types[N_CONNECTION_TYPES] = {"", "messaging_system", "database",
                                                                 "virtual_node"};
static const char *const known_bys[N_KNOWN_BY] = {"both", "callee_only", "caller_only", "link",
                                                  "log",  "request_id",  "entry"};
static const char *const crossings[N_CROSSINGS] = {
    "unknown", "inside", "in", "out", "cross_namespace", "cross_cluster", "cross_zone"};
static const char *const hops[N_HOPS] = {"application", "sidecar_out", "gateway",   "load_balancer",
                                         "waypoint",    "network",     "sidecar_in"};
static const char *const edge_events[N_EDGE_EVENTS] = {
    "new", "gone", "returned", "first_plaintext", "new_version", "hairpin"};
static const char *const securities[N_SECURITIES] = {"unknown", "plaintext", "tls", "mtls"};
static const char *const formats[N_FORMATS] = {
    "otlp_pb",   "otlp_json",       "zipkin_json", "zipkin_pb",   "jaeger_json",
    "envoy_als", "access_log_otlp", "alb",         "nlb",         "apigw",
    "nginx",     "haproxy",         "envoy_log",   "remote_write"};
static const char *const transports[N_TRANSPORTS] = {"http", "grpc", "kafka", "file"};
static const char *const metric_types[N_METRIC_TYPES] = {"gauge", "sum", "histogram",
                                                         "exponential_histogram", "summary"};
static const char *const encodings[N_ENCODINGS] = {"identity", "gzip", "deflate", "zstd", "snappy"};
static const char *const ledger_classes[N_LEDGER_CLASSES] = {
    "rejected",    "duplicate", "pending", "paired", "caller_only",
    "callee_only", "entry",     "orphan",  "local",  "stored"};
static const char *const flag_words[N_RESPONSE_FLAGS] = {
    "LH",   "UH",   "UT", "LR", "UR",   "UF",   "UC", "UO",    "NR",  "URX",
    "NC",   "DT",   "DC", "DR", "DPE",  "IH",   "SI", "UMSDR", "UPE", "RL",
    "RLSE", "UAEX", "DI", "FI", "RFCF", "NFCF", "OM", "DF",    "DO"};
/* The same by the names of %RESPONSE_FLAGS_LONG%. */
static const char *const long_flag_words[N_RESPONSE_FLAGS] = {
    [FLAG_LH] = "FailedLocalHealthCheck",
    [FLAG_UH] = "NoHealthyUpstream",
    [FLAG_UT] = "UpstreamRequestTimeout",
    [FLAG_LR] = "LocalReset",
    [FLAG_UR] = "UpstreamRemoteReset",
    [FLAG_UF] = "UpstreamConnectionFailure",
    [FLAG_UC] = "UpstreamConnectionTermination",
    [FLAG_UO] = "UpstreamOverflow",
    [FLAG_NR] = "NoRouteFound",
    [FLAG_URX] = "UpstreamRetryLimitExceeded",
    [FLAG_NC] = "NoClusterFound",
    [FLAG_DT] = "DurationTimeout",
    [FLAG_DC] = "DownstreamConnectionTermination",
    [FLAG_DR] = "DownstreamRemoteReset",
    [FLAG_DPE] = "DownstreamProtocolError",
    [FLAG_IH] = "InvalidEnvoyRequestHeaders",
    [FLAG_SI] = "StreamIdleTimeout",
    [FLAG_UMSDR] = "UpstreamMaxStreamDurationReached",
    [FLAG_UPE] = "UpstreamProtocolError",
    [FLAG_RL] = "RateLimited",
    [FLAG_RLSE] = "RateLimitServiceError",
    [FLAG_UAEX] = "UnauthorizedExternalService",
    [FLAG_DI] = "DelayInjected",
    [FLAG_FI] = "FaultInjected",
    [FLAG_RFCF] = "ResponseFromCacheFilter",
    [FLAG_NFCF] = "NoFilterConfigFound",
    [FLAG_OM] = "OverloadManagerTerminated",
    [FLAG_DF] = "DnsResolutionFailed",
    [FLAG_DO] = "DropOverload"};

static const char *word_of(const char *const *words, unsigned n, unsigned number)
{
    return number < n ? words[number] : "";
}

static int number_of(const char *const *words, unsigned n, struct str word)
{
    for (unsigned i = 0; i < n; i++) {
        if (str_eq(str_of(words[i]), word))
            return (int)i;
    }
    return -1;
}

const char *kind_word(unsigned kind)
{
    return word_of(kinds, N_KINDS, kind);
}

const char *status_word(unsigned status)
{
    return word_of(statuses, N_STATUSES, status);
}

const char *fault_word(unsigned fault)
{
    return word_of(faults, N_FAULTS, fault);
}

const char *role_word(unsigned role)
{
    return word_of(roles, N_ROLES, role);
}

const char *connection_type_word(unsigned type)
{
    return word_of(connection_types, N_CONNECTION_TYPES, type);
}

const char *known_by_word(unsigned known_by)
{
    return word_of(known_bys, N_KNOWN_BY, known_by & ~KNOWN_BY_SERIES);
}

const char *crossing_word(unsigned crossing)
{
    return word_of(crossings, N_CROSSINGS, crossing);
}

const char *hop_word(unsigned hop)
{
    return word_of(hops, N_HOPS, hop);
}

const char *security_word(unsigned security)
{
    return word_of(securities, N_SECURITIES, security);
}

const char *edge_event_word(unsigned kind)
{
    return word_of(edge_events, N_EDGE_EVENTS, kind);
}

const char *format_word(unsigned format)
{
    return word_of(formats, N_FORMATS, format);
}

const char *transport_word(unsigned transport)
{
    return word_of(transports, N_TRANSPORTS, transport);
}

const char *metric_type_word(unsigned type)
{
    return word_of(metric_types, N_METRIC_TYPES, type);
}

const char *encoding_word(unsigned encoding)
{
    return word_of(encodings, N_ENCODINGS, encoding);
}

const char *ledger_word(unsigned class)
{
    return word_of(ledger_classes, N_LEDGER_CLASSES, class);
}

int kind_from_word(struct str word)
{
    return number_of(kinds, N_KINDS, word);
}

int format_from_word(struct str word)
{
    return number_of(formats, N_FORMATS, word);
}

int fault_from_word(struct str word)
{
    return number_of(faults, N_FAULTS, word);
}

int role_from_word(struct str word)
{
    return number_of(roles, N_ROLES, word);
}

int response_flag_number(struct str name)
{
    int number = number_of(flag_words, N_RESPONSE_FLAGS, name);
    return number < 0 && name.len >= LEAST_LONG_FLAG
               ? number_of(long_flag_words, N_RESPONSE_FLAGS, name)
               : number;
}

uint32_t response_flags_parse(struct str text)
{
    uint32_t bits = 0;
    struct str flag;
    if (str_eq(text, STR("-")))
        return 0;
    while (text.len) {
        str_cut(text, ',', &flag, &text);
        flag = str_trim(flag);
        int number = response_flag_number(flag);
        if (flag.len)
            bits |= number < 0 ? FLAG_BIT_OTHER : FLAG_BIT(number);
    }
    return bits;
}

const char *response_flag_word(unsigned flag)
{
    return word_of(flag_words, N_RESPONSE_FLAGS, flag);
}
