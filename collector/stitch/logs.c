/* logs.c - entries of access logs among the spans of a trace (STITCHING §2, rules 5 and 6): where
 * those stand that say something new.
 *
 * Such an entry (twins.c) is a half of a call like a span. Entries mostly have no ids of their own:
 * a proxy hands on the header that it logs, so entries and spans beneath it name the same parent,
 * and which of them stands above which is read from connections, names, and time: of two that are
 * nested the outer lasts longer, on whatever clocks.
 */
#include "collector/stitch/logs.h"

#define CLOCKS_NS UINT64_C(1000000000) /* hosts' clocks, and logs that write whole seconds */

bool log_is_unnamed(const struct stitch *stitch, const struct work_span *span)
{
    struct str name = names_text(stitch->names, span->shape->node.service);
    if (str_eq(name, STR("envoy")))
        return true;
    for (size_t i = 0; i < name.len; i++) {
        if ((name.p[i] < '0' || name.p[i] > '9') && name.p[i] != '.' && name.p[i] != ':')
            return false;
    }
    return true;
}

uint8_t log_direction(struct stitch *stitch, const struct work_span *span)
{
    uint8_t direction = upstream_parse(stitch, span->shape->upstream_cluster)->direction;
    if (direction == DIRECTION_UNKNOWN && is_out(span->shape))
        return DIRECTION_OUTBOUND;
    return direction;
}

bool log_is_sender(const struct stitch *stitch, const struct work_span *entry,
                   const struct work_span *span)
{
    return log_is_unnamed(stitch, entry) || same_workload(&entry->shape->node, &span->shape->node);
}

/* ---- who stands above whom ---- */

/* An entry that nothing stands above yet, and that may have been sent by anybody of its trace. One
 * whose parent was named, by an id of a span's, has its place. */
static bool is_open(const struct work_span *span)
{
    bool placed = span->shape->log == LOG_OF_SPAN && span->record->parent_id;
    return is_log(span) && span->parent == NONE && !placed;
}

/* Under one parent; or of one trace, where nobody's ids say who stands above. */
static bool same_group(const struct work_span *above, const struct work_span *span)
{
    if (is_open(span))
        return above->shape->proxy != PROXY_NONE;
    return is_log(above) && above->shape->log != LOG_OF_SPAN && span->shape->log != LOG_OF_SPAN &&
           above->record->parent_id == span->record->parent_id;
}

/* The sidecar's way in and its way out: one clock. What is cut to milliseconds begins in the same
 * one at the earliest, and may end in the next but one. */
static bool within(const struct work_span *above, const struct work_span *span)
{
    uint64_t from = above->record->start_ns, start = span->record->start_ns;
    return start + CUT_NS > from &&
           start + duration_of(span) < from + duration_of(above) + ROUNDED_NS &&
           duration_of(span) < duration_of(above) + CUT_NS;
}

/* What an application begins while its sidecar waits for it; it may go on when it has answered, or
 * when who asked has gone. */
static bool begins_within(const struct work_span *above, const struct work_span *span)
{
    uint64_t from = above->record->start_ns, start = span->record->start_ns;
    return start + ROUNDED_NS >= from && start <= from + duration_of(above) + ROUNDED_NS;
}

/* How well the one fits as the parent of the other: the greater the better, 0 not at all. */
enum fit {
    FITS_NOT,
    FITS_ALONE,   /* nothing speaks against it: if so of others too, then of none */
    FITS_BY_NEST, /* nothing speaks against it, and of several the inner one it is */
    FITS_BY_NAME,
    FITS_BY_ADDRESS,
    FITS_BY_CONNECTION
};

/* The outer one lasts longer; of equal ones the one that comes first. A callee that names or
 * addresses tell may outlast a caller that gave up. */
static bool may_enclose(struct stitch *stitch, uint32_t above, uint32_t span, enum fit fit)
{
    const struct work_span *a = &stitch->spans[above], *b = &stitch->spans[span];
    uint64_t from = a->record->start_ns, start = b->record->start_ns;
    if (log_direction(stitch, a) == DIRECTION_INBOUND)
        return fit >= FITS_BY_NAME ? begins_within(a, b) : within(a, b);
    if (start + CLOCKS_NS < from || start > from + duration_of(a) + CLOCKS_NS)
        return false;
    if (fit >= FITS_BY_NAME || !is_log(b))
        return true;
    uint64_t outer = duration_of(a), inner = duration_of(b);
    return outer > inner || (outer == inner && above < span);
}

/* A proxy hands on the request's id; an application may make a new one. */
static bool differ_in_id(const struct work_span *above, const struct work_span *span)
{
    uint64_t a = above->record->request_id, b = span->record->request_id;
    return a && b && a != b;
}

