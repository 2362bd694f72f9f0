/* watch_incident.c - one incident: its onset, its suspects, its sentence, its lines of /metrics. */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/log.h"
#include "collector/command/diagnose.h"
#include "collector/command/watch.h"
#include "collector/localise/localise.h"
#include "collector/localise/symptom.h"
#include "exporters/prometheus.h"

#define MAX_SUSPECTS 5
#define LOOKED_AT 10 /* suspects, of which those that the entry does not pass are left out */
#define METRIC_SUSPECTS 3u
/* Who explains an entry takes part in so many of its requests that failed, or of all. */
#define PASSED_FAILED 0.5
#define PASSED 0.1
#define BLAME_BYTES ((size_t)64 << 20)

/* ---- texts ---- */

struct node_text node_text_copy(struct arena *arena, const struct node_text *node)
{
    return (struct node_text){arena_dup(arena, node->cluster), arena_dup(arena, node->namespace),
                              arena_dup(arena, node->service), arena_dup(arena, node->version),
                              arena_dup(arena, node->role)};
}

struct incident *incident_copy(const struct incident *from)
{
    struct incident *copy = incident_new();
    if (!copy)
        return NULL;
    struct arena arena = copy->arena;
    *copy = *from;
    copy->arena = arena;
    copy->next = NULL;
    copy->suspects = NULL;
    copy->n_suspects = 0;
    copy->entry = node_text_copy(&copy->arena, &from->entry);
    copy->cause = node_text_copy(&copy->arena, &from->cause);
    copy->operation = arena_dup(&copy->arena, from->operation);
    copy->summary = arena_dup(&copy->arena, from->summary);
    copy->began = arena_dup(&copy->arena, from->began);
    return copy;
}

void suspect_own_texts(struct arena *arena, struct suspect *suspect)
{
    suspect->node = node_text_copy(arena, &suspect->node);
    suspect->peer = node_text_copy(arena, &suspect->peer);
    suspect->instance = arena_dup(arena, suspect->instance);
    suspect->operation = arena_dup(arena, suspect->operation);
    for (unsigned k = 0; k < suspect->n_narrowed; k++) {
        suspect->narrowed[k].name = arena_dup(arena, suspect->narrowed[k].name);
        suspect->narrowed[k].value = arena_dup(arena, suspect->narrowed[k].value);
    }
    for (unsigned k = 0; k < suspect->n_effects; k++)
        suspect->effects[k] = node_text_copy(arena, &suspect->effects[k]);
}

/* What is felt: "12 % of GET /cart fail." */
static struct str feels_text(struct incident *incident, bool over)
{
    static const char *const is[N_SYMPTOMS] = {"fail", "are slower than normal", "are missing"};
    static const char *const was[N_SYMPTOMS] = {"failed", "were slower than normal",
                                                "were missing"};
    char text[1024];
    snprintf(text, sizeof(text), "%s%.3g %% of %.*s %s.", over ? "Up to " : "",
             100 * incident->failed_share, STR_ARG(incident->operation),
             (over ? was : is)[incident->symptom]);
    return arena_dup(&incident->arena, str_of(text));
}

static void put_together(struct incident *incident, struct str feels)
{
    char text[2048];
    snprintf(text, sizeof(text), "%.*s %.*s", STR_ARG(feels), STR_ARG(incident->began));
    incident->summary = arena_dup(&incident->arena, str_of(text));
}

void incident_summarise(struct incident *incident)
{
    char text[1024];
    const struct suspect *first = incident->suspects;
    snprintf(text, sizeof(text), "It %s in %.*s: %.*s.",
             first->confidence < 0.7 ? "probably began" : "began", STR_ARG(first->node.service),
             STR_ARG(first->reason));
    incident->began = arena_dup(&incident->arena, str_of(text));
    put_together(incident, feels_text(incident, false));
}

