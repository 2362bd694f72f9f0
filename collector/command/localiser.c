/* localiser.c - the life of incidents, and the thread that looks. */
#include "collector/command/localiser.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/queue.h"
#include "collector/base/stats.h"
#include "collector/command/diagnose.h"
#include "collector/localise/localise.h"
#include "collector/localise/steps.h"
#include "collector/localise/symptom.h"
#include "exporters/prometheus.h"

#define QUEUE_TURNS 64
#define LOOK_STEPS 3u    /* what a look tests: the last half minute */
#define LEARN_MINUTES 5u /* with requests, before anything is judged */
#define MAX_SUSPECTS 5
#define METRIC_SUSPECTS 3u
#define METRIC_BYTES (1u << 18)
#define STEPS_NS(step) ((uint64_t)(step)*ROLLUP_STEP_NS)

static struct stat_family opened_family =
    STAT_COUNTER("faultline_incidents_total", "Incidents opened.");

struct localiser {
    struct localiser_settings settings;
    struct queue *queue;
    pthread_t thread;
    struct query *query;
    struct steps *steps;
    uint64_t looked_to; /* step before which all is looked at */
    uint64_t last_id;
    uint64_t suspicious_step; /* end of the look at which a weak symptom showed; 0: none */
    struct incident *open;    /* as it stands, without suspects; NULL: calm */
    struct rollup normal;     /* of the open incident */
    uint64_t bad_ns;          /* end of the last look that showed a symptom */
    uint64_t counted_to;      /* step before which affected calls are counted */
    struct stat_series *n_opened;
    pthread_mutex_t mutex; /* guards what follows */
    struct buf metrics;
};

/* ---- what others see ---- */

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

/* Written anew when suspects are known, and emptied when the incident closes. */
static void show(struct localiser *localiser, const struct incident *incident)
{
    pthread_mutex_lock(&localiser->mutex);
    struct buf *out = &localiser->metrics;
    buf_reset(out);
    if (!incident->closed_ns) {
        buf_addf(out,
                 "# HELP faultline_incident_active 1 while the incident is open.\n"
                 "# TYPE faultline_incident_active gauge\n"
                 "faultline_incident_active{incident=\"%llu\"",
                 (unsigned long long)incident->id);
        prometheus_label(out, "entry_service", incident->entry.service);
        prometheus_label(out, "entry_operation", incident->operation);
        buf_addf(out, ",symptom=\"%s\"} 1\n", symptom_word(incident->symptom));
        if (incident->n_suspects)
            buf_add_c(out, "# HELP faultline_suspect_score Share that is spoilt there, of the "
                           "first three suspects.\n# TYPE faultline_suspect_score gauge\n");
        for (uint32_t i = 0; i < incident->n_suspects && i < METRIC_SUSPECTS; i++)
            add_suspect(out, incident->id, &incident->suspects[i]);
    }
    pthread_mutex_unlock(&localiser->mutex);
}

void localiser_metrics(struct localiser *localiser, struct buf *out)
{
    pthread_mutex_lock(&localiser->mutex);
    buf_add_str(out, buf_str(&localiser->metrics));
    pthread_mutex_unlock(&localiser->mutex);
}

static struct node_text copy_node(struct arena *arena, const struct node_text *node)
{
    return (struct node_text){arena_dup(arena, node->cluster), arena_dup(arena, node->namespace),
                              arena_dup(arena, node->service), arena_dup(arena, node->version),
                              arena_dup(arena, node->role)};
}

/* The same without suspects, with texts of its own. */
static struct incident *copy_incident(const struct incident *from)
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
    copy->entry = copy_node(&copy->arena, &from->entry);
    copy->operation = arena_dup(&copy->arena, from->operation);
    copy->summary = arena_dup(&copy->arena, from->summary);
    return copy;
}

/* ---- one look ---- */

/* The sums that a look needs. */
struct look {
    uint64_t end; /* step behind the last that is looked at */
    struct rollup normal, normal_entries, now_entries;
    struct symptom_found found;
    bool learnt, bad;
};

static uint64_t first_step(uint64_t end)
{
    return end > LOOK_STEPS ? end - LOOK_STEPS : 0;
}

