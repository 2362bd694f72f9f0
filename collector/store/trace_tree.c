/* trace_tree.c - parents, order, folding, attempts, critical path. */
#include "collector/store/trace_tree.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"
#include "collector/base/map.h"
#include "collector/model/words.h"

bool is_proxy_role(unsigned role)
{
    return role == ROLE_SIDECAR || role == ROLE_GATEWAY || role == ROLE_WAYPOINT ||
           role == ROLE_LOAD_BALANCER;
}

static bool is_caller_side(const struct tree_span *span)
{
    return span->kind == KIND_CLIENT || span->kind == KIND_PRODUCER;
}

/* ---- parents ---- */

/* Which of two spans with one id does a child belong to? The callee's half; of two, its own
 * service's. */
static bool fits_better(const struct tree_span *a, const struct tree_span *b,
                        const struct tree_span *child)
{
    if (is_caller_side(a) != is_caller_side(b))
        return !is_caller_side(a);
    bool own_a = a->service == child->service, own_b = b->service == child->service;
    if (own_a != own_b)
        return own_a;
    return a->start_ns <= child->start_ns && b->start_ns > child->start_ns;
}

static void find_parent(struct trace_tree *tree, const struct map *ids, uint32_t at)
{
    struct tree_span *span = &tree->spans[at], *best = NULL;
    uint64_t wanted[3] = {is_caller_side(span) ? 0 : span->span_id, span->parent_id,
                          __builtin_bswap64(span->parent_id)}; /* Envoy's Zipkin protobuf */
    for (int k = 0; k < 3 && !best; k++) {
        for (struct map_iter it = map_find(ids, hash_u64(wanted[k]));
             wanted[k] && map_next(ids, &it);) {
            struct tree_span *other = &tree->spans[it.value];
            bool shared = k == 0; /* Zipkin: the caller's half bears the same id */
            if (other == span || other->span_id != wanted[k] || (shared && !is_caller_side(other)))
                continue;
            if (!best || fits_better(other, best, span))
                best = other;
        }
    }
    span->parent = best ? (uint32_t)(best - tree->spans) : NO_ROW;
    span->orphan = !best && span->parent_id;
}

/* A span that is its own ancestor becomes a root. */
static void cut_cycles(struct trace_tree *tree)
{
    uint32_t *seen = calloc(tree->n + 1, sizeof(*seen));
    for (uint32_t i = 0; seen && i < tree->n; i++) {
        uint32_t at = i;
        while (at != NO_ROW && !seen[at]) {
            seen[at] = i + 1;
            at = tree->spans[at].parent;
        }
        if (at != NO_ROW && seen[at] == i + 1)
            tree->spans[at].parent = NO_ROW;
    }
    free(seen);
}

static bool find_parents(struct trace_tree *tree)
{
    struct map ids;
    bool good = true;
    map_init(&ids);
    for (uint32_t i = 0; i < tree->n && good; i++)
        good = map_add(&ids, hash_u64(tree->spans[i].span_id), i);
    for (uint32_t i = 0; i < tree->n && good; i++)
        find_parent(tree, &ids, i);
    map_fini(&ids);
    if (good)
        cut_cycles(tree);
    return good;
}

/* ---- order ---- */

struct by_start {
    int64_t start_ns;
    uint32_t record;
};

static int compare_start(const void *a, const void *b)
{
    const struct by_start *x = a, *y = b;
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    return (x->record > y->record) - (x->record < y->record);
}

/* Hangs children under parents, the earliest first: the latest is put in front of the list first.
 */
static bool link_children(struct trace_tree *tree, uint32_t *first_root)
{
    struct by_start *all = malloc((tree->n + 1) * sizeof(*all));
    if (!all)
        return false;
    for (uint32_t i = 0; i < tree->n; i++) {
        tree->spans[i].first_child = tree->spans[i].next_sibling = NO_ROW;
        all[i] = (struct by_start){tree->spans[i].start_ns, i};
    }
    qsort(all, tree->n, sizeof(*all), compare_start);
    *first_root = NO_ROW;
    for (uint32_t i = tree->n; i-- > 0;) {
        struct tree_span *span = &tree->spans[all[i].record];
        uint32_t *list =
            span->parent == NO_ROW ? first_root : &tree->spans[span->parent].first_child;
        span->next_sibling = *list;
        *list = all[i].record;
    }
    free(all);
    return true;
}

