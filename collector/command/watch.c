/* watch.c - one look after the other. */
#include "collector/command/watch.h"

#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/stats.h"
#include "collector/localise/symptom.h"

#define LEARN_MINUTES 5u /* with requests, before anything is judged */
#define LOOK_WINDOWS 3u  /* what a look tests … */
#define LOOK_NS                                                                                    \
    (30 * NS_PER_S)   /* … and not less: with a few requests a second less says nothing          \
                       */
#define KEEP_LOOKS 4u /* so far back the onset is looked for by steps */
#define METRIC_BYTES (1u << 16)

uint64_t watch_step_ns(const struct watch *watch, uint64_t step)
{
    return step * watch->step_s * NS_PER_S;
}

static uint64_t step_of(const struct watch *watch, uint64_t ns)
{
    return ns / (watch->step_s * NS_PER_S);
}

static uint64_t minute_of(const struct watch *watch, uint64_t step)
{
    return step * watch->step_s / ROLLUP_MINUTE_S;
}

static uint64_t first_step(const struct watch *watch, uint64_t end)
{
    return end > watch->look_steps ? end - watch->look_steps : 0;
}

/* ---- life of the memory ---- */

bool watch_init(struct watch *watch)
{
    const struct localiser_settings *settings = watch->settings;
    watch->step_s = rollup_step_s(settings->window_ns);
    uint64_t step_ns = watch->step_s * NS_PER_S, window_ns = settings->window_ns;
    uint64_t look_ns = LOOK_WINDOWS * window_ns > LOOK_NS ? LOOK_WINDOWS * window_ns : LOOK_NS;
    watch->look_every = (unsigned)((window_ns + step_ns - 1) / step_ns);
    watch->look_steps = (unsigned)((look_ns + step_ns - 1) / step_ns);
    watch->keep_steps = KEEP_LOOKS * watch->look_steps;
    rollup_init(&watch->far, UINT32_MAX);
    watch->steps = steps_new(settings->event_time, watch->step_s, watch->keep_steps);
    return watch->steps != NULL;
}

struct watched *watched_new(void)
{
    struct watched *watched = calloc(1, sizeof(*watched));
    if (!watched)
        return NULL;
    rollup_init(&watched->normal, UINT32_MAX);
    rollup_init(&watched->normal_entries, UINT32_MAX);
    buf_init(&watched->active, METRIC_BYTES);
    buf_init(&watched->scores, METRIC_BYTES);
    return watched;
}

void watched_free(struct watched *watched)
{
    incident_free(watched->incident);
    rollup_fini(&watched->normal);
    rollup_fini(&watched->normal_entries);
    buf_fini(&watched->active);
    buf_fini(&watched->scores);
    free(watched);
}

void watch_fini(struct watch *watch)
{
    while (watch->open) {
        struct watched *next = watch->open->next;
        watched_free(watch->open);
        watch->open = next;
    }
    if (watch->by_series)
        watched_free(watch->by_series);
    rollup_fini(&watch->far);
    steps_free(watch->steps);
}

static void append(struct watch *watch, struct watched *watched)
{
    struct watched **at = &watch->open;
    while (*at)
        at = &(*at)->next;
    *at = watched;
}

static void take_out(struct watch *watch, struct watched *watched)
{
    struct watched **at = &watch->open;
    while (*at != watched)
        at = &(*at)->next;
    *at = watched->next;
    watched_free(watched);
}

/* ---- what is normal ---- */

static bool add_all(struct rollup *into, const struct rollup *from)
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
static bool add_far(struct watch *watch, uint64_t from, uint64_t to, bool entries,
                    struct rollup *sum)
{
    struct window window = {from * NS_PER_MINUTE, to * NS_PER_MINUTE};
    struct rollup read;
    if (!entries) {
        read_stored(watch, window, ROLLUP_NORMAL, sum);
        return true;
    }
    if (watch->far_minute != to) {
        rollup_clear(&watch->far);
        rollup_init(&read, UINT32_MAX);
        read_stored(watch, window, ROLLUP_NORMAL_ENTRIES, &read);
        steps_entries(watch->steps, &read, &watch->far);
        rollup_fini(&read);
        watch->far_minute = to;
    }
    return add_all(sum, &watch->far);
}

