/* access_fields.c - the names that fields have in JSON logs, in nginx's variables and in pairs. */
#include <stdlib.h>

#include "collector/decode/access_log.h"

#define MAX_NAME 48

/* Lower case, letters and digits alone: request_id, requestId and request-id are one name. In order
 * of bytes. */
static const struct name {
    const char *text;
    uint8_t field;
} names[] = {
    {"amzntraceid", ACCESS_XRAY},
    {"apiid", ACCESS_API},
    {"apiname", ACCESS_SERVICE},
    {"app", ACCESS_SERVICE},
    {"authority", ACCESS_HOST},
    {"b3", ACCESS_B3},
    {"backendname", ACCESS_UPSTREAM_NAME},
    {"bodybytessent", ACCESS_BYTES_OUT},
    {"bytesreceived", ACCESS_BYTES_IN},
    {"bytessent", ACCESS_BYTES_OUT},
    {"canonicalrevision", ACCESS_VERSION},
    {"canonicalservice", ACCESS_SERVICE},
    {"clientip", ACCESS_CLIENT},
    {"cluster", ACCESS_CLUSTER},
    {"clusterid", ACCESS_CLUSTER},
    {"clustername", ACCESS_PROXY_NAME},
    {"connectionterminationdetails", ACCESS_TERMINATION},
    {"domainname", ACCESS_HOST},
    {"downstreamlocaladdress", ACCESS_LOCAL},
    {"downstreampeerurisan", ACCESS_TLS_PEER},
    {"downstreamremoteaddress", ACCESS_CLIENT},
    {"downstreamtlscipher", ACCESS_TLS_CIPHER},
    {"downstreamtlsversion", ACCESS_TLS_VERSION},
    {"duration", ACCESS_DURATION},
    {"errormessage", ACCESS_REASON},
    {"grpcstatus", ACCESS_GRPC_STATUS},
    {"grpcstatusnumber", ACCESS_GRPC_STATUS},
    {"host", ACCESS_HOST},
    {"hostname", ACCESS_INSTANCE},
    {"httpb3", ACCESS_B3},
    {"httphost", ACCESS_HOST},
    {"httpmethod", ACCESS_METHOD},
    {"httpreferer", ACCESS_REFERER},
    {"httptraceparent", ACCESS_TRACEPARENT},
    {"httptracestate", ACCESS_TRACE_STATE},
    {"httpuseragent", ACCESS_USER_AGENT},
    {"httpxamzntraceid", ACCESS_XRAY},
    {"httpxb3parentspanid", ACCESS_PARENT_ID},
    {"httpxb3spanid", ACCESS_SPAN_ID},
    {"httpxb3traceid", ACCESS_TRACE_ID},
    {"httpxforwardedfor", ACCESS_FORWARDED_FOR},
    {"httpxrequestid", ACCESS_REQUEST_ID},
    {"identitysourceip", ACCESS_CLIENT},
    {"identityuseragent", ACCESS_USER_AGENT},
    {"integrationerror", ACCESS_REASON},
    {"integrationerrormessage", ACCESS_REASON},
    {"integrationlatency", ACCESS_UPSTREAM_TIME},
    {"integrationstatus", ACCESS_UPSTREAM_STATUS},
    {"ip", ACCESS_CLIENT},
    {"method", ACCESS_METHOD},
    {"msec", ACCESS_TIME},
    {"namespace", ACCESS_NAMESPACE},
    {"nodeid", ACCESS_NODE_ID},
    {"nodename", ACCESS_NODE_ID},
    {"otelparentid", ACCESS_PARENT_ID},
    {"otelspanid", ACCESS_SPAN_ID},
    {"oteltraceid", ACCESS_TRACE_ID},
    {"parentid", ACCESS_PARENT_ID},
    {"parentspanid", ACCESS_PARENT_ID},
    {"path", ACCESS_PATH},
    {"pod", ACCESS_INSTANCE},
    {"podname", ACCESS_INSTANCE},
    {"podnamespace", ACCESS_NAMESPACE},
    {"protocol", ACCESS_PROTOCOL},
    {"proxyupstreamname", ACCESS_UPSTREAM_NAME},
    {"remoteaddr", ACCESS_CLIENT},
    {"reqid", ACCESS_REQUEST_ID},
    {"request", ACCESS_REQUEST},
    {"requestedservername", ACCESS_SERVER_NAME},
    {"requestid", ACCESS_REQUEST_ID},
    {"requestlength", ACCESS_BYTES_IN},
    {"requestmethod", ACCESS_METHOD},
    {"requesttime", ACCESS_REQUEST_TIME},
    {"requesttimeepoch", ACCESS_EPOCH_MS},
    {"requesturi", ACCESS_PATH},
    {"resourcepath", ACCESS_ROUTE},
    {"responsecode", ACCESS_STATUS},
    {"responsecodedetails", ACCESS_DETAILS},
    {"responseflags", ACCESS_FLAGS},
    {"responselatency", ACCESS_DURATION},
    {"responselength", ACCESS_BYTES_OUT},
    {"routekey", ACCESS_ROUTE},
    {"routename", ACCESS_ROUTE},
    {"rt", ACCESS_REQUEST_TIME},
    {"scheme", ACCESS_SCHEME},
    {"serverprotocol", ACCESS_PROTOCOL},
    {"service", ACCESS_SERVICE},
    {"servicename", ACCESS_SERVICE},
    {"servicenamespace", ACCESS_NAMESPACE},
    {"serviceversion", ACCESS_VERSION},
    {"sourceip", ACCESS_CLIENT},
    {"spanid", ACCESS_SPAN_ID},
    {"sslcipher", ACCESS_TLS_CIPHER},
    {"sslprotocol", ACCESS_TLS_VERSION},
    {"stage", ACCESS_STAGE},
    {"starttime", ACCESS_TIME},
    {"status", ACCESS_STATUS},
    {"statuscode", ACCESS_STATUS},
    {"time", ACCESS_TIME},
    {"timeiso8601", ACCESS_TIME},
    {"timelocal", ACCESS_TIME},
    {"timestamp", ACCESS_TIME},
    {"traceid", ACCESS_TRACE_ID},
    {"traceparent", ACCESS_TRACEPARENT},
    {"tracestate", ACCESS_TRACE_STATE},
    {"upstream", ACCESS_UPSTREAM},
    {"upstreamaddr", ACCESS_UPSTREAM},
    {"upstreamcluster", ACCESS_UPSTREAM_NAME},
    {"upstreamhost", ACCESS_UPSTREAM},
    {"upstreamlocaladdress", ACCESS_UPSTREAM_LOCAL},
    {"upstreamname", ACCESS_UPSTREAM_NAME},
    {"upstreamrequestattemptcount", ACCESS_ATTEMPTS},
    {"upstreamresponsetime", ACCESS_UPSTREAM_SECONDS},
    {"upstreamservicetime", ACCESS_UPSTREAM_TIME},
    {"upstreamstatus", ACCESS_UPSTREAM_STATUS},
    {"upstreamtransportfailurereason", ACCESS_FAILURE},
    {"uri", ACCESS_PATH},
    {"urt", ACCESS_UPSTREAM_SECONDS},
    {"useragent", ACCESS_USER_AGENT},
    {"version", ACCESS_VERSION},
    {"workload", ACCESS_SERVICE},
    {"xamzntraceid", ACCESS_XRAY},
    {"xb3parentspanid", ACCESS_PARENT_ID},
    {"xb3spanid", ACCESS_SPAN_ID},
    {"xb3traceid", ACCESS_TRACE_ID},
    {"xforwardedfor", ACCESS_FORWARDED_FOR},
    {"xforwardedproto", ACCESS_SCHEME},
    {"xraytraceid", ACCESS_XRAY},
    {"xrequestid", ACCESS_REQUEST_ID},
    {"zone", ACCESS_ZONE},
};

