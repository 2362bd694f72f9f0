/* logs.c - entries of access logs among the spans of a trace (STITCHING §2, rules 5 and 6).
 *
 * A hop counts once, however many ways its proxy tells of it: an entry that says again what a span
 * of the same proxy said, or an entry of another of its logs, makes no call. It is taken out before
 * the trace is stitched (its twin is the span). Any other is a half of a call like a span. Entries
 * mostly have no ids of their own: a proxy hands on the header that it logs, so entries and spans
 * beneath it name the same parent, and which of them stands above which is read from connections,
 * names, and time: of two that are nested the outer lasts longer, on whatever clocks.
 */
#include "collector/stitch/work.h"

#define CLOCKS_NS UINT64_C(1000000000) /* hosts' clocks, and logs that write whole seconds */
#define ROUNDED_NS UINT64_C(2000000)   /* times of one proxy, written in milliseconds */
#define CUT_NS UINT64_C(1000000)   /* a start of one proxy in two logs: some cut to milliseconds */
#define TWIN_NS UINT64_C(50000000) /* starts of one request, by its span and by its log entry */
#define MAX_LOOKS 100000u          /* pairs that are looked at in one trace; beyond: no joining */

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

/* Envoy's logs: a proxy may write several of them, of one clock and in the same words. */
static bool is_of_envoy(const struct work_span *entry)
{
    uint8_t format = entry->shape->format;
    return is_log(entry) && (format == FORMAT_ENVOY_LOG || format == FORMAT_ENVOY_ALS ||
                             format == FORMAT_ACCESS_LOG_OTLP);
}

/* Which log it stands in. One log has one entry of a request, so two of them are two requests. What
 * knows its span's id and what does not are two logs even in one format: a proxy's own, and lines
 * that somebody collected. */
