/* watch_normal.c - what is normal: unspoilt minutes in memory, what lies further back from the
 * file; and going on with the incidents that a stored file has open.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/command/watch.h"

/* ---- what is normal ---- */

bool watch_add_all(struct rollup *into, const struct rollup *from)
{
    for (uint32_t i = 0; i < from->n; i++) {
        struct tally *tally = rollup_tally(into, &from->items[i].key, 0);
        if (!tally || !tally_merge(tally, &from->items[i]))
            return false;
    }
    return true;
}

static void read_stored(struct watch *watch, struct window window, enum rollup_part part,
                        struct rollup *rollup)
{
    struct err err = {0};
    struct rollup_question question = {window, part, steps_names(watch->steps),
                                       steps_nodes(watch->steps)};
    char quoted[256];
    /* What cannot be read is learnt anew. */
    if (query_rollup(watch->query, &question, rollup, &err))
        log_event(LOG_WARN, "baseline_unread", "reason=%s", log_quote(str_of(err.text), quoted));
}

/* The part of the baseline that is further back than memory. Requests are read once a minute. */
static bool add_far(struct watch *watch, unsigned window, uint64_t from, uint64_t to, bool entries,
                    struct rollup *sum)
{
    struct window wanted = {from * NS_PER_MINUTE, to * NS_PER_MINUTE};
    struct rollup read;
    if (!entries) {
        read_stored(watch, wanted, ROLLUP_NORMAL, sum);
        return true;
    }
    if (watch->far_minute[window] != to) {
        rollup_clear(&watch->far[window]);
        rollup_init(&read, UINT32_MAX);
        read_stored(watch, wanted, ROLLUP_NORMAL_ENTRIES, &read);
        steps_entries(watch->steps, &read, &watch->far[window]);
        rollup_fini(&read);
        watch->far_minute[window] = to;
    }
    return watch_add_all(sum, &watch->far[window]);
}

/* What lies before the look. */
bool watch_sum_normal(struct watch *watch, const struct look *look, bool entries,
                      struct rollup *sum, unsigned *n_minutes)
{
    uint64_t to = watch_minute_of(watch, look->calm_to);
    uint64_t reach = watch->settings->baseline_ns / NS_PER_MINUTE;
    uint64_t from = to > reach ? to - reach : 0;
    uint64_t near = to > STEP_MINUTES_SURE ? to - STEP_MINUTES_SURE : 0;
    unsigned whole = watch_whole_look(look->window);
    bool good =
        steps_sum_minutes(watch->steps, from > near ? from : near, to, entries, sum, n_minutes);
    if (good && from < near) {
        good = add_far(watch, whole, from, near, entries, sum);
        *n_minutes += watch->far[whole].n ? (unsigned)(near - from) : 0;
    }
    return good;
}

/* ---- going on ---- */

static void read_entry(struct watch *watch, struct watched *watched)
{
    const struct incident *incident = watched->incident;
    struct names *names = steps_names(watch->steps);
    struct node node = {.cluster = names_add(names, incident->entry.cluster),
                        .namespace = names_add(names, incident->entry.namespace),
                        .service = names_add(names, incident->entry.service),
                        .role = (uint8_t)role_from_word(incident->entry.role)};
    struct symptom_found found = {.kind = incident->symptom,
                                  .entry = {.channel = TALLY_REQUEST,
                                            .node = nodes_add(steps_nodes(watch->steps), &node),
                                            .name = names_add(names, incident->operation)},
                                  .share = incident->failed_share};
    watched_add_entry(watched, &found);
    watched->entries[0].affected = incident->affected_calls;
    watched->window = N_LOOKS - 1; /* whatever it was */
}

/* How long normal was: minutes in which requests came, without those that other incidents spoilt.
 */
static double stored_length_s(struct watch *watch, struct window window)
{
    struct err err = {0};
    size_t n = 0, max = (window.to_ns - window.from_ns) / NS_PER_MINUTE + 1;
    struct request_minute *rows = malloc(max * sizeof(*rows));
    if (rows)
        query_request_minutes(watch->query, window, window.to_ns, rows, max, &n, &err);
    free(rows);
    return err.code ? 0 : (double)n * ROLLUP_MINUTE_S;
}

/* Against the baseline before its onset. */
static void go_on(struct watch *watch, struct incident *incident)
{
    struct watched *watched = watched_new();
    if (!watched) {
        incident_free(incident);
        return;
    }
    uint64_t onset_ns = incident->onset_ns - incident->onset_ns % NS_PER_MINUTE;
    uint64_t reach_ns = watch->settings->baseline_ns;
    struct window window = {onset_ns > reach_ns ? onset_ns - reach_ns : 0, onset_ns};
    incident->next = NULL;
    incident_recall_began(incident);
    watched->incident = incident;
    watched->bad_ns = incident->updated_ns;
    watched->counted_to = watch_step_of(watch, incident->updated_ns);
    read_entry(watch, watched);
    read_stored(watch, window, ROLLUP_NORMAL, &watched->normal);
    watched->normal_s = watched->entries_s = stored_length_s(watch, window);
    steps_entries(watch->steps, &watched->normal, &watched->normal_entries);
    steps_spoil(watch->steps, incident->onset_ns / NS_PER_MINUTE,
                incident->updated_ns / NS_PER_MINUTE);
    watched_show(watched, incident);
    watch_append(watch, watched);
}

void watch_go_on(struct watch *watch, struct incident *incidents)
{
    while (incidents) {
        struct incident *next = incidents->next;
        /* Series know no operation. */
        if (!incidents->operation.len && !watch->by_series)
            watch_series_go_on(watch, incidents);
        else
            go_on(watch, incidents);
        incidents = next;
    }
    watch->changed(watch->ctx);
}