static int compare(const void *key, const void *name)
{
    return strcmp(key, ((const struct name *)name)->text);
}

enum access_field access_field_of(struct str name)
{
    char plain[MAX_NAME];
    size_t n = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        bool upper = c >= 'A' && c <= 'Z';
        if (!upper && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
            continue;
        if (n + 1 == MAX_NAME)
            return N_ACCESS_FIELDS;
        plain[n++] = upper ? (char)(c + 32) : c;
    }
    plain[n] = '\0';
    const struct name *found =
        bsearch(plain, names, sizeof(names) / sizeof(names[0]), sizeof(names[0]), compare);
    return found ? (enum access_field)found->field : N_ACCESS_FIELDS;
}

bool access_fields_are_in_order(void)
{
    for (size_t i = 1; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i - 1].text, names[i].text) >= 0)
            return false;
    }
    return true;
}

static bool says_nothing(struct str text)
{
    return !text.len || (text.len == 1 && text.p[0] == '-');
}

void access_set(struct access *access, enum access_field field, struct str text)
{
    if (!says_nothing(text))
        access->at[field] = text;
}

void access_set_address(struct access *access, enum access_field field, struct str text)
{
    size_t n_colons = 0, last = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == ':') {
            n_colons++;
            last = i;
        }
    }
    if (n_colons > 1 && text.p[0] != '[')
        text.len = last;
    access_set(access, field, text);
}

