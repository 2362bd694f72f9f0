/* own_steps.c - what a service does in its visits besides calls: work whose spans name nobody, a
 * function of its own, or a database without attributes. Some of it is new: where nothing says
 * which span is a call, one without an answer is. Some is done no more.
 */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

/* ---- steps ---- */

/* How often a service did what a pair of SELF is of, beside what it was asked for by that name.
 * False where another pair of the same name counts it. */
static bool count_step(const struct work *work, const struct pair *pair, double n[2])
{
    struct tally_key key = pair->key;
    double asked[2];
    key.what = pair->key.what == SELF_CALM ? SELF_TROUBLED : SELF_CALM;
    const struct pair *other = pairs_find(&work->by_service, &key);
    if (other && other < pair)
        return false;
    count_visits(work, pair->key.node, pair->key.name, asked);
    for (int t = 0; t < 2; t++)
        n[t] = fmax(0, (double)(pair->t[t].n + (other ? other->t[t].n : 0)) - asked[t]);
    return true;
}

/* ---- new ones ---- */

/* Steps a visit, of a kind that the service's visits did not use to have. */
static double new_steps(const struct work *work, uint32_t service)
{
    double visits[2], more = 0;
    uint32_t i, to;
    count_visits(work, service, NAME_NONE, visits);
    for (pairs_range(&work->by_service, TALLY_SELF, service, &i, &to);
         i < to && visits[0] > 0 && visits[1] > 0; i++) {
        double n[2];
        if (!count_step(work, &work->by_service.items[i], n))
            continue;
        double was = n[0] / visits[0], is = n[1] / visits[1];
        if (was < NEW_STEP_LEFT * is && rates_z(n[0], visits[0], n[1], visits[1]) > SIGNIFICANT_Z)
            more += is - was;
    }
    return more;
}

bool own_steps_measure(struct work *work)
{
    work->new_steps = arena_alloc(work->arena, (work->services.n + 1) * sizeof(double));
    for (uint32_t service = 0; work->new_steps && service < work->services.n; service++)
        work->new_steps[service] = new_steps(work, service);
    return work->new_steps;
}

/* ---- gone ones ---- */

/* What visits for one thing do by themselves: the pairs of a service's steps in them. */
struct doing {
    const struct pair *from, *to;
    double visits[2]; /* now: but for those that failed, or stopped, as never before */
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

static void count_stays(const struct work *work, struct doing *doing)
{
    const struct visits *kind = visits_of(work, doing->from->key.node, doing->from->key.name);
    if (!kind || kind->n[0] <= 0)
        return;
    double failed = kind->failed[1] - kind->failed[0] / kind->n[0] * kind->n[1];
    doing->visits[0] = kind->n[0];
    doing->visits[1] = fmax(0, kind->n[1] - fmax(0, failed) - kind->stopped);
}

/* In the place of what is gone, by another name? */
static double newly_done(const struct doing *doing)
{
    double most = 0;
    for (const struct pair *step = doing->from; step < doing->to; step++) {
        double was = share_of(doing, step, 0), is = share_of(doing, step, 1);
        if (was < NEW_STEP_LEFT * is && z_of(doing, step) > SIGNIFICANT_Z)
            most = fmax(most, is - was);
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
        uint32_t i, to, next;
        for (pairs_range(&work->by_service, TALLY_STEP, service, &i, &to); i < to; i = next) {
            const struct pair *items = work->by_service.items;
            for (next = i + 1; next < to && items[next].key.name == items[i].key.name;)
                next++;
            find_gone(work, &(struct doing){.from = &items[i], .to = &items[next]});
        }
    }
}
