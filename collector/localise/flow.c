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

/* What calls a visit that became more or fewer say; 0 when they hardly did. */
static double traffic_value(const struct work *work, uint32_t caller, name_no operation,
                            const struct made *made)
{
    double was = made->calls[0] / made->visits[0], is = made->calls[1] / made->visits[1];
    bool more = is >= TRAFFIC_FACTOR * was, less = is * TRAFFIC_FACTOR <= was;
    double share = fmin(1, made->visits[1] / (double)work->requests[1].n);
    if ((!more && !less) || was <= 0 || made->visits[1] < MIN_TIMES ||
        is_of_mix(work, caller, operation, made))
        return 0;
    return TRAFFIC_WEIGHT * share *
           (more ? (1 - was / is) * fmin(1, is) : (1 - is / was) * fmin(1, was));
}

static struct str caller_text(struct work *work, uint32_t caller, name_no operation)
{
    struct str name = level_name(work, caller);
    return operation ? say(work, "%.*s %.*s", STR_ARG(name), STR_ARG(name_text(work, operation)))
                     : name;
}

/* `all_z`: of all that its caller was visited for. */
static void blame_traffic(struct work *work, const struct pair *pair, const struct made_kind *kind,
                          double all_z)
{
    uint32_t caller = pair->key.node, callee = pair->key.peer;
    double was = kind->all.calls[0] / kind->all.visits[0],
           is = kind->all.calls[1] / kind->all.visits[1];
    double value = traffic_value(work, caller, kind->operation, &kind->all),
           unstopped =
               is > was ? value : traffic_value(work, caller, kind->operation, &kind->unstopped);
    struct finding finding = {.channel = CHANNEL_TRAFFIC,
                              .kind = EVIDENCE_TRAFFIC,
                              .unit = UNIT_RATIO,
                              .test = TEST_TRAFFIC,
                              .z = fabs(calls_z(kind->all.calls, kind->all.visits)),
                              .all_z = is > was ? all_z : -all_z,
                              .baseline = was,
                              .observed = is,
                              .metric = STR("calls_a_visit")};
    if (value <= 0)
        return;
    finding.text = say(work, "%.*s → %.*s: %.3g → %.3g calls a visit",
                       STR_ARG(caller_text(work, caller, kind->operation)),
                       STR_ARG(level_name(work, callee)), was, is);
    /* Who calls more does so by itself, or because its calls fail: tries again are no more of them.
     * Who calls less may not get through. */
    double reach =
        is > was ? kind->good_growth < TRAFFIC_FACTOR : missing_share(work, caller, callee);
    blame_end(work, pair, 1, value * reach, &finding);
    finding.operation = kind->operation;
    blame_end(work, pair, 0, unstopped * (1 - reach), &finding);
}

static uint32_t find_edge_traffic(struct work *work, uint32_t first)
{
    struct made all;
    struct made_kinds kinds;
    uint32_t n = count_made(work, first, CALLS_ALL, MISSING_BY_FAILED, &all);
    if (!count_made_by_kind(work, first, &kinds)) {
        work->memory_short = true;
        return n;
    }
    bool enough = all.visits[0] >= MIN_TIMES && all.visits[1] >= MIN_TIMES;
    work->n_tests[TEST_TRAFFIC_ALL] += enough && all.calls[0] + all.calls[1] >= TEST_EVENTS;
    for (uint32_t i = 0; i < kinds.n; i++) {
        const struct made_kind *kind = &kinds.items[i];
        if (kind->all.visits[0] < MIN_TIMES || kind->all.visits[1] < MIN_TIMES)
            continue;
        work->n_tests[TEST_TRAFFIC] += kind->all.calls[0] + kind->all.calls[1] >= TEST_EVENTS;
        blame_traffic(work, &work->pairs->items[first], kind,
                      enough ? calls_z(all.calls, all.visits) : 0);
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
