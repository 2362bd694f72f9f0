/* logs.c - entries of access logs among the spans of a trace (STITCHING §2, rules 5 and 6).
 *
 * An entry that says again what a span of the same proxy said makes no call: it is taken out before
 * the trace is stitched (its twin is the span). Any other is a half of a call like a span. Entries
 * mostly have no ids of their own: a proxy hands on the header that it logs, so entries and spans
 * beneath it name the same parent, and which of them stands above which is read from connections,
 * names, and time: of two that are nested the outer lasts longer, on whatever clocks.
 */
#include "collector/stitch/work.h"

#define CLOCKS_NS UINT64_C(1000000000) /* hosts' clocks, and logs that write whole seconds */
#define ROUNDED_NS UINT64_C(2000000)   /* times of one proxy, written in milliseconds */
#define TWIN_NS UINT64_C(50000000)     /* starts of one request, by its span and by its log entry */
#define MAX_LOOKS 100000u /* pairs that are looked at in one trace; beyond: no joining */

static bool is_log(const struct work_span *span)
{
    return span->shape->log != LOG_NONE;
}

static bool is_out(const struct shape *shape)
{
    return shape->kind == KIND_CLIENT || shape->kind == KIND_PRODUCER;
}

static uint64_t duration_of(const struct work_span *span)
{
    uint64_t ns = known_duration(span->record);
    return ns == DURATION_UNKNOWN ? 0 : ns;
}

