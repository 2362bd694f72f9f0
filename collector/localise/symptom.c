/* symptom.c - tests on the requests of each entry. */
#include "collector/localise/symptom.h"

#include <math.h>
#include <stdlib.h>

#include "collector/localise/constants.h"
#include "collector/localise/statistics.h"

static const struct tally *tally_find(const struct rollup *rollup, const struct tally_key *key)
{
    return rollup_find(rollup, key, 0);
}

/* What counts as bad, in normal times and now. */
struct bad_counts {
    double normal, normal_n, now, now_n;
};

/* What is felt, in the order in which it is looked for: requests that fail are often slow or quick
 * as well. */
struct feeling {
    enum symptom kind;
    unsigned beyond; /* buckets above normal's p95 from which a request is slow */
    double least;    /* rise of the share of such requests */
    double gross;    /* … against few minutes */
};

static const struct feeling feelings[] = {
    {SYMPTOM_ERRORS, 0, SYMPTOM_FAILED, SYMPTOM_FAILED_GROSS},
    {SYMPTOM_LATENCY, SLOW_BUCKETS, SYMPTOM_SLOW, HUGE_VAL},
    {SYMPTOM_LATENCY, SLOWER_BUCKETS, SYMPTOM_FAILED, SYMPTOM_SLOW_GROSS}};
#define N_FEELINGS (sizeof(feelings) / sizeof(feelings[0]))

/* What one counts by which a symptom is known already. */
static const struct feeling *feeling_of(enum symptom kind)
{
    return &feelings[kind == SYMPTOM_LATENCY];
}

static double slow_ones(const struct histogram *histogram, unsigned bucket)
{
    return share_above(histogram, bucket) * (double)histogram->n;
}

/* Above which bucket a request is slow. */
static unsigned slow_bucket(const struct feeling *feeling, const struct histogram *normal)
{
    uint64_t p95_ns = histogram_quantile(normal, SLOW_QUANTILE);
    return p95_ns == UINT64_MAX ? HISTOGRAM_BUCKETS : histogram_bucket(p95_ns) + feeling->beyond;
}

static struct bad_counts bad_counts(const struct feeling *feeling, const struct tally *normal,
                                    const struct tally *now)
{
    if (feeling->kind == SYMPTOM_ERRORS)
        return (struct bad_counts){(double)normal->bad, (double)normal->n, (double)now->bad,
                                   (double)now->n};
    unsigned bucket = slow_bucket(feeling, &normal->histogram);
    return (struct bad_counts){slow_ones(&normal->histogram, bucket), (double)normal->histogram.n,
                               slow_ones(&now->histogram, bucket), (double)now->histogram.n};
}

/* ---- how far normal scatters by itself ---- */

/* One part of it: how far the requests of the scope are from what they are on average, and how far
 * chance would have them. */
struct scatter {
    double difference, variance;
};

static void add_scatter(const struct feeling *feeling, const struct tally *normal,
                        const struct tally *part, struct scatter *scatter)
{
    bool errors = feeling->kind == SYMPTOM_ERRORS;
    double n = errors ? (double)part->n : (double)part->histogram.n;
    unsigned bucket = errors ? 0 : slow_bucket(feeling, &normal->histogram);
    double bad = errors ? (double)part->bad : slow_ones(&part->histogram, bucket);
    double share =
        errors ? (double)normal->bad / (double)normal->n : share_above(&normal->histogram, bucket);
    scatter->difference += bad - share * n;
    scatter->variance += share * (1 - share) * n;
}

static struct scatter scatter_of(const struct feeling *feeling, const struct symptom_input *input,
                                 const struct tally_key *scope, const struct rollup *part)
{
    struct scatter scatter = {0, 0};
    for (uint32_t i = 0; i < part->n; i++) {
        const struct tally *tally = &part->items[i];
        const struct tally *normal =
            symptom_is_of(scope, &tally->key) ? tally_find(input->normal, &tally->key) : NULL;
        if (normal && normal->n > 0 && tally->n > 0)
            add_scatter(feeling, normal, tally, &scatter);
    }
    return scatter;
}

/* Its requests of each part against their mean. */
static struct scatter scatter_of_traffic(const struct symptom_input *input,
                                         const struct tally_key *entry, const struct rollup *part)
{
    const struct tally *all = tally_find(input->normal, entry), *tally = tally_find(part, entry);
    double mean = all ? (double)all->n / input->n_parts : 0;
    return (struct scatter){(tally ? (double)tally->n : 0) - mean, mean};
}

/* How many times as far as by chance (without a feeling: its traffic): the root of Pearson's
 * statistic over its degrees of freedom, where that is beyond chance itself; else 1. */
