/* flow.c - calls that vanished or multiplied, entries that lost their traffic. */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/symptom.h"
#include "collector/localise/work.h"

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

void count_visits(const struct work *work, uint32_t group, name_no operation, double visits[2])
{
    uint32_t from, to, i;
    visits[0] = visits[1] = 0;
    pairs_range(work->pairs, TALLY_FLOW, group, &from, &to);
    for (i = from; i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        for (int t = 0; t < 2 && (!operation || pair->key.name == operation); t++)
            visits[t] += (double)pair->t[t].n;
    }
    if (from == to && !operation)
        count_calls_in(work, group, visits);
}

bool is_failed_visit(const struct pair *pair)
{
    return pair->key.what == FLOW_FAILED || pair->key.what == FLOW_CARRIED;
}

uint32_t sum_edge(const struct work *work, uint32_t first, double calls[2])
{
    const struct pair *edge = &work->pairs->items[first], *pair = edge;
    uint32_t n = 0;
    calls[0] = calls[1] = 0;
    while (first + n < work->pairs->n && pair->key.channel == TALLY_CALL &&
           pair->key.node == edge->key.node && pair->key.peer == edge->key.peer) {
        for (int t = 0; t < 2; t++)
            calls[t] += (double)(pair->t[t].n + pair->t[t].retries);
        pair++;
        n++;
    }
    return n;
}

/* A step that visits make at most once is a share of them; what is called over and over is a rate.
 */
double calls_z(const double calls[2], const double visits[2])
{
    bool once = calls[0] <= visits[0] && calls[1] <= visits[1];
    return once ? two_proportions(calls[0], visits[0], calls[1], visits[1])
                : rates_z(calls[0], visits[0], calls[1], visits[1]);
}

bool is_of_mix(const struct work *work, uint32_t caller, const double calls[2],
               const double visits[2])
{
    double was = calls[0] / visits[0], is = calls[1] / visits[1];
    return fabs(calls_z(calls, visits)) > SIGNIFICANT_Z &&
           fabs(is - was) <= mix_lost(work, caller, NAME_NONE) * fmax(1, fmax(was, is));
}

/* Calls of an edge that did not fail: tries again, because they failed, are no more of them. */
static double more_good_calls(const struct work *work, const struct pair *first,
                              const double visits[2])
{
    double good[2] = {0, 0};
    for (const struct pair *pair = first;
         pair < work->pairs->items + work->pairs->n && pair->key.channel == TALLY_CALL &&
         pair->key.node == first->key.node && pair->key.peer == first->key.peer;
         pair++) {
        for (int t = 0; t < 2; t++)
            good[t] += (double)(pair->t[t].n - pair->t[t].bad);
    }
    return good[0] > 0 ? good[1] / visits[1] / (good[0] / visits[0]) : 0;
}

static void blame_traffic(struct work *work, const struct pair *pair, const double calls[2],
                          const double visits[2])
{
    double was = calls[0] / visits[0], is = calls[1] / visits[1];
    bool more = is >= TRAFFIC_FACTOR * was, less = is * TRAFFIC_FACTOR <= was;
    double share = visits[1] / (double)work->requests[1].n;
    if ((!more && !less) || was <= 0 || is_of_mix(work, pair->key.node, calls, visits))
        return;
    double value =
        TRAFFIC_WEIGHT * (share < 1 ? share : 1) *
        (more ? (1 - was / is) * (is < 1 ? is : 1) : (1 - is / was) * (was < 1 ? was : 1));
    struct finding finding = {.channel = CHANNEL_TRAFFIC,
                              .kind = EVIDENCE_TRAFFIC,
                              .unit = UNIT_RATIO,
                              .test = TEST_TRAFFIC,
                              .z = fabs(calls_z(calls, visits)),
                              .baseline = was,
                              .observed = is,
                              .metric = STR("calls_a_visit"),
                              .text = say(work, "%.*s → %.*s: %.3g → %.3g calls a visit",
                                          STR_ARG(level_name(work, pair->key.node)),
                                          STR_ARG(level_name(work, pair->key.peer)), was, is)};
    /* Who calls more does so by itself, or because its calls fail; who calls less may not get
     * through. */
    bool fails = more && more_good_calls(work, pair, visits) < TRAFFIC_FACTOR;
    double reach = less ? missing_share(work, pair->key.node, pair->key.peer) : fails;
    blame_end(work, pair, 0, value * (1 - reach), &finding);
    blame_end(work, pair, 1, value * reach, &finding);
}

double newly_failed(const struct work *work, uint32_t group, bool carried, const double visits[2])
{
    double failed[2] = {0, 0};
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_FLOW, group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        bool counts = carried ? pair->key.what == FLOW_CARRIED : is_failed_visit(pair);
        for (int t = 0; t < 2 && counts; t++)
            failed[t] += (double)pair->t[t].n;
    }
    double more = failed[1] - failed[0] / visits[0] * visits[1];
    return more > 0 ? more : 0;
}

void find_traffic(struct work *work)
{
    for (uint32_t i = 0, step = 1; i < work->pairs->n; i += step) {
        const struct pair *pair = &work->pairs->items[i];
        double calls[2], visits[2];
        step = 1;
        if (pair->key.channel != TALLY_CALL || pair->key.node == NO_GROUP ||
            pair->key.peer == NO_GROUP)
            continue;
        step = sum_edge(work, i, calls);
        count_visits(work, pair->key.node, NAME_NONE, visits);
        if (visits[0] < MIN_TIMES || visits[1] < MIN_TIMES)
            continue;
        if (calls[1] * visits[0] < calls[0] * visits[1])
            visits[1] -= newly_failed(work, pair->key.node, false, visits);
        work->n_tests[TEST_TRAFFIC] += calls[0] + calls[1] >= TEST_EVENTS;
        if (visits[1] >= MIN_TIMES)
            blame_traffic(work, pair, calls, visits);
    }
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
        .value = TRAFFIC_WEIGHT * found.share * (double)pair->t[0].n / (double)work->requests[0].n,
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
