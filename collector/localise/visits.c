/* visits.c - for what a service was visited, how that went, and how many calls it made a visit.
 *
 * A service that is asked for other things than before makes other calls, and does nothing else
 * than it did: so calls a visit are compared operation by operation, and added up as now's visits
 * are made up (direct standardisation). Operations that are each too thin count as one.
 */
#include <stdlib.h>

#include "collector/base/order.h"
#include "collector/localise/work.h"

static int by_operation(const void *a, const void *b)
{
    const struct visits *x = a, *y = b;
    int order = (x->group > y->group) - (x->group < y->group);
    return order ? order : (x->operation > y->operation) - (x->operation < y->operation);
}

static struct visits visits_of_pair(const struct pair *pair)
{
    struct visits visits = {.group = pair->key.node, .operation = pair->key.name};
    for (int t = 0; t < 2; t++) {
        double n = (double)pair->t[t].n;
        visits.n[t] = n;
        visits.failed[t] = is_failed_visit(pair) ? n : 0;
        visits.carried[t] = pair->key.what == FLOW_CARRIED ? n : 0;
    }
    return visits;
}

bool visits_make(struct work *work)
{
    uint32_t n = 0, kept = 0;
    struct visits *visits = arena_alloc(work->arena, (work->pairs->n + 1) * sizeof(*visits));
    if (!visits)
        return false;
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.channel == TALLY_FLOW)
            visits[n++] = visits_of_pair(pair);
    }
    if (n)
        qsort(visits, n, sizeof(*visits), by_operation);
    for (uint32_t i = 0; i < n; i++) {
        struct visits *last = kept ? &visits[kept - 1] : NULL;
        if (!last || by_operation(last, &visits[i]) != 0) {
            visits[kept++] = visits[i];
            continue;
        }
        for (int t = 0; t < 2; t++) {
            last->n[t] += visits[i].n[t];
            last->failed[t] += visits[i].failed[t];
            last->carried[t] += visits[i].carried[t];
        }
    }
    work->visits = visits;
    work->n_visits = kept;
    return true;
}

/* The first that is not before this one. */
static uint32_t find_visits(const struct work *work, uint32_t group, name_no operation)
{
    const struct visits wanted = {.group = group, .operation = operation};
    return first_not_before(work->visits, work->n_visits, sizeof(wanted), &wanted, by_operation);
}

struct visits *visits_of(const struct work *work, uint32_t group, name_no operation)
{
    uint32_t i = find_visits(work, group, operation);
    bool found = i < work->n_visits && work->visits[i].group == group &&
                 work->visits[i].operation == operation;
    return found ? &work->visits[i] : NULL;
}

/* Of who reports no visits: the calls that came in, or that were requests. */
static void count_calls_in(const struct work *work, uint32_t group, double calls[2])
{
    double requests[2] = {0, 0};
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        bool in = pair->key.channel == TALLY_CALL && pair->key.peer == group;
        bool begun = pair->key.channel == TALLY_REQUEST && pair->key.node == group;
        for (int t = 0; t < 2; t++) {
            calls[t] += in ? (double)pair->t[t].n : 0;
            requests[t] += begun ? (double)pair->t[t].n : 0;
        }
    }
    for (int t = 0; t < 2; t++)
        calls[t] = calls[t] > 0 ? calls[t] : requests[t];
}

void visits_range(const struct work *work, uint32_t group, uint32_t *from, uint32_t *to)
{
    *from = *to = find_visits(work, group, NAME_NONE);
    while (*to < work->n_visits && work->visits[*to].group == group)
        ++*to;
}

void count_visits(const struct work *work, uint32_t group, name_no operation, double visits[2])
{
    uint32_t from = find_visits(work, group, operation), i = from;
    visits[0] = visits[1] = 0;
    for (; i < work->n_visits && work->visits[i].group == group; i++) {
        if (operation && work->visits[i].operation != operation)
            break;
        for (int t = 0; t < 2; t++)
            visits[t] += work->visits[i].n[t];
    }
    if (i == from && !operation)
        count_calls_in(work, group, visits);
}

bool is_failed_visit(const struct pair *pair)
{
    return pair->key.what == FLOW_FAILED || pair->key.what == FLOW_CARRIED;
}

void note_stopped(const struct work *work, const struct pair *pair, double more)
{
    struct visits *visits = visits_of(work, pair->key.node, pair->key.name);
    if (visits)
        visits->stopped += more;
}

static double newly(const double of[2], const double visits[2])
{
    double more = visits[0] > 0 ? of[1] - of[0] / visits[0] * visits[1] : 0;
    return more > 0 ? more : 0;
}

