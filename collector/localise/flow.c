/* flow.c - requests that stop after a step they used to go beyond; calls that vanished or
 * multiplied.
 */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/symptom.h"
#include "collector/localise/work.h"

void count_visits(const struct work *work, uint32_t group, name_no operation, double visits[2])
{
    uint32_t i, to;
    visits[0] = visits[1] = 0;
    for (pairs_range(work->pairs, TALLY_FLOW, group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        for (int t = 0; t < 2 && (!operation || pair->key.name == operation); t++)
            visits[t] += (double)pair->t[t].n;
    }
}

static struct str step_text(struct work *work, const struct pair *pair)
{
    if (pair->key.what == FLOW_CALL) {
        struct node_text peer = group_text(work, work->level, pair->key.peer);
        return say(work, "after calling %.*s", STR_ARG(node_text_short(work->arena, &peer)));
    }
    return pair->key.what == FLOW_LOCAL ? STR("after a step of its own")
                                        : STR("without calling anybody");
}

static void blame_stop(struct work *work, const struct pair *pair, const double visits[2])
{
    double was = (double)pair->t[0].n / visits[0], is = (double)pair->t[1].n / visits[1];
    double rise = is - was, calls = visits[1] / (double)work->requests[1].n;
    double steep = FLOW_STEEPNESS * rise < 1 ? FLOW_STEEPNESS * rise : 1;
    struct node_text node = group_text(work, work->level, pair->key.node);
    struct finding finding = {
        .channel = CHANNEL_FLOW,
        .kind = EVIDENCE_FLOW,
        .unit = UNIT_RATIO,
        .z = two_proportions((double)pair->t[0].n, visits[0], (double)pair->t[1].n, visits[1]),
        .baseline = was,
        .observed = is,
        .operation = pair->key.name,
        .metric = STR("stops_here"),
        .text = say(work, "%.*s %.*s: %.*s of visits end %.*s (normal %.*s)",
                    STR_ARG(node_text_short(work->arena, &node)),
                    STR_ARG(name_text(work, pair->key.name)), STR_ARG(say_share(work, is)),
                    STR_ARG(step_text(work, pair)), STR_ARG(say_share(work, was)))};
    double value = rise * steep * calls;
    bool call = pair->key.what == FLOW_CALL && pair->key.peer != NO_GROUP;
    finding.group = pair->key.node;
    finding.peer = call ? pair->key.peer : NO_GROUP;
    finding.end = call ? END_CALLER : END_NEITHER;
    finding.value = value * (call ? FLOW_CALLER : 1);
    blame(work, candidate_of(work, finding.group, NAME_NONE, pair->key.name), &finding);
    if (!call)
        return;
    finding.group = pair->key.peer;
    finding.peer = pair->key.node;
    finding.end = END_CALLEE;
    finding.value = value * FLOW_CALLEE;
    finding.operation = NAME_NONE;
    blame(work, candidate_of(work, finding.group, NAME_NONE, NAME_NONE), &finding);
}

void find_flow(struct work *work)
{
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        double visits[2];
        if (pair->key.channel != TALLY_FLOW || pair->key.node == NO_GROUP ||
            pair->key.what == FLOW_FAILED)
            continue;
        count_visits(work, pair->key.node, pair->key.name, visits);
        if (visits[0] >= MIN_TIMES && visits[1] >= MIN_TIMES &&
            (double)pair->t[1].n * visits[0] > (double)pair->t[0].n * visits[1])
            blame_stop(work, pair, visits);
    }
}

/* ---- traffic ---- */

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

static void blame_traffic(struct work *work, const struct pair *pair, const double calls[2],
                          const double visits[2])
{
    double was = calls[0] / visits[0], is = calls[1] / visits[1];
    bool more = is >= TRAFFIC_FACTOR * was, less = is * TRAFFIC_FACTOR <= was;
    double share = visits[1] / (double)work->requests[1].n;
    if ((!more && !less) || was <= 0)
        return;
    const uint32_t ends[2] = {pair->key.node, pair->key.peer};
    double value =
        TRAFFIC_WEIGHT * (share < 1 ? share : 1) *
        (more ? (1 - was / is) * (is < 1 ? is : 1) : (1 - is / was) * (was < 1 ? was : 1));
    struct node_text caller = group_text(work, work->level, pair->key.node),
                     callee = group_text(work, work->level, pair->key.peer);
    struct finding finding = {.channel = CHANNEL_TRAFFIC,
                              .kind = EVIDENCE_TRAFFIC,
                              .unit = UNIT_RATIO,
                              .value = value,
                              .z = fabs(calls_z(calls, visits)),
                              .baseline = was,
                              .observed = is,
                              .metric = STR("calls_a_visit"),
                              .text = say(work, "%.*s → %.*s: %.3g → %.3g calls a visit",
                                          STR_ARG(node_text_short(work->arena, &caller)),
                                          STR_ARG(node_text_short(work->arena, &callee)), was, is)};
    /* Who calls more does so by itself; who calls less may not get through. */
    double reach = less ? missing_share(work, ends[0], ends[1]) : 0;
    for (int e = 0; e < 2; e++) {
        finding.group = ends[e];
        finding.peer = ends[1 - e];
        finding.end = e == 0 ? END_CALLER : END_CALLEE;
        finding.value = value * (e ? reach : 1 - reach);
        blame(work, candidate_of(work, ends[e], NAME_NONE, NAME_NONE), &finding);
    }
}

/* Visits that fail now and did not before: what they no longer came to is told by the failure. */
static double newly_failed(const struct work *work, uint32_t group, const double visits[2])
{
    double failed[2] = {0, 0};
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_FLOW, group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        for (int t = 0; t < 2 && pair->key.what == FLOW_FAILED; t++)
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
            visits[1] -= newly_failed(work, pair->key.node, visits);
        if (visits[1] >= MIN_TIMES)
            blame_traffic(work, pair, calls, visits);
    }
}

/* An entry that has lost its traffic while the others have theirs. */
static void blame_entry(struct work *work, const struct pair *pair)
{
    const struct localise_input *input = work->input;
    struct symptom_input both = {&work->entries[0], &work->entries[1], input->normal_s,
                                 input->now_s};
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
        .z = found.z,
        .baseline = was,
        .observed = is,
        .group = pair->key.node,
        .peer = NO_GROUP,
        .metric = STR("requests_a_minute"),
        .text = say(work, "%.*s: %.3g → %.3g requests a minute, other entries as ever",
                    STR_ARG(name_text(work, pair->key.name)), was, is)};
    blame(work, candidate_of(work, pair->key.node, NAME_NONE, pair->key.name), &finding);
}

void find_entries(struct work *work)
{
    const struct localise_input *input = work->input;
    if (input->normal_s <= 0 || input->now_s <= 0)
        return;
    for (int t = 0; t < 2; t++)
        rollup_init(&work->entries[t], UINT32_MAX);
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        for (int t = 0; t < 2 && pair->key.channel == TALLY_REQUEST; t++) {
            struct tally *entry = rollup_tally(&work->entries[t], &pair->key, 0);
            if (entry)
                entry->n = pair->t[t].n;
            else
                work->memory_short = true;
        }
    }
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.channel == TALLY_REQUEST && pair->key.node != NO_GROUP)
            blame_entry(work, pair);
    }
    for (int t = 0; t < 2; t++)
        rollup_fini(&work->entries[t]);
}
