/* versions.c - suspects by version.
 *
 * Its own time and its ways a version is judged by itself, beside its service's normal where it has
 * none; and what is new by its sisters. All else is judged by service, where a version that takes
 * another's place changes nothing: then each fact goes to the service's versions by what they have
 * of the trouble. So both levels tell one story, and a deploy by itself is none.
 */
#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

#define MAX_VERSIONS 64 /* of one service, that are weighed against each other */

struct part {
    uint32_t version; /* group */
    double trouble;   /* failures, stops, calls: by the kind of fact */
};

struct parts {
    struct part items[MAX_VERSIONS];
    unsigned n;
    double sum;
};

static uint32_t service_of(const struct work *work, uint32_t version)
{
    return version == NO_GROUP ? NO_GROUP : work->versions.items[version].service;
}

/* ---- sums over one version ---- */

enum { CALLED, CALLING }; /* which end the version is */

/* Calls between the version and a service (NO_GROUP: all), and failures that began at them. */
static void sum_calls(const struct work *work, uint32_t version, int as, uint32_t other,
                      double calls[2], double origins[2])
{
    calls[0] = calls[1] = origins[0] = origins[1] = 0;
    for (uint32_t i = 0; i < work->by_version.n; i++) {
        const struct pair *pair = &work->by_version.items[i];
        uint32_t own = as == CALLED ? pair->key.peer : pair->key.node,
                 far = as == CALLED ? pair->key.node : pair->key.peer;
        if (pair->key.channel != TALLY_CALL || own != version ||
            (other != NO_GROUP && service_of(work, far) != other))
            continue;
        for (int t = 0; t < 2; t++) {
            calls[t] += (double)pair->t[t].n;
            origins[t] += (double)pair->t[t].origins;
        }
    }
}

static double calls_now(const struct work *work, uint32_t version)
{
    double calls[2], origins[2];
    sum_calls(work, version, CALLED, NO_GROUP, calls, origins);
    return calls[1];
}

/* Failures that began at the version itself, of the kind that was found. */
static double failed_trouble(const struct work *work, const struct finding *finding,
                             uint32_t version)
{
    const struct tally_key *began = &finding->began->key;
    double n[2] = {0, 0};
    uint32_t i, to;
    for (pairs_range(&work->by_version, TALLY_ORIGIN, version, &i, &to); i < to; i++) {
        const struct pair *pair = &work->by_version.items[i];
        if (pair->key.name != began->name || pair->key.what != began->what ||
            pair->key.detail != began->detail)
            continue;
        for (int t = 0; t < 2; t++)
            n[t] += (double)(finding->survived ? pair->t[t].n - pair->t[t].bad : pair->t[t].bad);
    }
    return n[1] - n[0] * now_longer(work);
}

/* Failures of calls between the version and the finding's other end. */
static double call_trouble(const struct work *work, const struct finding *finding, uint32_t version)
{
    double calls[2], origins[2];
    sum_calls(work, version, finding->end == END_CALLEE ? CALLED : CALLING, finding->peer, calls,
              origins);
    return origins[1] - origins[0] * now_longer(work);
}

/* Visits of one operation: all, and those that ended with the step that was found. */
static void sum_visits(const struct work *work, const struct pair *step, uint32_t version,
                       double *visits, double *ended)
{
    uint32_t i, to;
    *visits = *ended = 0;
    for (pairs_range(&work->by_version, TALLY_FLOW, version, &i, &to); i < to; i++) {
        const struct pair *pair = &work->by_version.items[i];
        if (pair->key.name != step->key.name)
            continue;
        *visits += (double)pair->t[1].n;
        if (pair->key.what == step->key.what && pair->key.detail == step->key.detail &&
            service_of(work, pair->key.peer) == step->key.peer)
            *ended += (double)pair->t[1].n;
    }
}

static double stop_trouble(const struct work *work, const struct finding *finding, uint32_t version)
{
    double visits, ended;
    sum_visits(work, finding->step, version, &visits, &ended);
    return ended - finding->baseline * visits;
}

/* Calls to all versions of a service. */
static void sum_calls_to(const struct work *work, uint32_t service, uint32_t caller,
                         double calls[2])
{
    double own[2], origins[2];
    calls[0] = calls[1] = 0;
    for (uint32_t v = 0; v < work->versions.n; v++) {
        if (service_of(work, v) != service)
            continue;
        sum_calls(work, v, CALLED, caller, own, origins);
        for (int t = 0; t < 2; t++)
            calls[t] += own[t];
    }
}

