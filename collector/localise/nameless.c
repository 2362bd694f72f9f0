/* nameless.c - calls of clients that say nothing of whom they call, and that nobody answers. Whose
 * they are is told by the calls that their caller's visits now lack: of several callees, of those
 * to which calls leave by the same name, by the one that used to come first, for what follows a
 * call without an answer is never begun.
 */
#include <math.h>

#include "collector/localise/work.h"

/* Of one caller: the visits in which most of its nameless calls are made, normal and now. */
struct nameless {
    name_no operation, name;    /* … of the visits, and of the calls */
    double visits[2], calls[2]; /* for that operation; calls: those of nobody known */
};

static bool is_nameless(const struct work *work, node_no no)
{
    const struct node *node = nodes_get(work->input->nodes, no);
    return node->role == ROLE_EXTERNAL &&
           str_eq(name_text(work, node->service), STR(NAMELESS_SERVICE));
}

static const struct rollup *rollup_of(const struct work *work, int t)
{
    return t ? work->input->now : work->input->normal;
}

static uint32_t service_of(const struct work *work, node_no no)
{
    return work->services.of_node[no];
}

/* By group of services: for what visits now make most of them or, `names`, by which name those are
 * made. `most`: how many, 0 at first. */
static bool choose(const struct work *work, struct nameless *all, int64_t *most, bool names)
{
    struct rollup asked;
    bool good = true;
    rollup_init(&asked, UINT32_MAX);
    for (uint32_t i = 0; i < work->input->now->n && good; i++) {
        const struct tally *tally = &work->input->now->items[i];
        uint32_t caller = service_of(work, tally->key.node);
        if (caller == NO_GROUP || tally->key.channel != TALLY_CALL || !tally->key.detail ||
            !is_nameless(work, tally->key.peer) ||
            (names && tally->key.detail != all[caller].operation))
            continue;
        name_no name = names ? tally->key.name : tally->key.detail;
        struct tally *sum =
            rollup_tally(&asked, &(struct tally_key){.node = caller, .name = name}, 0);
        good = sum;
        if (!good)
            break;
        sum->n += tally->n;
        if (sum->n > most[caller]) {
            most[caller] = sum->n;
            *(names ? &all[caller].name : &all[caller].operation) = name;
        }
    }
    rollup_fini(&asked);
    return good;
}

static void count_nameless(const struct work *work, struct nameless *all)
{
    for (int t = 0; t < 2; t++) {
        const struct rollup *rollup = rollup_of(work, t);
        for (uint32_t i = 0; i < rollup->n; i++) {
            const struct tally *tally = &rollup->items[i];
            uint32_t caller = service_of(work, tally->key.node);
            if (caller == NO_GROUP || !all[caller].operation)
                continue;
            struct nameless *of = &all[caller];
            if (tally->key.channel == TALLY_FLOW && tally->key.name == of->operation)
                of->visits[t] += (double)tally->n;
            else if (tally->key.channel == TALLY_CALL && tally->key.detail == of->operation &&
                     is_nameless(work, tally->key.peer))
                of->calls[t] += (double)tally->n;
        }
    }
}

/* Calls a visit that nobody answers, more than before; 0 where they are as ever, or mostly so. */
static double rise_of(const struct nameless *caller)
{
    if (caller->visits[0] < MIN_TIMES || caller->visits[1] < TEST_EVENTS)
        return 0;
    double was = caller->calls[0] / caller->visits[0], is = caller->calls[1] / caller->visits[1];
    bool new = is - was >= was && (is - was) * caller->visits[1] >=
                                      TEST_EVENTS &&calls_z(caller->calls, caller->visits) >
                                      SIGNIFICANT_Z;
    return new ? is - was : 0;
}

/* Whom a caller used to call in such visits, and when. */
struct usual_callee {
    double calls[2];
    double starts, start_ns; /* normal */
};

static void count_usual(const struct work *work, uint32_t caller, name_no operation,
                        struct usual_callee *callees)
{
    for (int t = 0; t < 2; t++) {
        const struct rollup *rollup = rollup_of(work, t);
        for (uint32_t i = 0; i < rollup->n; i++) {
            const struct tally *tally = &rollup->items[i];
            uint32_t callee = service_of(work, tally->key.peer);
            if (service_of(work, tally->key.node) != caller || callee == NO_GROUP ||
                is_nameless(work, tally->key.peer))
                continue;
            struct usual_callee *usual = &callees[callee];
            if (tally->key.channel == TALLY_CALL && tally->key.what == CALL_ANSWERED &&
                tally->key.detail == operation) {
                usual->calls[t] += (double)tally->n;
            } else if (tally->key.channel == TALLY_START && tally->key.name == operation &&
                       t == 0) {
                usual->starts += (double)tally->n;
                usual->start_ns += (double)tally->sum_ns;
            }
        }
    }
}

static uint32_t first_lacking(const struct work *work, uint32_t group,
                              const struct nameless *caller, double rise,
                              const struct usual_callee *callees)
{
    double first_ns = INFINITY;
    uint32_t found = NO_GROUP;
    for (uint32_t i = 0; i < work->services.n; i++) {
        const struct usual_callee *usual = &callees[i];
        double fewer = usual->calls[0] / caller->visits[0] - usual->calls[1] / caller->visits[1];
        if (!may_lead_to(work, group, i, caller->name) || usual->starts <= 0 ||
            fewer < NAMELESS_LEAST * rise || calls_z(usual->calls, caller->visits) > -SIGNIFICANT_Z)
            continue;
        if (usual->start_ns / usual->starts < first_ns) {
            first_ns = usual->start_ns / usual->starts;
            found = i;
        }
    }
    return found;
}

bool nameless_make(struct work *work)
{
    uint32_t n = work->services.n + 1;
    struct nameless *all = arena_calloc(work->arena, n * sizeof(*all));
    struct usual_callee *callees = arena_calloc(work->arena, n * sizeof(*callees));
    int64_t *most = arena_calloc(work->arena, (size_t)2 * n * sizeof(*most));
    work->callee_of_nameless = arena_calloc(work->arena, n * sizeof(uint32_t));
    if (!all || !callees || !most || !work->callee_of_nameless)
        return false;
    if (!choose(work, all, most, false) || !choose(work, all, most + n, true))
        return false;
    count_nameless(work, all);
    for (uint32_t caller = 0; caller < work->services.n; caller++) {
        work->callee_of_nameless[caller] = NO_GROUP;
        double rise = rise_of(&all[caller]);
        if (rise <= 0)
            continue;
        memset(callees, 0, n * sizeof(*callees));
        count_usual(work, caller, all[caller].operation, callees);
        work->callee_of_nameless[caller] = first_lacking(work, caller, &all[caller], rise, callees);
    }
    return true;
}

uint32_t nameless_callee(const struct work *work, const struct tally_key *key)
{
    bool origin = key->channel == TALLY_ORIGIN; /* … of which the caller is the peer */
    if (!origin && key->channel != TALLY_GAP && key->channel != TALLY_CALL &&
        key->channel != TALLY_FLOW)
        return NO_GROUP;
    uint32_t caller = service_of(work, origin ? key->peer : key->node);
    return caller != NO_GROUP && is_nameless(work, origin ? key->node : key->peer)
               ? work->callee_of_nameless[caller]
               : NO_GROUP;
}
