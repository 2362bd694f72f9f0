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

bool is_of_mix(const struct work *work, uint32_t caller, const double calls[2],
               const double visits[2])
{
    double was = calls[0] / visits[0], is = calls[1] / visits[1];
    return fabs(calls_z(calls, visits)) > SIGNIFICANT_Z &&
           fabs(is - was) <= mix_lost(work, caller, NAME_NONE) * fmax(1, fmax(was, is));
}

/* By how many times calls that did not fail became more: tries again, because they failed, are no
 * more of them. */
static double more_good_calls(const struct work *work, uint32_t first)
{
    struct made good;
    count_made(work, first, CALLS_GOOD, MISSING_BY_ALL, &good);
    return good.calls[0] > 0 && good.visits[1] > 0
               ? good.calls[1] / good.visits[1] / (good.calls[0] / good.visits[0])
               : 0;
}

/* What calls a visit that became more or fewer say; 0 when they hardly did. */
static double traffic_value(const struct work *work, uint32_t caller, const struct made *made)
{
    double was = made->calls[0] / made->visits[0], is = made->calls[1] / made->visits[1];
    bool more = is >= TRAFFIC_FACTOR * was, less = is * TRAFFIC_FACTOR <= was;
    double share = fmin(1, made->visits[1] / (double)work->requests[1].n);
    if ((!more && !less) || was <= 0 || made->visits[1] < MIN_TIMES ||
        is_of_mix(work, caller, made->calls, made->visits))
        return 0;
    return TRAFFIC_WEIGHT * share *
           (more ? (1 - was / is) * fmin(1, is) : (1 - is / was) * fmin(1, was));
}

static void blame_traffic(struct work *work, uint32_t first, const struct made *made)
{
    const struct pair *pair = &work->pairs->items[first];
    double was = made->calls[0] / made->visits[0], is = made->calls[1] / made->visits[1];
    double value = traffic_value(work, pair->key.node, made);
    struct finding finding = {.channel = CHANNEL_TRAFFIC,
                              .kind = EVIDENCE_TRAFFIC,
                              .unit = UNIT_RATIO,
                              .test = TEST_TRAFFIC,
                              .z = fabs(calls_z(made->calls, made->visits)),
                              .baseline = was,
                              .observed = is,
                              .metric = STR("calls_a_visit")};
    if (value <= 0)
        return;
    finding.text = say(work, "%.*s → %.*s: %.3g → %.3g calls a visit",
                       STR_ARG(level_name(work, pair->key.node)),
                       STR_ARG(level_name(work, pair->key.peer)), was, is);
    /* Who calls more does so by itself, or because its calls fail; who calls less may not get
     * through. */
    bool more = is > was, fails = more && more_good_calls(work, first) < TRAFFIC_FACTOR;
    double reach = more ? fails : missing_share(work, pair->key.node, pair->key.peer);
    blame_end(work, pair, 0, value * (1 - reach), &finding);
    blame_end(work, pair, 1, value * reach, &finding);
}

void find_traffic(struct work *work)
{
    for (uint32_t i = 0, step = 1; i < work->pairs->n; i += step) {
        const struct pair *pair = &work->pairs->items[i];
        struct made made;
        step = 1;
        if (pair->key.channel != TALLY_CALL || pair->key.node == NO_GROUP ||
            pair->key.peer == NO_GROUP)
            continue;
        step = count_made(work, i, CALLS_ALL, MISSING_BY_ALL, &made);
        if (made.visits[0] < MIN_TIMES || made.visits[1] < MIN_TIMES)
            continue;
        work->n_tests[TEST_TRAFFIC] += made.calls[0] + made.calls[1] >= TEST_EVENTS;
        count_made(work, i, CALLS_ALL, MISSING_BY_FAILED, &made);
        blame_traffic(work, i, &made);
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
