/* own_steps.c - what a service does in its visits besides calls: work whose spans name nobody, a
 * function of its own, or a database without attributes. Some of it is new: where nothing says
 * which span is a call, one without an answer is. Some is done no more.
 */
#include <math.h>
#include <stdlib.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

/* ---- steps ---- */

/* What visits for one thing do by themselves: the pairs of a service's steps in them. */
struct doing {
    const struct pair *from, *to;
    double visits[2];
};

static double share_of(const struct doing *doing, const struct pair *step, int time)
{
    return fmin(1, fmax(0, (double)step->t[time].n) / doing->visits[time]);
}

static double z_of(const struct doing *doing, const struct pair *step)
{
    double n[2];
    for (int t = 0; t < 2; t++)
        n[t] = share_of(doing, step, t) * doing->visits[t];
    return two_proportions(n[0], doing->visits[0], n[1], doing->visits[1]);
}

/* The steps that begin at i, of `to` of the service. */
static struct doing doing_at(const struct work *work, uint32_t i, uint32_t to)
{
    const struct pair *items = work->by_service.items;
    struct doing doing = {.from = &items[i]};
    for (; i < to && items[i].key.name == doing.from->key.name;)
        i++;
    doing.to = &items[i];
    count_visits(work, doing.from->key.node, doing.from->key.name, doing.visits);
    return doing;
}

/* ---- new ones ---- */

static int by_step(const void *a, const void *b)
{
    const struct pair *const *x = a, *const *y = b;
    return ((*x)->key.detail > (*y)->key.detail) - ((*x)->key.detail < (*y)->key.detail);
}

/* One step in all visits of its service that may make it. Its shares are means over what the visits
 * were for, by how many there are of both times: one that hardly came in one of them says little.
 */
struct step_sum {
    struct strata strata;
    double normal, now, weight;
    double visits; /* now */
    double any;    /* … that make it, for things for which nearly none did */
};

static void add_step(const struct work *work, const struct pair *step, struct step_sum *sum)
{
    struct doing doing = {.from = NULL};
    count_visits(work, step->key.node, step->key.name, doing.visits);
    double n = doing.visits[0], m = doing.visits[1];
    if (n <= 0 || m <= 0)
        return;
    double was = share_of(&doing, step, 0), is = share_of(&doing, step, 1);
    strata_add(&sum->strata, was * n, n, is * m, m);
    sum->normal += was * n * m / (n + m);
    sum->now += is * n * m / (n + m);
    sum->weight += n * m / (n + m);
    sum->visits += m;
    sum->any += was < NEW_STEP_LEFT * is ? (is - was) * m : 0;
}

/* Of all visits of now that may make it. */
static double surely_made(const struct step_sum *sum)
{
    bool is_new = sum->normal < NEW_STEP_LEFT * sum->now;
    return is_new && strata_z(&sum->strata) > SIGNIFICANT_Z
               ? (sum->now - sum->normal) / sum->weight * sum->visits
               : 0;
}

/* `steps`: room for as many as there are; new ones are put from `found` on. */
static struct new_steps new_steps(const struct work *work, uint32_t service,
                                  const struct pair **steps, struct new_step *found)
{
    struct new_steps all = {.items = found};
    double visits[2];
    uint32_t i, to, n = 0;
    count_visits(work, service, NAME_NONE, visits);
    for (pairs_range(&work->by_service, TALLY_STEP, service, &i, &to); i < to; i++)
        steps[n++] = &work->by_service.items[i];
    if (n)
        qsort(steps, n, sizeof(*steps), by_step);
    for (uint32_t k = 0; k < n && visits[1] > 0;) {
        struct step_sum sum = {.now = 0};
        name_no step = steps[k]->key.detail;
        for (; k < n && steps[k]->key.detail == step; k++)
            add_step(work, steps[k], &sum);
        double sure = surely_made(&sum) / visits[1], any = sum.any / visits[1];
        if (sure > 0 || any > 0)
            found[all.n++] = (struct new_step){step, sure, any};
    }
    return all;
}

bool own_steps_measure(struct work *work)
{
    size_t n = work->by_service.n + 1;
    const struct pair **steps = arena_alloc(work->arena, n * sizeof(*steps));
    struct new_step *found = arena_alloc(work->arena, n * sizeof(*found));
    work->new_steps = arena_alloc(work->arena, (work->services.n + 1) * sizeof(*work->new_steps));
    if (!steps || !found || !work->new_steps)
        return false;
    for (uint32_t service = 0; service < work->services.n; service++) {
        work->new_steps[service] = new_steps(work, service, steps, found);
        found += work->new_steps[service].n;
    }
    return true;
}

