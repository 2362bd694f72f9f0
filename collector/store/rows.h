/* rows.h - how records and calls are packed into columns; the writer packs, the readers unpack. */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "collector/base/buf.h"
#include "collector/model/graph.h"

/* span_row.bits */
#define SPAN_STATUS(bits) ((bits)&3)
#define SPAN_FAULT(bits) ((bits) >> 2 & 7)
#define SPAN_CLASS(bits) ((bits) >> 5 & 15)
#define SPAN_FAILED (1 << 9)
#define SPAN_CLIENT_ERROR (1 << 10)
#define SPAN_BAD_TIMES (1 << 11)
#define SPAN_ERROR_TAG (1 << 12)
#define SPAN_ERROR_TAG_4XX (1 << 13)
#define SPAN_CANCELED (1 << 14)
#define SPAN_UNSTITCHED (1 << 15)
#define SPAN_OFFSET_FROM_0 (1 << 16) /* start_offset is the start itself */
#define SPAN_AGAIN (INT64_C(1) << 35)
#define SPAN_PART(bits) ((bits) >> 17 & 3)
#define SPAN_RESEND(bits) ((bits) >> 19 & 0xffff)

/* trace_row.bits */
#define TRACE_ERROR 1
#define TRACE_COMPLETE 2
#define TRACE_SPANS_KEPT 4
#define TRACE_BEGAN_BY_PROXY 8
#define TRACE_SHOWED_NEW 16 /* something was told of an edge (relations.c) */
#define TRACE_LATE_PIECE 32 /* an older part of it could not be opened again */

int64_t span_bits(const struct record *record, const struct span_result *result);
void span_bits_read(int64_t bits, struct record *record, struct span_result *result);

/* shape.bits */
int shape_bits(const struct shape *shape);
void shape_bits_read(int bits, struct shape *shape);

/* trace_row.calls: node and name numbers are row ids. */
struct call_ids {
    uint64_t caller, callee, protocol, via, operation; /* row ids */
    struct str hops; /* read: the packed hops, as many as the call's n_hops */
};
void calls_pack_one(struct buf *blob, const struct call *call, const struct call_ids *ids);
/* Reads one call; false at the end or when the blob is malformed. */
bool calls_unpack_one(struct str *blob, struct call *call, struct call_ids *ids);

/* The hops of a call follow it. Their names are row ids of `name`, or one of its two ends. */
enum hop_name { HOP_NAME_OTHER, HOP_NAME_CALLEE, HOP_NAME_CALLER };
struct hop_ids {
    uint8_t named;       /* enum hop_name */
    uint64_t name, from; /* row ids; `name` only of HOP_NAME_OTHER */
};
void hops_pack_one(struct buf *blob, const struct hop *hop, const struct call *call,
                   const struct hop_ids *ids);
bool hops_unpack_one(struct str *blob, struct hop *hop, const struct call *call,
                     struct hop_ids *ids);

#endif
