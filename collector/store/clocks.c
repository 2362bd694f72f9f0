/* clocks.c - the offsets between the clocks of hosts, from the calls between them (STITCHING §5).
 *
 * A callee works while its caller waits: with both intervals known, the callee's clock is ahead by
 * no more than its start is behind the caller's, and by no less than its end is behind. Many calls
 * narrow that down. Clocks drift, so a period counts with the one before it and then is forgotten.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/store/relations.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

#define PERIOD_NS NS_PER_MINUTE
#define MAX_PAIRS 4096u /* of hosts */
#define LOOK_AT_ALL 64u /* traces of a turn; of more, one in eight */

int clocks_open(struct store *store)
{
    struct clocks *c = &store->clocks;
    map_init(&c->map);
    return store_prepare(
        store,
        "INSERT INTO clock VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT DO UPDATE SET low_ns = ?3, "
        "high_ns = ?4, samples = samples + ?5, updated_ns = ?6",
        &c->put);
}

void clocks_close(struct store *store)
{
    struct clocks *c = &store->clocks;
    sqlite3_finalize(c->put);
    free(c->pairs);
    map_fini(&c->map);
}

static struct clock_pair *pair_of(struct clocks *c, name_no a, name_no b)
{
    uint64_t hash = hash_u64((uint64_t)a << 32 | b);
    for (struct map_iter it = map_find(&c->map, hash); map_next(&c->map, &it);) {
        if (c->pairs[it.value].a == a && c->pairs[it.value].b == b)
            return &c->pairs[it.value];
    }
    if (c->n == MAX_PAIRS)
        return NULL;
    if (!c->pairs && !(c->pairs = malloc(MAX_PAIRS * sizeof(*c->pairs))))
        return NULL;
    if (!map_add(&c->map, hash, c->n))
        return NULL;
    c->pairs[c->n] = (struct clock_pair){.a = a, .b = b};
    return &c->pairs[c->n++];
}

static void narrow(struct clock_range *range, int64_t low_ns, int64_t high_ns)
{
    if (!range->n || low_ns > range->low_ns)
        range->low_ns = low_ns;
    if (!range->n || high_ns < range->high_ns)
        range->high_ns = high_ns;
    range->n++;
}

/* b's clock less a's, as one call has it. */
static void observe(struct clocks *c, const struct turn *turn, const struct record *caller,
                    const struct record *callee)
{
    name_no a = caller->shape->host, b = callee->shape->host;
    int64_t low_ns = (int64_t)(callee->start_ns + callee->duration_ns) -
                     (int64_t)(caller->start_ns + caller->duration_ns);
    int64_t high_ns = (int64_t)callee->start_ns - (int64_t)caller->start_ns;
    if (str_cmp(names_text(turn->names, a), names_text(turn->names, b)) > 0) {
        name_no swap = a;
        int64_t low = low_ns;
        a = b;
        b = swap;
        low_ns = -high_ns;
        high_ns = -low;
    }
    struct clock_pair *pair = pair_of(c, a, b);
    if (!pair)
        return;
    if (c->now_ns - pair->since_ns >= PERIOD_NS) {
        bool recent = c->now_ns - pair->since_ns < 3 * PERIOD_NS;
        pair->before = recent ? pair->now : (struct clock_range){0};
        pair->now = (struct clock_range){0};
        pair->since_ns = c->now_ns;
    }
    narrow(&pair->now, low_ns, high_ns);
    pair->fresh++;
}

static bool has_times(const struct record *record)
{
    return record->start_ns && !record->bad_times && record->duration_ns != DURATION_UNKNOWN;
}

/* Of a call with both halves on two hosts, the callee's within the caller's. */
static void look_at(struct clocks *c, const struct turn *turn, const struct counted_trace *trace,
                    const struct call *call)
{
    if (call->caller_span == NO_SPAN || call->callee_span == NO_SPAN)
        return;
    const struct record *caller = &trace->records[call->caller_span],
                        *callee = &trace->records[call->callee_span];
    bool two =
        caller->shape->host && callee->shape->host && caller->shape->host != callee->shape->host;
    if (two && has_times(caller) && has_times(callee) && callee->duration_ns <= caller->duration_ns)
        observe(c, turn, caller, callee);
}

/* A trace that was opened again begins with the records that it had. */
static bool had_both(const struct counted_trace *was, const struct call *call)
{
    return was && call->caller_span < was->n_records && call->callee_span < was->n_records;
}

void clocks_add(struct store *store, const struct turn *turn)
{
    bool all = turn->n_traces <= LOOK_AT_ALL;
    store->clocks.names = turn->names;
    store->clocks.now_ns = clock_mono_ns();
    for (uint32_t i = 0; i < turn->n_traces; i++) {
        const struct cut_trace *trace = &turn->traces[i];
        if (!all && (trace->id.low & 7) != 0)
            continue;
        for (uint32_t k = 0; k < trace->now.graph.n_calls; k++) {
            const struct call *call = &trace->now.graph.calls[k];
            if (!had_both(trace->was, call))
                look_at(&store->clocks, turn, &trace->now, call);
        }
    }
}

/* This period with the one before, unless the clock was set between the two. */
static struct clock_range known(const struct clock_pair *pair)
{
    struct clock_range range = pair->now;
    if (pair->before.n) {
        narrow(&range, pair->before.low_ns, pair->before.high_ns);
        if (range.low_ns > range.high_ns)
            range = pair->now;
    }
    return range;
}

int clocks_write(struct store *store)
{
    struct clocks *c = &store->clocks;
    uint64_t now_ns = clock_wall_ns();
    int code = 0;
    for (uint32_t i = 0; i < c->n && !code; i++) {
        struct clock_pair *pair = &c->pairs[i];
        if (!pair->fresh)
            continue;
        struct clock_range range = known(pair);
        struct str a = names_text(c->names, pair->a), b = names_text(c->names, pair->b);
        sqlite3_bind_text(c->put, 1, a.p, (int)a.len, SQLITE_STATIC);
        sqlite3_bind_text(c->put, 2, b.p, (int)b.len, SQLITE_STATIC);
        sqlite3_bind_int64(c->put, 3, range.low_ns);
        sqlite3_bind_int64(c->put, 4, range.high_ns);
        sqlite3_bind_int64(c->put, 5, (int64_t)pair->fresh);
        sqlite3_bind_int64(c->put, 6, (int64_t)now_ns);
        pair->fresh = 0;
        code = statement_run(c->put);
    }
    return code;
}
