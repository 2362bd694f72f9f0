/* envoy_als.c - Envoy's access log service: StreamAccessLogsMessage to spans (formats: ALS). */
#include "collector/decode/envoy_als.h"

#include <stdio.h>
#include <stdlib.h>

#include "collector/base/wire.h"
#include "collector/decode/access_log.h"
#include "collector/decode/decode.h"
#include "collector/decode/identity.h"
#include "collector/decode/span_list.h"
#include "collector/model/access_id.h"

#define NS_PER_S UINT64_C(1000000000)
#define MAX_MEMBERS 256 /* of one map that is looked at */
#define SCRATCH_BYTES ((size_t)32 << 20)

/* ---- entries ---- */

struct als {
    struct decoding decoding;
    struct senders senders;
    struct access sender; /* what the identity says, for every entry */
    uint64_t identity;    /* hash of it */
    struct map seen;      /* ids of this message's entries */
    const char *wrong;    /* the message is malformed */
    bool full;            /* there is no room for a text */
};

/* A made text, for as long as the batch lives. */
static struct str keep(struct als *als, const char *text, int n)
{
    struct str kept = arena_dup(&als->decoding.batch->arena, (struct str){text, (size_t)n});
    als->full = als->full || !kept.p;
    return kept.p ? kept : STR_NONE;
}

/* A number as the text that a field is. */
static struct str number_text(struct als *als, uint64_t number)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    return keep(als, text, n);
}

static void set_number(struct als *als, struct access *access, enum access_field field,
                       uint64_t number)
{
    access_set(access, field, number_text(als, number));
}

/* Timestamp and Duration: seconds, nanoseconds. False for what is negative or cannot be held. */
static bool time_ns(struct str message, uint64_t *time)
{
    struct wire wire = wire_of(message);
    uint64_t s = 0, ns = 0;
    while (wire_next(&wire)) {
        if (wire.type == WIRE_VARINT && wire.field == 1)
            s = wire.number;
        else if (wire.type == WIRE_VARINT && wire.field == 2)
            ns = wire.number;
    }
    if (s >= UINT64_MAX / NS_PER_S || ns >= NS_PER_S)
        return false;
    *time = s * NS_PER_S + ns;
    return true;
}

/* Address {socket_address {address = 2, port_value = 3}}, as address:port. */
static void set_address(struct als *als, struct access *access, enum access_field field,
                        struct str message)
{
    struct str socket = STR_NONE, host = STR_NONE;
    uint64_t port = 0;
    if (!als_field(message, 1, &socket))
        return;
    struct wire wire = wire_of(socket);
    while (wire_next(&wire)) {
        if (wire.field == 2 && wire.type == WIRE_BYTES)
            host = wire.bytes;
        else if (wire.field == 3 && wire.type == WIRE_VARINT)
            port = wire.number;
    }
    char text[300];
    bool v6 = str_find(host, ':') >= 0;
    if (!host.len || host.len > 255)
        return;
    int n = snprintf(text, sizeof(text), v6 ? "[%.*s]:%u" : "%.*s:%u", STR_ARG(host),
                     (unsigned)(port & 0xffff));
    access_set(access, field, keep(als, text, n));
}

static void set_flags(struct als *als, struct access *access, struct str message)
{
    static const uint8_t flags[] = {FLAG_LH,   FLAG_UH,    FLAG_UT,   FLAG_LR,   FLAG_UR, FLAG_UF,
                                    FLAG_UC,   FLAG_UO,    FLAG_NR,   FLAG_DI,   FLAG_FI, FLAG_RL,
                                    FLAG_UAEX, FLAG_RLSE,  FLAG_DC,   FLAG_URX,  FLAG_SI, FLAG_IH,
                                    FLAG_DPE,  FLAG_UMSDR, FLAG_RFCF, FLAG_NFCF, FLAG_DT, FLAG_UPE,
                                    FLAG_NC,   FLAG_OM,    FLAG_DF,   FLAG_DR};
    struct wire wire = wire_of(message);
    char text[256];
    size_t n = 0;
    while (wire_next(&wire)) {
        bool set = wire.type == WIRE_VARINT ? wire.number != 0 : wire.type == WIRE_BYTES;
        if (!set || !wire.field || wire.field > sizeof(flags) || n > sizeof(text) - 8)
            continue;
        int len = snprintf(text + n, sizeof(text) - n, "%s%s", n ? "," : "",
                           response_flag_word(flags[wire.field - 1]));
        n += (size_t)len;
    }
    access_set(access, ACCESS_FLAGS, keep(als, text, (int)n));
}