static void walk(struct trace_tree *tree, uint32_t root)
{
    uint32_t n = 0, at = root, depth = 0;
    while (at != NO_ROW && n < tree->n) {
        struct tree_span *span = &tree->spans[at];
        span->depth = depth;
        tree->order[n++] = at;
        if (span->first_child != NO_ROW) {
            at = span->first_child;
            depth++;
            continue;
        }
        while (at != NO_ROW && tree->spans[at].next_sibling == NO_ROW) {
            at = tree->spans[at].parent;
            depth -= at != NO_ROW;
        }
        at = at == NO_ROW ? NO_ROW : tree->spans[at].next_sibling;
    }
    tree->n = n;
}

/* ---- folding ---- */

/* Up through proxies: the application's own half of this call, where it reported one. */
static uint32_t stands_above(const struct trace_tree *tree, uint32_t at)
{
    uint32_t service = tree->spans[at].service;
    for (at = tree->spans[at].parent; at != NO_ROW; at = tree->spans[at].parent) {
        const struct tree_span *span = &tree->spans[at];
        if (!is_proxy_role(span->role))
            return is_caller_side(span) && span->service == service ? at : NO_ROW;
        if (span->service != service)
            return NO_ROW;
    }
    return NO_ROW;
}

/* For each proxy: the application's span of its own service right beneath it, through proxies; rows
 * are walked from the last to the first, so that one look at the parent is enough. */
static void find_below(const struct trace_tree *tree, uint32_t *below)
{
    for (uint32_t i = 0; i < tree->n; i++)
        below[i] = NO_ROW;
    for (uint32_t k = tree->n; k-- > 0;) {
        uint32_t at = tree->order[k];
        const struct tree_span *span = &tree->spans[at];
        uint32_t found = is_proxy_role(span->role) ? below[at] : is_caller_side(span) ? NO_ROW : at;
        if (found == NO_ROW || span->parent == NO_ROW)
            continue;
        const struct tree_span *parent = &tree->spans[span->parent];
        if (is_proxy_role(parent->role) && parent->service == tree->spans[found].service)
            below[span->parent] = found;
    }
}

/* A folded proxy lends its mark to the span that stands for it, unless something visible beneath
 * says it already. */
static void lend(struct trace_tree *tree, uint32_t proxy, uint32_t stands)
{
    if (tree->spans[proxy].fault != FAULT_ORIGIN || stands == NO_ROW)
        return;
    tree->spans[stands].lent = FAULT_ORIGIN;
}

static uint32_t visible_above(const struct trace_tree *tree, uint32_t at)
{
    while (at != NO_ROW && tree->spans[at].folded)
        at = tree->spans[at].parent;
    return at;
}

static void fold_one(struct trace_tree *tree, uint32_t at, uint32_t below)
{
    struct tree_span *span = &tree->spans[at];
    uint32_t above = stands_above(tree, at);
    bool arrives = span->role == ROLE_SIDECAR && span->kind == KIND_SERVER &&
                   span->parent != NO_ROW && tree->spans[span->parent].service != span->service;
    bool stands = span->parent == NO_ROW || span->callee_half || span->lone_caller || arrives;
    span->folded = above != NO_ROW || below != NO_ROW || !stands;
    if (!span->folded)
        return;
    lend(tree, at,
         above != NO_ROW   ? above
         : below != NO_ROW ? below
                           : visible_above(tree, span->parent));
}

static bool fold(struct trace_tree *tree)
{
    uint32_t *below = malloc((tree->n + 1) * sizeof(*below));
    if (!below)
        return false;
    find_below(tree, below);
    for (uint32_t k = 0; k < tree->n; k++)
        tree->spans[tree->order[k]].lent = tree->spans[tree->order[k]].fault;
    for (uint32_t k = 0; k < tree->n; k++) {
        uint32_t at = tree->order[k];
        if (is_proxy_role(tree->spans[at].role))
            fold_one(tree, at, below[at]);
    }
    free(below);
    return true;
}

/* ---- the critical path ---- */