static bool sum_normal(struct localiser *localiser, uint64_t end, bool entries, struct rollup *sum,
                       unsigned *n_minutes)
{
    uint64_t to = first_step(end) / ROLLUP_STEPS_A_MINUTE;
    uint64_t reach = localiser->settings.baseline_ns / NS_PER_MINUTE;
    return steps_sum_minutes(localiser->steps, to > reach ? to - reach : 0, to, entries, sum,
                             n_minutes);
}

static bool look_at(struct localiser *localiser, uint64_t end, struct look *look)
{
    unsigned n_minutes = LEARN_MINUTES;
    look->end = end;
    bool good = localiser->open
                    ? steps_entries(localiser->steps, &localiser->normal, &look->normal_entries)
                    : sum_normal(localiser, end, true, &look->normal_entries, &n_minutes);
    good = good && steps_sum(localiser->steps, first_step(end), end, true, &look->now_entries);
    look->learnt = n_minutes >= LEARN_MINUTES;
    look->bad = good && look->learnt &&
                symptom_find(&look->normal_entries, &look->now_entries, &look->found);
    return good;
}

/* ---- the diagnosis of a look ---- */

/* Names belong to the localiser's thread, the incident to the writer: its texts are copied. */
static void own_texts(struct incident *incident)
{
    struct arena *arena = &incident->arena;
    for (uint32_t i = 0; i < incident->n_suspects; i++) {
        struct suspect *suspect = &incident->suspects[i];
        suspect->node = copy_node(arena, &suspect->node);
        suspect->peer = copy_node(arena, &suspect->peer);
        suspect->instance = arena_dup(arena, suspect->instance);
        suspect->operation = arena_dup(arena, suspect->operation);
        for (unsigned k = 0; k < suspect->n_narrowed; k++) {
            suspect->narrowed[k].name = arena_dup(arena, suspect->narrowed[k].name);
            suspect->narrowed[k].value = arena_dup(arena, suspect->narrowed[k].value);
        }
        for (unsigned k = 0; k < suspect->n_effects; k++)
            suspect->effects[k] = copy_node(arena, &suspect->effects[k]);
    }
}

/* Suspects of the time since the onset, as far as steps reach back. False when none is significant
 * or memory is short: what is stored stays. */
static bool find_suspects(struct localiser *localiser, const struct rollup *normal,
                          uint64_t from_step, uint64_t end, struct incident *incident)
{
    struct diagnosis diagnosis = {.from_ns = STEPS_NS(from_step),
                                  .to_ns = STEPS_NS(end),
                                  .baseline_to_ns = STEPS_NS(from_step)};
    struct rollup now;
    rollup_init(&now, UINT32_MAX);
    diagnosis.baseline_from_ns = diagnosis.from_ns - localiser->settings.baseline_ns;
    struct localise_input input = {.normal = normal,
                                   .now = &now,
                                   .names = steps_names(localiser->steps),
                                   .nodes = steps_nodes(localiser->steps),
                                   .level = SUSPECT_SERVICE,
                                   .limit = MAX_SUSPECTS,
                                   .min_requests = localiser->settings.min_requests};
    bool found = steps_sum(localiser->steps, from_step, end, false, &now) &&
                 localise(&input, &incident->arena, &diagnosis) &&
                 diagnosis.verdict == VERDICT_INCIDENT;
    rollup_fini(&now);
    if (!found)
        return false;
    incident->suspects = diagnosis.suspects;
    incident->n_suspects = diagnosis.n_suspects;
    own_texts(incident);
    for (uint32_t i = 0; i < incident->n_suspects; i++)
        diagnosis_add_examples(localiser->query, &diagnosis, &incident->suspects[i]);
    return true;
}

/* The first step that is another: of those in memory, at the entry that shows it. */
static uint64_t find_onset(struct localiser *localiser, const struct look *look)
{
    struct step_count counts[N_STEPS] = {{0, 0}};
    uint64_t first = look->end > N_STEPS ? look->end - N_STEPS : 0;
    for (unsigned i = 0; i < N_STEPS; i++) {
        struct rollup sum, entry;
        rollup_init(&sum, UINT32_MAX);
        rollup_init(&entry, UINT32_MAX);
        steps_sum(localiser->steps, first + i, first + i + 1, true, &sum);
        for (uint32_t k = 0; k < sum.n; k++) {
            struct tally *own = tally_key_eq(&sum.items[k].key, &look->found.entry)
                                    ? rollup_tally(&entry, &look->found.entry, 0)
                                    : NULL;
            if (own && tally_merge(own, &sum.items[k]))
                counts[i] = (struct step_count){
                    (double)own->n,
                    (double)symptom_count(look->found.kind, &look->normal_entries, &entry)};
        }
        rollup_fini(&sum);
        rollup_fini(&entry);
    }
    unsigned at = symptom_onset(counts, N_STEPS);
    return at ? first + at : first_step(look->end);
}