double newly_failed(const struct work *work, uint32_t group, const double visits[2])
{
    double failed[2] = {0, 0};
    uint32_t i, to;
    for (visits_range(work, group, &i, &to); i < to; i++) {
        for (int t = 0; t < 2; t++)
            failed[t] += work->visits[i].failed[t];
    }
    return newly(failed, visits);
}

/* ---- calls a visit ---- */

/* Sums over kinds of visits. */
struct standard {
    double expected, variance; /* calls of now's visits, had each made as many as in normal times */
    double calls, visits;      /* now */
};

/* Visits of one kind and the calls that they made. What came after a failure is not missing; nor is
 * one of the kinds of calls that never came there, of which nobody knows the kind. */
static void add_kind(const struct visits *kind, enum missing_by by, bool one_kind,
                     struct standard *standard)
{
    double visits = kind->n[1], factor;
    if (kind->n[0] <= 0)
        return;
    if (kind->calls[1] * kind->n[0] < kind->calls[0] * visits) {
        /* Who gets no answer often fails, or stops: that is one and the same. */
        double told = newly(by == MISSING_BY_CARRIED ? kind->carried : kind->failed, kind->n) +
                      (by == MISSING_BY_STOPPED ? kind->stopped : 0);
        double lost = one_kind ? newly(kind->lost, kind->n) : 0;
        double enough = kind->calls[1] * kind->n[0] / kind->calls[0];
        visits -= told > lost ? told : lost;
        visits = visits > enough ? visits : enough; /* fewer calls never become more */
    }
    factor = visits / kind->n[0];
    standard->expected += factor * kind->calls[0];
    standard->variance += factor * factor * kind->calls[0];
    standard->calls += kind->calls[1];
    standard->visits += visits;
}

static void add_weighed(const struct visits *from, double weight, struct visits *into)
{
    into->stopped += weight * from->stopped;
    for (int t = 0; t < 2; t++) {
        double of = t ? weight : 1;
        into->n[t] += of * from->n[t];
        into->failed[t] += of * from->failed[t];
        into->carried[t] += of * from->carried[t];
        into->calls[t] += of * from->calls[t];
    }
}

/* Kinds that came more often than all did count as if they had not: nor does one without a normal.
 */
static void pool(const struct visits *from, double longer, struct visits *into)
{
    if (from->n[0] <= 0)
        return;
    double weight = from->n[1] > from->n[0] * longer ? from->n[0] * longer / from->n[1] : 1;
    add_weighed(from, weight, into);
}

/* Are pairs of one edge left? They stand side by side. */
static bool is_same_edge(const struct work *work, uint32_t first, uint32_t i)
{
    const struct tally_key *edge = &work->pairs->items[first].key;
    if (i >= work->pairs->n)
        return false;
    const struct tally_key *key = &work->pairs->items[i].key;
    return key->channel == TALLY_CALL && key->node == edge->node && key->peer == edge->peer;
}

static double calls_of(const struct pair *pair, int t, enum calls_counted counted)
{
    const struct tally *tally = &pair->t[t];
    return (double)(counted == CALLS_GOOD ? tally->n - tally->bad : tally->n + tally->retries);
}

/* Of an edge's calls: by what the caller was visited for, as far as it is known. */
struct spread {
    uint32_t from, to, end; /* the caller's visits, and behind the edge's pairs */
    double known[2], unknown[2];
};

static struct spread spread_calls(const struct work *work, uint32_t first,
                                  enum calls_counted counted)
{
    uint32_t caller = work->pairs->items[first].key.node, i;
    struct spread spread = {.from = 0};
    visits_range(work, caller, &spread.from, &spread.to);
    for (i = spread.from; i < spread.to; i++)
        for (int t = 0; t < 2; t++)
            work->visits[i].calls[t] = work->visits[i].lost[t] = 0;
    for (i = first; is_same_edge(work, first, i); i++) {
        const struct pair *pair = &work->pairs->items[i];
        struct visits *kind = pair->key.detail ? visits_of(work, caller, pair->key.detail) : NULL;
        for (int t = 0; t < 2; t++) {
            double calls = calls_of(pair, t, counted);
            (kind ? spread.known : spread.unknown)[t] += calls;
            if (kind)
                kind->calls[t] += calls;
            if (kind && pair->key.what == CALL_UNANSWERED)
                kind->lost[t] += calls;
        }
    }
    spread.end = i;
    return spread;
}