/* Calls to the version after which visits ended, but for its part of those that always do. */
static double stopped_after(const struct work *work, const struct finding *finding,
                            uint32_t version)
{
    const struct tally_key *step = &finding->step->key;
    double own = 0, calls[2], all[2], origins[2];
    for (uint32_t i = 0; i < work->by_version.n; i++) {
        const struct pair *pair = &work->by_version.items[i];
        bool same = pair->key.channel == TALLY_FLOW && pair->key.name == step->name &&
                    pair->key.what == FLOW_CALL && pair->key.peer == version &&
                    pair->key.detail == step->detail &&
                    service_of(work, pair->key.node) == step->node;
        own += same ? (double)pair->t[1].n : 0;
    }
    sum_calls(work, version, CALLED, finding->peer, calls, origins);
    sum_calls_to(work, finding->group, finding->peer, all);
    double usual = finding->baseline / finding->observed * (double)finding->step->t[1].n;
    return all[1] > 0 ? own - usual * calls[1] / all[1] : own;
}

/* Calls that the version made fewer than its service's visits made, or more: of one kind, or all.
 */
static double made_trouble(const struct work *work, const struct finding *finding, uint32_t version)
{
    const struct tally_key *kind = finding->made ? &finding->made->key : NULL;
    double visits = 0, calls = 0;
    uint32_t i, to;
    for (pairs_range(&work->by_version, TALLY_FLOW, version, &i, &to); i < to; i++) {
        const struct pair *pair = &work->by_version.items[i];
        visits += !kind || pair->key.name == kind->detail ? (double)pair->t[1].n : 0;
    }
    for (pairs_range(&work->by_version, TALLY_CALL, version, &i, &to); i < to; i++) {
        const struct pair *pair = &work->by_version.items[i];
        bool counts = service_of(work, pair->key.peer) == finding->peer &&
                      (!kind || (pair->key.name == kind->name && pair->key.detail == kind->detail));
        calls += counts ? (double)(pair->t[1].n + pair->t[1].retries) : 0;
    }
    double more = calls - finding->baseline * visits;
    return finding->observed > finding->baseline ? more : -more;
}

/* Visits of the version that did without a step of its own, beyond those that always do. */
static double done_trouble(const struct work *work, const struct finding *finding, uint32_t version)
{
    const struct tally_key *step = &finding->done->key;
    double visits = 0, done = 0;
    uint32_t i, to;
    for (pairs_range(&work->by_version, TALLY_FLOW, version, &i, &to); i < to; i++) {
        const struct pair *pair = &work->by_version.items[i];
        visits += pair->key.name == step->name ? (double)pair->t[1].n : 0;
    }
    for (pairs_range(&work->by_version, TALLY_STEP, version, &i, &to); i < to; i++) {
        const struct pair *pair = &work->by_version.items[i];
        bool same = pair->key.name == step->name && pair->key.detail == step->detail;
        done += same ? (double)pair->t[1].n : 0;
    }
    return finding->baseline * visits - done;
}

/* Calls that a known version would have had, had they been spread as in normal times: whoever is
 * not reached does not say which version it is. */
static double missing_trouble(const struct work *work, const struct finding *finding,
                              uint32_t version)
{
    double calls[2], all[2], origins[2];
    sum_calls(work, version, CALLED, NO_GROUP, calls, origins);
    sum_calls_to(work, finding->group, NO_GROUP, all);
    return all[0] > 0 ? calls[0] / all[0] * all[1] - calls[1] : 0;
}

/* ---- what each version has of a fact ---- */

static double trouble_of(const struct work *work, const struct finding *finding, uint32_t version)
{
    bool callee = finding->end == END_CALLEE;
    if (finding->lacking)
        return missing_trouble(work, finding, version);
    if (finding->step)
        return callee ? stopped_after(work, finding, version)
                      : stop_trouble(work, finding, version);
    if (finding->kind == EVIDENCE_ERRORS)
        return finding->end == END_NEITHER ? failed_trouble(work, finding, version)
                                           : call_trouble(work, finding, version);
    if (finding->done)
        return done_trouble(work, finding, version);
    if (finding->peer == NO_GROUP) /* requests that come no longer */
        return 0;
    if (!callee)
        return made_trouble(work, finding, version);
    return finding->observed > finding->baseline ? calls_now(work, version)
                                                 : missing_trouble(work, finding, version);
}

/* By what it has had of the calls, where nothing tells them apart. */
static double presence_of(const struct work *work, const struct finding *finding, uint32_t version)
{
    uint32_t i, to;
    double n[2] = {0, 0};
    (void)finding;
    for (pairs_range(&work->by_version, TALLY_SELF, version, &i, &to); i < to; i++) {
        for (int t = 0; t < 2; t++)
            n[t] += (double)work->by_version.items[i].t[t].n;
    }
    return n[1] > 0 ? n[1] : n[0] > 0 ? n[0] : 1;
}

typedef double part_f(const struct work *work, const struct finding *finding, uint32_t version);