/* Requests that were spoilt in the steps that were not counted yet. */
static int64_t count_affected(struct localiser *localiser, const struct look *look,
                              enum symptom kind)
{
    struct rollup sum;
    rollup_init(&sum, UINT32_MAX);
    steps_sum(localiser->steps, localiser->counted_to, look->end, true, &sum);
    int64_t n = symptom_count(kind, &look->normal_entries, &sum);
    rollup_fini(&sum);
    localiser->counted_to = look->end;
    return n;
}

static void summarise(struct incident *incident)
{
    char text[1024];
    const struct suspect *first = incident->suspects;
    const char *verb = incident->symptom == SYMPTOM_ERRORS ? "fail" : "are slower than normal";
    snprintf(text, sizeof(text), "%.3g %% of %.*s %s. It %s in %.*s: %.*s.",
             100 * incident->failed_share, STR_ARG(incident->operation), verb,
             first->confidence < 0.7 ? "probably began" : "began", STR_ARG(first->node.service),
             STR_ARG(first->reason));
    incident->summary = arena_dup(&incident->arena, str_of(text));
}

/* ---- from look to look ---- */

/* Sends it to the store; what stays here is a copy without suspects. */
static void put(struct localiser *localiser, struct incident *incident)
{
    struct incident *kept = incident->closed_ns ? NULL : copy_incident(incident);
    incident_free(localiser->open);
    localiser->open = kept;
    if (!kept)
        rollup_clear(&localiser->normal);
    localiser->settings.put(incident, localiser->settings.ctx);
}

static void name_entry(struct localiser *localiser, const struct look *look,
                       struct incident *incident)
{
    struct names *names = steps_names(localiser->steps);
    const struct node *node = nodes_get(steps_nodes(localiser->steps), look->found.entry.node);
    struct node_text entry = {names_text(names, node->cluster), names_text(names, node->namespace),
                              names_text(names, node->service), STR_NONE,
                              str_of(role_word(node->role))};
    incident->entry = copy_node(&incident->arena, &entry);
    incident->operation = arena_dup(&incident->arena, names_text(names, look->found.entry.name));
    incident->symptom = look->found.kind;
    incident->failed_share = look->found.share;
}

/* A symptom alone is no incident: somebody must be significant. */
static void open_incident(struct localiser *localiser, struct look *look)
{
    struct incident *incident = incident_new();
    unsigned n_minutes;
    if (!incident)
        return;
    uint64_t onset = find_onset(localiser, look);
    if (!sum_normal(localiser, look->end, false, &look->normal, &n_minutes) ||
        !find_suspects(localiser, &look->normal, onset, look->end, incident)) {
        incident_free(incident);
        return;
    }
    name_entry(localiser, look, incident);
    incident->id = ++localiser->last_id;
    incident->onset_ns = STEPS_NS(onset);
    incident->opened_ns = localiser->settings.event_time ? STEPS_NS(look->end) : clock_wall_ns();
    incident->updated_ns = STEPS_NS(look->end);
    localiser->counted_to = onset;
    incident->affected_calls = count_affected(localiser, look, incident->symptom);
    summarise(incident);
    rollup_fini(&localiser->normal);
    localiser->normal = look->normal;
    rollup_init(&look->normal, UINT32_MAX);
    localiser->bad_ns = incident->updated_ns;
    stat_add(localiser->n_opened, 1);
    char quoted[1200];
    log_event(LOG_WARN, "incident_opened", "incident=%llu summary=%s",
              (unsigned long long)incident->id, log_quote(incident->summary, quoted));
    show(localiser, incident);
    put(localiser, incident);
}

