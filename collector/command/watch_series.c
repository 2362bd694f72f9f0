/* watch_series.c - incidents where no spans come: once a minute a mesh's own series are asked, what
 * its entries suffer and who is to blame. One such incident at a time.
 *
 * Series come every quarter of a minute or so and know no single request, so a look takes two whole
 * minutes, and an incident opens a minute or two after its onset.
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/stats.h"
#include "collector/command/diagnose.h"
#include "collector/command/watch.h"
#include "collector/localise/series.h"

#define LOOK_MINUTES 2u
#define MAX_SUSPECTS 5
#define MOST_WALKED (6 * 60u)                /* minutes of a replay, the last ones */
#define ONSET_WITHIN_NS (10 * NS_PER_MINUTE) /* before the look: else it is another's */
#define SERIES_BYTES ((size_t)256 << 20)

struct series_look {
    uint64_t end_minute;
    struct diagnosis diagnosis;
    struct series_symptom symptom;
};

/* Whoever sends spans is judged by them. */
static bool spans_came(struct watch *watch, uint64_t minute)
{
    struct err err = {0};
    struct request_minute row;
    size_t n = 0;
    uint64_t reach = watch->settings->baseline_ns / NS_PER_MINUTE;
    uint64_t from = minute > reach ? minute - reach : 0;
    struct window window = {from * NS_PER_MINUTE, minute * NS_PER_MINUTE};
    return query_request_minutes(watch->query, window, 0, &row, 1, &n, &err) == 0 && n > 0;
}

/* The series of both windows as one list. */
static bool read_series(struct watch *watch, const struct diagnosis *diagnosis, struct arena *arena,
                        struct mesh_series_list *all)
{
    const struct window windows[2] = {{diagnosis->baseline_from_ns, diagnosis->baseline_to_ns},
                                      {diagnosis->from_ns, diagnosis->to_ns}};
    struct mesh_series_list lists[2];
    struct err err = {0};
    char quoted[256];
    for (int i = 0; i < 2 && !err.code; i++)
        query_mesh_series(watch->query, windows[i], arena, &lists[i], &err);
    if (err.code) {
        log_event(LOG_WARN, "series_unread", "reason=%s", log_quote(str_of(err.text), quoted));
        return false;
    }
    *all = (struct mesh_series_list){.n = lists[0].n + lists[1].n,
                                     .nameless = lists[0].nameless || lists[1].nameless};
    all->items = arena_alloc(arena, (all->n + 1) * sizeof(*all->items));
    if (!all->items)
        return false;
    for (int i = 0; i < 2; i++) {
        series_cut(&lists[i]);
        if (lists[i].n)
            memcpy(all->items + (i ? lists[0].n : 0), lists[i].items,
                   lists[i].n * sizeof(*all->items));
    }
    return true;
}

static void add_metrics(struct watch *watch, struct arena *arena, struct diagnosis *diagnosis)
{
    struct err err = {0};
    char quoted[256];
    if (diagnosis_add_metrics(watch->query, arena, MAX_SUSPECTS, false, diagnosis, &err))
        log_event(LOG_WARN, "metrics_unread", "reason=%s", log_quote(str_of(err.text), quoted));
}

/* True when an entry suffers and somebody is to blame; texts lie in `arena` then. */
static bool look_at(struct watch *watch, struct arena *arena, struct series_look *look)
{
    const struct watched *open = watch->by_series;
    struct diagnosis *diagnosis = &look->diagnosis;
    struct mesh_series_list list;
    struct arena points;
    uint64_t from_minute = look->end_minute - LOOK_MINUTES;
    uint64_t normal_to = open ? open->incident->onset_ns / NS_PER_MINUTE : from_minute;
    *diagnosis = (struct diagnosis){.from_ns = from_minute * NS_PER_MINUTE,
                                    .to_ns = look->end_minute * NS_PER_MINUTE,
                                    .baseline_to_ns = normal_to * NS_PER_MINUTE};
    diagnosis->baseline_from_ns = diagnosis->baseline_to_ns - watch->settings->baseline_ns;
    arena_init(&points, SERIES_BYTES);
    struct series_input input = {.list = &list,
                                 .level = SUSPECT_SERVICE,
                                 .limit = SUSPECTS_WEIGHED,
                                 .min_requests = watch->settings->min_requests,
                                 .symptom = &look->symptom};
    /* Whether users feel it is judged at entries. */
    bool found = read_series(watch, diagnosis, &points, &list) && !list.nameless &&
                 localise_series(&input, arena, diagnosis) &&
                 diagnosis->verdict == VERDICT_INCIDENT &&
                 look->symptom.n_minutes >= watch_learn_minutes(watch) &&
                 (look->symptom.failing || look->symptom.slower);
    if (found) {
        add_metrics(watch, arena, diagnosis);
        look->symptom.entry = node_text_copy(arena, &look->symptom.entry);
        for (uint32_t i = 0; i < diagnosis->n_suspects; i++)
            suspect_own_texts(arena, &diagnosis->suspects[i]);
    }
    arena_fini(&points);
    return found;
}

/* ---- an incident ---- */

