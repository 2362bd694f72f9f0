/* trace_view.h - one stored trace in memory, as its two answers need it: spans as a tree, calls,
 * hops. Private to query_trace.c and query_layout.c.
 */
#ifndef STORE_TRACE_VIEW_H
#define STORE_TRACE_VIEW_H

#include "collector/store/search.h"
#include "collector/store/trace_tree.h"

/* What a row of span_row holds beside the tree. */
struct view_span {
    uint32_t node, peer;
    uint32_t named; /* the node by which people know this span: of a call that was never answered,
                       the callee */
    int64_t shape, flags;             /* row ids */
    int64_t http_status, grpc_status; /* −1: none */
    int64_t duration_ns, self_ns;     /* −1: not known */
    struct str operation;
    uint32_t call; /* the call that it is the lowest half of; NO_ROW */
};

struct view_call {
    struct call call;
    struct call_ids ids;
};

struct trace_view {
    struct search search; /* nodes, names, shapes */
    struct trace_pieces pieces;
    uint32_t first[MOST_PIECES]; /* the number of each one's first span */
    struct search_trace row;     /* of the oldest; calls are copied */
    struct tree_span *tree_spans;
    struct view_span *spans;
    uint32_t n, cap;
    struct view_call *calls;
    uint32_t n_calls, cap_calls;
    struct trace_tree tree;
};

/* ERR_INVALID for what is no id, ERR_NOT_FOUND. On success the caller must close it. */
int trace_view_open(struct trace_view *view, struct query *query, struct str id, struct err *err);
void trace_view_close(struct trace_view *view);

/* The hops of one call from the caller's side to the callee's, of which the time is known. */
struct view_hop {
    uint8_t hop; /* enum hop_kind */
    struct str name;
    int64_t time_ns;
};
#define MOST_HOPS 16
/* Of the call whose lowest half is this span; 0 when it is none. */
unsigned trace_view_hops(struct trace_view *view, uint32_t span, struct view_hop *hops);
/* The span at which the trace's failure began, as shown with proxies folded; NO_ROW. */
uint32_t trace_view_origin(const struct trace_view *view);

#endif
