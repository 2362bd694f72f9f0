/* localise.c - totals, suspects, their order.
 *
 * Every channel gives values that mean the same: the share of normal request time, or of requests,
 * that is spoilt. A suspect's score is the sum of what passes the test; who has only weaker
 * findings stands behind, as a hint.
 */
#include "collector/localise/localise.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

struct str say(struct work *work, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct str copy = arena_dup(work->arena, str_of(text));
    work->memory_short = work->memory_short || !copy.p;
    return copy.p ? copy : STR("");
}

struct str say_ns(struct work *work, double ns)
{
    static const struct {
        double above, unit;
        const char *name;
    } units[] = {{1e9, 1e9, "s"}, {1e6, 1e6, "ms"}, {1e3, 1e3, "µs"}, {0, 1, "ns"}};
    int i = 0;
    while (i < 3 && ns < units[i].above * 0.9995)
        i++;
    double value = ns / units[i].unit;
    return say(work, value < 10 ? "%.2g %s" : "%.0f %s", value, units[i].name);
}

struct str say_share(struct work *work, double share)
{
    double percent = 100 * share;
    return say(work,
               percent >= 99.95 || percent == 0 ? "%.0f %%"
               : percent < 10                   ? "%.2g %%"
                                                : "%.1f %%",
               percent);
}

/* ---- totals ---- */

/* What a request takes whom somebody waits for. Streams, long polls and jobs end when they like; a
 * few of them hold more time than all else, and beside that no other fault would be seen. */
static double waited_ns(const struct histogram *all, double sum_ns)
{
    double most_ns = LONG_REQUEST * (double)histogram_quantile(all, 0.95), ns = 0;
    if (all->n <= 0 || (double)histogram_max(all) <= most_ns)
        return sum_ns;
    for (uint32_t i = 0; i < all->cap; i++)
        ns += (double)all->counts[i] *
              fmin((double)histogram_upper_ns((unsigned)(all->low + i)), most_ns);
    return fmin(ns, sum_ns);
}

static void sum_requests(const struct rollup *rollup, struct request_numbers *numbers,
                         double *waited)
{
    struct histogram all;
    histogram_init(&all);
    *numbers = (struct request_numbers){0};
    double sum_ns = 0;
    for (uint32_t i = 0; i < rollup->n; i++) {
        const struct tally *tally = &rollup->items[i];
        if (tally->key.channel != TALLY_REQUEST)
            continue;
        numbers->n += tally->n;
        numbers->failed += tally->bad;
        sum_ns += (double)tally->sum_ns;
        histogram_merge(&all, &tally->histogram);
    }
    numbers->mean_ns = all.n > 0 ? sum_ns / (double)all.n : 0;
    *waited = waited_ns(&all, sum_ns);
    numbers->p95_ns = histogram_quantile(&all, 0.95);
    histogram_fini(&all);
}

/* ---- suspects ---- */

/* The suspect; made when new. */
static struct candidate *candidate_of(struct work *work, uint32_t group, name_no instance,
                                      name_no operation)
{
    enum suspect_level level = work->input->level;
    name_no name = level == SUSPECT_INSTANCE    ? instance
                   : level == SUSPECT_OPERATION ? operation
                                                : NAME_NONE;
    for (uint32_t i = 0; i < work->n_candidates; i++) {
        if (work->candidates[i].group == group && work->candidates[i].name == name)
            return &work->candidates[i];
    }
    if (work->n_candidates == work->cap_candidates) {
        uint32_t cap = work->cap_candidates ? 2 * work->cap_candidates : 64;
        struct candidate *grown = arena_alloc(work->arena, cap * sizeof(*grown));
        if (!grown) {
            work->memory_short = true;
            return NULL;
        }
        if (work->n_candidates)
            memcpy(grown, work->candidates, work->n_candidates * sizeof(*grown));
        work->candidates = grown;
        work->cap_candidates = cap;
    }
    struct candidate *candidate = &work->candidates[work->n_candidates++];
    *candidate = (struct candidate){.group = group, .name = name};
    return candidate;
}

bool passes(const struct finding *finding)
{
    return finding->chance <= SIGNIFICANT_CHANCE;
}

void blame_instance(struct work *work, name_no instance, const struct finding *finding)
{
    if (finding->value <= 0 || !isfinite(finding->value))
        return;
    struct candidate *candidate = candidate_of(work, finding->group, instance, finding->operation);
    struct finding *copy = arena_alloc(work->arena, sizeof(*copy));
    if (!candidate || !copy) {
        work->memory_short = true;
        return;
    }
    *copy = *finding;
    copy->next = candidate->findings;
    candidate->findings = copy;
}

