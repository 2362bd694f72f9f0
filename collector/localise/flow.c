/* flow.c - calls that vanished or multiplied, entries that lost their traffic. */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/symptom.h"
#include "collector/localise/work.h"

/* A step that visits make at most once is a share of them; what is called over and over is a rate.
 */
double calls_z(const double calls[2], const double visits[2])
{
    bool once = calls[0] <= visits[0] && calls[1] <= visits[1];
    return once ? two_proportions(calls[0], visits[0], calls[1], visits[1])
                : rates_z(calls[0], visits[0], calls[1], visits[1]);
}

bool is_of_mix(const struct work *work, uint32_t caller, name_no operation, const struct made *made)
{
    double was = made->calls[0] / made->visits[0], is = made->calls[1] / made->visits[1];
    return fabs(calls_z(made->calls, made->visits)) > SIGNIFICANT_Z &&
           fabs(is - was) <= mix_lost(work, caller, operation) * fmax(1, fmax(was, is));
}

/* What calls a visit that became more or fewer say, of all that go to that callee; 0 when they
 * hardly did. */
static double traffic_value(const struct work *work, const struct pair *pair,
                            const struct made *made, const double edge[2])
{
    double was = made->calls[0] / made->visits[0], is = made->calls[1] / made->visits[1];
    bool more = is >= TRAFFIC_FACTOR * was, less = is * TRAFFIC_FACTOR <= was;
    double share = fmin(1, made->visits[1] / (double)work->requests[1].n);
    double all = fmax(fmax(was, is), more ? edge[1] : edge[0]);
    if ((!more && !less) || was <= 0 || made->visits[1] < TEST_EVENTS ||
        is_of_mix(work, pair->key.node, pair->key.detail, made))
        return 0;
    return TRAFFIC_WEIGHT * share * fabs(is - was) / all * fmin(1, all);
}

/* "front GET /cart → redis HGETALL": what tells one from another. */
static struct str calls_text(struct work *work, const struct pair *pair)
{
    struct str caller = level_name(work, pair->key.node), callee = level_name(work, pair->key.peer);
    return say(work, "%.*s%s%.*s → %.*s%s%.*s", STR_ARG(caller), pair->key.detail ? " " : "",
               STR_ARG(name_text(work, pair->key.detail)), STR_ARG(callee),
               pair->key.name ? " " : "", STR_ARG(name_text(work, pair->key.name)));
}

/* ", 41 % are tried again (normal 0 %)": where that is what most of the calls more are. */
static struct str tried_text(struct work *work, const struct pair *pair, double more)
{
    double tried[2];
    for (int t = 0; t < 2; t++)
        tried[t] = pair->t[t].n > 0 ? (double)pair->t[t].retries / (double)pair->t[t].n : 0;
    if (tried[1] - tried[0] < more / 2)
        return STR("");
    return say(work, ", %.*s are tried again (normal %.*s)", STR_ARG(say_share(work, tried[1])),
               STR_ARG(say_share(work, tried[0])));
}

/* By how much more time calls to this caller, for what it was asked there, took than they did. */
static double grown_ns(const struct work *work, const struct pair *pair)
{
    double more_ns = 0;
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *calls = &work->pairs->items[i];
        bool asked = calls->key.channel == TALLY_CALL && calls->key.peer == pair->key.node &&
                     (!pair->key.detail || calls->key.name == pair->key.detail);
        if (asked)
            more_ns += fmax(0, tally_extra_ns(&calls->t[0], &calls->t[1]));
    }
    return more_ns;
}

/* What calls more a visit cost their callers' callers: the time they take, as long as it was seen
 * to be added; calls that are made at once add less. A share of the time of normal requests. */
static double added_time(const struct work *work, const struct pair *pair,
                         const struct made_by *made)
{
    const struct made *all = &made->all;
    double more = all->calls[1] / all->visits[1] - all->calls[0] / all->visits[0];
    if (more <= 0 || pair->t[0].histogram.n < MIN_TIMES)
        return 0;
    double added_ns = more * all->visits[1] * tally_mean_ns(&pair->t[0]);
    return spoilt_time(work, 1, fmin(added_ns, grown_ns(work, pair)));
}

