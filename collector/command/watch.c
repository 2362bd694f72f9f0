/* watch.c - one look after the other. */
#include "collector/command/watch.h"

#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/stats.h"
#include "collector/localise/constants.h"
#include "collector/localise/statistics.h"
#include "collector/localise/symptom.h"

#define YOUNG_MINUTES 2u             /* with requests, before what is gross is judged */
#define KEEP_NS (10 * NS_PER_MINUTE) /* so far back the onset is looked for by steps */
#define METRIC_BYTES (1u << 16)
#define PASS_ON_LOOKS 2 /* in a row that must say so: a single one may err */

/* What a look tests, and not less than so many windows. With a few requests a second less than half
 * a minute says nothing; with one, that needs minutes. */
static const struct {
    uint64_t ns, windows;
} look_lengths[N_LOOKS] = {
    {10 * NS_PER_S, 1}, {30 * NS_PER_S, 3}, {2 * NS_PER_MINUTE, 3}, {5 * NS_PER_MINUTE, 3}};

unsigned watch_learn_minutes(const struct watch *watch)
{
    uint64_t reach = watch->settings->baseline_ns / NS_PER_MINUTE;
    return reach < WATCH_LEARN_MINUTES ? (unsigned)reach : WATCH_LEARN_MINUTES;
}

uint64_t watch_step_ns(const struct watch *watch, uint64_t step)
{
    return step * watch->step_s * NS_PER_S;
}

uint64_t watch_step_of(const struct watch *watch, uint64_t ns)
{
    return ns / (watch->step_s * NS_PER_S);
}

uint64_t watch_minute_of(const struct watch *watch, uint64_t step)
{
    return step * watch->step_s / ROLLUP_MINUTE_S;
}

/* ---- life of the memory ---- */

bool watch_init(struct watch *watch)
{
    const struct localiser_settings *settings = watch->settings;
    watch->step_s = rollup_step_s(settings->window_ns);
    uint64_t step_ns = watch->step_s * NS_PER_S, window_ns = settings->window_ns;
    watch->look_every = (unsigned)((window_ns + step_ns - 1) / step_ns);
    for (unsigned i = 0; i < N_LOOKS; i++) {
        uint64_t ns = look_lengths[i].windows * window_ns;
        ns = ns > look_lengths[i].ns ? ns : look_lengths[i].ns;
        watch->look_steps[i] = (unsigned)((ns + step_ns - 1) / step_ns);
        rollup_init(&watch->far[i], UINT32_MAX);
    }
    for (unsigned i = 0; i < N_LOOKS; i++)
        watch->look_z[i] = z_beyond(chance_beyond(SYMPTOM_Z) * watch->look_steps[i] /
                                    watch->look_steps[watch_whole_look(0)]);
    watch->keep_steps = (unsigned)(KEEP_NS / step_ns);
    if (watch->keep_steps < watch->look_steps[N_LOOKS - 1])
        watch->keep_steps = watch->look_steps[N_LOOKS - 1];
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
    for (unsigned i = 0; i < N_LOOKS; i++)
        rollup_fini(&watch->far[i]);
    if (watch->by_series)
        watched_free(watch->by_series);
    steps_free(watch->steps);
}

void watch_append(struct watch *watch, struct watched *watched)
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

void watch_put(struct watch *watch, struct watched *watched, struct incident *incident)
{
    struct incident *kept = incident_copy(incident);
    if (kept) {
        incident_free(watched->incident);
        watched->incident = kept;
    }
    watch->settings->put(incident, watch->settings->ctx);
}

/* ---- who shows ---- */

/* An incident goes on while looks as long as the one that opened it, or shorter ones, show it; the
 * quick one would let a moment keep it open. */
static void find_those_that_show(struct watch *watch, const struct look *look,
                                 struct symptom_found *found, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        for (struct watched *at = watch->open; at; at = at->next) {
            if (look->window <= at->window)
                watched_note(at, &found[i]);
        }
    }
}

/* Incidents that come to one cause go on as that which is about it: from now on the entries are
 * shared. */
static void pass_on(struct watch *watch, const struct look looks[N_LOOKS])
{
    for (struct watched *at = watch->open; at && watch->open->next; at = at->next) {
        const struct look *look = &looks[at->window];
        struct watched *other = at->shows && !watch_shares_entry(watch, at)
                                    ? watched_passes_to(watch, at, look->from, look->end)
                                    : NULL;
        at->passes_on = other ? at->passes_on + 1 : 0;
        for (unsigned i = 0; i < at->n_entries && at->passes_on >= PASS_ON_LOOKS; i++) {
            const struct symptom_found *shows = at->entries[i].shows;
            if (!shows)
                continue;
            watched_add_entry(other, shows);
            watched_note(other, shows);
        }
    }
}

/* What a shared entry shows is of those whose cause is to blame now; of all, when none is. */
static void tell_sharers_apart(struct watch *watch, const struct look looks[N_LOOKS])
{
    for (struct watched *at = watch->open; at; at = at->next) {
        const struct look *look = &looks[at->window];
        at->blamed = !at->shows || !watch_shares_entry(watch, at) ||
                     watched_is_to_blame(watch, at, look->from, look->end);
    }
    for (struct watched *at = watch->open; at; at = at->next) {
        for (const struct watched *other = watch->open; other && !at->blamed; other = other->next) {
            if (other->shows && other->blamed && watched_share_one(at, other)) {
                at->shows = NULL;
                break;
            }
        }
    }
}

/* ---- updating ---- */