void blame(struct work *work, const struct finding *finding)
{
    blame_instance(work, NAME_NONE, finding);
}

/* ---- what is chance ---- */

/* So many as sure are to be expected of all tests; every kind of them has the same part of it, so
 * that the many that flow makes do not drown the few of failures. */
static double chance_of(const struct work *work, enum test test, double z)
{
    return z > 0 ? N_TESTS * fmax(1, work->n_tests[test]) * chance_beyond(z) : INFINITY;
}

/* What a finding is worth: half where chance becomes likely to be all of it, and soon nothing. */
static double worth(const struct finding *finding)
{
    return finding->value / (1 + finding->chance / SIGNIFICANT_CHANCE);
}

static void weigh(const struct work *work, struct candidate *candidate)
{
    struct finding *next, *sorted = NULL;
    for (struct finding *finding = candidate->findings; finding; finding = next) {
        next = finding->next;
        finding->chance = chance_of(work, finding->test, finding->z);
        if (finding->all_z > 0)
            finding->chance =
                fmin(finding->chance, chance_of(work, finding->test + 1, finding->all_z));
        struct finding **at = &sorted;
        while (*at && (passes(*at) > passes(finding) ||
                       (passes(*at) == passes(finding) && worth(*at) >= worth(finding))))
            at = &(*at)->next;
        finding->next = *at;
        *at = finding;
    }
    candidate->findings = sorted;
}

static int by_score(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->significant != y->significant)
        return x->significant ? -1 : 1;
    return (x->score < y->score) - (x->score > y->score);
}

/* Suspects of one score stand in order of their names. */
static int by_name(const struct work *work, const struct candidate *a, const struct candidate *b)
{
    struct node_text x = group_text(work, work->level, a->group),
                     y = group_text(work, work->level, b->group);
    const struct str left[4] = {x.service, x.namespace, x.version, name_text(work, a->name)};
    const struct str right[4] = {y.service, y.namespace, y.version, name_text(work, b->name)};
    for (int i = 0; i < 4; i++) {
        int order = str_cmp(left[i], right[i]);
        if (order)
            return order;
    }
    return 0;
}

static void sort_ties(struct work *work)
{
    for (uint32_t i = 1; i < work->n_candidates; i++) {
        for (uint32_t k = i; k > 0; k--) {
            struct candidate *a = &work->candidates[k - 1], *b = &work->candidates[k];
            if (by_score(a, b) != 0 || by_name(work, a, b) <= 0)
                break;
            struct candidate swap = *a;
            *a = *b;
            *b = swap;
        }
    }
}

/* What a channel's findings spoil together must be felt. */
static void sum_channels(const struct work *work, struct candidate *candidate)
{
    double least = work->input->incident ? SIGNIFICANT_VALUE_OF_INCIDENT : SIGNIFICANT_VALUE;
    double value[N_CHANNELS] = {0};
    weigh(work, candidate);
    for (const struct finding *at = candidate->findings; at; at = at->next) {
        if (passes(at))
            value[at->channel] += at->value;
        else
            candidate->weak += worth(at);
    }
    for (int c = 0; c < N_CHANNELS; c++)
        *(value[c] >= least ? &candidate->score : &candidate->weak) += value[c];
    candidate->significant = candidate->score > 0;
}

/* Hints are scaled to stay below the weakest significant score. */
static void rank(struct work *work)
{
    double weakest = INFINITY, strongest_hint = 0;
    for (uint32_t i = 0; i < work->n_candidates; i++) {
        struct candidate *candidate = &work->candidates[i];
        sum_channels(work, candidate);
        if (candidate->significant && candidate->score < weakest)
            weakest = candidate->score;
        if (!candidate->significant && candidate->weak > strongest_hint)
            strongest_hint = candidate->weak;
    }
    double scale = isinf(weakest) || strongest_hint < HINT_SHARE * weakest
                       ? 1
                       : HINT_SHARE * weakest / strongest_hint;
    for (uint32_t i = 0; i < work->n_candidates; i++) {
        if (!work->candidates[i].significant)
            work->candidates[i].score = scale * work->candidates[i].weak;
    }
    if (work->n_candidates)
        qsort(work->candidates, work->n_candidates, sizeof(*work->candidates), by_score);
    sort_ties(work);
}

