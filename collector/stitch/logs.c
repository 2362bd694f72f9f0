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

/* Under one parent; or entries of one trace whose parents sent no spans. */
static bool same_group(const struct work_span *above, const struct work_span *span)
{
    if (above->shape->log == LOG_OF_SPAN)
        return false;
    return above->record->parent_id == span->record->parent_id ||
           (is_log(span) && span->parent == NONE);
}

/* The sidecar's way in and its way out: one clock. */
static bool within(const struct work_span *above, const struct work_span *span)
{
    uint64_t from = above->record->start_ns, start = span->record->start_ns;
    return start + ROUNDED_NS >= from &&
           start + duration_of(span) <= from + duration_of(above) + ROUNDED_NS;
}

/* What an application begins while its sidecar waits for it; it may go on when it has answered. */
static bool begins_within(const struct work_span *above, const struct work_span *span)
{
    uint64_t from = above->record->start_ns, start = span->record->start_ns;
    return start + ROUNDED_NS >= from && start <= from + duration_of(above) + ROUNDED_NS;
}

/* The outer one lasts longer; of equal ones the one that comes first. A callee that names tell may
 * outlast a caller that gave up. */
static bool may_enclose(struct stitch *stitch, uint32_t above, uint32_t span, bool named)
{
    const struct work_span *a = &stitch->spans[above], *b = &stitch->spans[span];
    uint64_t from = a->record->start_ns, start = b->record->start_ns;
    if (is_log(b) && is_out(b->shape))
        return within(a, b);
    if (!is_log(b) && log_direction(stitch, a) == DIRECTION_INBOUND)
        return begins_within(a, b);
    if (start + CLOCKS_NS < from || start > from + duration_of(a) + CLOCKS_NS)
        return false;
    if (named || !is_log(b))
        return true;
    uint64_t outer = duration_of(a), inner = duration_of(b);
    return outer > inner || (outer == inner && above < span);
}

static bool same_connection(const struct work_span *above, const struct work_span *span)
{
    struct str near = span_text(above->record, STR("upstream_local_address"));
    return near.len && str_eq(near, span_text(span->record, STR("peer.address")));
}

enum { FITS_BY_NAME = 4, FITS_BY_CONNECTION = 8 };

/* From a caller's half to what it called: 0 when names speak against it. */
static int fit_of_call(struct stitch *stitch, const struct work_span *above,
                       const struct work_span *span)
{
    const struct upstream *upstream = upstream_parse(stitch, above->shape->upstream_cluster);
    if (same_connection(above, span))
        return FITS_BY_CONNECTION;
    if (upstream->service && upstream->service == span->shape->node.service)
        return FITS_BY_NAME;
    return upstream->kubernetes && !log_is_unnamed(stitch, span) ? 0 : 1;
}

/* Of the application that stands behind its sidecar's entry: it got the header that the sidecar
 * logged. */
static bool is_behind(const struct stitch *stitch, const struct work_span *entry,
                      const struct work_span *span)
{
    return !is_log(span) && span->shape->proxy == PROXY_NONE && !is_out(span->shape) &&
           span->shape->kind != KIND_INTERNAL && log_is_sender(stitch, entry, span);
}

/* How well `above` fits as the parent of `span`: the greater the better, 0 not at all. */
static int fit(struct stitch *stitch, const struct work_span *above, const struct work_span *span)
{
    bool inbound = log_direction(stitch, above) == DIRECTION_INBOUND;
    bool sidecar_out = is_log(span) && is_out(span->shape);
    if (inbound && sidecar_out) /* nobody calls himself through his proxy */
        return log_is_sender(stitch, span, above) &&
                       upstream_parse(stitch, span->shape->upstream_cluster)->service !=
                           above->shape->node.service
                   ? FITS_BY_NAME
                   : 0;
    if (inbound)
        return is_behind(stitch, above, span) ? FITS_BY_NAME : 0;
    if (sidecar_out)
        return 0;
    if (!is_log(span) && (is_out(span->shape) || span->shape->kind == KIND_INTERNAL))
        return 0;
    if (same_workload(&above->shape->node, &span->shape->node))
        return 0;
    return fit_of_call(stitch, above, span);
}

static uint32_t enclosing(struct stitch *stitch, uint32_t span, uint32_t *looks)
{
    uint32_t best = NONE;
    int best_fit = 0;
    for (uint32_t i = 0; i < stitch->n && *looks < MAX_LOOKS; i++, ++*looks) {
        const struct work_span *above = &stitch->spans[i];
        if (i == span || !is_log(above) || !same_group(above, &stitch->spans[span]))
            continue;
        int here = fit(stitch, above, &stitch->spans[span]);
        if (!here || !may_enclose(stitch, i, span, here >= FITS_BY_NAME))
            continue;
        bool inner = best == NONE || duration_of(above) <= duration_of(&stitch->spans[best]);
        if (here > best_fit || (here && here == best_fit && inner)) {
            best = i;
            best_fit = here;
        }
    }
    return best;
}

/* The header that Envoy logs may be the one that it sends on itself: a span that never came may be
 * its own, and the entry tells of the call all the same. */
static bool names_itself(const struct work_span *span)
{
    return span->shape->log == LOG_ALONE && is_of_envoy(span);
}

/* Whose sidecar wrote an outgoing entry tells what stands above it: its own incoming one; and where
 * it does not know its name, the application's span, whose requests pass its own sidecar first. */
static bool is_of_sidecar(struct stitch *stitch, const struct work_span *span)
{
    if (span->parent == NONE || !is_log(span) || !is_out(span->shape))
        return false;
    const struct work_span *above = &stitch->spans[span->parent];
    if (is_log(above))
        return log_direction(stitch, above) == DIRECTION_INBOUND;
    return above->shape->proxy == PROXY_NONE && log_is_unnamed(stitch, span);
}

void logs_find_parents(struct stitch *stitch)
{
    uint32_t looks = 0;
    if (!stitch->n_logs)
        return;
    for (uint32_t i = 0; i < stitch->n; i++) {
        struct work_span *span = &stitch->spans[i];
        bool has_ids = span->shape->log == LOG_OF_SPAN;
        uint32_t above = has_ids ? NONE : enclosing(stitch, i, &looks);
        span->orphan = span->orphan && !names_itself(span);
        span->parent = above == NONE ? span->parent : above;
        span->of_sidecar = is_of_sidecar(stitch, span);
        if (above == NONE)
            continue;
        span->orphan = false;
        const struct upstream *upstream =
            upstream_parse(stitch, stitch->spans[above].shape->upstream_cluster);
        if (is_log(span) && !is_out(span->shape) && upstream->service &&
            upstream->direction != DIRECTION_INBOUND && log_is_unnamed(stitch, span))
            span->named_by = stitch->spans[above].shape->upstream_cluster;
    }
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
        else if (callee && work->call.known_by == KNOWN_ENTRY && is_log(callee))
            work->call.known_by = KNOWN_LOG;
        else if (callee && callee->parent != NONE && callee->shape->log == LOG_OF_REQUEST)
            work->call.known_by = KNOWN_REQUEST_ID;
    }
}