/* A query may hold secrets: it has a field of its own, whose parameters are redacted. */
static void set_path(struct access *access, struct str target)
{
    struct str path, query;
    str_cut(target, '?', &path, &query);
    access_set(access, ACCESS_PATH, path);
    access_set(access, ACCESS_QUERY, query);
}

/* http://host:80/path: the parts; what is no URL is a path. */
static void set_target(struct access *access, struct str target)
{
    const char *mark = target.len > 3 ? memmem(target.p, target.len, "://", 3) : NULL;
    ptrdiff_t slash = str_find(target, '/');
    if (!mark || slash != mark - target.p + 1) {
        set_path(access, target);
        return;
    }
    struct str scheme = {target.p, (size_t)(mark - target.p)}, rest;
    rest = str_skip(target, scheme.len + 3);
    slash = str_find(rest, '/');
    access_set(access, ACCESS_SCHEME, scheme);
    access_set(access, ACCESS_HOST, slash < 0 ? rest : (struct str){rest.p, (size_t)slash});
    set_path(access, slash < 0 ? STR("/") : str_skip(rest, (size_t)slash));
}

void access_set_named(struct access *access, struct str name, struct str text)
{
    enum access_field field = access_field_of(name);
    if (says_nothing(text) || !name.len)
        return;
    if (field == ACCESS_PATH) {
        set_target(access, text);
    } else if (field != N_ACCESS_FIELDS) {
        access->at[field] = text;
    } else if (access->n_extras < MAX_ACCESS_EXTRAS) {
        access->extras[access->n_extras].key = name;
        access->extras[access->n_extras++].text = text;
    }
}

void access_set_request(struct access *access, struct str line)
{
    struct str method, rest;
    if (!str_cut(line, ' ', &method, &rest)) {
        set_target(access, line);
        return;
    }
    size_t end = rest.len;
    while (end && rest.p[end - 1] != ' ')
        end--;
    access_set(access, ACCESS_METHOD, method);
    set_target(access, end ? (struct str){rest.p, end - 1} : rest);
    if (end)
        access_set(access, ACCESS_PROTOCOL, str_skip(rest, end));
}

static bool is_traceparent(struct str text)
{
    return text.len >= 55 && text.p[2] == '-' && text.p[35] == '-' && text.p[52] == '-';
}

void access_set_loose(struct access *access, struct str token)
{
    struct str name, value;
    if (is_traceparent(token)) {
        access_set(access, ACCESS_TRACEPARENT, token);
    } else if (str_starts(token, STR("Root=")) || str_contains(token, STR(";Root="))) {
        access_set(access, ACCESS_XRAY, token);
    } else if (str_cut(token, '=', &name, &value)) {
        if (value.len >= 2 && value.p[0] == '"')
            value = (struct str){value.p + 1, value.len - 2};
        access_set_named(access, name, value);
    }
}