void incident_recall_began(struct incident *incident)
{
    struct str feels = feels_text(incident, false);
    if (str_starts(incident->summary, feels) && incident->summary.len > feels.len)
        incident->began = str_skip(incident->summary, feels.len + 1);
}

/* ---- its end ---- */

bool watched_close(const struct watched *watched, uint64_t end_ns, uint64_t calm_ns,
                   struct incident *incident)
{
    if (end_ns < watched->bad_ns + calm_ns)
        return false;
    incident->closed_ns = watched->bad_ns + calm_ns;
    incident->updated_ns = watched->bad_ns;
    if (watched->n_entries && incident->began.len) {
        incident->failed_share = watched->entries[watched->named].worst;
        put_together(incident, feels_text(incident, true));
    }
    log_event(LOG_INFO, "incident_closed", "incident=%llu", (unsigned long long)incident->id);
    return true;
}

/* ---- onset ---- */

static void count_step(struct watch *watch, const struct look *look,
                       const struct symptom_found *found, uint64_t step, struct step_count *count)
{
    struct rollup sum;
    rollup_init(&sum, UINT32_MAX);
    steps_sum(watch->steps, step, step + 1, true, &sum);
    struct symptom_input input = {.normal = look->normal_entries,
                                  .now = &sum,
                                  .normal_s = look->normal_s,
                                  .now_s = watch->step_s};
    double bad = (double)symptom_count(found->kind, &found->scope, &input), n = 0;
    for (uint32_t i = 0; i < sum.n; i++)
        n += symptom_is_of(&found->scope, &sum.items[i].key) ? (double)sum.items[i].n : 0;
    *count = (struct step_count){found->kind == SYMPTOM_TRAFFIC ? n + bad : n, bad};
    rollup_fini(&sum);
}

uint64_t watch_onset(struct watch *watch, const struct look *look,
                     const struct symptom_found *found)
{
    uint64_t first = look->end > watch->keep_steps ? look->end - watch->keep_steps : 0;
    uint64_t usual = look->from;
    first = look->since > first ? look->since : first;
    usual = usual > first ? usual : first;
    unsigned n = (unsigned)(look->end - first);
    struct step_count *counts = calloc(n, sizeof(*counts));
    if (!counts)
        return usual;
    for (unsigned i = 0; i < n; i++)
        count_step(watch, look, found, first + i, &counts[i]);
    unsigned at = symptom_onset(counts, n);
    /* Nothing to tell it from: the first bad one of the look. */
    for (unsigned i = usual > first ? (unsigned)(usual - first) : 0; !at && i < n; i++)
        at = counts[i].bad > 0 ? i : 0;
    free(counts);
    return at ? first + at : usual;
}

/* ---- suspects ---- */

bool same_service(const struct node_text *a, const struct node_text *b)
{
    return a->service.len > 0 && str_eq(a->service, b->service) &&
           str_eq(a->namespace, b->namespace) && str_eq(a->cluster, b->cluster);
}

/* Another incident is about it. */
static bool is_others_cause(const struct watch *watch, const struct watched *owner,
                            const struct suspect *suspect)
{
    for (const struct watched *at = watch->open; at; at = at->next) {
        bool own = same_service(&owner->incident->cause, &suspect->node);
        if (at != owner && !own && same_service(&at->incident->cause, &suspect->node))
            return true;
    }
    return false;
}

/* Do the requests of its entries pass there: most of those that failed (where others let them fail
 * too: some), or some of all? Who sends no spans is passed where its caller is; whom nobody reaches
 * any more was passed in normal times. */