static double overdispersion(const struct feeling *feeling, const struct symptom_input *input,
                             const struct tally_key *scope)
{
    double sum = 0;
    unsigned n = 0;
    for (unsigned i = 0; i < input->n_parts; i++) {
        struct scatter scatter = feeling ? scatter_of(feeling, input, scope, input->parts[i])
                                         : scatter_of_traffic(input, scope, input->parts[i]);
        if (scatter.variance > 0) {
            sum += scatter.difference * scatter.difference / (scatter.variance + SCATTER_EVENT);
            n++;
        }
    }
    if (n < SCATTER_PARTS)
        return 1;
    double ratio = sum / (n - 1), chance = 1 + SCATTER_Z * sqrt(2.0 / (n - 1));
    return ratio > chance ? sqrt(ratio) : 1;
}

/* ---- one entry ---- */

static bool is_felt(const struct symptom_input *input, const struct feeling *feeling,
                    const struct bad_counts *c, double z, struct symptom_found *found)
{
    double least_z = input->least_z > 0 ? input->least_z : SYMPTOM_Z;
    if (c->now_n < SYMPTOM_NOW)
        return false;
    found->kind = feeling->kind;
    found->normal_share = c->normal / c->normal_n;
    found->share = c->now / c->now_n;
    double least = input->gross ? feeling->gross : feeling->least;
    if (z <= least_z || found->share - found->normal_share < least)
        return false;
    found->z = z / overdispersion(feeling, input, &found->scope);
    return found->z > least_z;
}

static bool test_entry(const struct symptom_input *input, const struct tally *normal,
                       const struct tally *now, struct symptom_found *found)
{
    found->entry = found->scope = now->key;
    for (size_t i = 0; i < N_FEELINGS; i++) {
        struct bad_counts c = bad_counts(&feelings[i], normal, now);
        double z = two_proportions(c.normal, c.normal_n, c.now, c.now_n);
        if (c.normal_n >= SYMPTOM_NORMAL_THIN && is_felt(input, &feelings[i], &c, z, found))
            return true;
    }
    return false;
}

/* ---- several entries as one ---- */

bool symptom_is_of(const struct tally_key *scope, const struct tally_key *entry)
{
    return entry->channel == TALLY_REQUEST &&
           (scope->node == NODE_NONE || scope->node == entry->node) &&
           (scope->name == NAME_NONE || scope->name == entry->name);
}

/* Each entry against itself: other entries, or more of them, are no symptom. */
static bool test_scope(const struct symptom_input *input, const struct feeling *feeling,
                       const struct tally_key *scope, struct symptom_found *found)
{
    struct strata strata = {0};
    struct bad_counts all = {0};
    double worst = 0;
    *found = (struct symptom_found){.scope = *scope};
    for (uint32_t i = 0; i < input->normal->n; i++) {
        const struct tally *was = &input->normal->items[i];
        const struct tally *is =
            symptom_is_of(scope, &was->key) ? tally_find(input->now, &was->key) : NULL;
        if (!is || was->n <= 0 || is->n <= 0)
            continue;
        struct bad_counts c = bad_counts(feeling, was, is);
        double excess = c.normal_n > 0 ? c.now - c.normal / c.normal_n * c.now_n : 0;
        strata_add(&strata, c.normal, c.normal_n, c.now, c.now_n);
        all = (struct bad_counts){all.normal + c.normal, all.normal_n + c.normal_n, all.now + c.now,
                                  all.now_n + c.now_n};
        if (excess > worst) {
            worst = excess;
            found->entry = was->key;
        }
    }
    return worst > 0 && all.normal_n >= SYMPTOM_NORMAL &&
           is_felt(input, feeling, &all, strata_z(&strata), found);
}

static bool test_scopes(const struct symptom_input *input, const struct tally_key *scope,
                        struct symptom_found *found)
{
    bool felt = false;
    for (size_t i = 0; i < N_FEELINGS && !felt; i++)
        felt = test_scope(input, &feelings[i], scope, found);
    return felt;
}

static unsigned find_together(const struct symptom_input *input, struct symptom_found *found)
{
    struct tally_key scope = {.channel = TALLY_REQUEST};
    struct symptom_found other;
    unsigned n = 0;
    for (uint32_t i = 0; i < input->normal->n; i++) {
        scope.node = input->normal->items[i].key.node;
        if (test_scopes(input, &scope, &other) && (!n || other.z > found->z)) {
            *found = other;
            n = 1;
        }
    }
    scope.node = NODE_NONE;
    return n ? n : test_scopes(input, &scope, found);
}

/* ---- traffic ---- */

static double requests_but(const struct rollup *rollup, const struct tally_key *entry)
{
    double n = 0;
    for (uint32_t i = 0; i < rollup->n; i++) {
        const struct tally *tally = &rollup->items[i];
        if (tally->key.channel == TALLY_REQUEST && !tally_key_eq(&tally->key, entry))
            n += (double)tally->n;
    }
    return n;
}