/* CertificateProperties {subject_alt_name = 1 {uri = 1 | dns = 2}, subject = 2}. */
static struct str peer_of(struct str certificate)
{
    struct str name = STR_NONE, text = STR_NONE;
    if (als_field(certificate, 1, &name) &&
        (als_field(name, 1, &text) || als_field(name, 2, &text)))
        return text;
    als_field(certificate, 2, &text);
    return text;
}

static void set_tls(struct access *access, struct str message)
{
    static const char *const versions[] = {"unknown", "TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"};
    struct wire wire = wire_of(message);
    access->at[ACCESS_TLS_VERSION] = str_of(versions[0]);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_VARINT && wire.number < 5)
            access->at[ACCESS_TLS_VERSION] = str_of(versions[wire.number]);
        else if (wire.field == 3 && wire.type == WIRE_BYTES)
            access_set(access, ACCESS_SERVER_NAME, wire.bytes);
        else if (wire.field == 5 && wire.type == WIRE_BYTES)
            access_set(access, ACCESS_TLS_PEER, peer_of(wire.bytes));
    }
}

/* map<string, string> */
static void set_pairs(struct access *access, struct str entry, bool trace_only)
{
    struct str key = STR_NONE, value = STR_NONE;
    if (!als_field(entry, 1, &key) || !als_field(entry, 2, &value))
        return;
    enum access_field field = access_field_of(key);
    bool trace = field == ACCESS_REQUEST_ID || field == ACCESS_GRPC_STATUS ||
                 (field >= ACCESS_TRACEPARENT && field <= ACCESS_XRAY);
    if (trace || !trace_only)
        access_set_named(access, key, value);
}

/* map<string, Any> of filter state, in which Istio's peers are Structs. */
static void set_state(struct access *access, struct str entry)
{
    struct str key = STR_NONE, any = STR_NONE, fields = STR_NONE, name, value, text;
    enum access_field peer = als_field(entry, 1, &key) ? access_peer_of(key) : N_ACCESS_FIELDS;
    if (peer == N_ACCESS_FIELDS || !als_field(entry, 2, &any) || !als_field(any, 2, &fields))
        return;
    struct wire wire = wire_of(fields);
    for (int n = 0; n < MAX_MEMBERS && wire_next(&wire); n++) {
        if (wire.field == 1 && wire.type == WIRE_BYTES && als_field(wire.bytes, 1, &name) &&
            als_field(wire.bytes, 2, &value) && als_field(value, 3, &text))
            access_set_peer(access, peer, name, text);
    }
}

struct common {
    uint64_t last_ns; /* time_to_last_downstream_tx_byte */
    uint64_t lasted_ns;
    uint64_t type;
    bool intermediate, has_duration;
};

static void set_common_number(struct als *als, struct access *access, const struct wire *wire,
                              struct common *common)
{
    if (wire->field == 24 && wire->number)
        set_number(als, access, ACCESS_ATTEMPTS, wire->number);
    else if (wire->field == 27)
        common->intermediate = wire->number != 0;
    else if (wire->field == 33)
        common->type = wire->number;
}