/* From a caller's half to what it called. */
static enum fit fit_of_call(struct stitch *stitch, uint32_t a, uint32_t b)
{
    const struct work_span *above = &stitch->spans[a], *span = &stitch->spans[b];
    const struct upstream *upstream = upstream_parse(stitch, above->shape->upstream_cluster);
    bool unnamed = log_is_unnamed(stitch, span);
    bool named = upstream->service && upstream->service == span->shape->node.service;
    enum log_reach reach = log_reaches(stitch, a, b);
    bool itself = same_workload(&above->shape->node, &span->shape->node) &&
                  (!unnamed || reach <= REACHES_MAYBE);
    if (itself || reach == REACHES_NOT || (is_log(span) && differ_in_id(above, span)))
        return FITS_NOT;
    if (reach == REACHES_BY_CONNECTION)
        return FITS_BY_CONNECTION;
    if (reach == REACHES_ADDRESS || (reach == REACHES_PORT && (named || unnamed)))
        return FITS_BY_ADDRESS;
    if (named)
        return FITS_BY_NAME;
    if (reach == REACHES_OTHER || (upstream->kubernetes && !unnamed))
        return FITS_NOT;
    return upstream->kubernetes ? FITS_ALONE : FITS_BY_NEST;
}

/* From a sidecar's way in to its way out: nobody calls himself through his proxy. */
static enum fit fit_of_sender(struct stitch *stitch, uint32_t a, uint32_t b)
{
    const struct work_span *above = &stitch->spans[a], *span = &stitch->spans[b];
    const struct upstream *upstream = upstream_parse(stitch, span->shape->upstream_cluster);
    bool unnamed = log_is_unnamed(stitch, span) || log_is_unnamed(stitch, above);
    if (upstream->service == above->shape->node.service || log_is_of_other_pod(stitch, a, b))
        return FITS_NOT;
    if (log_is_of_one_pod(stitch, a, b))
        return FITS_BY_ADDRESS;
    if (unnamed)
        return differ_in_id(above, span) ? FITS_NOT : FITS_ALONE;
    return same_workload(&above->shape->node, &span->shape->node) ? FITS_BY_NAME : FITS_NOT;
}

/* Of the application that stands behind its sidecar's entry: it got the header that the sidecar
 * logged. */
static bool is_behind(const struct stitch *stitch, const struct work_span *entry,
                      const struct work_span *span)
{
    return !is_log(span) && span->shape->proxy == PROXY_NONE && !is_out(span->shape) &&
           span->shape->kind != KIND_INTERNAL && log_is_sender(stitch, entry, span);
}

static enum fit fit(struct stitch *stitch, uint32_t a, uint32_t b)
{
    const struct work_span *above = &stitch->spans[a], *span = &stitch->spans[b];
    bool inbound = log_direction(stitch, above) == DIRECTION_INBOUND;
    bool sidecar_out = is_log(span) && is_out(span->shape);
    if (inbound && sidecar_out)
        return fit_of_sender(stitch, a, b);
    if (inbound)
        return is_behind(stitch, above, span) ? FITS_BY_NAME : FITS_NOT;
    if (sidecar_out)
        return FITS_NOT;
    if (!is_log(span) && (is_out(span->shape) || span->shape->kind == KIND_INTERNAL))
        return FITS_NOT;
    return fit_of_call(stitch, a, b);
}

/* How far the one reaches out of the other, beyond what rounding makes of it. */
static uint64_t sticks_out(const struct work_span *above, const struct work_span *span)
{
    uint64_t from = above->record->start_ns, to = from + duration_of(above);
    uint64_t start = span->record->start_ns, end = start + duration_of(span);
    uint64_t out = (start < from ? from - start : 0) + (end > to ? end - to : 0);
    return out > ROUNDED_NS ? out - ROUNDED_NS : 0;
}

/* Of two that fit alike: the one that it lies in; of calls to one callee the one that nobody else
 * answered; the inner one. */
static bool is_nearer(const struct stitch *stitch, uint32_t span, uint32_t above, uint32_t than)
{
    const struct work_span *a = &stitch->spans[above], *b = &stitch->spans[than];
    uint64_t out = sticks_out(a, &stitch->spans[span]),
             out_than = sticks_out(b, &stitch->spans[span]);
    if (out != out_than)
        return out < out_than;
    bool one_callee = is_out(a->shape) && a->shape->upstream_cluster == b->shape->upstream_cluster;
    if (one_callee && stitch->ends[above].taken != stitch->ends[than].taken)
        return stitch->ends[than].taken;
    return duration_of(a) <= duration_of(b);
}

/* Between the two lies a call that no entry answered: whom it went to may have sent this. */
static bool is_of_unseen(struct stitch *stitch, uint32_t span, uint32_t above, uint32_t *looks)
{
    const struct work_span *sent = &stitch->spans[span], *from = &stitch->spans[above];
    name_no callee = upstream_parse(stitch, sent->shape->upstream_cluster)->service;
    for (uint32_t i = 0; i < stitch->n && *looks < MAX_LOOKS; i++, ++*looks) {
        const struct work_span *call = &stitch->spans[i];
        if (i == span || stitch->ends[i].taken || !is_log(call) || !within(from, call) ||
            !within(call, sent))
            continue;
        const struct upstream *upstream = upstream_parse(stitch, call->shape->upstream_cluster);
        if (upstream->direction == DIRECTION_OUTBOUND && upstream->service != callee)
            return true;
    }
    return false;
}