static uint64_t apart(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Named by an address, or as any Envoy is: the entry does not know whose proxy wrote it. */
static bool is_unnamed(const struct stitch *stitch, const struct work_span *span)
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

static uint8_t direction_of(struct stitch *stitch, const struct work_span *span)
{
    uint8_t direction = upstream_parse(stitch, span->shape->upstream_cluster)->direction;
    if (direction == DIRECTION_UNKNOWN && is_out(span->shape))
        return DIRECTION_OUTBOUND;
    return direction;
}

/* ---- twins ---- */

static bool same_sender(const struct stitch *stitch, const struct work_span *entry,
                        const struct work_span *span)
{
    return is_unnamed(stitch, entry) || same_workload(&entry->shape->node, &span->shape->node);
}

/* Both say the same of their direction, as far as they say it: an entry of a request that was not
 * sent names no cluster. */
static bool same_direction(struct stitch *stitch, const struct work_span *entry,
                           const struct work_span *span)
{
    uint8_t near = direction_of(stitch, entry), far = direction_of(stitch, span);
    return near == far || near == DIRECTION_UNKNOWN || far == DIRECTION_UNKNOWN;
}

/* Did this proxy's span tell of the same request? The id in a header that Envoy logs is its own
 * span's only where it sent the request on; else it is that of the span before. */
static bool is_twin(struct stitch *stitch, const struct work_span *entry,
                    const struct work_span *span)
{
    const struct record *a = entry->record, *b = span->record;
    if (is_log(span) || span->shape->proxy == PROXY_NONE || span->twin ||
        !same_sender(stitch, entry, span))
        return false;
    if ((entry->shape->log == LOG_OF_SPAN ? a->span_id : a->parent_id) == b->span_id)
        return true;
    if (apart(a->start_ns, b->start_ns) > TWIN_NS)
        return false;
    if (a->request_id && a->request_id == b->request_id && same_direction(stitch, entry, span))
        return true;
    return entry->shape->log == LOG_ALONE && a->parent_id && a->parent_id == b->parent_id &&
           !is_out(span->shape);
}

/* The same for a span of another trace. */
static bool is_told(struct stitch *stitch, const struct record *entry,
                    const struct request_place *place)
{
    const struct work_span near = {.record = entry, .shape = entry->shape};
    const struct record record = {
        .span_id = place->span_id, .request_id = place->request_id, .start_ns = place->start_ns};
    const struct work_span far = {.record = &record, .shape = place->shape};
    return entry->shape->log == LOG_OF_REQUEST && is_twin(stitch, &near, &far);
}

/* How sure it is: of spans that could be the twin, the one of the same id and direction, else whose
 * start is nearest. */
static int surety(struct stitch *stitch, const struct work_span *entry,
                  const struct work_span *span)
{
    uint64_t id =
        entry->shape->log == LOG_OF_SPAN ? entry->record->span_id : entry->record->parent_id;
    bool same_id = id == span->record->span_id;
    bool same_way = direction_of(stitch, entry) == direction_of(stitch, span);
    bool same_side = is_out(span->shape) == is_out(entry->shape);
    return same_way * 4 + same_id * 2 + same_side;
}

static uint32_t twin_of(struct stitch *stitch, uint32_t entry, uint32_t *looks)
{
    uint32_t best = NONE;
    int best_surety = 0;
    const struct work_span *it = &stitch->spans[entry];
    for (uint32_t i = 0; i < stitch->n && *looks < MAX_LOOKS; i++, ++*looks) {
        const struct work_span *span = &stitch->spans[i];
        if (!is_twin(stitch, it, span))
            continue;
        int sure = surety(stitch, it, span);
        bool nearer =
            best != NONE && apart(span->record->start_ns, it->record->start_ns) <
                                apart(stitch->spans[best].record->start_ns, it->record->start_ns);
        if (best == NONE || sure > best_surety || (sure == best_surety && nearer)) {
            best = i;
            best_surety = sure;
        }
    }
    return best;
}

static bool move_behind(struct stitch *stitch)
{
    struct work_span *out = arena_alloc(stitch->arena, stitch->n_again * sizeof(*out));
    uint32_t kept = 0, n_out = 0;
    if (!out)
        return false;
    for (uint32_t i = 0; i < stitch->n; i++) {
        if (stitch->spans[i].again)
            out[n_out++] = stitch->spans[i];
        else
            stitch->spans[kept++] = stitch->spans[i];
    }
    memcpy(&stitch->spans[kept], out, n_out * sizeof(*out));
    stitch->n = kept;
    return true;
}

bool logs_take_twins(struct stitch *stitch)
{
    uint32_t looks = 0;
    for (uint32_t i = 0; i < stitch->n; i++) {
        struct work_span *entry = &stitch->spans[i];
        uint32_t twin = is_log(entry) ? twin_of(stitch, i, &looks) : NONE;
        bool told =
            twin != NONE || (is_log(entry) && joins_has_told(stitch, entry->record, is_told));
        entry->again = told;
        stitch->n_again += told;
        if (twin == NONE)
            continue;
        struct work_span *span = &stitch->spans[twin];
        span->twin = true;
        span->security =
            entry->shape->security > span->security ? entry->shape->security : span->security;
    }
    return !stitch->n_again || move_behind(stitch);
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
    if (!is_log(b) && direction_of(stitch, a) == DIRECTION_INBOUND)
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
    return upstream->kubernetes && !is_unnamed(stitch, span) ? 0 : 1;
}

/* Of the application that stands behind its sidecar's entry: it got the header that the sidecar
 * logged. */
static bool is_behind(const struct stitch *stitch, const struct work_span *entry,
                      const struct work_span *span)
{
    return !is_log(span) && span->shape->proxy == PROXY_NONE && !is_out(span->shape) &&
           span->shape->kind != KIND_INTERNAL && same_sender(stitch, entry, span);
}

/* How well `above` fits as the parent of `span`: the greater the better, 0 not at all. */
static int fit(struct stitch *stitch, const struct work_span *above, const struct work_span *span)
{
    bool inbound = direction_of(stitch, above) == DIRECTION_INBOUND;
    bool sidecar_out = is_log(span) && is_out(span->shape);
    if (inbound && sidecar_out) /* nobody calls himself through his proxy */
        return same_sender(stitch, span, above) &&
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
    uint8_t format = span->shape->format;
    return span->shape->log == LOG_ALONE &&
           (format == FORMAT_ENVOY_LOG || format == FORMAT_ENVOY_ALS ||
            format == FORMAT_ACCESS_LOG_OTLP);
}

/* Whose sidecar wrote an outgoing entry tells what stands above it: its own incoming one; and where
 * it does not know its name, the application's span, whose requests pass its own sidecar first. */
static bool is_of_sidecar(struct stitch *stitch, const struct work_span *span)
{
    if (span->parent == NONE || !is_log(span) || !is_out(span->shape))
        return false;
    const struct work_span *above = &stitch->spans[span->parent];
    if (is_log(above))
        return direction_of(stitch, above) == DIRECTION_INBOUND;
    return above->shape->proxy == PROXY_NONE && is_unnamed(stitch, span);
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
            upstream->direction != DIRECTION_INBOUND && is_unnamed(stitch, span))
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
