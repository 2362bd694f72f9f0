/* instances.c - suspects by instance: what a service owes is shared out among its instances.
 *
 * A service is judged as a whole, where there are most calls to judge by; then each of its facts
 * goes to its instances by what they have of the trouble. So both levels tell one story, and an
 * instance with few calls of its own is found by those of its service. What cannot be shared out
 * stays with the service, as an instance without a name, unless it has only one.
 */
#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

struct part {
    name_no instance;
    double trouble; /* time above normal, failures, calls that are missing: by the kind of fact */
};

struct parts {
    struct part items[MAX_INSTANCES];
    unsigned n;
    double sum;
};

static void part_add(struct parts *parts, name_no instance, double trouble)
{
    if (trouble <= 0 || parts->n == MAX_INSTANCES)
        return;
    parts->items[parts->n++] = (struct part){instance, trouble};
    parts->sum += trouble;
}

/* An instance is slow against itself; one that has no normal of its own, against all of them. */
static double slow_trouble(struct work *work, const struct pair *pair)
{
    const struct tally *normal = &pair->t[0];
    if (normal->histogram.n < MIN_TIMES)
        normal = siblings_normal(work, &pair->key);
    return normal ? tally_extra_ns(normal, &pair->t[1]) : 0;
}

static double failed_trouble(struct work *work, const struct pair *pair)
{
    double longer = now_longer(work);
    return (double)pair->t[1].bad - (double)pair->t[0].bad * longer;
}

/* The pair of an instance's calls, at one end, and what all its sisters had in normal times. */
static const struct pair *calls_at(struct work *work, const struct pair *spans, enum gap_end end,
                                   const struct tally **all)
{
    struct tally_key key = {.channel = TALLY_GAP_INSTANCE,
                            .node = spans->key.node,
                            .peer = NO_GROUP,
                            .name = spans->key.name,
                            .what = (uint8_t)end};
    *all = siblings_normal(work, &key);
    return pairs_find(work->pairs, &key);
}

/* Of what all sisters had for each of others, how much this one lacks for those that it has now. */
static double missing_of(const struct tally *all, const struct tally *all_of,
                         const struct pair *own, const struct pair *of)
{
    if (!all || !all_of || all_of->n <= 0)
        return 0;
    double rate = (double)all->n / (double)all_of->n;
    return rate * (of ? (double)of->t[1].n : 0) - (own ? (double)own->t[1].n : 0);
}

/* Calls of an instance that are missing, had it called as often a span as all did in normal times.
 */
static double silent_trouble(struct work *work, const struct pair *spans)
{
    const struct tally *all;
    const struct pair *calls = calls_at(work, spans, GAP_CALLER, &all);
    return missing_of(all, siblings_normal(work, &spans->key), calls, spans);
}

/* … and of one that calls nobody: spans, had it as many a call to it. */
static double idle_trouble(struct work *work, const struct pair *spans)
{
    const struct tally *all;
    const struct pair *calls = calls_at(work, spans, GAP_CALLEE, &all);
    return missing_of(siblings_normal(work, &spans->key), all, spans, calls);
}

/* Of the instances that are called, the one that is not reached is the one whose spans are missing:
 * what came and what failed would have been spread as in normal times. */
static void add_unreached(const struct work *work, uint32_t group, double unreached,
                          struct parts *parts)
{
    double normal = 0, now = unreached;
    uint32_t from, to;
    pairs_range(work->pairs, TALLY_INSTANCE, group, &from, &to);
    for (uint32_t i = from; i < to; i++) {
        normal += (double)work->pairs->items[i].t[0].n;
        now += (double)work->pairs->items[i].t[1].n;
    }
    for (uint32_t i = from; i < to && normal > 0; i++) {
        const struct pair *pair = &work->pairs->items[i];
        part_add(parts, pair->key.name, (double)pair->t[0].n / normal * now - (double)pair->t[1].n);
    }
}

/* Calls to each of them that end a visit now, and did not. That nobody had any of them says that
 * they came nowhere. */
static void add_last(const struct work *work, const struct finding *finding, struct parts *parts)
{
    const struct pair *step = finding->step;
    double longer = now_longer(work);
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_LAST, finding->group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.detail == step->key.detail)
            part_add(parts, pair->key.name, (double)pair->t[1].n - (double)pair->t[0].n * longer);
    }
    if (parts->n == 0)
        add_unreached(work, finding->group, (double)step->t[1].n - (double)step->t[0].n * longer,
                      parts);
}

typedef double trouble_f(struct work *work, const struct pair *instance);

static void add_each(struct work *work, const struct finding *finding, trouble_f *trouble,
                     struct parts *parts)
{
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_INSTANCE, finding->group, &i, &to); i < to; i++)
        part_add(parts, work->pairs->items[i].key.name, trouble(work, &work->pairs->items[i]));
}

/* Whose calls are slow on the way, at one end of it. */
static void add_slow_ends(struct work *work, const struct finding *finding, struct parts *parts)
{
    uint8_t end = finding->end == END_CALLEE ? GAP_CALLEE : GAP_CALLER;
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_GAP_INSTANCE, finding->group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.what == end)
            part_add(parts, pair->key.name, slow_trouble(work, pair));
    }
}