/* `pair`: without operations when all calls of the edge are spoken of. `all_z`: of all of them. */
static void blame_traffic(struct work *work, const struct pair *pair, const struct made_by *made,
                          double all_z)
{
    double was = made->all.calls[0] / made->all.visits[0],
           is = made->all.calls[1] / made->all.visits[1];
    double value = traffic_value(work, pair, &made->all, made->edge);
    if (value > 0)
        value = fmax(value, added_time(work, pair, made));
    double unstopped = is > was ? value : traffic_value(work, pair, &made->unstopped, made->edge);
    struct finding finding = {.channel = CHANNEL_TRAFFIC,
                              .kind = EVIDENCE_TRAFFIC,
                              .unit = UNIT_RATIO,
                              .test = TEST_TRAFFIC,
                              .z = fabs(calls_z(made->all.calls, made->all.visits)),
                              .all_z = is > was ? all_z : -all_z,
                              .made = pair->key.detail ? pair : NULL,
                              .baseline = was,
                              .observed = is,
                              .metric = STR("calls_a_visit")};
    if (value <= 0)
        return;
    finding.text = say(work, "%.*s: %.3g → %.3g calls a visit%.*s", STR_ARG(calls_text(work, pair)),
                       was, is, STR_ARG(is > was ? tried_text(work, pair, is / was - 1) : STR("")));
    /* Who calls more does so by itself, or because its calls fail: tries again are no more of them.
     * Who calls less may not get through; where that would leave nothing, a stop before the call
     * may be nothing else. */
    double reach = is > was ? made->good_growth < TRAFFIC_FACTOR
                            : missing_share(work, pair->key.node, pair->key.peer);
    bool blind = !tries_would_show(work, pair->key.node, pair->key.peer);
    blame_end(work, pair, 1, (blind ? value : unstopped) * reach, &finding);
    finding.operation = pair->key.detail;
    blame_end(work, pair, 0, unstopped * (1 - reach), &finding);
}

static uint32_t find_edge_traffic(struct work *work, uint32_t first)
{
    struct pair edge = work->pairs->items[first];
    struct made_by made;
    struct made all;
    uint32_t n = count_made(work, first, CALLS_ALL, MISSING_BY_FAILED, &all);
    bool enough = all.visits[0] >= MIN_TIMES && all.visits[1] >= MIN_TIMES,
         tested = enough && all.calls[0] + all.calls[1] >= TEST_EVENTS;
    work->n_tests[TEST_TRAFFIC_ALL] += tested;
    if (!is_asked_known(work, first)) {
        work->n_tests[TEST_TRAFFIC] += tested;
        if (!enough)
            return n;
        edge.key.name = edge.key.detail = NAME_NONE;
        made = made_by_edge(work, first);
        blame_traffic(work, &edge, &made, 0);
        return n;
    }
    for (uint32_t i = first; i < first + n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (!made_by_pair(work, pair, MISSING_BY_FAILED, &made))
            continue;
        work->n_tests[TEST_TRAFFIC] += pair->t[0].n + pair->t[1].n >= TEST_EVENTS;
        blame_traffic(work, pair, &made, enough ? calls_z(all.calls, all.visits) : 0);
    }
    return n;
}

void find_traffic(struct work *work)
{
    for (uint32_t i = 0, step = 1; i < work->pairs->n; i += step) {
        const struct pair *pair = &work->pairs->items[i];
        bool edge = pair->key.channel == TALLY_CALL && pair->key.node != NO_GROUP &&
                    pair->key.peer != NO_GROUP;
        step = edge ? find_edge_traffic(work, i) : 1;
    }
}

/* Of all requests or of their time, whichever is less: many that ask for nothing are no loss. */
static double entry_share(const struct work *work, const struct pair *pair)
{
    double n = (double)work->requests[0].n, all_ns = n * work->normal_ns;
    double of_time = all_ns > 0 ? (double)pair->t[0].sum_ns / all_ns : 1;
    return fmin((double)pair->t[0].n / n, of_time);
}

/* An entry that has lost its traffic while the others have theirs. */
static void blame_entry(struct work *work, const struct rollup entries[2], const struct pair *pair)
{
    const struct localise_input *input = work->input;
    struct symptom_input both = {.normal = &entries[0],
                                 .now = &entries[1],
                                 .normal_s = input->normal_s,
                                 .now_s = input->now_s};
    struct symptom_found found;
    if (!symptom_vanished(&both, &pair->key, &found))
        return;
    double was = 60 * (double)pair->t[0].n / input->normal_s,
           is = 60 * (double)pair->t[1].n / input->now_s;
    struct finding finding = {
        .channel = CHANNEL_TRAFFIC,
        .kind = EVIDENCE_TRAFFIC,
        .unit = UNIT_COUNT,
        .value = TRAFFIC_WEIGHT * found.share * entry_share(work, pair),
        .test = TEST_TRAFFIC,
        .z = found.z,
        .baseline = was,
        .observed = is,
        .group = pair->key.node,
        .peer = NO_GROUP,
        .operation = pair->key.name,
        .metric = STR("requests_a_minute"),
        .text = say(work, "%.*s: %.3g → %.3g requests a minute, other entries as ever",
                    STR_ARG(name_text(work, pair->key.name)), was, is)};
    blame(work, &finding);
}

void find_entries(struct work *work)
{
    struct rollup entries[2];
    if (work->input->normal_s <= 0 || work->input->now_s <= 0)
        return;
    for (int t = 0; t < 2; t++)
        rollup_init(&entries[t], UINT32_MAX);
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        for (int t = 0; t < 2 && pair->key.channel == TALLY_REQUEST; t++) {
            struct tally *entry = rollup_tally(&entries[t], &pair->key, 0);
            if (entry)
                entry->n = pair->t[t].n;
            else
                work->memory_short = true;
        }
    }
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.channel == TALLY_REQUEST && pair->key.node != NO_GROUP)
            blame_entry(work, entries, pair);
    }
    for (int t = 0; t < 2; t++)
        rollup_fini(&entries[t]);
}
