/* failures.c - the rise of the share of requests whose failure began here.
 *
 * A call that never came to its callee speaks against both ends: against the one whose other calls
 * of that kind fail as well.
 */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"
#include "collector/model/flag_words.h"

struct origin_rise {
    bool survived;  /* by the requests that saw them */
    double was, is; /* shares of all requests */
    double z, all_z;
    double value;
};

/* By callers, operations and reasons failures fall apart into pieces that are each too small to
 * tell: all that begin at one node are tested together too. Where failures are rare, three of them
 * at a node that never failed are no chance, and how rare they are all nodes tell together. */
static bool measure_origins(struct work *work)
{
    double n = (double)work->requests[0].n, m = (double)work->requests[1].n;
    uint32_t n_groups = work->level->n;
    double *sums = arena_calloc(work->arena, (n_groups + 1) * 4 * sizeof(*sums));
    work->origin_z = arena_calloc(work->arena, (n_groups + 1) * 2 * sizeof(*work->origin_z));
    if (!sums || !work->origin_z)
        return false;
    double all[2] = {HALF_AN_EVENT, HALF_AN_EVENT};
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.channel != TALLY_ORIGIN || pair->key.node == NO_GROUP)
            continue;
        for (uint32_t t = 0; t < 2; t++) {
            sums[4 * pair->key.node + t] += (double)(pair->t[t].n - pair->t[t].bad);
            sums[4 * pair->key.node + 2 + t] += (double)pair->t[t].bad;
        }
        all[0] += (double)(pair->t[0].n - pair->t[0].bad);
        all[1] += (double)pair->t[0].bad;
    }
    for (uint32_t i = 0; i < 2 * n_groups; i++)
        work->origin_z[i] =
            rare_z(sums[2 * i], n, sums[2 * i + 1], m, all[i % 2] / (double)n_groups);
    work->n_tests[TEST_ORIGIN_ALL] += n_groups;
    return true;
}

/* `bad`: of failed requests; else of those that survived. */
static struct origin_rise rise_of(const struct work *work, const struct pair *pair, bool bad)
{
    double n = (double)work->requests[0].n, m = (double)work->requests[1].n, a[2];
    for (int t = 0; t < 2; t++)
        a[t] = (double)(bad ? pair->t[t].bad : pair->t[t].n - pair->t[t].bad);
    struct origin_rise rise = {.survived = !bad, .was = a[0] / n, .is = a[1] / m};
    rise.z = two_proportions(a[0], n, a[1], m);
    rise.all_z = work->origin_z[2 * pair->key.node + bad];
    rise.value = (rise.is - rise.was) * (bad ? 1 : SURVIVED_WEIGHT);
    return rise;
}

/* ---- who owes a call that did not arrive ---- */

static double fail_share(const struct tally *calls)
{
    return calls->n > 0 ? (double)calls->origins / (double)calls->n : 0;
}

/* Calls that are none, for nobody answered them, beside those of their edge that were: of any
 * version of the callee, for nobody knows which did not answer. */
static void add_left(const struct work *work, const struct pair *origin, struct ends *edges)
{
    const struct group *versions = work->versions.items;
    struct tally_key edge = {.node = origin->key.peer, .peer = origin->key.node};
    double n[2] = {(double)origin->t[0].n, (double)origin->t[1].n}, left[2] = {n[0], n[1]};
    uint32_t i, to;
    for (pairs_range(&work->by_version, TALLY_CALL, edge.node, &i, &to); i < to; i++) {
        const struct pair *calls = &work->by_version.items[i];
        bool same = calls->key.peer != NO_GROUP &&
                    versions[calls->key.peer].service == versions[edge.peer].service;
        for (int t = 0; t < 2 && same; t++)
            n[t] += (double)calls->t[t].n;
    }
    struct pair left_calls = {.key = edge};
    double was = n[0] > 0 ? left[0] / n[0] : 0, is = n[1] > 0 ? left[1] / n[1] : 0;
    ends_add(edges, &left_calls, fmax(0, is - was), edge_weight((int64_t)n[1]));
}

/* By version, so that a bad version beside a good one stands out. */
static bool measure_edges(struct work *work, struct ends *edges)
{
    if (!ends_init(work, work->versions.n, edges))
        return false;
    for (uint32_t i = 0; i < work->by_version.n; i++) {
        const struct pair *pair = &work->by_version.items[i];
        if (pair->key.channel == TALLY_ORIGIN && pair->key.what == ORIGIN_LEFT &&
            pair->key.node != NO_GROUP && pair->key.peer != NO_GROUP)
            add_left(work, pair, edges);
        if (pair->key.channel != TALLY_CALL || pair->key.node == NO_GROUP ||
            pair->key.peer == NO_GROUP || pair->t[1].n <= 0)
            continue;
        double rise = fail_share(&pair->t[1]) - fail_share(&pair->t[0]);
        ends_add(edges, pair, fmax(0, rise), edge_weight(pair->t[1].n));
    }
    return true;
}

