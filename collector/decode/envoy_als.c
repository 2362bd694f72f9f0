/* envoy_als.c - Envoy's access log service: StreamAccessLogsMessage to spans (formats: ALS). */
#include "collector/decode/envoy_als.h"

#include <stdio.h>
#include <stdlib.h>

#include "collector/base/wire.h"
#include "collector/decode/access_id.h"
#include "collector/decode/access_log.h"
#include "collector/decode/decode.h"
#include "collector/decode/span_list.h"

#define NS_PER_S UINT64_C(1000000000)
#define MAX_MEMBERS 256 /* of one map that is looked at */
#define SCRATCH_BYTES ((size_t)32 << 20)

/* ---- the identity ---- */

static void add_field(struct buf *out, unsigned field, struct str bytes)
{
    buf_add_varint(out, field << 3 | WIRE_BYTES);
    buf_add_varint(out, bytes.len);
    buf_add_str(out, bytes);
}

/* The first field of this number; false when there is none, or it is no bytes. */
static bool field_of(struct str message, unsigned field, struct str *bytes)
{
    struct wire wire = wire_of(message);
    while (wire_next(&wire)) {
        if (wire.field == field && wire.type == WIRE_BYTES) {
            *bytes = wire.bytes;
            return true;
        }
    }
    return false;
}

/* Of a node's metadata: what says whose proxy it is. */
static bool is_wanted(struct str key)
{
    static const char *const keys[] = {"NAME",          "NAMESPACE", "CLUSTER_ID",
                                       "WORKLOAD_NAME", "MESH_ID",   "LABELS"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (str_eq(key, str_of(keys[i])))
            return true;
    }
    return false;
}

static void copy_metadata(struct str metadata, struct buf *out)
{
    struct wire wire = wire_of(metadata);
    struct str key;
    for (int n = 0; n < MAX_MEMBERS && wire_next(&wire); n++) {
        if (wire.field == 1 && wire.type == WIRE_BYTES && field_of(wire.bytes, 1, &key) &&
            is_wanted(key))
            add_field(out, 1, wire.bytes);
    }
}

/* core.v3.Node: id, cluster, metadata, locality; its hundreds of extensions stay behind. */
static bool copy_node(struct str node, struct buf *out)
{
    struct wire wire = wire_of(node);
    struct buf metadata;
    buf_init(&metadata, out->max);
    while (wire_next(&wire)) {
        if (wire.type != WIRE_BYTES)
            continue;
        if (wire.field == 1 || wire.field == 2 || wire.field == 4) {
            add_field(out, wire.field, wire.bytes);
        } else if (wire.field == 3) {
            copy_metadata(wire.bytes, &metadata);
            add_field(out, 3, buf_str(&metadata));
        }
    }
    bool good = !wire.error && !buf_failed(&metadata);
    buf_fini(&metadata);
    return good;
}

bool als_identity(struct str message, struct buf *identity)
{
    struct wire wire = wire_of(message);
    struct buf node, whole;
    struct str part;
    bool good = true;
    buf_init(&node, identity->max);
    buf_init(&whole, identity->max);
    while (good && wire_next(&wire)) {
        if (wire.field != 1 || wire.type != WIRE_BYTES)
            continue;
        buf_reset(&node);
        buf_reset(&whole);
        if (field_of(wire.bytes, 1, &part))
            good = copy_node(part, &node);
        add_field(&whole, 1, buf_str(&node));
        if (field_of(wire.bytes, 2, &part))
            add_field(&whole, 2, part);
    }
    if (whole.len) {
        buf_reset(identity);
        add_field(identity, 1, buf_str(&whole));
    }
    good =
        good && !wire.error && !buf_failed(&node) && !buf_failed(&whole) && !buf_failed(identity);
    buf_fini(&node);
    buf_fini(&whole);
    return good;
}

bool als_body(struct str message, struct str identity, struct buf *body)
{
    struct wire wire = wire_of(message);
    buf_add_str(body, identity);
    while (wire_next(&wire)) {
        if (wire.field != 1 && wire.type == WIRE_BYTES)
            add_field(body, wire.field, wire.bytes);
    }
    return !wire.error && !buf_failed(body);
}

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

/* Timestamp and Duration: seconds, nanoseconds. */
static uint64_t time_ns(struct str message)
{
    struct wire wire = wire_of(message);
    uint64_t s = 0, ns = 0;
    while (wire_next(&wire)) {
        if (wire.type == WIRE_VARINT && wire.field == 1)
            s = wire.number;
        else if (wire.type == WIRE_VARINT && wire.field == 2)
            ns = wire.number;
    }
    return s < INT64_MAX / NS_PER_S && ns < NS_PER_S ? s * NS_PER_S + ns : 0;
}