static bool sum_normal(struct watch *watch, uint64_t end, bool entries, struct rollup *sum,
                       unsigned *n_minutes)
{
    uint64_t to = minute_of(watch, first_step(watch, end));
    uint64_t reach = watch->settings->baseline_ns / NS_PER_MINUTE;
    uint64_t from = to > reach ? to - reach : 0;
    uint64_t near = to > STEP_MINUTES_SURE ? to - STEP_MINUTES_SURE : 0;
    bool good =
        steps_sum_minutes(watch->steps, from > near ? from : near, to, entries, sum, n_minutes);
    if (good && from < near) {
        good = add_far(watch, from, near, entries, sum);
        *n_minutes += watch->far.n ? (unsigned)(near - from) : 0;
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
    watched->entries[0] = (struct tally_key){.channel = TALLY_REQUEST,
                                             .node = nodes_add(steps_nodes(watch->steps), &node),
                                             .name = names_add(names, incident->operation)};
    watched->n_entries = 1;
}

/* How long normal was: minutes in which requests came. */
static double stored_length_s(struct watch *watch, struct window window)
{
    struct err err = {0};
    size_t n = 0, max = (window.to_ns - window.from_ns) / NS_PER_MINUTE + 1;
    struct request_minute *rows = malloc(max * sizeof(*rows));
    if (rows)
        query_request_minutes(watch->query, window, rows, max, &n, &err);
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
    watched->incident = incident;
    watched->bad_ns = incident->updated_ns;
    watched->counted_to = step_of(watch, incident->updated_ns);
    read_entry(watch, watched);
    read_stored(watch, window, ROLLUP_NORMAL, &watched->normal);
    watched->normal_s = stored_length_s(watch, window);
    steps_entries(watch->steps, &watched->normal, &watched->normal_entries);
    steps_spoil(watch->steps, incident->onset_ns / NS_PER_MINUTE,
                incident->updated_ns / NS_PER_MINUTE);
    watched_show(watched, incident);
    append(watch, watched);
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

void watch_forget_later(struct watch *watch, uint64_t ns)
{
    for (struct watched *at = watch->open; at;) {
        struct watched *next = at->next;
        if (at->incident->updated_ns > ns)
            take_out(watch, at);
        at = next;
    }
    if (watch->by_series && watch->by_series->incident->updated_ns > ns) {
        watched_free(watch->by_series);
        watch->by_series = NULL;
    }
}

/* ---- opening ---- */

static int64_t count_affected(struct watch *watch, struct watched *watched, enum symptom kind,
                              uint64_t end)
{
    struct rollup sum;
    int64_t n = 0;
    rollup_init(&sum, UINT32_MAX);
    steps_sum(watch->steps, watched->counted_to, end, true, &sum);
    struct symptom_input input = {&watched->normal_entries, &sum, watched->normal_s,
                                  (double)(end - watched->counted_to) * watch->step_s};
    for (unsigned i = 0; i < watched->n_entries; i++)
        n += symptom_count(kind, &watched->entries[i], &input);
    rollup_fini(&sum);
    watched->counted_to = end;
    return n;
}

static void name_entry(struct watch *watch, const struct symptom_found *found,
                       struct incident *incident)
{
    struct names *names = steps_names(watch->steps);
    const struct node *node = nodes_get(steps_nodes(watch->steps), found->entry.node);
    struct node_text entry = {names_text(names, node->cluster), names_text(names, node->namespace),
                              names_text(names, node->service), STR_NONE,
                              str_of(role_word(node->role))};
    incident->entry = node_text_copy(&incident->arena, &entry);
    incident->operation = arena_dup(&incident->arena, names_text(names, found->entry.name));
    incident->symptom = found->kind;
    incident->failed_share = found->share;
}

void watch_put(struct watch *watch, struct watched *watched, struct incident *incident)
{
    struct incident *kept = incident_copy(incident);
    if (kept) {
        incident_free(watched->incident);
        watched->incident = kept;
    }
    watch->settings->put(incident, watch->settings->ctx);
}

/* What an open incident explains: the same is first among the suspects, or who it is about. */
static struct watched *find_same(struct watch *watch, const struct incident *incident)
{
    for (struct watched *at = watch->open; at; at = at->next) {
        const struct node_text *cause = &at->incident->cause, *first = &incident->cause;
        if (cause->service.len && str_eq(cause->service, first->service) &&
            str_eq(cause->namespace, first->namespace) && str_eq(cause->cluster, first->cluster))
            return at;
    }
    return NULL;
}

static void join(struct watched *watched, struct symptom_found *found)
{
    if (watched->n_entries == MAX_ENTRIES)
        return;
    watched->entries[watched->n_entries++] = found->entry;
    if (!watched->shows || found->z > watched->shows->z)
        watched->shows = found;
}

static bool take_normal(struct watch *watch, const struct look *look, struct watched *watched)
{
    unsigned n_minutes;
    bool good = watch->open ? add_all(&watched->normal, &watch->open->normal)
                            : sum_normal(watch, look->end, false, &watched->normal, &n_minutes);
    watched->normal_s = look->normal_s;
    return good && steps_entries(watch->steps, &watched->normal, &watched->normal_entries);
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
    incident->affected_calls = count_affected(watch, watched, incident->symptom, look->end);
    incident_summarise(incident);
    append(watch, watched);
    stat_add(watch->n_opened, 1);
    log_event(LOG_WARN, "incident_opened", "incident=%llu summary=%s",
              (unsigned long long)incident->id, log_quote(incident->summary, quoted));
    watched->fresh = true;
    watched_show(watched, incident);
    watch_put(watch, watched, incident);
}

/* A symptom alone is no incident: somebody must be significant. */
static void open_or_join(struct watch *watch, const struct look *look, struct symptom_found *found)
{
    struct watched *watched = watched_new();
    struct incident *incident = incident_new();
    uint64_t onset = watch_onset(watch, look, found);
    if (!watched || !incident || !take_normal(watch, look, watched))
        goto nothing;
    name_entry(watch, found, incident);
    incident->onset_ns = watch_step_ns(watch, onset);
    struct suspects_wanted wanted = {&watched->normal, watched->normal_s, onset, look->end, NULL};
    if (!watch_suspects(watch, &wanted, incident))
        goto nothing;
    struct watched *same = find_same(watch, incident);
    if (same) {
        join(same, found);
        goto nothing;
    }
    watched->entries[watched->n_entries++] = found->entry;
    watched->counted_to = onset;
    watched->shows = found;
    begin_incident(watch, look, watched, incident);
    return;
nothing:
    incident_free(incident);
    if (watched)
        watched_free(watched);
}

/* ---- updating ---- */

static void find_suspects_again(struct watch *watch, struct watched *watched, uint64_t end,
                                struct incident *incident)
{
    uint64_t reach = end > watch->keep_steps ? end - watch->keep_steps : 0;
    uint64_t onset = step_of(watch, incident->onset_ns);
    struct suspects_wanted wanted = {&watched->normal, watched->normal_s,
                                     onset > reach ? onset : reach, end, watched};
    if (!watch_suspects(watch, &wanted, incident))
        return;
    incident_summarise(incident);
    watched_show(watched, incident);
}

/* True when it is over. */
static bool update_incident(struct watch *watch, struct watched *watched, uint64_t end)
{
    struct incident *incident = incident_copy(watched->incident);
    uint64_t end_ns = watch_step_ns(watch, end), calm_ns = watch->settings->close_after_ns;
    if (!incident)
        return false;
    incident->updated_ns = end_ns;
    if (end > watched->counted_to)
        incident->affected_calls += count_affected(watch, watched, incident->symptom, end);
    if (watched->shows) {
        watched->bad_ns = end_ns;
        incident->failed_share = watched->shows->share;
        find_suspects_again(watch, watched, end, incident);
    } else if (end_ns >= watched->bad_ns + calm_ns) {
        incident->closed_ns = watched->bad_ns + calm_ns;
        log_event(LOG_INFO, "incident_closed", "incident=%llu", (unsigned long long)incident->id);
    }
    bool over = incident->closed_ns > 0;
    if (over && step_of(watch, watched->bad_ns) > watch->calm_from)
        watch->calm_from = step_of(watch, watched->bad_ns);
    steps_spoil(watch->steps, incident->onset_ns / NS_PER_MINUTE, watched->bad_ns / NS_PER_MINUTE);
    watch_put(watch, watched, incident);
    return over;
}

static void update_all(struct watch *watch, uint64_t end)
{
    for (struct watched *at = watch->open; at;) {
        struct watched *next = at->next;
        if (!at->fresh && update_incident(watch, at, end))
            take_out(watch, at);
        else
            at->fresh = false;
        at = next;
    }
}

/* ---- a look ---- */

static struct watched *owner_of(struct watch *watch, const struct tally_key *entry)
{
    for (struct watched *at = watch->open; at; at = at->next) {
        for (unsigned i = 0; i < at->n_entries; i++) {
            if (tally_key_eq(&at->entries[i], entry))
                return at;
        }
    }
    return NULL;
}

/* A weak symptom counts when the look before showed it too. */
static bool shows_twice(const struct watch *watch, const struct symptom_found *found, uint64_t end)
{
    for (int i = 0; i < MAX_ENTRIES; i++) {
        const struct suspicion *suspicion = &watch->suspicions[i];
        if (suspicion->end && suspicion->end + watch->look_every >= end &&
            tally_key_eq(&suspicion->entry, &found->entry))
            return true;
    }
    return false;
}

static void judge(struct watch *watch, const struct look *look, struct symptom_found *found,
                  unsigned n)
{
    for (struct watched *at = watch->open; at; at = at->next)
        at->shows = NULL;
    for (unsigned i = 0; i < n; i++) {
        struct watched *owner = owner_of(watch, &found[i].entry);
        if (owner && (!owner->shows || found[i].z > owner->shows->z))
            owner->shows = &found[i];
    }
    for (unsigned i = 0; i < n; i++) {
        if (!owner_of(watch, &found[i].entry) &&
            (symptom_is_heavy(&found[i]) || shows_twice(watch, &found[i], look->end)))
            open_or_join(watch, look, &found[i]);
    }
    for (unsigned i = 0; i < MAX_ENTRIES; i++)
        watch->suspicions[i] =
            i < n ? (struct suspicion){found[i].entry, look->end} : (struct suspicion){.end = 0};
}

static unsigned find_symptoms(struct watch *watch, struct look *look,
                              struct symptom_found found[MAX_SYMPTOMS])
{
    uint64_t from = first_step(watch, look->end);
    struct symptom_input input = {look->normal_entries, &look->now_entries, look->normal_s,
                                  (double)(look->end - from) * watch->step_s};
    if (!steps_sum(watch->steps, from, look->end, true, &look->now_entries))
        return 0;
    return symptom_find(&input, found);
}

void watch_look(struct watch *watch, uint64_t end)
{
    struct symptom_found found[MAX_SYMPTOMS];
    struct rollup calm;
    unsigned n_minutes = 0;
    struct look look = {.end = end, .normal_entries = &calm};
    rollup_init(&calm, UINT32_MAX);
    rollup_init(&look.now_entries, UINT32_MAX);
    bool learnt = true;
    if (watch->open) {
        look.normal_entries = &watch->open->normal_entries;
        look.normal_s = watch->open->normal_s;
    } else {
        learnt = sum_normal(watch, end, true, &calm, &n_minutes) && n_minutes >= LEARN_MINUTES;
        look.normal_s = (double)n_minutes * ROLLUP_MINUTE_S;
    }
    unsigned n = learnt ? find_symptoms(watch, &look, found) : 0;
    judge(watch, &look, found, n);
    update_all(watch, end);
    watch->changed(watch->ctx);
    rollup_fini(&calm);
    rollup_fini(&look.now_entries);
}