static void set_common_bytes(struct als *als, struct access *access, const struct wire *wire,
                             struct common *common)
{
    static const uint8_t addresses[] = {[2] = ACCESS_CLIENT,
                                        [3] = ACCESS_LOCAL,
                                        [13] = ACCESS_UPSTREAM,
                                        [14] = ACCESS_UPSTREAM_LOCAL};
    static const uint8_t texts[] = {[15] = ACCESS_UPSTREAM_NAME,
                                    [18] = ACCESS_FAILURE,
                                    [19] = ACCESS_ROUTE,
                                    [25] = ACCESS_TERMINATION};
    uint32_t field = wire->field;
    if (field < sizeof(addresses) && addresses[field])
        set_address(als, access, (enum access_field)addresses[field], wire->bytes);
    else if (field < sizeof(texts) && texts[field])
        access_set(access, (enum access_field)texts[field], wire->bytes);
    else if (field == 4)
        set_tls(access, wire->bytes);
    else if (field == 5)
        time_ns(wire->bytes, &access->start_ns);
    else if (field == 12)
        common->has_duration |= time_ns(wire->bytes, &common->last_ns);
    else if (field == 16)
        set_flags(als, access, wire->bytes);
    else if (field == 21)
        set_state(access, wire->bytes);
    else if (field == 22)
        set_pairs(access, wire->bytes, false);
    else if (field == 23)
        common->has_duration |= time_ns(wire->bytes, &common->lasted_ns);
}

static bool set_common(struct als *als, struct access *access, struct str message,
                       struct common *common)
{
    struct wire wire = wire_of(message);
    access->may_lack_time = true; /* without these properties at all it is no entry */
    while (wire_next(&wire)) {
        if (wire.type == WIRE_VARINT)
            set_common_number(als, access, &wire, common);
        else if (wire.type == WIRE_BYTES)
            set_common_bytes(als, access, &wire, common);
    }
    return !wire.error;
}

static bool set_request(struct als *als, struct access *access, struct str message)
{
    static const char *const methods[] = {"",       "GET",     "HEAD",    "POST",  "PUT",
                                          "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    static const uint8_t texts[] = {
        [2] = ACCESS_SCHEME,  [3] = ACCESS_HOST,          [6] = ACCESS_USER_AGENT,
        [7] = ACCESS_REFERER, [8] = ACCESS_FORWARDED_FOR, [9] = ACCESS_REQUEST_ID};
    struct wire wire = wire_of(message);
    struct str path = STR_NONE, original = STR_NONE;
    while (wire_next(&wire)) {
        if (wire.type == WIRE_VARINT && wire.field == 1 && wire.number < 10)
            access_set(access, ACCESS_METHOD, str_of(methods[wire.number]));
        else if (wire.type == WIRE_VARINT && wire.field == 12)
            set_number(als, access, ACCESS_BYTES_IN, wire.number);
        else if (wire.type != WIRE_BYTES)
            continue;
        else if (wire.field == 5)
            path = wire.bytes;
        else if (wire.field == 10)
            original = wire.bytes;
        else if (wire.field == 13)
            set_pairs(access, wire.bytes, true);
        else if (wire.field < sizeof(texts) && texts[wire.field])
            access_set(access, (enum access_field)texts[wire.field], wire.bytes);
    }
    access_set_named(access, STR("path"), original.len ? original : path);
    return !wire.error;
}

static bool set_response(struct als *als, struct access *access, struct str message)
{
    struct wire wire = wire_of(message), code;
    set_number(als, access, ACCESS_STATUS, 0);
    while (wire_next(&wire)) {
        if (wire.type == WIRE_VARINT && wire.field == 3) {
            set_number(als, access, ACCESS_BYTES_OUT, wire.number);
        } else if (wire.type == WIRE_BYTES && wire.field == 1) {
            code = wire_of(wire.bytes);
            while (wire_next(&code)) {
                if (code.field == 1 && code.type == WIRE_VARINT)
                    set_number(als, access, ACCESS_STATUS, code.number);
            }
        } else if (wire.type == WIRE_BYTES && (wire.field == 4 || wire.field == 5)) {
            set_pairs(access, wire.bytes, true);
        } else if (wire.type == WIRE_BYTES && wire.field == 6) {
            access_set(access, ACCESS_DETAILS, wire.bytes);
        }
    }
    return !wire.error;
}

static void set_protocol(struct access *access, uint64_t version)
{
    static const char *const names[] = {"", "HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3"};
    if (version < 5)
        access_set(access, ACCESS_PROTOCOL, str_of(names[version]));
}