/* What is not known of a few calls, a span of the caller was lost, is not known of all. */
static bool is_spread_known(const struct spread *spread)
{
    bool known = spread->from < spread->to;
    for (int t = 0; t < 2; t++)
        known =
            known && spread->unknown[t] <= UNKNOWN_SHARE * (spread->known[t] + spread->unknown[t]);
    return known;
}

static struct made made_of(const struct standard *standard, const double all[2])
{
    struct made made = {.visits = {all[0], standard->visits}, .calls = {0, standard->calls}};
    if (standard->variance > 0) {
        made.calls[0] = standard->expected * standard->expected / standard->variance;
        made.visits[0] = standard->visits * made.calls[0] / standard->expected;
    }
    return made;
}

/* By how many times calls a visit became more. */
static double growth(const struct made *made)
{
    return made->calls[0] > 0 && made->visits[1] > 0
               ? made->calls[1] / made->visits[1] / (made->calls[0] / made->visits[0])
               : 0;
}

static struct made made_by_kind(const struct visits *kind, enum missing_by by)
{
    struct standard standard = {0};
    add_kind(kind, by, true, &standard);
    return made_of(&standard, kind->n);
}

/* Is this one of those that are looked at by themselves? */
static bool stands_alone(const struct visits *kind)
{
    return kind->n[0] >= MIN_TIMES;
}

/* All that do not stand alone, as one. */
static struct visits rest_of(const struct work *work, const struct spread *spread, bool known,
                             const double all[2])
{
    struct visits rest = {.operation = NAME_NONE};
    double longer = now_longer(work);
    for (uint32_t k = spread->from; k < spread->to; k++) {
        if (!known)
            add_weighed(&work->visits[k], 1, &rest);
        else if (!stands_alone(&work->visits[k]))
            pool(&work->visits[k], longer, &rest);
    }
    for (int t = 0; t < 2; t++) {
        rest.calls[t] += known ? 0 : spread->unknown[t];
        rest.n[t] = spread->from == spread->to ? all[t] : rest.n[t];
    }
    return rest;
}

uint32_t count_made(const struct work *work, uint32_t first, enum calls_counted counted,
                    enum missing_by by, struct made *made)
{
    struct spread spread = spread_calls(work, first, counted);
    struct standard standard = {0};
    bool known = is_spread_known(&spread);
    double all[2];
    count_visits(work, work->pairs->items[first].key.node, NAME_NONE, all);
    struct visits rest = rest_of(work, &spread, known, all);
    for (uint32_t k = spread.from; k < spread.to; k++) {
        if (known && stands_alone(&work->visits[k]))
            add_kind(&work->visits[k], by, false, &standard);
    }
    add_kind(&rest, by, false, &standard);
    *made = made_of(&standard, all);
    return spread.end - first;
}

bool is_asked_known(const struct work *work, uint32_t first)
{
    struct spread spread = spread_calls(work, first, CALLS_ALL);
    return is_spread_known(&spread);
}

bool made_by_pair(const struct work *work, const struct pair *pair, enum missing_by by,
                  struct made_by *made)
{
    if (pair->key.what == CALL_UNANSWERED)
        return false;
    const struct visits *asked =
        pair->key.detail ? visits_of(work, pair->key.node, pair->key.detail) : NULL;
    if (!asked || asked->n[0] < TEST_EVENTS || asked->n[1] < TEST_EVENTS)
        return false;
    struct visits all = *asked, good = *asked;
    for (int t = 0; t < 2; t++) {
        all.calls[t] = calls_of(pair, t, CALLS_ALL);
        good.calls[t] = calls_of(pair, t, CALLS_GOOD);
        made->edge[t] = asked->calls[t] / asked->n[t];
    }
    made->all = made_by_kind(&all, by);
    made->unstopped = made_by_kind(&all, MISSING_BY_STOPPED);
    struct made good_made = made_by_kind(&good, by);
    made->good_growth = growth(&good_made);
    return true;
}

struct made_by made_by_edge(const struct work *work, uint32_t first)
{
    struct made_by made;
    struct made good;
    count_made(work, first, CALLS_ALL, MISSING_BY_FAILED, &made.all);
    count_made(work, first, CALLS_ALL, MISSING_BY_STOPPED, &made.unstopped);
    count_made(work, first, CALLS_GOOD, MISSING_BY_FAILED, &good);
    for (int t = 0; t < 2; t++)
        made.edge[t] = made.all.visits[t] > 0 ? made.all.calls[t] / made.all.visits[t] : 0;
    made.good_growth = growth(&good);
    return made;
}