static bool is_passed(struct watch *watch, const struct diagnosis *diagnosis,
                      const struct suspects_wanted *wanted, const struct incident *incident,
                      const struct suspect *suspect)
{
    struct window now = {diagnosis->from_ns, diagnosis->to_ns};
    struct window normal = {diagnosis->baseline_from_ns, diagnosis->baseline_to_ns};
    struct query_entry entries[QUERY_MAX_ENTRIES];
    unsigned n = watch_worst_entries(watch, wanted->watched, entries, QUERY_MAX_ENTRIES);
    bool failed = incident->symptom == SYMPTOM_ERRORS;
    double least = failed && !wanted->shared ? PASSED_FAILED : PASSED;
    const struct str services[2] = {suspect->node.service, suspect->peer.service};
    if (incident->symptom == SYMPTOM_TRAFFIC && same_service(&incident->entry, &suspect->node))
        return true;
    for (int i = 0; i < 1 + suspect->has_peer; i++) {
        if (query_entry_share(watch->query, now, entries, n, services[i], failed) >= least)
            return true;
    }
    bool gone = suspect->evidence[0].kind == EVIDENCE_TRAFFIC;
    return gone &&
           query_entry_share(watch->query, normal, entries, n, services[0], false) >= PASSED;
}

/* Keeps the suspects of this incident, in their order. */
static void keep_own(struct watch *watch, const struct suspects_wanted *wanted,
                     const struct diagnosis *diagnosis, struct incident *incident)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < diagnosis->n_suspects && kept < MAX_SUSPECTS; i++) {
        struct suspect *suspect = &diagnosis->suspects[i];
        if ((wanted->spare_others && is_others_cause(watch, wanted->watched, suspect)) ||
            (!wanted->together && !is_passed(watch, diagnosis, wanted, incident, suspect)))
            continue;
        diagnosis->suspects[kept] = *suspect;
        diagnosis->suspects[kept].rank = kept + 1;
        kept++;
    }
    incident->suspects = diagnosis->suspects;
    incident->n_suspects = kept;
}

/* What cannot be read is said, and missed: requests speak for themselves. */
static void add_metrics(struct watch *watch, struct incident *incident, struct diagnosis *diagnosis)
{
    struct err err = {0};
    char quoted[256];
    if (diagnosis_add_metrics(watch->query, &incident->arena, LOOKED_AT, false, diagnosis, &err))
        log_event(LOG_WARN, "metrics_unread", "reason=%s", log_quote(str_of(err.text), quoted));
}

/* Who is to blame in those steps, by requests alone. False when memory is short. */
static bool localise_steps(struct watch *watch, const struct suspects_wanted *wanted,
                           struct arena *arena, struct diagnosis *diagnosis)
{
    struct rollup now;
    uint64_t from_ns = watch_step_ns(watch, wanted->from_step);
    uint64_t reach_ns = watch->settings->baseline_ns;
    *diagnosis = (struct diagnosis){.from_ns = from_ns,
                                    .to_ns = watch_step_ns(watch, wanted->end),
                                    .baseline_from_ns = from_ns > reach_ns ? from_ns - reach_ns : 0,
                                    .baseline_to_ns = from_ns};
    struct localise_input input = {.normal = wanted->normal,
                                   .now = &now,
                                   .normal_s = wanted->normal_s,
                                   .now_s =
                                       (double)(wanted->end - wanted->from_step) * watch->step_s,
                                   .names = steps_names(watch->steps),
                                   .nodes = steps_nodes(watch->steps),
                                   .level = SUSPECT_SERVICE,
                                   .limit = LOOKED_AT,
                                   .min_requests = watch->settings->min_requests};
    rollup_init(&now, UINT32_MAX);
    bool good = steps_sum(watch->steps, wanted->from_step, wanted->end, false, &now) &&
                localise(&input, arena, diagnosis);
    rollup_fini(&now);
    return good;
}

bool watch_suspects(struct watch *watch, const struct suspects_wanted *wanted,
                    struct incident *incident)
{
    struct diagnosis diagnosis;
    if (!localise_steps(watch, wanted, &incident->arena, &diagnosis) ||
        diagnosis.verdict != VERDICT_INCIDENT)
        return false;
    add_metrics(watch, incident, &diagnosis);
    keep_own(watch, wanted, &diagnosis, incident);
    if (!incident->n_suspects || !incident->suspects[0].significant) {
        incident->n_suspects = 0;
        return false;
    }
    for (uint32_t i = 0; i < incident->n_suspects; i++) {
        suspect_own_texts(&incident->arena, &incident->suspects[i]);
        diagnosis_add_examples(watch->query, &diagnosis, &incident->suspects[i]);
    }
    incident->cause = incident->suspects[0].node;
    return true;
}

