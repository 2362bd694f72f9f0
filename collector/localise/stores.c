/* stores.c - a database, a cache or a queue that sends no spans: its callers' spans say that time
 * went there, or hold it for their own, and its metrics say why.
 */
#include <math.h>
#include <string.h>

#include "collector/localise/constants.h"
#include "collector/localise/metrics.h"
#include "collector/localise/work.h"
#include "collector/model/store_name.h"

static double load_growth(const struct diagnosis *diagnosis)
{
    double was_s = (double)(diagnosis->baseline_to_ns - diagnosis->baseline_from_ns) / 1e9;
    double is_s = (double)(diagnosis->to_ns - diagnosis->from_ns) / 1e9;
    if (diagnosis->baseline.n <= 0 || diagnosis->now.n <= 0 || was_s <= 0 || is_s <= 0)
        return 0;
    return fmax(0,
                log(((double)diagnosis->now.n / is_s) / ((double)diagnosis->baseline.n / was_s)));
}

/* Of its series. False when memory is short. */
static bool strongest_gain(const struct metric_samples_list *list, uint32_t service, double less,
                           double *gain)
{
    *gain = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        struct metric_change change;
        if (list->items[i].service != service || metric_steps_back(&list->items[i]))
            continue;
        if (!metric_compare(&list->items[i], list, &change))
            return false;
        *gain = fmax(*gain, metric_gain(&list->items[i], &change, less));
    }
    return true;
}

/* Did the time go there by the spans, or is it the service's own? */
static bool may_be_a_stores(const struct suspect *suspect)
{
    enum evidence_kind kind = suspect->n_evidence ? suspect->evidence[0].kind : EVIDENCE_CHANGE;
    return suspect->significant && suspect->rank == 1 &&
           (kind == EVIDENCE_SELF_TIME || kind == EVIDENCE_GAP);
}

/* One that spans name already, by its callers. */
static bool is_silent_callee(const struct suspect *suspect, const struct suspect *caller)
{
    static const char *const roles[] = {"database", "cache", "queue", "external"};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (str_eq(suspect->node.role, str_of(roles[i])))
            return store_may_be_of(suspect->node.service, caller->node.service) ||
                   (suspect->has_peer && str_eq(suspect->peer.service, caller->node.service));
    }
    return false;
}

static struct suspect suspect_of_store(const struct metric_service *store, struct work *work,
                                       const struct suspect *caller)
{
    struct suspect suspect = {.level = SUSPECT_SERVICE,
                              .node = {.cluster = caller->node.cluster,
                                       .namespace = arena_dup(work->arena, store->namespace),
                                       .service = arena_dup(work->arena, store->service),
                                       .version = STR(""),
                                       .role = STR("database")},
                              .score = caller->score + METRIC_BONUS,
                              .significant = true,
                              .n_evidence = 1};
    suspect.evidence[0] = caller->evidence[0];
    suspect.evidence[0].kind = EVIDENCE_GAP;
    suspect.evidence[0].text =
        say(work, "%.*s; no metric of its own says why, but those of %.*s do, which sends no spans",
            STR_ARG(caller->evidence[0].text), STR_ARG(suspect.node.service));
    suspect.reason = suspect.evidence[0].text;
    for (unsigned i = 0; i < caller->n_effects && suspect.n_effects + 1 < MAX_EFFECTS; i++)
        suspect.effects[suspect.n_effects++] = caller->effects[i];
    suspect.effects[suspect.n_effects++] = caller->node;
    return suspect;
}

/* Behind the others; its series are its own, those of other stores nobody's. */
static bool add_store(struct metric_samples_list *list, uint32_t store, struct arena *arena,
                      struct diagnosis *diagnosis)
{
    struct work work = {.arena = arena};
    uint32_t n = diagnosis->n_suspects;
    struct suspect *suspects = arena_calloc(arena, (n + 2) * sizeof(*suspects));
    if (!suspects)
        return false;
    memcpy(suspects, diagnosis->suspects, n * sizeof(*suspects));
    suspects[n] = suspect_of_store(&list->services[store], &work, &suspects[0]);
    for (uint32_t i = 0; i < list->n; i++) {
        uint32_t *service = &list->items[i].service;
        *service = *service == n + store ? n : *service >= n ? UINT32_MAX : *service;
    }
    diagnosis->suspects = suspects;
    diagnosis->n_suspects++;
    return !work.memory_short;
}

bool metrics_find_store(struct metric_samples_list *list, struct arena *arena,
                        struct diagnosis *diagnosis)
{
    uint32_t n = diagnosis->n_suspects, found = 0, listed = 0;
    double less = load_growth(diagnosis), most, gain;
    if (!n || !may_be_a_stores(&diagnosis->suspects[0]))
        return true;
    if (!strongest_gain(list, 0, less, &most))
        return false;
    most = fmax(most, SERIES_SLOWER);
    for (uint32_t i = 0; i < list->n_services; i++) {
        if (!strongest_gain(list, n + i, less, &gain))
            return false;
        if (gain > most) {
            most = gain;
            found = i + 1;
        }
    }
    for (uint32_t i = 1; i < n; i++) {
        if (!is_silent_callee(&diagnosis->suspects[i], &diagnosis->suspects[0]))
            continue;
        if (!strongest_gain(list, i, less, &gain))
            return false;
        if (gain > most) {
            most = gain;
            listed = i;
        }
    }
    if (listed) {
        struct suspect *suspect = &diagnosis->suspects[listed];
        suspect->score = fmax(suspect->score, diagnosis->suspects[0].score + METRIC_BONUS);
        suspect->significant = true;
        return true;
    }
    if (!found)
        return true;
    return add_store(list, found - 1, arena, diagnosis);
}