static void measure_parts(struct work *work, const struct finding *finding, struct parts *parts)
{
    bool unreached = finding->end == END_CALLEE, errors = finding->kind == EVIDENCE_ERRORS,
         traffic = finding->kind == EVIDENCE_TRAFFIC;
    parts->n = 0;
    parts->sum = 0;
    if (finding->kind == EVIDENCE_CHANGE) {
        part_add(parts, finding->instance, finding->instance ? 1 : 0);
    } else if (finding->lacking || ((errors || traffic) && unreached)) {
        /* Of calls that nobody reports it is not known how many they were. */
        double more = (finding->observed - finding->baseline) * (double)work->requests[1].n;
        add_unreached(work, finding->group, errors ? more : 0, parts);
    } else if (finding->done) {
        add_each(work, finding, idle_trouble, parts);
    } else if (finding->step && unreached) {
        add_last(work, finding, parts);
    } else if (finding->kind == EVIDENCE_GAP) {
        add_slow_ends(work, finding, parts);
    } else if (finding->kind == EVIDENCE_SELF_TIME) {
        add_each(work, finding, slow_trouble, parts);
    } else if (errors && finding->end == END_NEITHER) {
        add_each(work, finding, failed_trouble, parts);
    } else if (finding->step || (traffic && !unreached)) {
        add_each(work, finding, silent_trouble, parts);
        if (finding->step && parts->n == 0)
            add_each(work, finding, idle_trouble, parts);
    }
}

/* Calls to one instance, to all that are known, and those that end a visit, now. */
struct last_calls {
    double own, all, own_last, all_last;
};

static struct last_calls last_calls_of(const struct work *work, uint32_t group, name_no instance)
{
    struct last_calls calls = {0};
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_GAP_INSTANCE, group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        double n = pair->key.what == GAP_CALLEE ? (double)pair->t[1].n : 0;
        calls.all += n;
        calls.own += pair->key.name == instance ? n : 0;
    }
    for (pairs_range(work->pairs, TALLY_LAST, group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        calls.all_last += (double)pair->t[1].n;
        calls.own_last += pair->key.name == instance ? (double)pair->t[1].n : 0;
    }
    return calls;
}

bool stops_after_one_instance(const struct work *work, uint32_t group)
{
    uint32_t i, to;
    name_no seen = NAME_NONE;
    for (pairs_range(work->pairs, TALLY_LAST, group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.name == seen)
            continue;
        seen = pair->key.name;
        struct last_calls calls = last_calls_of(work, group, seen);
        double rest = calls.all - calls.own, last = calls.all_last - calls.own_last;
        if (rest >= MIN_TIMES && calls.own >= MIN_TIMES && last <= rest &&
            calls.own_last <= calls.own &&
            last / rest * NARROW_EFFECT < calls.own_last / calls.own &&
            two_proportions(last, rest, calls.own_last, calls.own) > SIGNIFICANT_Z)
            return true;
    }
    return false;
}

/* The only instance that a service had at a time, NAME_NONE when there were several or none is
 * known. *any: it had some. */
static name_no only_at(const struct work *work, uint32_t group, int t, bool *any)
{
    uint32_t i, to;
    name_no only = NAME_NONE;
    *any = false;
    for (pairs_range(work->pairs, TALLY_INSTANCE, group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->t[t].n <= 0)
            continue;
        if (*any || !pair->key.name)
            return NAME_NONE;
        only = pair->key.name;
        *any = true;
    }
    return only;
}

/* The one it has now; of a service that answers nobody any more, the one it had. */
static name_no only_instance(const struct work *work, uint32_t group)
{
    bool any;
    name_no only = only_at(work, group, 1, &any);
    return any ? only : only_at(work, group, 0, &any);
}

static struct str part_text(struct work *work, const struct finding *finding,
                            const struct part *part, double share)
{
    if (finding->kind == EVIDENCE_CHANGE)
        return finding->text;
    return say(work, "%.*s; %.*s of it in %.*s", STR_ARG(finding->text),
               STR_ARG(say_share(work, share)), STR_ARG(name_text(work, part->instance)));
}

static void share_out(struct work *work, const struct finding *finding)
{
    struct parts parts;
    struct finding own = *finding;
    measure_parts(work, finding, &parts);
    for (unsigned i = 0; i < parts.n; i++) {
        double share = parts.items[i].trouble / parts.sum;
        own.value = finding->value * share;
        own.text = part_text(work, finding, &parts.items[i], share);
        blame_instance(work, parts.items[i].instance, &own);
    }
    if (parts.n == 0)
        blame_instance(work, only_instance(work, finding->group), &own);
}

void share_out_to_instances(struct work *work)
{
    const struct candidate *services = work->candidates;
    uint32_t n = work->n_candidates;
    work->candidates = NULL;
    work->n_candidates = work->cap_candidates = 0;
    for (uint32_t i = 0; i < n; i++) {
        for (const struct finding *f = services[i].findings; f; f = f->next)
            share_out(work, f);
    }
}