static bool has_known_version(const struct work *work, uint32_t service)
{
    for (uint32_t v = 0; v < work->versions.n; v++) {
        if (service_of(work, v) == service && work->versions.items[v].node.version)
            return true;
    }
    return false;
}

static void measure_parts(const struct work *work, const struct finding *finding, part_f *part,
                          struct parts *parts)
{
    bool known = has_known_version(work, finding->group);
    parts->n = 0;
    parts->sum = 0;
    for (uint32_t v = 0; v < work->versions.n && parts->n < MAX_VERSIONS; v++) {
        if (service_of(work, v) != finding->group ||
            (known && !work->versions.items[v].node.version))
            continue;
        double trouble = part(work, finding, v);
        if (trouble <= 0)
            continue;
        parts->items[parts->n++] = (struct part){v, trouble};
        parts->sum += trouble;
    }
}

static void share_out(struct work *work, const struct finding *finding)
{
    struct parts parts;
    struct finding own = *finding;
    measure_parts(work, finding, trouble_of, &parts);
    if (parts.n == 0 && finding->end == END_CALLEE)
        measure_parts(work, finding, missing_trouble, &parts);
    if (parts.n == 0)
        measure_parts(work, finding, presence_of, &parts);
    own.peer = finding->peer == NO_GROUP ? NO_GROUP : any_version(work, finding->peer);
    for (unsigned i = 0; i < parts.n; i++) {
        double share = parts.items[i].trouble / parts.sum;
        struct str version =
            name_text(work, work->versions.items[parts.items[i].version].node.version);
        own.group = parts.items[i].version;
        own.value = finding->value * share;
        own.text = parts.n == 1 ? finding->text
                                : say(work, "%.*s; %.*s of it in %.*s", STR_ARG(finding->text),
                                      STR_ARG(say_share(work, share)), STR_ARG(version));
        blame(work, &own);
    }
}

/* ---- whose a stop is ---- */

/* Does one version have it, and the others of its service not? */
struct version_stops {
    double n, ended; /* visits that could end so, that did */
};

static bool is_of_one(const struct version_stops *one, const struct version_stops *all)
{
    double rest = all->n - one->n, ended = all->ended - one->ended;
    return rest > 0 && one->n > 0 &&
           two_proportions(ended, rest, one->ended, one->n) > SIGNIFICANT_Z &&
           one->ended > NARROW_SHARE * all->ended;
}

/* Of now, by version of either end of the step. */
static void sum_stops(const struct work *work, const struct pair *step, int as, uint32_t version,
                      struct version_stops *sum)
{
    for (uint32_t i = 0; i < work->by_version.n; i++) {
        const struct tally_key *key = &work->by_version.items[i].key;
        double n = (double)work->by_version.items[i].t[1].n;
        bool caller = service_of(work, key->node) == step->key.node &&
                      (as == CALLED || version == NO_GROUP || key->node == version);
        bool callee = service_of(work, key->peer) == step->key.peer &&
                      (as == CALLING || version == NO_GROUP || key->peer == version);
        bool step_of = key->channel == TALLY_FLOW && key->name == step->key.name && caller;
        sum->ended +=
            step_of && callee && key->what == FLOW_CALL && key->detail == step->key.detail ? n : 0;
        if (as == CALLING)
            sum->n += step_of ? n : 0;
        else if (key->channel == TALLY_CALL && caller && callee && key->detail == step->key.name)
            sum->n += n;
    }
}

double version_odds(const struct work *work, const struct pair *step)
{
    const uint32_t ends[2] = {step->key.peer, step->key.node}; /* CALLED, CALLING */
    bool one_has_it[2] = {false, false};
    for (int as = CALLED; as <= CALLING; as++) {
        struct version_stops all = {0, 0};
        sum_stops(work, step, as, NO_GROUP, &all);
        for (uint32_t v = 0; v < work->versions.n && !one_has_it[as]; v++) {
            struct version_stops own = {0, 0};
            if (service_of(work, v) != ends[as])
                continue;
            sum_stops(work, step, as, v, &own);
            one_has_it[as] = is_of_one(&own, &all);
        }
    }
    return (one_has_it[CALLED] ? INSTANCE_ODDS : 1) / (one_has_it[CALLING] ? INSTANCE_ODDS : 1);
}

void share_out_to_versions(struct work *work)
{
    const struct candidate *services = work->candidates;
    uint32_t n = work->n_candidates;
    work->candidates = NULL;
    work->n_candidates = work->cap_candidates = 0;
    work->level = &work->versions;
    work->pairs = &work->by_version;
    for (uint32_t i = 0; i < n; i++) {
        for (const struct finding *f = services[i].findings; f; f = f->next) {
            if (f->channel != CHANNEL_LATENCY && f->channel != CHANNEL_CHANGE)
                share_out(work, f);
        }
    }
}
