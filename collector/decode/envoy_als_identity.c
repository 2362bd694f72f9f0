/* envoy_als_identity.c - who sends a stream, cut down to what is needed of it, before every
 * message.
 */
#include "collector/base/wire.h"
#include "collector/decode/envoy_als.h"

#define MAX_MEMBERS 256 /* of one map that is looked at */

bool als_field(struct str message, unsigned field, struct str *bytes)
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

static void add_field(struct buf *out, unsigned field, struct str bytes)
{
    buf_add_varint(out, field << 3 | WIRE_BYTES);
    buf_add_varint(out, bytes.len);
    buf_add_str(out, bytes);
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
        if (wire.field == 1 && wire.type == WIRE_BYTES && als_field(wire.bytes, 1, &key) &&
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
        if (als_field(wire.bytes, 1, &part))
            good = copy_node(part, &node);
        add_field(&whole, 1, buf_str(&node));
        if (als_field(wire.bytes, 2, &part))
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