bool symptom_vanished(const struct symptom_input *input, const struct tally_key *entry,
                      struct symptom_found *found)
{
    const struct tally *was = tally_find(input->normal, entry), *is = tally_find(input->now, entry);
    if (input->gross || !was || was->n < SYMPTOM_NORMAL || input->normal_s <= 0 ||
        input->now_s <= 0)
        return false;
    double n = is ? (double)is->n : 0, length = input->now_s / input->normal_s;
    double expected = (double)was->n * length;
    double others = requests_but(input->normal, entry) * length;
    if (expected < MIN_TIMES || n > TRAFFIC_LEFT * expected || others < MIN_TIMES ||
        requests_but(input->now, entry) < TRAFFIC_OTHERS * others)
        return false;
    double z = -rates_z((double)was->n, input->normal_s, n, input->now_s);
    z = z > SYMPTOM_Z ? z / overdispersion(NULL, input, entry) : z;
    *found = (struct symptom_found){SYMPTOM_TRAFFIC, *entry, *entry, 0, 1 - n / expected, z};
    return z > SYMPTOM_Z;
}

/* ---- all entries ---- */

static int sharpest_first(const void *a, const void *b)
{
    const struct symptom_found *x = a, *y = b;
    bool x_fails = x->kind == SYMPTOM_ERRORS, y_fails = y->kind == SYMPTOM_ERRORS;
    if (x_fails != y_fails)
        return x_fails ? -1 : 1;
    return (x->z < y->z) - (x->z > y->z);
}

static bool test_all(const struct symptom_input *input, const struct tally *was,
                     struct symptom_found *found)
{
    const struct tally *is = tally_find(input->now, &was->key);
    return (is && test_entry(input, was, is, found)) || symptom_vanished(input, &was->key, found);
}

unsigned symptom_find(const struct symptom_input *input, struct symptom_found found[MAX_SYMPTOMS])
{
    unsigned n = 0;
    for (uint32_t i = 0; i < input->normal->n && n < MAX_SYMPTOMS; i++)
        n += test_all(input, &input->normal->items[i], &found[n]);
    if (n == 0)
        return find_together(input, found);
    qsort(found, n, sizeof(*found), sharpest_first);
    return n;
}

bool symptom_is_heavy(const struct symptom_found *found)
{
    double heavy = found->kind == SYMPTOM_ERRORS ? SYMPTOM_FAILED_HEAVY : SYMPTOM_SLOW_HEAVY;
    /* What does not come may come a moment later. */
    if (found->kind == SYMPTOM_TRAFFIC)
        return false;
    return found->z >= SYMPTOM_Z_PLAIN || found->share - found->normal_share >= heavy;
}

static double count_entry(enum symptom kind, const struct tally_key *entry,
                          const struct symptom_input *input)
{
    const struct tally *was = tally_find(input->normal, entry), *is = tally_find(input->now, entry);
    if (kind == SYMPTOM_TRAFFIC && was && input->normal_s > 0)
        return (double)was->n * input->now_s / input->normal_s - (is ? (double)is->n : 0);
    if (is && (was || kind == SYMPTOM_ERRORS))
        return bad_counts(feeling_of(kind), was ? was : is, is).now;
    return 0;
}

int64_t symptom_count(enum symptom kind, const struct tally_key *scope,
                      const struct symptom_input *input)
{
    bool whole = scope->node == NODE_NONE || scope->name == NAME_NONE;
    double n = whole ? 0 : count_entry(kind, scope, input);
    for (uint32_t i = 0; i < input->now->n && whole; i++) {
        const struct tally_key *entry = &input->now->items[i].key;
        n += symptom_is_of(scope, entry) ? count_entry(kind, entry, input) : 0;
    }
    return n > 0 ? (int64_t)(n + 0.5) : 0;
}

unsigned symptom_onset(const struct step_count *steps, unsigned n_steps)
{
    struct step_count all = {0, 0}, left = {0, 0};
    double best = 0;
    unsigned at = 0;
    for (unsigned i = 0; i < n_steps; i++) {
        all.n += steps[i].n;
        all.bad += steps[i].bad;
    }
    for (unsigned i = 0; i + 1 < n_steps; i++) {
        left.n += steps[i].n;
        left.bad += steps[i].bad;
        double right_n = all.n - left.n, right_bad = all.bad - left.bad;
        if (left.n <= 0 || right_n <= 0 || right_bad / right_n <= left.bad / left.n)
            continue;
        double gain = share_likelihood(left.bad, left.n) + share_likelihood(right_bad, right_n) -
                      share_likelihood(all.bad, all.n);
        if (gain > best) {
            best = gain;
            at = i + 1;
        }
    }
    return at;
}