static void update_incident(struct localiser *localiser, const struct look *look)
{
    struct incident *incident = copy_incident(localiser->open);
    if (!incident)
        return;
    incident->updated_ns = STEPS_NS(look->end);
    incident->affected_calls += count_affected(localiser, look, incident->symptom);
    if (look->bad) {
        uint64_t reach = look->end > N_STEPS ? look->end - N_STEPS : 0;
        uint64_t onset = incident->onset_ns / ROLLUP_STEP_NS;
        localiser->bad_ns = incident->updated_ns;
        incident->failed_share = look->found.share;
        if (find_suspects(localiser, &localiser->normal, onset > reach ? onset : reach, look->end,
                          incident)) {
            summarise(incident);
            show(localiser, incident);
        }
    } else if (incident->updated_ns >= localiser->bad_ns + localiser->settings.close_after_ns) {
        incident->closed_ns = localiser->bad_ns + localiser->settings.close_after_ns;
        log_event(LOG_INFO, "incident_closed", "incident=%llu", (unsigned long long)incident->id);
        show(localiser, incident);
    }
    steps_spoil(localiser->steps, incident->onset_ns / NS_PER_MINUTE,
                localiser->bad_ns / NS_PER_MINUTE);
    put(localiser, incident);
}

static void look(struct localiser *localiser, uint64_t end)
{
    struct look look = {0};
    rollup_init(&look.normal, UINT32_MAX);
    rollup_init(&look.normal_entries, UINT32_MAX);
    rollup_init(&look.now_entries, UINT32_MAX);
    bool good = look_at(localiser, end, &look);
    bool twice = localiser->suspicious_step && localiser->suspicious_step + 1 >= end;
    if (good && localiser->open)
        update_incident(localiser, &look);
    else if (good && look.bad && (twice || symptom_is_heavy(&look.found)))
        open_incident(localiser, &look);
    localiser->suspicious_step = look.bad ? end : 0;
    rollup_fini(&look.normal);
    rollup_fini(&look.normal_entries);
    rollup_fini(&look.now_entries);
}

/* ---- by the clock ---- */

static void look_when_due(struct localiser *localiser, bool at_once)
{
    uint64_t now_ns = clock_wall_ns();
    uint64_t end = at_once ? now_ns / ROLLUP_STEP_NS + 1
                           : (now_ns - localiser->settings.settle_ns) / ROLLUP_STEP_NS;
    if (end <= localiser->looked_to && !at_once)
        return;
    /* A step that is not over is looked at again when it is. */
    localiser->looked_to = at_once ? end - 1 : end;
    look(localiser, end);
}

/* ---- what is stored ---- */

/* What cannot be read is learnt anew. */
static void say_unread(const struct err *err)
{
    char quoted[256];
    if (err->code)
        log_event(LOG_WARN, "baseline_unread", "reason=%s", log_quote(str_of(err->text), quoted));
}

/* The stored minutes of an hour, up to `end`; their steps are known by the minute only. */
static void read_minutes(struct localiser *localiser, uint64_t end)
{
    struct err err = {0};
    uint64_t begin = end > N_STEP_MINUTES ? end - N_STEP_MINUTES : 0;
    for (uint64_t at = begin; at < end && !err.code; at++) {
        struct window window = {at * NS_PER_MINUTE, (at + 1) * NS_PER_MINUTE};
        query_rollup(localiser->query, window, steps_names(localiser->steps),
                     steps_nodes(localiser->steps), steps_minute(localiser->steps, at), &err);
    }
    say_unread(&err);
}

/* An incident that was open goes on: against the half hour before its onset. */
static int go_on(struct localiser *localiser, struct err *err)
{
    if (query_open_incident(localiser->query, &localiser->open, &localiser->last_id, err) ||
        !localiser->open)
        return err->code;
    const struct incident *open = localiser->open;
    uint64_t onset_ns = open->onset_ns - open->onset_ns % NS_PER_MINUTE;
    struct window window = {onset_ns - localiser->settings.baseline_ns, onset_ns};
    localiser->bad_ns = open->updated_ns;
    localiser->counted_to = open->updated_ns / ROLLUP_STEP_NS;
    steps_spoil(localiser->steps, open->onset_ns / NS_PER_MINUTE, open->updated_ns / NS_PER_MINUTE);
    show(localiser, open);
    struct err unread = {0};
    query_rollup(localiser->query, window, steps_names(localiser->steps),
                 steps_nodes(localiser->steps), &localiser->normal, &unread);
    say_unread(&unread);
    return 0;
}

/* ---- a replay, in order of its own time ---- */