/* Is its own cause significant there? */
static bool is_blamed(const struct watched *watched, const struct diagnosis *diagnosis)
{
    for (uint32_t i = 0; i < diagnosis->n_suspects; i++) {
        if (diagnosis->suspects[i].significant &&
            same_service(&watched->incident->cause, &diagnosis->suspects[i].node))
            return true;
    }
    return false;
}

static struct suspects_wanted wanted_in(const struct watched *watched, uint64_t from_step,
                                        uint64_t end)
{
    return (struct suspects_wanted){.normal = &watched->normal,
                                    .normal_s = watched->normal_s,
                                    .from_step = from_step,
                                    .end = end,
                                    .together = watched->together,
                                    .watched = watched};
}

bool watched_is_to_blame(struct watch *watch, const struct watched *watched, uint64_t from_step,
                         uint64_t end)
{
    struct suspects_wanted wanted = wanted_in(watched, from_step, end);
    struct diagnosis diagnosis;
    struct arena arena;
    arena_init(&arena, BLAME_BYTES);
    bool good = localise_steps(watch, &wanted, &arena, &diagnosis);
    bool blamed =
        !good || diagnosis.verdict == VERDICT_NOT_ENOUGH || is_blamed(watched, &diagnosis);
    arena_fini(&arena);
    return blamed;
}

struct watched *watched_passes_to(struct watch *watch, const struct watched *watched,
                                  uint64_t from_step, uint64_t end)
{
    struct suspects_wanted wanted = wanted_in(watched, from_step, end);
    struct watched *other = NULL;
    struct diagnosis diagnosis;
    struct arena arena;
    arena_init(&arena, BLAME_BYTES);
    if (localise_steps(watch, &wanted, &arena, &diagnosis) && !is_blamed(watched, &diagnosis)) {
        uint32_t first = 0;
        while (
            first < diagnosis.n_suspects && !wanted.together &&
            !is_passed(watch, &diagnosis, &wanted, watched->incident, &diagnosis.suspects[first]))
            first++;
        if (first < diagnosis.n_suspects && diagnosis.suspects[first].significant)
            other = watch_about(watch, &diagnosis.suspects[first].node);
    }
    arena_fini(&arena);
    return other;
}

/* ---- what scrapes see ---- */

static void add_suspect(struct buf *out, uint64_t id, const struct suspect *suspect)
{
    buf_addf(out, "faultline_suspect_score{incident=\"%llu\",rank=\"%u\",kind=\"%s\"",
             (unsigned long long)id, suspect->rank, suspect_level_word(suspect->level));
    prometheus_label(out, "service", suspect->node.service);
    prometheus_label(out, "version", suspect->node.version);
    prometheus_label(out, "instance", suspect->instance);
    prometheus_label(out, "operation", suspect->operation);
    buf_add_c(out, "} ");
    buf_add_double(out, suspect->score);
    buf_add_char(out, '\n');
}

void watched_show(struct watched *watched, const struct incident *incident)
{
    struct buf *out = &watched->active;
    buf_reset(out);
    buf_addf(out, "faultline_incident_active{incident=\"%llu\"", (unsigned long long)incident->id);
    prometheus_label(out, "entry_service", incident->entry.service);
    prometheus_label(out, "entry_operation", incident->operation);
    buf_addf(out, ",symptom=\"%s\"} 1\n", symptom_word(incident->symptom));
    if (incident->n_suspects)
        buf_reset(&watched->scores);
    for (uint32_t i = 0; i < incident->n_suspects && i < METRIC_SUSPECTS; i++)
        add_suspect(&watched->scores, incident->id, &incident->suspects[i]);
}