/* Of a service: of its worst version. */
static double guilt(const struct work *work, const struct ends *edges, int end, uint32_t group)
{
    double worst = 0;
    for (uint32_t i = 0; i < work->versions.n; i++) {
        if (work->versions.items[i].service == group)
            worst = fmax(worst, ends_mean(edges, end, i));
    }
    return pow(worst, END_POWER);
}

/* The caller's own proxy says it refused: its limit, its route, its configuration. */
static bool caller_refused(const struct work *work, const struct pair *pair)
{
    uint32_t flags = response_flags_parse(name_text(work, pair->key.detail));
    return flags & (FLAG_BIT(FLAG_NR) | FLAG_BIT(FLAG_NC) | FLAG_BIT(FLAG_LR) | FLAG_BIT(FLAG_DT));
}

/* ---- who gave up too soon ---- */

static bool says_given_up(const struct work *work, const struct pair *pair)
{
    struct str reason = name_text(work, pair->key.detail);
    uint32_t gone = FLAG_BIT(FLAG_DC) | FLAG_BIT(FLAG_DR) | FLAG_BIT(FLAG_UT);
    return (response_flags_parse(reason) & gone) || str_contains(reason, STR("timeout")) ||
           str_contains(reason, STR("timed out"));
}

/* Who waits for an answer that takes too long waits longer than its calls take. Where they took no
 * longer than ever until they were given up, it is the caller that has less patience. */
static bool is_given_up_soon(const struct work *work, const struct pair *pair)
{
    double failed = 0, longer = 0, n = 0;
    uint32_t i, to;
    if (pair->key.peer == NO_GROUP || !says_given_up(work, pair) ||
        work->services.items[pair->key.peer].node.role == ROLE_USER)
        return false;
    for (pairs_range(&work->by_service, TALLY_CALL, pair->key.peer, &i, &to); i < to; i++) {
        const struct pair *calls = &work->by_service.items[i];
        if (calls->key.peer != pair->key.node || calls->key.name != pair->key.name)
            continue;
        const struct histogram *normal = &calls->t[0].histogram, *now = &calls->t[1].histogram;
        if (is_thin(&calls->t[0], &calls->t[1]))
            continue;
        unsigned p95 = histogram_bucket(histogram_quantile(normal, SLOW_QUANTILE));
        longer += (share_above(now, p95) - (1 - SLOW_QUANTILE)) * (double)now->n;
        failed += (double)calls->t[1].bad;
        n += (double)now->n;
    }
    return n > 0 && failed > 0 && longer < failed * GIVEN_UP_SOON;
}

/* ---- findings ---- */

/* ", UO: connection pool full": as proxies say it, and as people do. */
static struct str reason_text(struct work *work, const struct pair *pair)
{
    struct str detail = name_text(work, pair->key.detail);
    const char *words = flag_reason(detail);
    if (!detail.len)
        return STR("");
    return words ? say(work, ", %.*s: %s", STR_ARG(detail), words)
                 : say(work, ", %.*s", STR_ARG(detail));
}

/* Failures are counted by service, whatever the suspects are. */
static struct str service_name(struct work *work, uint32_t service)
{
    return level_name(work, any_version(work, service));
}

/* Do failures of other operations begin there as well? */
static bool is_one_of_several(const struct work *work, const struct pair *pair)
{
    uint32_t i, to;
    for (pairs_range(&work->by_service, TALLY_ORIGIN, pair->key.node, &i, &to); i < to; i++) {
        const struct pair *other = &work->by_service.items[i];
        if (other->key.peer == pair->key.peer && other->key.name != pair->key.name &&
            other->t[1].n > 0)
            return true;
    }
    return false;
}

/* "cart → redis HSET": the operation where it tells one from another and not all are spoken of. */
static struct str where_text(struct work *work, const struct pair *pair, bool unreached, bool all)
{
    struct str who = service_name(work, pair->key.node);
    if (!all && is_one_of_several(work, pair) && pair->key.name)
        who = say(work, "%.*s %.*s", STR_ARG(who), STR_ARG(name_text(work, pair->key.name)));
    if (pair->key.peer == NO_GROUP)
        return who;
    struct str whom = service_name(work, pair->key.peer);
    return unreached ? say(work, "%.*s → %.*s", STR_ARG(whom), STR_ARG(who))
                     : say(work, "%.*s when %.*s calls", STR_ARG(who), STR_ARG(whom));
}