static void find_suspects_again(struct watch *watch, struct watched *watched, uint64_t end,
                                struct incident *incident)
{
    uint64_t reach = end > watch->keep_steps ? end - watch->keep_steps : 0;
    uint64_t onset = watch_step_of(watch, incident->onset_ns);
    struct suspects_wanted wanted = {.normal = &watched->normal,
                                     .normal_s = watched->normal_s,
                                     .from_step = onset > reach ? onset : reach,
                                     .end = end,
                                     .together = watched->together,
                                     .shared = watch_shares_entry(watch, watched),
                                     .watched = watched,
                                     .spare_others = true};
    if (!watch_suspects(watch, &wanted, incident))
        return;
    incident_summarise(incident);
    watched_show(watched, incident);
}

/* A look long nothing is felt: what comes then may be another's. */
static void note_pause(struct watch *watch, struct watched *watched, uint64_t end)
{
    uint64_t bad = watch_step_of(watch, watched->bad_ns);
    if (end >= bad + watch->look_steps[watched->window])
        watched->paused = bad;
}

/* True when it is over. What others spoil at its entries is not counted as its own. */
static bool update_incident(struct watch *watch, struct watched *watched, uint64_t end)
{
    struct incident *incident = incident_copy(watched->incident);
    uint64_t end_ns = watch_step_ns(watch, end), calm_ns = watch->settings->close_after_ns;
    if (!incident)
        return false;
    incident->updated_ns = end_ns;
    bool is_others = !watched->shows && watch_shares_entry(watch, watched);
    if (is_others)
        watched->counted_to = end;
    else if (end > watched->counted_to)
        incident->affected_calls += watch_count_affected(watch, watched, end);
    if (watched->shows) {
        watched->bad_ns = end_ns;
        watched_take_shown(watched);
        watch_name_entry(watch, watched, incident);
        find_suspects_again(watch, watched, end, incident);
    } else {
        note_pause(watch, watched, end);
    }
    bool over = !watched->shows && watched_close(watched, end_ns, calm_ns, incident);
    if (over && watch_step_of(watch, watched->bad_ns) > watch->calm_from)
        watch->calm_from = watch_step_of(watch, watched->bad_ns);
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

static void learn_normal(struct watch *watch, const struct look *whole, struct look *look)
{
    if (look != whole) {
        look->n_minutes = whole->n_minutes;
        look->normal_entries = whole->normal_entries;
        look->normal_s = whole->normal_s;
        return;
    }
    if (watch->open) {
        look->n_minutes = WATCH_LEARN_MINUTES;
        look->normal_entries = &watch->open->normal_entries;
        look->normal_s = watch->open->entries_s;
        return;
    }
    if (!watch_sum_normal(watch, look, true, &look->calm, &look->n_minutes))
        look->n_minutes = 0;
    look->normal_entries = &look->calm;
    look->normal_s = (double)look->n_minutes * ROLLUP_MINUTE_S;
}

static unsigned find_symptoms(struct watch *watch, struct look *look,
                              struct symptom_found found[MAX_SYMPTOMS])
{
    uint64_t reach = watch->settings->baseline_ns / NS_PER_MINUTE;
    unsigned learnt = watch_learn_minutes(watch);
    uint64_t to = watch->open ? watch->open->incident->onset_ns / NS_PER_MINUTE
                              : watch_minute_of(watch, look->calm_to);
    const struct rollup *parts[STEPS_MOST_PARTS];
    struct symptom_input input = {
        .normal = look->normal_entries,
        .now = &look->now_entries,
        .normal_s = look->normal_s,
        .now_s = (double)(look->end - look->from) * watch->step_s,
        .least_z = watch->look_z[look->window],
        .gross = look->n_minutes < learnt,
        .parts = parts,
        .n_parts = steps_minutes_apart(watch->steps, to > reach ? to - reach : 0, to, parts)};
    if (look->n_minutes < (learnt < YOUNG_MINUTES ? learnt : YOUNG_MINUTES) ||
        !steps_sum(watch->steps, look->from, look->end, true, &look->now_entries))
        return 0;
    return symptom_find(&input, found);
}

/* What an incident that is over left is no sign of another. */
static uint64_t look_from(const struct watch *watch, unsigned window, uint64_t end)
{
    uint64_t steps = watch->look_steps[window], from = end > steps ? end - steps : 0;
    return watch->calm_from > from && watch->calm_from < end ? watch->calm_from : from;
}

void watch_look(struct watch *watch, uint64_t end)
{
    struct symptom_found found[N_LOOKS][MAX_SYMPTOMS];
    struct look looks[N_LOOKS];
    unsigned n[N_LOOKS];
    for (struct watched *at = watch->open; at; at = at->next)
        watched_forget_shown(at);
    /* The quick one last: its normal is another's. */
    for (unsigned i = N_LOOKS; i-- > 0;) {
        struct look *look = &looks[i];
        unsigned whole = watch_whole_look(i);
        *look = (struct look){.window = i, .from = look_from(watch, i, end), .end = end};
        look->calm_to = look_from(watch, whole, end);
        look->since = watch->calm_from < end ? watch->calm_from : 0;
        rollup_init(&look->calm, UINT32_MAX);
        rollup_init(&look->now_entries, UINT32_MAX);
        learn_normal(watch, &looks[whole], look);
        n[i] = find_symptoms(watch, look, found[i]);
        if (i != QUICK_LOOK)
            find_those_that_show(watch, look, found[i], n[i]);
    }
    pass_on(watch, looks);
    tell_sharers_apart(watch, looks);
    for (unsigned i = 0; i < N_LOOKS; i++) {
        watch_open_new(watch, &looks[i], found[i], n[i]);
        if (i != QUICK_LOOK)
            watch_open_second(watch, &looks[i]);
    }
    update_all(watch, end);
    watch->changed(watch->ctx);
    for (unsigned i = 0; i < N_LOOKS; i++) {
        rollup_fini(&looks[i].calm);
        rollup_fini(&looks[i].now_entries);
    }
}