static bool add_piece(struct trace_tree *tree, uint32_t span, int64_t from_ns, int64_t to_ns)
{
    if (from_ns >= to_ns)
        return true;
    if (tree->n_pieces == tree->cap_pieces) {
        size_t cap = tree->cap_pieces ? 2 * tree->cap_pieces : 64;
        struct critical_piece *grown = realloc(tree->pieces, cap * sizeof(*grown));
        if (!grown)
            return false;
        tree->pieces = grown;
        tree->cap_pieces = cap;
    }
    tree->pieces[tree->n_pieces++] = (struct critical_piece){span, from_ns, to_ns};
    return true;
}

struct by_end {
    int64_t end_ns;
    uint32_t record, parent;
};

/* Children of one parent stand together, the one that ended last first. */
static int compare_end(const void *a, const void *b)
{
    const struct by_end *x = a, *y = b;
    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    if (x->end_ns != y->end_ns)
        return x->end_ns > y->end_ns ? -1 : 1;
    return (x->record > y->record) - (x->record < y->record);
}

struct frame {
    uint32_t span;
    uint32_t next;  /* of its children, in the list by end */
    int64_t now_ns; /* what comes later is accounted for */
    bool fresh;     /* nothing is, yet */
};

/* Did the child end with its parent, as far as clocks can tell? The tolerance of blame (STITCHING
 * §4). */
static bool ends_within(const struct tree_span *child, const struct tree_span *span)
{
    int64_t slack_ns = (span->end_ns - span->start_ns) / 100;
    return child->end_ns <= span->end_ns + (slack_ns > 1000000 ? slack_ns : 1000000);
}

/* From the end backwards: a span waited for the child that ended last before the time at hand, and
 * for itself in between. A child that began later or ended after its parent was not waited for
 * beyond it. */
static bool follow(struct trace_tree *tree, uint32_t root, const struct by_end *list,
                   const uint32_t *first, struct frame *stack)
{
    uint32_t n = 1;
    bool good = true;
    stack[0] = (struct frame){root, first[root], tree->spans[root].end_ns, true};
    tree->spans[root].critical = true;
    while (n && good) {
        struct frame *top = &stack[n - 1];
        const struct tree_span *span = &tree->spans[top->span];
        const struct by_end *child = top->next == NO_ROW ? NULL : &list[top->next];
        if (!child || child->parent != top->span) {
            good = add_piece(tree, top->span, span->start_ns, top->now_ns);
            n--;
            continue;
        }
        struct tree_span *below = &tree->spans[child->record];
        top->next++;
        int64_t start_ns = below->start_ns > span->start_ns ? below->start_ns : span->start_ns;
        int64_t end_ns = below->end_ns < top->now_ns ? below->end_ns : top->now_ns;
        bool beside = below->end_ns > top->now_ns && !(top->fresh && ends_within(below, span));
        if (start_ns >= end_ns || beside)
            continue;
        good = add_piece(tree, top->span, end_ns, top->now_ns);
        top->now_ns = start_ns;
        top->fresh = false;
        below->critical = true;
        stack[n++] = (struct frame){child->record, first[child->record], end_ns, true};
    }
    return good;
}

/* The trace's entry: of the roots the one that lasted longest. */
static uint32_t longest_root(const struct trace_tree *tree)
{
    uint32_t best = NO_ROW;
    for (uint32_t i = 0; i < tree->n; i++) {
        const struct tree_span *span = &tree->spans[tree->order[i]];
        if (span->parent == NO_ROW &&
            (best == NO_ROW ||
             span->end_ns - span->start_ns > tree->spans[best].end_ns - tree->spans[best].start_ns))
            best = tree->order[i];
    }
    return best;
}