/* The hour before it is what is stored. An incident of later times has nothing to do with it. */
static void begin_walk(struct localiser *localiser, uint64_t step)
{
    read_minutes(localiser, step / ROLLUP_STEPS_A_MINUTE);
    if (localiser->open && localiser->open->updated_ns > STEPS_NS(step)) {
        incident_free(localiser->open);
        localiser->open = NULL;
        rollup_clear(&localiser->normal);
    }
    localiser->looked_to = step;
}

/* Looks at what lies between the last look and the next step that holds something: while the look
 * still sees something, and when an incident would have been closed. */
static void look_between(struct localiser *localiser, uint64_t step)
{
    uint64_t last = localiser->looked_to + LOOK_STEPS;
    while (localiser->looked_to < step && localiser->looked_to < last)
        look(localiser, ++localiser->looked_to);
    uint64_t close_ns = localiser->bad_ns + localiser->settings.close_after_ns;
    if (localiser->open && close_ns <= STEPS_NS(step))
        look(localiser, close_ns / ROLLUP_STEP_NS + 1);
}

static void walk(struct localiser *localiser)
{
    uint64_t step;
    while (steps_next_held(localiser->steps, &step)) {
        if (!localiser->looked_to)
            begin_walk(localiser, step);
        if (step > localiser->looked_to)
            look_between(localiser, step);
        steps_release(localiser->steps);
        if (step < localiser->looked_to)
            continue;
        localiser->looked_to = step + 1;
        look(localiser, step + 1);
    }
}

/* ---- the thread ---- */

static void *run(void *arg)
{
    struct localiser *localiser = arg;
    pthread_setname_np(pthread_self(), "localiser");
    for (;;) {
        struct turn *turn = queue_pop(localiser->queue, NS_PER_S);
        if (!turn && queue_closed(localiser->queue) && !queue_length(localiser->queue))
            return NULL;
        bool flush = turn && turn->flush;
        if (turn)
            steps_take(localiser->steps, turn);
        if (!localiser->settings.event_time)
            look_when_due(localiser, flush);
        else if (flush || steps_are_full(localiser->steps))
            walk(localiser);
        if (turn)
            localiser->settings.done(turn, localiser->settings.ctx);
    }
}

void localiser_push(struct localiser *localiser, struct turn *turn)
{
    if (!queue_push(localiser->queue, turn, 0))
        localiser->settings.done(turn, localiser->settings.ctx);
}

/* ---- starting ---- */

int localiser_start(const struct localiser_settings *settings, struct localiser **result,
                    struct err *err)
{
    struct localiser *localiser = calloc(1, sizeof(*localiser));
    if (!localiser)
        return err_set(err, ERR_BUSY, "memory is short");
    uint64_t now_ns = clock_wall_ns();
    localiser->settings = *settings;
    pthread_mutex_init(&localiser->mutex, NULL);
    buf_init(&localiser->metrics, METRIC_BYTES);
    rollup_init(&localiser->normal, UINT32_MAX);
    localiser->n_opened = stat_get(&opened_family, NULL);
    localiser->looked_to = settings->event_time ? 0 : now_ns / ROLLUP_STEP_NS;
    localiser->queue = queue_new(QUEUE_TURNS, 0);
    localiser->steps = steps_new(settings->event_time);
    if (!localiser->queue || !localiser->steps)
        err_set(err, ERR_BUSY, "memory is short");
    if (!err->code && query_open(settings->db_path, &localiser->query, err) == 0) {
        if (!settings->event_time)
            read_minutes(localiser, now_ns / NS_PER_MINUTE + 1);
        go_on(localiser, err);
    }
    if (!err->code && pthread_create(&localiser->thread, NULL, run, localiser) == 0) {
        *result = localiser;
        return 0;
    }
    if (!err->code)
        err_set(err, ERR_BUSY, "cannot start the localiser's thread");
    localiser->thread = 0;
    localiser_stop(localiser);
    return err->code;
}

void localiser_stop(struct localiser *localiser)
{
    if (!localiser)
        return;
    if (localiser->thread) {
        queue_close(localiser->queue);
        pthread_join(localiser->thread, NULL);
    }
    query_close(localiser->query);
    incident_free(localiser->open);
    rollup_fini(&localiser->normal);
    steps_free(localiser->steps);
    queue_free(localiser->queue);
    buf_fini(&localiser->metrics);
    pthread_mutex_destroy(&localiser->mutex);
    free(localiser);
}
