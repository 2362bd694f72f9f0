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

static uint32_t find_end(struct cohorts *cohorts, node_no no)
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

static uint32_t end_of(struct cohorts *cohorts, node_no no)
{
    if (cohorts->end_of[no] == UINT32_MAX)
        cohorts->end_of[no] = find_end(cohorts, no);
    return cohorts->end_of[no];
}

/* NULL when memory is short. */
static struct stratum *stratum_of(struct cohorts *cohorts, struct map *map,
                                  const struct stratum *key)
{
    uint64_t hash = hash_u128((uint64_t)key->end << 32 | key->operation, key->step);
    for (struct map_iter it = map_find(map, hash); map_next(map, &it);) {
        struct stratum *stratum = &cohorts->strata[it.value];
        if (stratum->end == key->end && stratum->operation == key->operation &&
            stratum->step == key->step)
            return stratum;
    }
    if (!map_add(map, hash, cohorts->n_strata))
        return NULL;
    cohorts->strata[cohorts->n_strata] = *key;
    return &cohorts->strata[cohorts->n_strata++];
}

static struct call_kind *kind_of(struct cohorts *cohorts, struct map *map, const struct stratum *of)
{
    uint64_t hash = hash_u64((uint64_t)of->end << 32 | of->operation);
    for (struct map_iter it = map_find(map, hash); map_next(map, &it);) {
        struct call_kind *kind = &cohorts->kinds[it.value];
        if (kind->end == of->end && kind->operation == of->operation)
            return kind;
    }
    if (!map_add(map, hash, cohorts->n_kinds))
        return NULL;
    cohorts->kinds[cohorts->n_kinds] =
        (struct call_kind){.end = of->end, .operation = of->operation};
    return &cohorts->kinds[cohorts->n_kinds++];
}

static bool make_room(struct cohorts *cohorts, struct arena *arena)
{
    uint32_t n = cohorts->input->calls->n, n_nodes = nodes_count(cohorts->input->nodes);
    cohorts->ends = arena_alloc(arena, (n_nodes + 1) * sizeof(struct node));
    cohorts->end_of = arena_alloc(arena, (n_nodes + 1) * sizeof(uint32_t));
    cohorts->strata = arena_alloc(arena, (n + 1) * sizeof(struct stratum));
    cohorts->kinds = arena_alloc(arena, (n + 1) * sizeof(struct call_kind));
    cohorts->stratum_of = arena_alloc(arena, (n + 1) * sizeof(uint32_t));
    cohorts->side_of = arena_alloc(arena, n + 1);
    if (!cohorts->ends || !cohorts->end_of || !cohorts->strata || !cohorts->kinds ||
        !cohorts->stratum_of || !cohorts->side_of)
        return false;
    memset(cohorts->end_of, 0xff, (n_nodes + 1) * sizeof(uint32_t));
    memset(cohorts->stratum_of, 0xff, (n + 1) * sizeof(uint32_t));
    return true;
}

/* maps: of strata, of kinds. */
static bool add_tally(struct cohorts *cohorts, struct map maps[2], uint32_t i)
{
    const struct tally *tally = &cohorts->input->calls->items[i];
    const struct tally_key *key = &tally->key;
    int side = side_of(cohorts->input, cohorts->taken ? key->peer : key->node);
    if (key->channel != TALLY_CALL || side < 0 || tally->n <= 0)
        return true;
    struct stratum wanted = {.end = end_of(cohorts, cohorts->taken ? key->node : key->peer),
                             .operation = key->name,
                             .step = tally->step};
    struct stratum *stratum = stratum_of(cohorts, &maps[0], &wanted);
    struct call_kind *kind = kind_of(cohorts, &maps[1], &wanted);
    if (!stratum || !kind)
        return false;
    cohorts->stratum_of[i] = (uint32_t)(stratum - cohorts->strata);
    cohorts->side_of[i] = (uint8_t)side;
    stratum->n[side] += (double)tally->n;
    stratum->bad[side] += (double)tally->bad;
    kind->n[side] += (double)tally->n;
    cohorts->all[side] += (double)tally->n;
    return true;
}

bool cohorts_make(struct cohorts *cohorts, const struct compare_input *input, bool taken,
                  struct arena *arena)
{
    struct map maps[2];
    bool good = true;
    *cohorts = (struct cohorts){.input = input, .taken = taken};
    if (!make_room(cohorts, arena))
        return false;
    for (int k = 0; k < 2; k++)
        map_init(&maps[k]);
    for (uint32_t i = 0; i < input->calls->n && good; i++)
        good = add_tally(cohorts, maps, i);
    for (int k = 0; k < 2; k++)
        map_fini(&maps[k]);
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

/* Half the sum of the differences of shares; chance gives about the root of kinds by calls. Parts
 * of the time are not told apart: versions come and go. */
double cohorts_unlike(const struct cohorts *cohorts)
{
    double sum = 0, n = cohorts->all[0], m = cohorts->all[1];
    if (n <= 0 || m <= 0)
        return 1;
    for (uint32_t i = 0; i < cohorts->n_kinds; i++)
        sum += fabs(cohorts->kinds[i].n[0] / n - cohorts->kinds[i].n[1] / m) / 2;
    return fmax(0, sum - sqrt(cohorts->n_kinds * (n + m) / (2 * PI * n * m)));
}