/* Nobody knows which end it is. */
static bool is_between(const struct pair *pair)
{
    return pair->key.peer != NO_GROUP &&
           (pair->key.what == ORIGIN_UNREACHED || pair->key.what == ORIGIN_LEFT ||
            pair->key.what == ORIGIN_THROWN_AT_CALL);
}

static bool is_thrown(const struct pair *pair)
{
    return pair->key.what == ORIGIN_THROWN || pair->key.what == ORIGIN_THROWN_AT_CALL;
}

struct str failures_text(struct work *work, const struct finding *finding, bool all)
{
    const char *what = is_thrown(finding->began) ? "note an exception"
                       : finding->survived       ? "see a failure"
                                                 : "fail";
    bool soon = finding->end == END_CALLER && is_given_up_soon(work, finding->began);
    return say(work, "%.*s of requests %s first at %.*s%.*s%s (normal %.*s)",
               STR_ARG(say_share(work, finding->observed)), what,
               STR_ARG(where_text(work, finding->began, finding->peer != NO_GROUP, all)),
               STR_ARG(reason_text(work, finding->began)),
               soon ? ", given up after no longer than such calls take" : "",
               STR_ARG(say_share(work, finding->baseline)));
}

struct str failures_reason(struct work *work, const struct finding *finding)
{
    const struct tally_key *key = &finding->began->key;
    struct str detail = name_text(work, key->detail), calls = STR("calls to it");
    const char *words = flag_reason(detail);
    if (finding->end == END_CALLER)
        calls = say(work, "its calls to %.*s", STR_ARG(service_name(work, key->node)));
    else if (finding->end == END_CALLEE)
        calls = say(work, "calls from %.*s", STR_ARG(service_name(work, key->peer)));
    if (is_thrown(finding->began))
        return say(work, "%.*s note exceptions", STR_ARG(calls));
    if (words)
        return say(work, "%s at %.*s", words, STR_ARG(calls));
    if (!detail.len || str_eq(detail, STR("error"))) /* of which no more was said */
        return say(work, "%.*s fail", STR_ARG(calls));
    return say(work, "%.*s fail with %.*s", STR_ARG(calls), STR_ARG(detail));
}

bool are_failures_alike(const struct finding *a, const struct finding *b)
{
    if (!a->began || !b->began || a->survived != b->survived || a->peer != b->peer)
        return false;
    const struct tally_key *x = &a->began->key, *y = &b->began->key;
    return x->node == y->node && x->peer == y->peer && x->detail == y->detail &&
           is_thrown(a->began) == is_thrown(b->began);
}

/* The group is the pair's own, or the caller that never came there. */
static void blame_origin(struct work *work, const struct pair *pair, uint32_t group, uint32_t peer,
                         const struct origin_rise *rise, double share)
{
    bool own = group != pair->key.peer;
    struct finding finding = {.channel = CHANNEL_ERRORS,
                              .kind = EVIDENCE_ERRORS,
                              .unit = UNIT_RATIO,
                              .value = rise->value * share,
                              .test = TEST_ORIGIN,
                              .z = rise->z,
                              .all_z = rise->all_z,
                              .baseline = rise->was,
                              .observed = rise->is,
                              .group = group,
                              .peer = peer,
                              .end = peer == NO_GROUP ? END_NEITHER
                                     : own            ? END_CALLEE
                                                      : END_CALLER,
                              .operation = pair->key.name,
                              .began = pair,
                              .survived = rise->survived,
                              .metric =
                                  rise->survived ? STR("survived_failures") : STR("origin_share")};
    finding.text = failures_text(work, &finding, false);
    blame(work, &finding);
}

/* Failures that seem to be the caller's own, by a callee that it does not get through to. `text`:
 * what is seen of that. */
static void blame_missing(struct work *work, const struct pair *pair, const struct missing *missing,
                          const struct origin_rise *rise, const char *metric, struct str text)
{
    struct finding finding = {.channel = CHANNEL_ERRORS,
                              .kind = EVIDENCE_TRAFFIC,
                              .unit = UNIT_RATIO,
                              .value = rise->value * missing->share,
                              .test = TEST_ORIGIN,
                              .z = rise->z,
                              .all_z = rise->all_z,
                              .baseline = missing->was,
                              .observed = missing->is,
                              .group = missing->callee,
                              .peer = pair->key.node,
                              .end = END_CALLEE,
                              .lacking = true,
                              .metric = str_of(metric),
                              .text = text};
    blame(work, &finding);
}

