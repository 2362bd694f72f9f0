/* watch_open.c - which of the symptoms that a look found open an incident: at entries that show
 * none yet, and at those that show one and came to show another.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/stats.h"
#include "collector/command/watch.h"

/* ---- one ---- */

struct watched *watch_about(const struct watch *watch, const struct node_text *cause)
{
    for (struct watched *at = watch->open; at; at = at->next) {
        if (same_service(&at->incident->cause, cause))
            return at;
    }
    return NULL;
}

static void begin_incident(struct watch *watch, const struct look *look, struct watched *watched,
                           struct incident *incident)
{
    const struct localiser_settings *settings = watch->settings;
    uint64_t end_ns = watch_step_ns(watch, look->end);
    char quoted[1200];
    incident->id = ++watch->last_id;
    incident->opened_ns = settings->event_time ? end_ns : clock_wall_ns();
    incident->updated_ns = watched->bad_ns = end_ns;
    incident->affected_calls = watch_count_affected(watch, watched, look->end);
    incident_summarise(incident);
    watch_append(watch, watched);
    stat_add(watch->n_opened, 1);
    log_event(LOG_WARN, "incident_opened", "incident=%llu summary=%s",
              (unsigned long long)incident->id, log_quote(incident->summary, quoted));
    watched->fresh = true;
    watched_show(watched, incident);
    watch_put(watch, watched, incident);
}

/* An incident that may come of it. */
struct candidate {
    const struct look *look; /* what is normal there, and which time */
    const struct symptom_found *found;
    uint64_t onset;
    struct watched *watched; /* NULL: memory is short, or it was given away */
    struct incident *incident;
};

static bool candidate_new(struct watch *watch, const struct look *look,
                          const struct symptom_found *found, struct candidate *candidate)
{
    *candidate = (struct candidate){look, found, watch_onset(watch, look, found), watched_new(),
                                    incident_new()};
    if (!candidate->watched || !candidate->incident)
        return false;
    watched_add_entry(candidate->watched, found);
    watch_name_entry(watch, candidate->watched, candidate->incident);
    return true;
}

static void candidate_free(struct candidate *candidate)
{
    incident_free(candidate->incident);
    if (candidate->watched)
        watched_free(candidate->watched);
}

/* Who is to blame, by the normal that `watched` has. A symptom alone is no incident. */
static bool candidate_has_cause(struct watch *watch, struct candidate *candidate)
{
    struct watched *watched = candidate->watched;
    watched->together = !candidate->found->scope.name;
    candidate->incident->onset_ns = watch_step_ns(watch, candidate->onset);
    struct suspects_wanted wanted = {.normal = &watched->normal,
                                     .normal_s = watched->normal_s,
                                     .from_step = candidate->onset,
                                     .end = candidate->look->end,
                                     .together = watched->together,
                                     .shared = watched->second,
                                     .watched = watched};
    return watch_suspects(watch, &wanted, candidate->incident);
}

/* Gives the candidate's parts away. */
static void candidate_open(struct watch *watch, struct candidate *candidate)
{
    struct watched *watched = candidate->watched;
    struct incident *incident = candidate->incident;
    watched->window = watch_whole_look(candidate->look->window);
    watched->counted_to = candidate->onset;
    candidate->watched = NULL;
    candidate->incident = NULL;
    begin_incident(watch, candidate->look, watched, incident);
}

/* ---- at entries that show none ---- */

/* What was normal when the first of those that are open opened, or of the calm minutes there are.
 */
static bool take_normal(struct watch *watch, const struct look *look, struct watched *watched)
{
    const struct watched *first = watch->open;
    unsigned n_minutes = 0;
    while (first && first->second)
        first = first->next;
    bool good = first ? watch_add_all(&watched->normal, &first->normal)
                      : watch_sum_normal(watch, look, false, &watched->normal, &n_minutes);
    watched->normal_s = first         ? first->normal_s
                        : watch->open ? (double)n_minutes * ROLLUP_MINUTE_S
                                      : look->normal_s;
    watched->entries_s = watched->normal_s;
    return good && steps_entries(watch->steps, &watched->normal, &watched->normal_entries);
}

static void open_or_join(struct watch *watch, const struct look *look, struct symptom_found *found)
{
    struct candidate candidate;
    if (candidate_new(watch, look, found, &candidate) &&
        take_normal(watch, look, candidate.watched) && candidate_has_cause(watch, &candidate)) {
        struct watched *same = watch_about(watch, &candidate.incident->cause);
        if (same) {
            watched_add_entry(same, found);
            watched_note(same, found);
        } else {
            candidate_open(watch, &candidate);
        }
    }
    candidate_free(&candidate);
}

/* A weak symptom counts when the look before showed it too. */
static bool shows_twice(const struct watch *watch, const struct suspicion *suspicions,
                        const struct look *look, const struct symptom_found *found)
{
    for (int i = 0; i < N_LOOKS * MAX_ENTRIES; i++) {
        const struct suspicion *suspicion = &suspicions[i];
        if (suspicion->end && suspicion->end + watch->look_every >= look->end &&
            suspicion->window == look->window && tally_key_eq(&suspicion->scope, &found->scope))
            return true;
    }
    return false;
}