static void summarise(const struct series_symptom *symptom, struct incident *incident)
{
    const struct suspect *first = &incident->suspects[0];
    char text[1024], feels[256];
    if (symptom->failing)
        snprintf(feels, sizeof(feels), "%.3g %% of the requests at %.*s fail",
                 100 * symptom->failed[1] / symptom->calls[1], STR_ARG(incident->entry.service));
    else
        snprintf(feels, sizeof(feels), "requests at %.*s take %.3g ms, where %.3g ms are normal",
                 STR_ARG(incident->entry.service), symptom->mean_ns[1] / 1e6,
                 symptom->mean_ns[0] / 1e6);
    snprintf(text, sizeof(text), "%s. It %s in %.*s: %.*s.", feels,
             first->confidence < 0.7 ? "probably began" : "began", STR_ARG(first->node.service),
             STR_ARG(first->reason));
    if (text[0] == 'r')
        text[0] = 'R';
    incident->summary = arena_dup(&incident->arena, str_of(text));
}

/* Of the newest `minutes` of the look. */
static int64_t affected(const struct series_symptom *symptom, uint64_t minutes)
{
    double more = symptom->failed[1] - symptom->failed[0] / symptom->calls[0] * symptom->calls[1];
    double n = symptom->failing ? more : symptom->calls[1];
    return (int64_t)(n * (double)minutes / LOOK_MINUTES + 0.5);
}

static void take_suspects(const struct series_look *look, struct incident *incident)
{
    const struct diagnosis *diagnosis = &look->diagnosis;
    const struct series_symptom *symptom = &look->symptom;
    double rise = symptom->mean_ns[1] > 0 ? 1 - symptom->mean_ns[0] / symptom->mean_ns[1] : 0;
    incident->suspects = diagnosis->suspects;
    incident->n_suspects = diagnosis->n_suspects;
    incident->cause = diagnosis->suspects[0].node;
    incident->failed_share = symptom->failing ? symptom->failed[1] / symptom->calls[1] : rise;
    summarise(symptom, incident);
}

/* Takes the incident. */
static void open_incident(struct watch *watch, const struct series_look *look,
                          struct incident *incident)
{
    const struct diagnosis *diagnosis = &look->diagnosis;
    struct watched *watched = watched_new();
    bool near = diagnosis->onset_ns + ONSET_WITHIN_NS > diagnosis->from_ns;
    char quoted[1200];
    if (!watched) {
        incident_free(incident);
        return;
    }
    incident->id = ++watch->last_id;
    incident->entry = look->symptom.entry;
    incident->symptom = look->symptom.failing ? SYMPTOM_ERRORS : SYMPTOM_LATENCY;
    incident->onset_ns = near ? diagnosis->onset_ns : diagnosis->from_ns;
    incident->opened_ns = watch->settings->event_time ? diagnosis->to_ns : clock_wall_ns();
    incident->updated_ns = watched->bad_ns = diagnosis->to_ns;
    incident->affected_calls = affected(&look->symptom, LOOK_MINUTES);
    take_suspects(look, incident);
    watch->by_series = watched;
    stat_add(watch->n_opened, 1);
    log_event(LOG_WARN, "incident_opened", "incident=%llu summary=%s",
              (unsigned long long)incident->id, log_quote(incident->summary, quoted));
    watched_show(watched, incident);
    watch_put(watch, watched, incident);
}

/* Takes the incident, a copy of the open one. */
static void update_incident(struct watch *watch, const struct series_look *look, bool found,
                            struct incident *incident)
{
    struct watched *watched = watch->by_series;
    uint64_t end_ns = look->diagnosis.to_ns, calm_ns = watch->settings->close_after_ns;
    uint64_t more_ns = end_ns > incident->updated_ns ? end_ns - incident->updated_ns : 0;
    uint64_t minutes = more_ns / NS_PER_MINUTE;
    incident->updated_ns += more_ns;
    bool over = false;
    if (found) {
        incident->affected_calls +=
            affected(&look->symptom, minutes < LOOK_MINUTES ? minutes : LOOK_MINUTES);
        take_suspects(look, incident);
        watched->bad_ns = end_ns;
        watched_show(watched, incident);
    } else {
        over = watched_close(watched, end_ns, calm_ns, incident);
    }
    watch_put(watch, watched, incident);
    if (over) {
        watched_free(watched);
        watch->by_series = NULL;
    }
}

void watch_series_go_on(struct watch *watch, struct incident *incident)
{
    struct watched *watched = watched_new();
    if (!watched) {
        incident_free(incident);
        return;
    }
    watched->incident = incident;
    watched->bad_ns = incident->updated_ns;
    watched_show(watched, incident);
    watch->by_series = watched;
}

void watch_series_walk(struct watch *watch)
{
    struct window window;
    if (!query_mesh_series_times(watch->query, &window))
        return;
    uint64_t first = window.from_ns / NS_PER_MINUTE + watch_learn_minutes(watch) + LOOK_MINUTES;
    uint64_t last = (window.to_ns + NS_PER_MINUTE - 1) / NS_PER_MINUTE;
    if (last > MOST_WALKED && first < last - MOST_WALKED)
        first = last - MOST_WALKED;
    if (first <= watch->series_minute)
        first = watch->series_minute + 1;
    for (uint64_t minute = first; minute <= last; minute++)
        watch_series_look(watch, minute);
    watch->series_minute = last;
}

void watch_series_look(struct watch *watch, uint64_t end_minute)
{
    struct series_look look = {.end_minute = end_minute};
    bool open = watch->by_series != NULL;
    if (!query_has_mesh_series(watch->query) || (!open && spans_came(watch, end_minute)))
        return;
    struct incident *incident = open ? incident_copy(watch->by_series->incident) : incident_new();
    if (!incident)
        return;
    bool found = look_at(watch, &incident->arena, &look);
    if (open)
        update_incident(watch, &look, found, incident);
    else if (found)
        open_incident(watch, &look, incident);
    else
        incident_free(incident);
    watch->changed(watch->ctx);
}