static bool set_http(struct als *als, struct access *access, struct str entry,
                     struct common *common)
{
    struct wire wire = wire_of(entry);
    bool good = true;
    set_number(als, access, ACCESS_STATUS, 0);
    while (good && wire_next(&wire)) {
        if (wire.type == WIRE_VARINT && wire.field == 2)
            set_protocol(access, wire.number);
        else if (wire.type != WIRE_BYTES)
            continue;
        else if (wire.field == 1)
            good = set_common(als, access, wire.bytes, common);
        else if (wire.field == 3)
            good = set_request(als, access, wire.bytes);
        else if (wire.field == 4)
            good = set_response(als, access, wire.bytes);
    }
    return good && !wire.error;
}

/* ConnectionProperties {received_bytes = 1, sent_bytes = 2} */
static void set_connection(struct als *als, struct access *access, struct str message)
{
    struct wire wire = wire_of(message);
    while (wire_next(&wire)) {
        if (wire.type == WIRE_VARINT && (wire.field == 1 || wire.field == 2))
            set_number(als, access, wire.field == 1 ? ACCESS_BYTES_IN : ACCESS_BYTES_OUT,
                       wire.number);
    }
}

static bool set_tcp(struct als *als, struct access *access, struct str entry, struct common *common)
{
    struct wire wire = wire_of(entry);
    bool good = true;
    access->tcp = true;
    while (good && wire_next(&wire)) {
        if (wire.type == WIRE_BYTES && wire.field == 1)
            good = set_common(als, access, wire.bytes, common);
        else if (wire.type == WIRE_BYTES && wire.field == 2)
            set_connection(als, access, wire.bytes);
    }
    return good && !wire.error;
}

/* One entry tells of a request as a whole; those in between, and those of single attempts, do not.
 */
static bool is_whole(const struct common *common)
{
    return (common->type == 0 && !common->intermediate) || common->type == 3 || common->type == 6 ||
           common->type == 13;
}

/* An entry that is there byte by byte already is another request. */
static uint64_t entry_id(struct als *als, struct str entry)
{
    uint64_t id = access_id_of(entry) ^ als->identity;
    for (uint32_t n = 0;; n++) {
        uint64_t here = access_id_repeated(id ? id : 1, n);
        struct map_iter it = map_find(&als->seen, here);
        if (map_next(&als->seen, &it))
            continue;
        return map_add(&als->seen, here, 0) ? here : 0;
    }
}

/* False when the body ends here: err says why. */
static bool take_entry(struct als *als, struct str entry, bool http)
{
    struct decoding *decoding = &als->decoding;
    struct batch *batch = decoding->batch;
    struct access access = als->sender;
    struct common common = {0};
    struct span *span = span_list_next(decoding);
    if (!span)
        return false;
    bool good =
        http ? set_http(als, &access, entry, &common) : set_tcp(als, &access, entry, &common);
    if (als->full) {
        decoding_too_big(decoding);
        return false;
    }
    if (good && !is_whole(&common))
        return true;
    if (good && access.start_ns && common.has_duration)
        access.end_ns = access.start_ns + (common.lasted_ns ? common.lasted_ns : common.last_ns);
    const char *wrong = good ? access_finish_envoy(&access) : "malformed";
    if (wrong) {
        batch_reject(batch, "entry %u: envoy_als: %s",
                     batch->n_spans + batch->counts.n_rejected + 1, wrong);
        return true;
    }
    access.plaintext = access.kind == KIND_SERVER && !access.at[ACCESS_TLS_VERSION].len;
    uint64_t id = entry_id(als, entry);
    if (!id) {
        batch->arena.short_of_memory = true;
        decoding_too_big(decoding);
        return false;
    }
    if (access_span(decoding, &als->senders, &access, id, span))
        return false;
    batch->n_spans++;
    return true;
}

static bool take_entries(struct als *als, struct str entries, bool http)
{
    struct wire wire = wire_of(entries);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES && !take_entry(als, wire.bytes, http))
            return false;
    }
    als->wrong = wire.error ? "malformed entries" : als->wrong;
    return !wire.error;
}

/* ---- whose they are ---- */