/* Address {socket_address {address = 2, port_value = 3}}, as address:port. */
static void set_address(struct als *als, struct access *access, enum access_field field,
                        struct str message)
{
    struct str socket = STR_NONE, host = STR_NONE;
    uint64_t port = 0;
    if (!field_of(message, 1, &socket))
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
    if (field_of(certificate, 1, &name) && (field_of(name, 1, &text) || field_of(name, 2, &text)))
        return text;
    field_of(certificate, 2, &text);
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
    if (!field_of(entry, 1, &key) || !field_of(entry, 2, &value))
        return;
    enum access_field field = access_field_of(key);
    bool trace = field == ACCESS_REQUEST_ID || field == ACCESS_GRPC_STATUS ||
                 (field >= ACCESS_TRACEPARENT && field <= ACCESS_XRAY);
    if (trace || !trace_only)
        access_set_named(access, key, value);
}

struct common {
    uint64_t last_ns; /* time_to_last_downstream_tx_byte */
    uint64_t lasted_ns;
    uint64_t type;
    bool intermediate, has_start, has_duration;
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
    switch (wire->field) {
    case 2:
        set_address(als, access, ACCESS_CLIENT, wire->bytes);
        break;
    case 3:
        set_address(als, access, ACCESS_LOCAL, wire->bytes);
        break;
    case 4:
        set_tls(access, wire->bytes);
        break;
    case 5:
        access->start_ns = time_ns(wire->bytes);
        break;
    case 12:
        common->last_ns = time_ns(wire->bytes);
        common->has_duration = true;
        break;
    case 13:
        set_address(als, access, ACCESS_UPSTREAM, wire->bytes);
        break;
    case 14:
        set_address(als, access, ACCESS_UPSTREAM_LOCAL, wire->bytes);
        break;
    case 15:
        access_set(access, ACCESS_UPSTREAM_NAME, wire->bytes);
        break;
    case 16:
        set_flags(als, access, wire->bytes);
        break;
    case 18:
        access_set(access, ACCESS_FAILURE, wire->bytes);
        break;
    case 19:
        access_set(access, ACCESS_ROUTE, wire->bytes);
        break;
    case 22:
        set_pairs(access, wire->bytes, false);
        break;
    case 23:
        common->lasted_ns = time_ns(wire->bytes);
        common->has_duration = true;
        break;
    case 25:
        access_set(access, ACCESS_TERMINATION, wire->bytes);
        break;
    default:
        break;
    }
}

static bool set_common(struct als *als, struct access *access, struct str message,
                       struct common *common)
{
    struct wire wire = wire_of(message);
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

static bool set_tcp(struct als *als, struct access *access, struct str entry, struct common *common)
{
    struct wire wire = wire_of(entry);
    bool good = true;
    access->tcp = true;
    while (good && wire_next(&wire)) {
        if (wire.type == WIRE_BYTES && wire.field == 1)
            good = set_common(als, access, wire.bytes, common);
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
        if (wire.field == 1 && wire.type == WIRE_BYTES && field_of(wire.bytes, 1, &name) &&
            str_eq(name, key) && field_of(wire.bytes, 2, &value)) {
            field_of(value, 3, &text);
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
        if (wire.field == 1 && wire.type == WIRE_BYTES && field_of(wire.bytes, 1, &name) &&
            str_eq(name, STR("LABELS")) && field_of(wire.bytes, 2, &value))
            field_of(value, 5, &labels); /* struct_value */
    }
    return labels;
}

/* type~ip~pod.namespace~namespace.svc.domain: the pod. */
static struct str pod_of(struct str id)
{
    struct str part, pod, rest, namespace;
    str_cut(id, '~', &part, &rest);
    str_cut(rest, '~', &part, &rest);
    str_cut(rest, '~', &pod, &rest);
    str_cut(pod, '.', &pod, &namespace);
    return pod;
}

static void read_node(struct access *sender, struct str node)
{
    struct str id = STR_NONE, cluster = STR_NONE, metadata = STR_NONE, locality, zone = STR_NONE;
    field_of(node, 1, &id);
    field_of(node, 2, &cluster);
    field_of(node, 3, &metadata);
    access_set(sender, ACCESS_NODE_ID, id);
    access_set(sender, ACCESS_PROXY_NAME, cluster);
    access_set(sender, ACCESS_INSTANCE, pod_of(id));
    if (field_of(node, 4, &locality) && field_of(locality, 2, &zone))
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
            if (field_of(wire.bytes, 1, &node))
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