static bool find_critical(struct trace_tree *tree)
{
    struct by_end *list = malloc((tree->n + 1) * sizeof(*list));
    uint32_t *first = malloc((tree->n + 1) * sizeof(*first));
    struct frame *stack = malloc((tree->n + 1) * sizeof(*stack));
    uint32_t root = longest_root(tree);
    bool good = list && first && stack;
    for (uint32_t i = 0; good && i < tree->n; i++) {
        list[i] = (struct by_end){tree->spans[i].end_ns, i, tree->spans[i].parent};
        first[i] = NO_ROW;
    }
    if (good && root != NO_ROW) {
        qsort(list, tree->n, sizeof(*list), compare_end);
        for (uint32_t i = tree->n; i-- > 0;) {
            if (list[i].parent != NO_ROW)
                first[list[i].parent] = i;
        }
        list[tree->n] = (struct by_end){0, 0, NO_ROW};
        good = follow(tree, root, list, first, stack);
    }
    free(list);
    free(first);
    free(stack);
    return good;
}

/* ---- attempts ---- */

/* Callee spans of one service beneath a caller's half, through proxies: attempts on several
 * instances. */
static uint32_t attempts_beneath(const struct trace_tree *tree, uint32_t caller, uint32_t service,
                                 uint32_t *found, uint32_t most)
{
    uint32_t n = 0, at = tree->spans[caller].first_child;
    while (at != NO_ROW && at != caller) {
        const struct tree_span *span = &tree->spans[at];
        bool through = is_proxy_role(span->role) && span->folded;
        if (!through && span->service == service && n < most)
            found[n++] = at;
        if (through && span->first_child != NO_ROW) {
            at = span->first_child;
            continue;
        }
        while (at != caller && tree->spans[at].next_sibling == NO_ROW)
            at = tree->spans[at].parent;
        if (at != caller)
            at = tree->spans[at].next_sibling;
    }
    return n;
}

/* Siblings that call the same, up to this one: attempts of a caller that tries again by itself. */
static uint32_t attempts_beside(const struct trace_tree *tree, uint32_t last, uint32_t most,
                                uint32_t *found)
{
    const struct tree_span *span = &tree->spans[last];
    uint32_t n = 0;
    if (span->parent == NO_ROW)
        return 0;
    for (uint32_t at = tree->spans[span->parent].first_child; at != NO_ROW;
         at = tree->spans[at].next_sibling) {
        const struct tree_span *other = &tree->spans[at];
        if (other->peer_service != span->peer_service || other->operation != span->operation ||
            is_caller_side(other) != is_caller_side(span))
            continue;
        if (n == most) {
            memmove(found, found + 1, (n - 1) * sizeof(*found));
            n--;
        }
        found[n++] = at;
        if (at == last)
            break;
    }
    return n;
}

#define MOST_ATTEMPTS 64

void trace_tree_mark_attempts(struct trace_tree *tree, uint32_t record, uint32_t n)
{
    uint32_t found[MOST_ATTEMPTS], caller, n_found;
    uint32_t most = n < MOST_ATTEMPTS ? n : MOST_ATTEMPTS;
    struct tree_span *span = &tree->spans[record];
    for (caller = span->parent; caller != NO_ROW && tree->spans[caller].folded;)
        caller = tree->spans[caller].parent;
    if (caller == NO_ROW || is_caller_side(span))
        caller = record;
    uint32_t service = is_caller_side(span) ? span->peer_service : span->service;
    n_found = attempts_beneath(tree, caller, service, found, most);
    bool beneath = n_found > 1;
    if (!beneath)
        n_found = attempts_beside(tree, is_caller_side(span) ? record : caller, most, found);
    if (n_found < 2)
        return;
    for (uint32_t i = 0; i < n_found; i++) {
        tree->spans[found[i]].attempt = (uint16_t)(i + 1);
        tree->spans[found[i]].n_attempts = (uint16_t)n_found;
    }
    if (beneath) {
        tree->spans[caller].holds_attempts = true;
        tree->spans[caller].n_attempts = (uint16_t)n_found;
    }
}

/* ---- all of it ---- */

bool trace_tree_build(struct trace_tree *tree, struct tree_span *spans, uint32_t n)
{
    uint32_t root;
    *tree =
        (struct trace_tree){.spans = spans, .n = n, .order = malloc((n + 1) * sizeof(uint32_t))};
    if (!tree->order || !find_parents(tree) || !link_children(tree, &root))
        return false;
    walk(tree, root);
    return fold(tree) && find_critical(tree);
}

void trace_tree_fini(struct trace_tree *tree)
{
    free(tree->order);
    free(tree->pieces);
    tree->order = NULL;
    tree->pieces = NULL;
}