/* Value {string_value = 3}, Struct {fields = 1: {key = 1, value = 2}}. */
static struct str member_of(struct str fields, struct str key)
{
    struct wire wire = wire_of(fields);
    struct str name, value, text = STR_NONE;
    for (int n = 0; n < MAX_MEMBERS && wire_next(&wire); n++) {
        if (wire.field == 1 && wire.type == WIRE_BYTES && als_field(wire.bytes, 1, &name) &&
            str_eq(name, key) && als_field(wire.bytes, 2, &value)) {
            als_field(value, 3, &text);
            return text;
        }
    }
    return STR_NONE;
}

static struct str labels_of(struct str fields)
{
    struct wire wire = wire_of(fields);
    struct str name, value, labels = STR_NONE;
    for (int n = 0; n < MAX_MEMBERS && wire_next(&wire); n++) {
        if (wire.field == 1 && wire.type == WIRE_BYTES && als_field(wire.bytes, 1, &name) &&
            str_eq(name, STR("LABELS")) && als_field(wire.bytes, 2, &value))
            als_field(value, 5, &labels); /* struct_value */
    }
    return labels;
}

static void read_node(struct access *sender, struct str node)
{
    struct str id = STR_NONE, cluster = STR_NONE, metadata = STR_NONE, locality, zone = STR_NONE;
    als_field(node, 1, &id);
    als_field(node, 2, &cluster);
    als_field(node, 3, &metadata);
    access_set(sender, ACCESS_NODE_ID, id);
    access_set(sender, ACCESS_PROXY_NAME, cluster);
    access_set(sender, ACCESS_INSTANCE, node_id_parse(id).pod);
    if (als_field(node, 4, &locality) && als_field(locality, 2, &zone))
        access_set(sender, ACCESS_ZONE, zone);
    struct str labels = labels_of(metadata);
    static const char *const names[] = {"service.istio.io/canonical-name", "app.kubernetes.io/name",
                                        "app"};
    static const char *const versions[] = {"service.istio.io/canonical-revision",
                                           "app.kubernetes.io/version", "version"};
    access_set(sender, ACCESS_SERVICE, member_of(metadata, STR("WORKLOAD_NAME")));
    for (size_t i = 3; i-- > 0;) {
        access_set(sender, ACCESS_SERVICE, member_of(labels, str_of(names[i])));
        access_set(sender, ACCESS_VERSION, member_of(labels, str_of(versions[i])));
    }
    if (str_eq(sender->at[ACCESS_VERSION], STR("latest")))
        sender->at[ACCESS_VERSION] = STR_NONE;
    access_set(sender, ACCESS_NAMESPACE, member_of(metadata, STR("NAMESPACE")));
    access_set(sender, ACCESS_CLUSTER, member_of(metadata, STR("CLUSTER_ID")));
}

int decode_envoy_als(struct str input, const struct limits *limits, struct batch *batch,
                     struct err *err)
{
    struct als als = {.decoding = {.batch = batch, .limits = limits, .err = err},
                      .sender = {.kind = KIND_SERVER, .format = FORMAT_ENVOY_ALS}};
    struct wire wire = wire_of(input);
    struct str node;
    bool good = true;
    err->code = ERR_NONE;
    map_init(&als.seen);
    senders_init(&als.senders);
    buf_init(&als.decoding.json, SCRATCH_BYTES);
    while (good && wire_next(&wire)) {
        if (wire.type != WIRE_BYTES)
            continue;
        if (wire.field == 1) {
            als.identity = access_id_of(wire.bytes);
            if (als_field(wire.bytes, 1, &node))
                read_node(&als.sender, node);
        } else if (wire.field == 2 || wire.field == 3) {
            good = take_entries(&als, wire.bytes, wire.field == 2);
        }
    }
    if (!err->code && (wire.error || als.wrong))
        err_set(err, ERR_INVALID, "not a StreamAccessLogsMessage: %s",
                als.wrong ? als.wrong : "malformed protobuf");
    buf_fini(&als.decoding.json);
    senders_fini(&als.senders);
    map_fini(&als.seen);
    return err->code;
}
