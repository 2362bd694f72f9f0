/* twins.c - entries of access logs that say again what is known (STITCHING §2, rules 5 and 6).
 *
 * A hop counts once, however many ways its proxy tells of it: an entry that says again what a span
 * of the same proxy said, or an entry of another of its logs, makes no call. It is taken out before
 * the trace is stitched (its twin is the span).
 */
#include "collector/stitch/logs.h"

#define TWIN_NS UINT64_C(50000000) /* starts of one request, by its span and by its log entry */

static uint64_t apart(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Which log it stands in. One log has one entry of a request, so two of them are two requests. What
 * knows its span's id and what does not are two logs even in one format: a proxy's own, and lines
 * that somebody collected. */
static uint32_t log_of(const struct work_span *entry)
{
    _Static_assert(2 * N_FORMATS <= 32, "a bit for each log");
    return UINT32_C(1) << (2 * entry->shape->format + (entry->shape->log == LOG_OF_SPAN));
}

/* ---- of a span ---- */

/* Both say the same of their direction, as far as they say it: an entry of a request that was not
 * sent names no cluster. */
static bool same_direction(struct stitch *stitch, const struct work_span *entry,
                           const struct work_span *span)
{
    uint8_t near = log_direction(stitch, entry), far = log_direction(stitch, span);
    return near == far || near == DIRECTION_UNKNOWN || far == DIRECTION_UNKNOWN;
}

/* Both sent it to one callee, as far as they say to whom. */
static bool same_callee(struct stitch *stitch, const struct work_span *entry,
                        const struct work_span *span)
{
    name_no near = upstream_parse(stitch, entry->shape->upstream_cluster)->service;
    name_no far = upstream_parse(stitch, span->shape->upstream_cluster)->service;
    return near == far || !near || !far;
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
        !log_is_sender(stitch, entry, span))
        return false;
    if (named_span(entry) == b->span_id)
        return true;
    if (apart(a->start_ns, b->start_ns) > TWIN_NS)
        return false;
    if (a->request_id && a->request_id == b->request_id && same_direction(stitch, entry, span) &&
        same_callee(stitch, entry, span))
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
    bool same_way = log_direction(stitch, entry) == log_direction(stitch, span);
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
    bool unnamed = log_is_unnamed(stitch, entry) || log_is_unnamed(stitch, lead);
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
    return !log_is_unnamed(stitch, entry) * 2 + (entry->record->parent_id != 0);
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

bool twins_take(struct stitch *stitch)
{
    uint32_t logs = find_twins(stitch);
    if (logs & (logs - 1)) /* more than one */
        find_same_hops(stitch);
    return !stitch->n_again || move_behind(stitch);
}
