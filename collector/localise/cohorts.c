/* cohorts.c - strata of calls, and sums over them. */
#include "collector/localise/cohorts.h"

#include <math.h>

#include "collector/base/hash.h"

#define PI 3.14159265358979

static bool fits(name_no a, name_no b)
{
    return a == b || a == NAME_NONE || b == NAME_NONE;
}

/* The same service, versions aside; who does not know its namespace or cluster fits all. */
static bool is_same_service(const struct node *a, const struct node *b)
{
    return a->service == b->service && fits(a->namespace, b->namespace) &&
           fits(a->cluster, b->cluster);
}

/* 0 baseline, 1 candidate, −1 neither. */
static int side_of(const struct compare_input *input, node_no no)
{
    const struct node *node = nodes_get(input->nodes, no);
    if (!node->service || !is_same_service(node, &input->service))
        return -1;
    for (int i = 0; i < 2; i++) {
        if (node->version == input->versions[i])
            return i;
    }
    return -1;
}

static uint32_t end_of(struct cohorts *cohorts, node_no no)
{
    struct node node = *nodes_get(cohorts->input->nodes, no);
    node.version = NAME_NONE;
    for (uint32_t i = 0; i < cohorts->n_ends; i++) {
        if (is_same_service(&cohorts->ends[i], &node))
            return i;
    }
    cohorts->ends[cohorts->n_ends] = node;
    return cohorts->n_ends++;
}

static uint32_t stratum_of(struct cohorts *cohorts, struct map *map, const struct stratum *key)
{
    uint64_t hash = hash_u128((uint64_t)key->end << 32 | key->operation, key->step);
    for (struct map_iter it = map_find(map, hash); map_next(map, &it);) {
        const struct stratum *stratum = &cohorts->strata[it.value];
        if (stratum->end == key->end && stratum->operation == key->operation &&
            stratum->step == key->step)
            return it.value;
    }
    if (!map_add(map, hash, cohorts->n_strata))
        return UINT32_MAX;
    cohorts->strata[cohorts->n_strata] = *key;
    return cohorts->n_strata++;
}

bool cohorts_make(struct cohorts *cohorts, const struct compare_input *input, bool taken,
                  struct arena *arena)
{
    uint32_t n = input->calls->n;
    struct map map;
    bool good = true;
    *cohorts = (struct cohorts){.input = input, .taken = taken};
    cohorts->ends = arena_alloc(arena, (nodes_count(input->nodes) + 1) * sizeof(struct node));
    cohorts->strata = arena_alloc(arena, (n + 1) * sizeof(struct stratum));
    cohorts->stratum_of = arena_alloc(arena, (n + 1) * sizeof(uint32_t));
    cohorts->side_of = arena_alloc(arena, n + 1);
    if (!cohorts->ends || !cohorts->strata || !cohorts->stratum_of || !cohorts->side_of)
        return false;
    map_init(&map);
    for (uint32_t i = 0; i < n && good; i++) {
        const struct tally *tally = &input->calls->items[i];
        const struct tally_key *key = &tally->key;
        int side = side_of(input, taken ? key->peer : key->node);
        cohorts->stratum_of[i] = UINT32_MAX;
        if (key->channel != TALLY_CALL || side < 0 || tally->n <= 0)
            continue;
        struct stratum wanted = {.end = end_of(cohorts, taken ? key->node : key->peer),
                                 .operation = key->name,
                                 .step = tally->step};
        uint32_t at = stratum_of(cohorts, &map, &wanted);
        good = at != UINT32_MAX;
        if (!good)
            break;
        cohorts->stratum_of[i] = at;
        cohorts->side_of[i] = (uint8_t)side;
        cohorts->strata[at].n[side] += (double)tally->n;
        cohorts->strata[at].bad[side] += (double)tally->bad;
        cohorts->all[side] += (double)tally->n;
    }
    map_fini(&map);
    return good;
}

static bool is_common(const struct stratum *stratum)
{
    return stratum->n[0] > 0 && stratum->n[1] > 0;
}

struct mixed cohorts_mix(const struct cohorts *cohorts, uint32_t end)
{
    struct mixed mixed = {0};
    double squares = 0, m = 0, weighted_bad = 0, bad = 0;
    for (uint32_t i = 0; i < cohorts->n_strata; i++) {
        const struct stratum *stratum = &cohorts->strata[i];
        if (!is_common(stratum) || (end != ANY_END && stratum->end != end))
            continue;
        m += stratum->n[1];
        bad += stratum->bad[1];
        weighted_bad += stratum->n[1] * stratum->bad[0] / stratum->n[0];
        squares += stratum->n[1] * stratum->n[1] / stratum->n[0];
        for (int k = 0; k < 2; k++) {
            mixed.calls[k] += (int64_t)stratum->n[k];
            mixed.bad[k] += (int64_t)stratum->bad[k];
        }
    }
    if (m <= 0)
        return mixed;
    mixed.n[0] = m * m / squares;
    mixed.n[1] = m;
    mixed.share[0] = weighted_bad / m;
    mixed.share[1] = bad / m;
    return mixed;
}

void cohorts_times(const struct cohorts *cohorts, struct weighted times[2])
{
    struct mixed mixed = cohorts_mix(cohorts, ANY_END);
    times[0] = times[1] = (struct weighted){0};
    for (uint32_t i = 0; i < cohorts->input->calls->n; i++) {
        const struct histogram *histogram = &cohorts->input->calls->items[i].histogram;
        if (cohorts->stratum_of[i] == UINT32_MAX)
            continue;
        const struct stratum *stratum = &cohorts->strata[cohorts->stratum_of[i]];
        if (!is_common(stratum))
            continue;
        int side = cohorts->side_of[i];
        double weight = side ? 1 : stratum->n[1] / stratum->n[0] * mixed.n[0] / mixed.n[1];
        for (uint32_t k = 0; k < histogram->cap; k++) {
            if (histogram->counts[k] <= 0)
                continue;
            double count = weight * (double)histogram->counts[k];
            times[side].counts[histogram->low + k] += count;
            times[side].n += count;
        }
    }
}

bool cohorts_histograms(const struct cohorts *cohorts, struct histogram times[2])
{
    bool good = true;
    for (uint32_t i = 0; i < cohorts->input->calls->n && good; i++) {
        uint32_t at = cohorts->stratum_of[i];
        if (at != UINT32_MAX && is_common(&cohorts->strata[at]))
            good = histogram_merge(&times[cohorts->side_of[i]],
                                   &cohorts->input->calls->items[i].histogram);
    }
    return good;
}

/* Half the sum of the differences of shares; chance gives about the root of strata by calls. Parts
 * of the time are not told apart: versions come and go. */
double cohorts_unlike(const struct cohorts *cohorts)
{
    double sum = 0, n = cohorts->all[0], m = cohorts->all[1];
    uint32_t n_kinds = 0;
    for (uint32_t i = 0; i < cohorts->n_strata; i++) {
        const struct stratum *first = &cohorts->strata[i];
        double a = 0, b = 0;
        bool again = false;
        for (uint32_t k = 0; k < cohorts->n_strata; k++) {
            const struct stratum *other = &cohorts->strata[k];
            if (other->end != first->end || other->operation != first->operation)
                continue;
            again = again || k < i;
            a += other->n[0];
            b += other->n[1];
        }
        if (again)
            continue;
        n_kinds++;
        sum += fabs(a / n - b / m) / 2;
    }
    double chance = n > 0 && m > 0 ? sqrt(n_kinds * (n + m) / (2 * PI * n * m)) : 1;
    return fmax(0, sum - chance);
}