static uint32_t log_of(const struct work_span *entry)
{
    _Static_assert(2 * N_FORMATS <= 32, "a bit for each log");
    return UINT32_C(1) << (2 * entry->shape->format + (entry->shape->log == LOG_OF_SPAN));
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

/* The span that it names: its proxy's own, or that of the span before. */
static uint64_t named_span(const struct work_span *entry)
{
    const struct record *record = entry->record;
    return entry->shape->log == LOG_OF_SPAN ? record->span_id : record->parent_id;
}

/* Did this proxy's span tell of the same request? The id in a header that Envoy logs is its own
 * span's only where it sent the request on; else it is that of the span before. */
static bool is_twin(struct stitch *stitch, const struct work_span *entry,
                    const struct work_span *span)
{
    const struct record *a = entry->record, *b = span->record;
    if (is_log(span) || span->shape->proxy == PROXY_NONE || (span->told & log_of(entry)) ||
        !same_sender(stitch, entry, span))
        return false;
    if (named_span(entry) == b->span_id)
        return true;
    if (apart(a->start_ns, b->start_ns) > TWIN_NS)
        return false;
    if (a->request_id && a->request_id == b->request_id && same_direction(stitch, entry, span))
        return true;
    return entry->shape->log == LOG_ALONE && a->parent_id && a->parent_id == b->parent_id &&
           !is_out(span->shape);
}

/* How sure it is: of spans that could be the twin, the one of the same id and direction, else whose
 * start is nearest. */
static int surety(struct stitch *stitch, const struct work_span *entry,
                  const struct work_span *span)
{
    bool same_id = named_span(entry) == span->record->span_id;
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

/* ---- entries of one hop in several logs ---- */

/* 1: both name this end of a connection, and it is one; -1: they are two; 0: not said. */
static int same_end(uint32_t a, uint32_t b)
{
    return !a || !b ? 0 : a == b ? 1 : -1;
}

static int same_upstream(const struct work_span *entry, const struct work_span *lead)
{
    struct str a = span_text(entry->record, STR("upstream_address"));
    struct str b = span_text(lead->record, STR("upstream_address"));
    return !a.len || !b.len ? 0 : str_eq(a, b) ? 1 : -1;
}

/* One proxy wrote both: its connections say so, else its name. Of another trace's entry (`place`)
 * only the duration is there to tell where neither does. */
static bool same_writer(const struct stitch *stitch, const struct work_span *entry,
                        const struct work_span *lead, int client, bool place)
{
    bool unnamed = is_unnamed(stitch, entry) || is_unnamed(stitch, lead);
    if (!unnamed && !same_workload(&entry->shape->node, &lead->shape->node))
        return false;
    if (client > 0)
        return true;
    if (place)
        return !client && (!unnamed || apart(duration_of(entry), duration_of(lead)) < ROUNDED_NS);
    int upstream = same_upstream(entry, lead);
    return upstream > 0 || (!unnamed && !client && !upstream);
}

static bool same_cluster(const struct work_span *entry, const struct work_span *lead)
{
    name_no a = entry->shape->upstream_cluster, b = lead->shape->upstream_cluster;
    return a == b || !a || !b;
}

static bool same_request(const struct work_span *entry, const struct work_span *lead)
{
    uint64_t a = entry->record->request_id, b = lead->record->request_id;
    if (a && b)
        return a == b;
    return named_span(entry) && named_span(entry) == named_span(lead);
}

/* Did another log of this proxy tell of the same request, on the same side of it? What is named
 * differently, or began at another time on the proxy's one clock, is another hop of the request. A
 * line that does not say whose it is may have its side wrong: a connection has one. `place` is
 * where `lead` is of another trace, else NULL. */
static bool is_same_hop(struct stitch *stitch, const struct work_span *entry,
                        const struct work_span *lead, const struct request_place *place)
{
    if (!is_of_envoy(entry) || !is_of_envoy(lead) || (lead->told & log_of(entry)) ||
        !same_request(entry, lead) || !same_cluster(entry, lead) ||
        apart(entry->record->start_ns, lead->record->start_ns) >= CUT_NS ||
        !same_direction(stitch, entry, lead))
        return false;
    int client = same_end(request_client(entry->record),
                          place ? place->client : request_client(lead->record));
    bool same_side = client > 0 || is_out(entry->shape) == is_out(lead->shape);
    return same_side && same_writer(stitch, entry, lead, client, place != NULL);
}

enum { N_WORTHS = 4 };

/* Of several entries the one that knows most of where the hop stands leads: who wrote it, and what
 * stands above. */
static int worth(const struct stitch *stitch, const struct work_span *entry)
{
    return !is_unnamed(stitch, entry) * 2 + (entry->record->parent_id != 0);
}

static uint32_t lead_of(struct stitch *stitch, uint32_t entry, uint32_t *looks)
{
    const struct work_span *it = &stitch->spans[entry];
    int own = worth(stitch, it);
    uint32_t best = NONE;
    for (uint32_t i = 0; i < stitch->n && *looks < MAX_LOOKS; i++, ++*looks) {
        const struct work_span *lead = &stitch->spans[i];
        if (lead->again || !is_same_hop(stitch, it, lead, NULL))
            continue;
        int here = worth(stitch, lead);
        bool leads = here > own || (here == own && i < entry);
        bool nearer =
            best == NONE || apart(lead->record->start_ns, it->record->start_ns) <
                                apart(stitch->spans[best].record->start_ns, it->record->start_ns);
        if (leads && nearer)
            best = i;
    }
    return best;
}

/* The same for a span, or an entry, of another trace. */
static bool is_told(struct stitch *stitch, const struct record *entry,
                    const struct request_place *place)
{
    const struct work_span near = {.record = entry, .shape = entry->shape};
    const struct record record = {.span_id = place->span_id,
                                  .request_id = place->request_id,
                                  .start_ns = place->start_ns,
                                  .duration_ns = place->duration_ns};
    const struct work_span far = {.record = &record, .shape = place->shape};
    return entry->shape->log == LOG_OF_REQUEST &&
           (is_twin(stitch, &near, &far) || is_same_hop(stitch, &near, &far, place));
}

static void say_again(struct stitch *stitch, struct work_span *entry, uint32_t said_by)
{
    entry->again = true;
    stitch->n_again++;
    if (said_by == NONE)
        return;
    struct work_span *span = &stitch->spans[said_by];
    span->told |= log_of(entry);
    span->security = entry->security > span->security ? entry->security : span->security;
}

/* Gives the logs of entries that no span told of. */
static uint32_t find_twins(struct stitch *stitch)
{
    uint32_t looks = 0, logs = 0;
    for (uint32_t i = 0; i < stitch->n; i++) {
        struct work_span *entry = &stitch->spans[i];
        if (!is_log(entry))
            continue;
        uint32_t twin = twin_of(stitch, i, &looks);
        entry->told = log_of(entry);
        if (twin != NONE || joins_has_told(stitch, entry->record, is_told))
            say_again(stitch, entry, twin);
        else
            logs |= entry->told;
    }
    return logs;
}

/* The best first, so that who leads is led by nobody. */
static void find_same_hops(struct stitch *stitch)
{
    uint32_t looks = 0;
    for (int own = N_WORTHS; own-- > 0;) {
        for (uint32_t i = 0; i < stitch->n; i++) {
            struct work_span *entry = &stitch->spans[i];
            if (entry->again || !is_of_envoy(entry) || worth(stitch, entry) != own)
                continue;
            uint32_t lead = lead_of(stitch, i, &looks);
            if (lead != NONE)
                say_again(stitch, entry, lead);
        }
    }
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
    uint32_t logs = find_twins(stitch);
    if (logs & (logs - 1)) /* more than one */
        find_same_hops(stitch);
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
