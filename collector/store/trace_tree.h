/* trace_tree.h - the spans of one stored trace as a tree to show: who stands under whom, in which
 * order, what is folded away, what was waited for. Pure: arrays in, arrays out, near linear time,
 * no recursion.
 */
#ifndef STORE_TRACE_TREE_H
#define STORE_TRACE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NO_ROW UINT32_MAX

struct tree_span {
    /* given */
    uint64_t span_id, parent_id; /* 0: none */
    int64_t start_ns, end_ns;    /* one zero for all; end = start where the duration is not known */
    uint32_t service;            /* equal for equal services */
    uint32_t peer_service;       /* of its call's other end; 0: none */
    uint64_t operation;          /* equal for equal operations */
    uint8_t kind, role, fault;   /* enums of words.h */
    bool failed;
    bool callee_half, caller_half; /* a call names it so */
    bool lone_caller;              /* … and no callee half came */

    /* found */
    uint32_t parent; /* index, NO_ROW */
    uint32_t first_child, next_sibling;
    uint32_t depth;
    bool orphan;                  /* names a parent that is not here */
    bool critical;                /* the whole waited for a part of it */
    bool folded;                  /* a proxy whose call another span stands for */
    uint8_t lent;                 /* fault to show while proxies are folded */
    uint16_t attempt, n_attempts; /* of one call; 0: no other attempt */
    bool holds_attempts;          /* its children are the attempts, n_attempts of them */
};

/* A stretch of time that the whole waited for this span itself. */
struct critical_piece {
    uint32_t span;
    int64_t from_ns, to_ns;
};

struct trace_tree {
    struct tree_span *spans; /* borrowed; by record */
    uint32_t n;
    uint32_t *order; /* records in order of rows: parents before children, siblings by start */
    struct critical_piece *pieces;
    size_t n_pieces, cap_pieces;
};

/* Fills what is "found"; false when memory is short. trace_tree_fini() in any case. */
bool trace_tree_build(struct trace_tree *tree, struct tree_span *spans, uint32_t n);
void trace_tree_fini(struct trace_tree *tree);
/* `record` is the last attempt's half of a call that was tried `n` times: numbers the attempts. */
void trace_tree_mark_attempts(struct trace_tree *tree, uint32_t record, uint32_t n);
bool is_proxy_role(unsigned role);

#endif