/* Each gives what is left of the caller's part. */
static double blame_unanswered(struct work *work, const struct pair *pair,
                               const struct origin_rise *rise, double own)
{
    struct missing missing[MAX_MISSING];
    double failures = (rise->is - rise->was) * (double)work->requests[1].n, left = own;
    struct str who = level_name(work, pair->key.node);
    unsigned n = unanswered_callees(work, pair->key.node, failures, missing);
    for (unsigned i = 0; i < n; i++) {
        struct str whom = level_name(work, missing[i].callee);
        missing[i].share *= own;
        blame_missing(work, pair, &missing[i], rise, "unanswered_share",
                      say(work, "%.*s fails, and %.*s of its calls to %.*s never come there",
                          STR_ARG(who), STR_ARG(say_share(work, missing[i].is)), STR_ARG(whom)));
        left -= missing[i].share;
    }
    return left;
}

static double blame_shunned(struct work *work, const struct pair *pair,
                            const struct origin_rise *rise, double own)
{
    struct missing shunned[MAX_MISSING];
    double left = own;
    struct str who = level_name(work, pair->key.node);
    unsigned n = shunned_callees(work, pair->key.node, shunned);
    for (unsigned i = 0; i < n; i++) {
        struct str whom = level_name(work, shunned[i].callee);
        shunned[i].share *= own;
        blame_missing(work, pair, &shunned[i], rise, "failed_calls",
                      say(work,
                          "%.*s fails without asking %.*s, and %.*s of the calls fail "
                          "that it still makes",
                          STR_ARG(who), STR_ARG(whom), STR_ARG(say_share(work, shunned[i].is))));
        left -= shunned[i].share;
    }
    return left;
}

static double blame_lost(struct work *work, const struct pair *pair, const struct origin_rise *rise,
                         double own)
{
    struct missing missing[MAX_MISSING];
    double left = own;
    struct str who = level_name(work, pair->key.node);
    unsigned n = missing_callees(work, pair->key.node, pair->key.name, missing);
    for (unsigned i = 0; i < n; i++) {
        struct str whom = level_name(work, missing[i].callee);
        missing[i].share *= own;
        blame_missing(work, pair, &missing[i], rise, "calls_a_visit",
                      say(work, "%.*s fails without having called %.*s: %.3g → %.3g calls a visit",
                          STR_ARG(who), STR_ARG(whom), missing[i].was, missing[i].is));
        left -= missing[i].share;
    }
    return left;
}

static void blame_own(struct work *work, const struct pair *pair, const struct origin_rise *rise)
{
    double own = blame_unanswered(work, pair, rise, 1);
    own = blame_shunned(work, pair, rise, own);
    own = blame_lost(work, pair, rise, own);
    blame_origin(work, pair, pair->key.node, NO_GROUP, rise, own);
}

static void blame_pair(struct work *work, const struct pair *pair, const struct origin_rise *rise,
                       const struct ends *edges)
{
    uint32_t callee = pair->key.node, caller = pair->key.peer;
    if (is_given_up_soon(work, pair)) {
        blame_origin(work, pair, caller, callee, rise, 1);
        return;
    }
    if (!is_between(pair)) {
        blame_own(work, pair, rise);
        return;
    }
    double by_caller = guilt(work, edges, 0, caller), by_callee = guilt(work, edges, 1, callee);
    by_callee *= CALLEE_PRIOR;
    double share =
        by_caller + by_callee > 0 ? by_caller / (by_caller + by_callee) : 1 / (1 + CALLEE_PRIOR);
    if (caller_refused(work, pair))
        share = 1;
    blame_origin(work, pair, callee, caller, rise, 1 - share);
    blame_origin(work, pair, caller, callee, rise, share);
}

void find_failures(struct work *work)
{
    struct ends edges;
    if (!measure_edges(work, &edges) || !unanswered_measure(work) || !measure_origins(work)) {
        work->memory_short = true;
        return;
    }
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.channel != TALLY_ORIGIN || pair->key.node == NO_GROUP)
            continue;
        work->n_tests[TEST_ORIGIN] += pair->t[0].n + pair->t[1].n >= TEST_EVENTS;
        for (int bad = 0; bad < 2; bad++) {
            struct origin_rise rise = rise_of(work, pair, bad);
            if (rise.value > 0)
                blame_pair(work, pair, &rise, &edges);
        }
    }
}