/* Whom names, addresses or nesting tell; of a span's ids more is known than nesting. */
static uint32_t enclosing(struct stitch *stitch, uint32_t span, uint32_t *looks)
{
    uint32_t best = NONE, n_alone = 0;
    enum fit best_fit = FITS_NOT;
    for (uint32_t i = 0; i < stitch->n && *looks < MAX_LOOKS; i++, ++*looks) {
        const struct work_span *above = &stitch->spans[i];
        if (i == span || !same_group(above, &stitch->spans[span]))
            continue;
        enum fit here = fit(stitch, i, span);
        if (here == FITS_NOT || (!is_log(above) && here < FITS_BY_NAME) ||
            !may_enclose(stitch, i, span, here))
            continue;
        n_alone += here == FITS_ALONE;
        if (here > best_fit || (here == best_fit && is_nearer(stitch, span, i, best))) {
            best = i;
            best_fit = here;
        }
    }
    bool guessed = best_fit == FITS_ALONE &&
                   (n_alone > 1 ||
                    (is_out(stitch->spans[span].shape) && is_of_unseen(stitch, span, best, looks)));
    return guessed ? NONE : best;
}

/* The header that Envoy logs may be the one that it sends on itself: a span that never came may be
 * its own, and the entry tells of the call all the same. */
static bool names_itself(const struct work_span *span)
{
    return span->shape->log == LOG_ALONE && is_of_envoy(span);
}

/* Whose sidecar wrote an outgoing entry tells what stands above it: its own way in; and where it
 * does not know its name, the application's span, whose requests pass its own sidecar first. */
static bool is_of_sidecar(struct stitch *stitch, const struct work_span *span, bool enclosed)
{
    if (span->parent == NONE || !is_log(span) || !is_out(span->shape))
        return false;
    const struct work_span *above = &stitch->spans[span->parent];
    if (is_log(above) || enclosed)
        return log_direction(stitch, above) == DIRECTION_INBOUND;
    return above->shape->proxy == PROXY_NONE && log_is_unnamed(stitch, span);
}

static void put_beneath(struct stitch *stitch, struct work_span *span, uint32_t above)
{
    const struct work_span *parent = &stitch->spans[above];
    const struct upstream *upstream = upstream_parse(stitch, parent->shape->upstream_cluster);
    span->parent = above;
    span->orphan = false;
    stitch->ends[above].taken = true;
    if (is_log(span) && !is_out(span->shape) && upstream->service &&
        upstream->direction != DIRECTION_INBOUND && log_is_unnamed(stitch, span))
        span->named_by = parent->shape->upstream_cluster;
}

bool logs_find_parents(struct stitch *stitch)
{
    uint32_t looks = 0;
    if (!log_ends_find(stitch))
        return false;
    for (uint32_t i = 0; i < stitch->n; i++) {
        struct work_span *span = &stitch->spans[i];
        uint32_t above = enclosing(stitch, i, &looks);
        span->orphan = span->orphan && !names_itself(span);
        if (above != NONE)
            put_beneath(stitch, span, above);
        span->of_sidecar = is_of_sidecar(stitch, span, above != NONE);
    }
    return true;
}

/* ---- how a call is known ---- */

static bool is_row_of_logs(const struct stitch *stitch, const struct work_call *call)
{
    for (uint32_t at = call->bottom; at != NONE; at = stitch->spans[at].row_up) {
        if (!is_log(&stitch->spans[at]))
            return false;
    }
    return true;
}

/* Who called is nobody's guess where the proxies told one another. */
static void name_source(struct stitch *stitch, struct work_call *work,
                        const struct work_span *entry)
{
    const struct knowledge *knowledge = stitch->knowledge;
    struct node source;
    if (!waypoint_source(stitch, entry->record, &source) ||
        same_workload(&source, &stitch->visits[work->callee_visit].node))
        return;
    uint8_t proxy = knowledge->proxy_kind ? knowledge->proxy_kind(knowledge, &source) : PROXY_NONE;
    source.role = is_gateway(stitch, &source) ? ROLE_GATEWAY : role_of_proxy(proxy);
    work->call.caller = nodes_add(stitch->nodes, &source);
    work->call.connection_type = CONNECTION_PLAIN;
}

void logs_tell_known(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        struct work_call *work = &stitch->calls[i];
        const struct work_span *callee =
            work->callee_visit == NONE ? NULL
                                       : &stitch->spans[stitch->visits[work->callee_visit].first];
        bool leaf = !callee && work->bottom != NONE;
        if (leaf && is_row_of_logs(stitch, work))
            work->call.known_by = KNOWN_LOG;
        else if (callee && work->call.known_by == KNOWN_ENTRY && is_log(callee)) {
            work->call.known_by = KNOWN_LOG;
            name_source(stitch, work, callee);
        } else if (callee && callee->parent != NONE && callee->shape->log == LOG_OF_REQUEST)
            work->call.known_by = KNOWN_REQUEST_ID;
    }
}