double sure_steps(const struct work *work, uint32_t caller, uint32_t callee)
{
    const struct new_steps *steps = &work->new_steps[caller];
    double sure = 0;
    for (uint32_t i = 0; i < steps->n; i++) {
        if (callee == NO_GROUP || may_lead_to(work, caller, callee, steps->items[i].step))
            sure += steps->items[i].sure;
    }
    return sure;
}

/* ---- gone ones ---- */

/* Visits that failed, or stopped, as never before are no sign of what is not done. */
static void count_stays(const struct work *work, struct doing *doing)
{
    const struct visits *kind = visits_of(work, doing->from->key.node, doing->from->key.name);
    if (!kind || kind->n[0] <= 0)
        return;
    double failed = kind->failed[1] - kind->failed[0] / kind->n[0] * kind->n[1];
    doing->visits[1] = fmax(0, kind->n[1] - fmax(0, failed) - kind->stopped);
}

static bool is_new(const struct doing *doing, const struct pair *step)
{
    return share_of(doing, step, 0) < NEW_STEP_LEFT * share_of(doing, step, 1) &&
           z_of(doing, step) > SIGNIFICANT_Z;
}

/* In the place of what is gone, by another name? */
static double newly_done(const struct doing *doing)
{
    double most = 0;
    for (const struct pair *step = doing->from; step < doing->to; step++) {
        if (is_new(doing, step))
            most = fmax(most, share_of(doing, step, 1) - share_of(doing, step, 0));
    }
    return most;
}

/* What all visits do may lack in a few; else it must be much fewer, for it depends on what they are
 * asked for. */
static bool is_gone(double was, double is)
{
    return is * TRAFFIC_FACTOR <= was || (was >= STEP_OF_ALL && was - is >= UNANSWERED_LEAST);
}

/* Without one step those around it, and behind it, are not done either: it is one fact. */
static const struct pair *most_gone(struct work *work, const struct doing *doing)
{
    const struct pair *most = NULL;
    double lacks = 0;
    for (const struct pair *step = doing->from; step < doing->to; step++) {
        double was = share_of(doing, step, 0), is = share_of(doing, step, 1);
        work->n_tests[TEST_TRAFFIC] += step->t[0].n + step->t[1].n >= TEST_EVENTS;
        if (was - is <= lacks || !is_gone(was, is))
            continue;
        most = step;
        lacks = was - is;
    }
    return most && newly_done(doing) < NAMELESS_LEAST * lacks ? most : NULL;
}

static void blame_step(struct work *work, const struct doing *doing, const struct pair *step)
{
    double was = share_of(doing, step, 0), is = share_of(doing, step, 1);
    double share = fmin(1, doing->visits[1] / (double)work->requests[1].n);
    struct finding finding = {
        .channel = CHANNEL_TRAFFIC,
        .kind = EVIDENCE_TRAFFIC,
        .unit = UNIT_RATIO,
        .value = TRAFFIC_WEIGHT * share * (was - is),
        .test = TEST_TRAFFIC,
        .z = -z_of(doing, step),
        .baseline = was,
        .observed = is,
        .group = step->key.node,
        .peer = NO_GROUP,
        .operation = step->key.name,
        .done = step,
        .metric = STR("step_share"),
        .text = say(work, "%.*s %.*s: %.*s of visits do %.*s (normal %.*s)",
                    STR_ARG(level_name(work, step->key.node)),
                    STR_ARG(name_text(work, step->key.name)), STR_ARG(say_share(work, is)),
                    STR_ARG(name_text(work, step->key.detail)), STR_ARG(say_share(work, was)))};
    blame(work, &finding);
}

static void find_gone(struct work *work, struct doing *doing)
{
    count_stays(work, doing);
    if (doing->visits[0] <= 0 || doing->visits[1] <= 0)
        return;
    const struct pair *step = most_gone(work, doing);
    if (step)
        blame_step(work, doing, step);
}

void find_own_steps(struct work *work)
{
    for (uint32_t service = 0; service < work->services.n; service++) {
        uint32_t i, to;
        pairs_range(&work->by_service, TALLY_STEP, service, &i, &to);
        while (i < to) {
            struct doing doing = doing_at(work, i, to);
            find_gone(work, &doing);
            i += (uint32_t)(doing.to - doing.from);
        }
    }
}