double suspect_confidence(const struct diagnosis *diagnosis, const struct suspect *suspect,
                          double rival)
{
    int64_t was = diagnosis->baseline.n, is = diagnosis->now.n;
    double distance = suspect->score / (suspect->score + rival);
    double share = suspect->significant ? 1 : 0.5;
    return share * distance * (1 - exp(-(double)(was < is ? was : is) / CONFIDENT_REQUESTS));
}

static bool write_suspects(struct work *work, struct diagnosis *diagnosis)
{
    uint32_t n = 0;
    while (n < work->n_candidates && n < work->input->limit && work->candidates[n].score > 0)
        n++;
    diagnosis->suspects = arena_calloc(work->arena, (n + 1) * sizeof(*diagnosis->suspects));
    if (!diagnosis->suspects)
        return false;
    diagnosis->n_suspects = n;
    diagnosis->verdict = n && work->candidates[0].significant ? VERDICT_INCIDENT : VERDICT_NOTHING;
    for (uint32_t i = 0; i < n; i++) {
        const struct candidate *candidate = &work->candidates[i];
        struct suspect *suspect = &diagnosis->suspects[i];
        suspect->rank = i + 1;
        suspect->level = work->input->level;
        suspect->node = group_text(work, work->level, candidate->group);
        if (work->input->level == SUSPECT_INSTANCE)
            suspect->instance = name_text(work, candidate->name);
        if (work->input->level == SUSPECT_OPERATION)
            suspect->operation = name_text(work, candidate->name);
        suspect->score = candidate->score;
        suspect->significant = candidate->significant;
        double rival = i > 0                    ? work->candidates[0].score
                       : work->n_candidates > 1 ? work->candidates[1].score
                                                : 0;
        suspect->confidence = suspect_confidence(diagnosis, suspect, rival);
        explain(work, candidate, suspect);
    }
    return !work->memory_short;
}

/* What versions are judged by themselves in. */
static bool look_at_versions(struct work *work)
{
    static const enum test again[] = {TEST_SELF, TEST_SELF_ALL, TEST_GAP, TEST_GAP_ALL};
    share_out_to_versions(work);
    for (unsigned i = 0; i < sizeof(again) / sizeof(again[0]); i++)
        work->n_tests[again[i]] = 0;
    if (!edges_measure(work))
        return false;
    find_slow_own(work);
    find_slow_gaps(work);
    return true;
}

static bool look(struct work *work)
{
    work->level = &work->services;
    work->pairs = &work->by_service;
    if (!groups_make(work, false, &work->services) || !leaving_make(work) || !nameless_make(work) ||
        !groups_make(work, true, &work->versions) ||
        !pairs_make(work, &work->services, &work->by_service) ||
        !pairs_make(work, &work->versions, &work->by_version) || !siblings_make(work) ||
        !visits_make(work) || !drift_measure(work) || !edges_measure(work) ||
        !own_steps_measure(work) || !missing_measure(work))
        return false;
    find_slow_own(work);
    find_slow_gaps(work);
    find_failures(work);
    find_unanswered(work);
    find_flow(work);
    find_traffic(work);
    find_own_steps(work);
    find_entries(work);
    if (work->input->level == SUSPECT_VERSION && !look_at_versions(work))
        return false;
    find_changes(work);
    if (work->input->level == SUSPECT_INSTANCE)
        share_out_to_instances(work);
    rank(work);
    return !work->memory_short;
}

bool localise(const struct localise_input *input, struct arena *arena, struct diagnosis *diagnosis)
{
    struct work work = {.input = input, .arena = arena};
    double waited[2];
    sum_requests(input->normal, &work.requests[0], &waited[0]);
    sum_requests(input->now, &work.requests[1], &waited[1]);
    work.normal_ns = work.requests[0].n ? waited[0] / (double)work.requests[0].n : 0;
    diagnosis->baseline = work.requests[0];
    diagnosis->now = work.requests[1];
    diagnosis->n_suspects = 0;
    int64_t least =
        work.requests[0].n < work.requests[1].n ? work.requests[0].n : work.requests[1].n;
    if (least < input->min_requests) {
        diagnosis->verdict = VERDICT_NOT_ENOUGH;
        diagnosis->need_requests = input->min_requests - least;
        return true;
    }
    bool good = look(&work) && write_suspects(&work, diagnosis);
    pairs_free(&work.by_service);
    pairs_free(&work.by_version);
    rollup_fini(&work.siblings);
    return good;
}