static void suspect_these(struct suspicion *suspicions, const struct look *look,
                          const struct symptom_found *found, unsigned n)
{
    suspicions += look->window * MAX_ENTRIES;
    for (unsigned i = 0; i < MAX_ENTRIES; i++)
        suspicions[i] = i < n ? (struct suspicion){found[i].scope, look->window, look->end}
                              : (struct suspicion){.end = 0};
}

void watch_open_new(struct watch *watch, const struct look *look, struct symptom_found *found,
                    unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!watch_owner(watch, &found[i].entry) &&
            (symptom_is_heavy(&found[i]) || shows_twice(watch, watch->suspicions, look, &found[i])))
            open_or_join(watch, look, &found[i]);
    }
    suspect_these(watch->suspicions, look, found, n);
}

/* ---- at entries that show one ---- */

/* Since when nothing new began: behind the onsets of all that are open, or behind their last pause.
 */
static uint64_t settled_from(const struct watch *watch, uint64_t end)
{
    uint64_t from = end > watch->keep_steps ? end - watch->keep_steps : 0;
    for (const struct watched *at = watch->open; at; at = at->next) {
        uint64_t began = watch_step_of(watch, at->incident->onset_ns) + 1;
        began = at->paused > began ? at->paused : began;
        from = began > from ? began : from;
    }
    return from;
}

/* Its first suspect up to then was another: the newcomer had only come to be first of what this
 * incident is about. Then it is about that again. */
static bool was_of_another(struct watch *watch, struct watched *watched, uint64_t end,
                           const struct incident *newcomer)
{
    uint64_t reach = end > watch->keep_steps ? end - watch->keep_steps : 0;
    uint64_t onset = watch_step_of(watch, watched->incident->onset_ns);
    struct incident *incident = incident_copy(watched->incident);
    onset = onset > reach ? onset : reach;
    struct suspects_wanted wanted = {.normal = &watched->normal,
                                     .normal_s = watched->normal_s,
                                     .from_step = onset,
                                     .end = end,
                                     .together = watched->together,
                                     .watched = watched,
                                     .spare_others = true};
    if (!incident)
        return false;
    if (onset >= end || !watch_suspects(watch, &wanted, incident) ||
        same_service(&incident->cause, &newcomer->cause)) {
        incident_free(incident);
        return false;
    }
    incident_summarise(incident);
    watched_show(watched, incident);
    watch_put(watch, watched, incident);
    return true;
}

/* What is normal for a second one is the time from `look->since` on up to its onset. */
static void open_behind(struct watch *watch, const struct look *look, struct symptom_found *found)
{
    const struct watched *owner = watch_owner(watch, &found->entry);
    struct candidate candidate;
    if (!candidate_new(watch, look, found, &candidate) || candidate.onset <= look->since) {
        candidate_free(&candidate);
        return;
    }
    struct watched *watched = candidate.watched;
    watched->second = true;
    watched->normal_s = (double)(candidate.onset - look->since) * watch->step_s;
    watched->entries_s = owner->entries_s;
    if (steps_sum(watch->steps, look->since, candidate.onset, false, &watched->normal) &&
        watch_add_all(&watched->normal_entries, &owner->normal_entries) &&
        candidate_has_cause(watch, &candidate)) {
        struct watched *same = watch_about(watch, &candidate.incident->cause);
        if (!same || was_of_another(watch, same, candidate.onset, candidate.incident))
            candidate_open(watch, &candidate);
        else
            watched_add_entry(same, found); /* it shows there too, from the next look on */
    }
    candidate_free(&candidate);
}

void watch_open_second(struct watch *watch, const struct look *look)
{
    struct symptom_found found[MAX_SYMPTOMS];
    struct look later = *look;
    const struct rollup *parts[STEPS_MOST_PARTS];
    struct rollup before;
    unsigned n = 0;
    rollup_init(&before, UINT32_MAX);
    later.since = settled_from(watch, look->end);
    later.normal_entries = &before;
    bool settled = watch->open && later.since + watch->look_steps[look->window] <= look->from;
    if (settled && steps_sum(watch->steps, later.since, look->from, true, &before)) {
        later.normal_s = (double)(look->from - later.since) * watch->step_s;
        struct symptom_input input = {
            .normal = &before,
            .now = &look->now_entries,
            .normal_s = later.normal_s,
            .now_s = (double)(look->end - look->from) * watch->step_s,
            .least_z = watch->look_z[look->window],
            .parts = parts,
            .n_parts = steps_apart(watch->steps, later.since, look->from, parts)};
        n = symptom_find(&input, found);
    }
    for (unsigned i = 0; i < n; i++) {
        if (watch_owner(watch, &found[i].entry) &&
            (symptom_is_heavy(&found[i]) ||
             shows_twice(watch, watch->second_suspicions, look, &found[i])))
            open_behind(watch, &later, &found[i]);
    }
    suspect_these(watch->second_suspicions, look, found, n);
    rollup_fini(&before);
}
