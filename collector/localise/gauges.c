/* gauges.c - see gauges.h: what each service's own series say, and who stands first. */
#include "collector/localise/gauges.h"

#include <math.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/localise/constants.h"
#include "collector/localise/metrics.h"
#include "collector/localise/work.h"

#define MOST_CELLS (1u << 21) /* services × steps */

/* What all series of a service say of one step. */
struct cell {
    float requests, failures; /* a second */
    float time_ns, n_times;   /* of what histograms got: unit as the series has it */
    bool told;
};

struct told {
    const struct metric_samples *series; /* NULL: of several, or none */
    struct metric_change change;
    double gain; /* what it adds to the score; 0: nothing */
};

struct service {
    struct told time, failures;
    struct told causes[N_METRIC_CAUSES];
    struct str time_name;
    double time_unit_ns; /* of its histograms; 0: not known */
    double traffic;      /* log of its growth, not below 0 */
    enum metric_cause strongest;
    double cause_gain, score;
    bool shares; /* failures are shares of its requests */
    bool suffers, significant;
};

struct gauges {
    const struct metric_samples_list *list;
    struct arena *arena;
    struct service *services;
    struct cell *cells; /* by service and step */
    uint64_t first_ns, step_ns;
    uint32_t n_steps;
    double *values[2]; /* room for one service's steps, or one cause's gains */
    bool requests;     /* somebody's could be compared */
};

/* ---- requests by the step ---- */

static struct cell *cell_at(const struct gauges *gauges, uint32_t service, uint64_t at_ns)
{
    uint64_t step =
        at_ns < gauges->first_ns ? UINT64_MAX : (at_ns - gauges->first_ns) / gauges->step_ns;
    return step < gauges->n_steps ? &gauges->cells[(size_t)service * gauges->n_steps + step] : NULL;
}

static void add_rate(const struct metric_samples *series, struct cell *cell, double rate)
{
    bool failed = series->failed || series->measure == MEASURE_FAILURES;
    cell->told = true;
    cell->failures += failed ? (float)rate : 0;
    cell->requests += series->measure == MEASURE_FAILURES ? 0 : (float)rate;
}

/* A counter's growth counts for the step that its point is in. */
static void count_growth(const struct gauges *gauges, const struct metric_samples *series)
{
    double seconds = gauges->step_ns / 1e9;
    bool delta = series->temporality == TEMPORALITY_DELTA;
    for (uint32_t i = 0; i < series->n; i++) {
        const struct metric_sample *point = &series->points[i];
        struct cell *cell = cell_at(gauges, series->service, point->at_ns);
        bool histogram = series->type > METRIC_SUM, known = delta || i > 0 || series->grew_from_0;
        double value = histogram ? point->count : point->value, sum = point->sum;
        if (!delta && i > 0) {
            double before = histogram ? point[-1].count : point[-1].value;
            sum = value < before ? sum : sum - point[-1].sum;
            value = metric_grown(before, value);
        }
        if (!cell || !known || !isfinite(value) || value < 0)
            continue;
        if (series->measure == MEASURE_TIME_SUM) {
            cell->time_ns += (float)value;
            continue;
        }
        if (histogram && series->measure == MEASURE_TIME && isfinite(sum))
            cell->time_ns += (float)sum;
        if (series->measure == MEASURE_TIME_COUNT || histogram)
            cell->n_times += (float)value;
        add_rate(series, cell, value / seconds);
    }
}

/* A gauge has one value a step: the mean of its points. */
static void count_gauge(const struct gauges *gauges, const struct metric_samples *series)
{
    for (uint32_t i = 0; i < series->n;) {
        struct cell *cell = cell_at(gauges, series->service, series->points[i].at_ns);
        double sum = 0;
        uint32_t n = 0;
        while (i < series->n && cell_at(gauges, series->service, series->points[i].at_ns) == cell) {
            double value = series->points[i++].value;
            sum += isfinite(value) ? value : 0;
            n += isfinite(value);
        }
        if (cell && n)
            add_rate(series, cell, sum / n);
    }
}

static void count_series(const struct gauges *gauges, const struct metric_samples *series)
{
    struct service *service = &gauges->services[series->service];
    bool times = series->measure == MEASURE_TIME_SUM || series->measure == MEASURE_TIME_COUNT ||
                 (series->measure == MEASURE_TIME && series->type > METRIC_SUM);
    if (series->measure == MEASURE_NONE || (series->measure == MEASURE_TIME && !times))
        return;
    if (times && series->measure != MEASURE_TIME_COUNT) {
        service->time_name = series->name;
        service->time_unit_ns = metric_ns(series);
    }
    bool delta = series->type == METRIC_SUM && series->temporality == TEMPORALITY_DELTA;
    if (times || delta || metric_is_counter(series))
        count_growth(gauges, series);
    else
        count_gauge(gauges, series);
}

enum value { VALUE_REQUESTS, VALUE_FAILURES, VALUE_SHARE, VALUE_TIME };

static double value_of(const struct cell *cell, enum value what)
{
    if (what == VALUE_TIME)
        return cell->n_times > 0 ? cell->time_ns / cell->n_times : NAN;
    if (!cell->told)
        return NAN;
    if (what == VALUE_SHARE)
        return cell->requests > 0 ? fmin(1, cell->failures / cell->requests) : NAN;
    return what == VALUE_REQUESTS ? cell->requests : cell->failures;
}

static struct metric_change compare_cells(const struct gauges *gauges, uint32_t at, enum value what,
                                          double floor)
{
    const struct metric_samples_list *list = gauges->list;
    struct metric_change change = {.kind = what == VALUE_SHARE ? UNIT_RATIO : UNIT_COUNT,
                                   .rate = what < VALUE_SHARE,
                                   .unit = 1};
    double unit_ns = gauges->services[at].time_unit_ns;
    uint32_t n[2] = {0, 0};
    if (what == VALUE_TIME && unit_ns > 0) {
        change.kind = UNIT_NS;
        change.unit = unit_ns;
    }
    for (uint32_t i = 0; i < gauges->n_steps; i++) {
        uint64_t at_ns = gauges->first_ns + i * gauges->step_ns;
        double value = value_of(&gauges->cells[(size_t)at * gauges->n_steps + i], what);
        int t = at_ns >= list->from_ns && at_ns < list->to_ns                 ? 1
                : at_ns >= list->normal_from_ns && at_ns < list->normal_to_ns ? 0
                                                                              : -1;
        if (t >= 0 && isfinite(value))
            gauges->values[t][n[t]++] = value;
    }
    metric_weigh(gauges->values[0], n[0], gauges->values[1], n[1], floor, &change);
    return change;
}

/* ---- channels ---- */

static void keep_time(struct told *time, const struct metric_samples *series,
                      const struct metric_change *change)
{
    double gain = change->held_z > SIGNIFICANT_Z
                      ? fmax(0, metric_growth(change, false)) * metric_sureness(change->held_z)
                      : 0;
    if (gain > time->gain)
        *time = (struct told){series, *change, gain};
}

static void weigh_requests(struct gauges *gauges, uint32_t at)
{
    struct service *service = &gauges->services[at];
    double floor = service->time_unit_ns > 0 ? METRIC_FLOOR_NS : 0;
    struct metric_change change = compare_cells(gauges, at, VALUE_TIME, floor);
    keep_time(&service->time, NULL, &change);
    gauges->requests = gauges->requests || (change.n_normal >= METRIC_LEAST && change.n_now > 0);
    change = compare_cells(gauges, at, VALUE_REQUESTS, METRIC_FLOOR_RATE);
    if (change.n_normal >= METRIC_LEAST && change.n_now > 0 && change.normal > 0)
        service->traffic = fmax(0, metric_growth(&change, false));
    service->shares = change.normal > 0;
    /* Three spreads are what users feel. */
    change = service->shares
                 ? compare_cells(gauges, at, VALUE_SHARE, SYMPTOM_FAILED / SIGNIFICANT_Z)
                 : compare_cells(gauges, at, VALUE_FAILURES, METRIC_FLOOR_RATE);
    double more = change.held - change.normal, all = change.held + change.normal + change.spread;
    service->failures.change = change;
    gauges->requests = gauges->requests || (change.n_normal >= METRIC_LEAST && change.n_now > 0);
    if (change.held_z > SIGNIFICANT_Z)
        service->failures.gain =
            metric_sureness(change.held_z) * (service->shares ? more : more / all);
    service->suffers = service->failures.gain > 0;
}

static bool weigh_series(struct gauges *gauges, const struct metric_samples *series)
{
    struct service *service = &gauges->services[series->service];
    struct metric_change change;
    if (series->cause == CAUSE_NONE &&
        (series->measure != MEASURE_TIME || series->type > METRIC_SUM))
        return true;
    if (!metric_compare(series, gauges->list, &change))
        return false;
    bool times = series->cause == CAUSE_NONE;
    gauges->requests =
        gauges->requests || (times && change.n_normal >= METRIC_LEAST && change.n_now > 0);
    if (!(change.held_z > SIGNIFICANT_Z) || metric_steps_back(series))
        return true;
    if (series->cause == CAUSE_NONE) {
        keep_time(&service->time, series, &change);
        return true;
    }
    double gain = metric_growth(&change, series->falls);
    if (gain > service->causes[series->cause].gain)
        service->causes[series->cause] = (struct told){series, change, gain};
    return true;
}

/* ---- causes ---- */

/* What grew with half of all who have it is the load's. */
static double common_gain(const struct gauges *gauges, int cause)
{
    const struct metric_samples_list *list = gauges->list;
    uint32_t n = 0;
    bool *has = calloc(list->n_services + 1, sizeof(*has));
    for (uint32_t i = 0; i < list->n && has; i++)
        has[list->items[i].service] |= (int)list->items[i].cause == cause;
    for (uint32_t i = 0; i < list->n_services && has; i++) {
        if (has[i])
            gauges->values[0][n++] = gauges->services[i].causes[cause].gain;
    }
    free(has);
    return n >= METRIC_LEAST ? median_of(gauges->values[0], n) : 0;
}

static void weigh_cause(struct gauges *gauges, int cause)
{
    double common = common_gain(gauges, cause);
    for (uint32_t i = 0; i < gauges->list->n_services; i++) {
        struct service *service = &gauges->services[i];
        struct told *channel = &service->causes[cause];
        if (channel->series)
            channel->gain =
                metric_gain(channel->series, &channel->change, fmax(common, service->traffic));
        if (channel->gain > service->cause_gain) {
            service->cause_gain = channel->gain;
            service->strongest = (enum metric_cause)cause;
        }
    }
}

/* ---- the answer ---- */

static void add_evidence(struct work *work, struct suspect *suspect, enum evidence_kind kind,
                         const struct told *channel, struct str name, const char *what)
{
    const struct metric_change *change = &channel->change;
    struct str instance = channel->series ? channel->series->instance : STR_NONE;
    suspect->evidence[suspect->n_evidence++] = (struct evidence){
        .kind = kind,
        .metric = arena_dup(work->arena, name),
        .unit = change->kind,
        .baseline = change->normal,
        .observed = change->held,
        .deviation = change->held_z,
        .text = say(work, "%s: %.*s %.*s → %.*s%s%s%.*s", what, STR_ARG(name),
                    STR_ARG(metric_say(work, change, change->normal)),
                    STR_ARG(metric_say(work, change, change->held)),
                    change->rate ? " a second" : "", instance.len ? " at " : "",
                    instance.len ? (int)instance.len : 0, instance.len ? instance.p : "")};
}

static void write_suspect(struct work *work, const struct gauges *gauges, uint32_t at,
                          struct suspect *suspect)
{
    const struct service *service = &gauges->services[at];
    const struct metric_service *named = &gauges->list->services[at];
    const struct told *cause = &service->causes[service->strongest];
    suspect->level = SUSPECT_SERVICE;
    suspect->node = (struct node_text){.namespace = arena_dup(work->arena, named->namespace),
                                       .service = arena_dup(work->arena, named->service),
                                       .role = STR("workload")};
    if (cause->gain > 0)
        add_evidence(work, suspect, EVIDENCE_METRIC, cause, cause->series->name,
                     metric_cause_word(service->strongest));
    if (service->time.gain > 0)
        add_evidence(work, suspect, EVIDENCE_METRIC, &service->time,
                     service->time.series ? service->time.series->name : service->time_name,
                     "slower");
    if (service->failures.gain > 0)
        add_evidence(work, suspect, EVIDENCE_METRIC, &service->failures,
                     service->shares ? STR("share of requests") : STR("requests"), "failures");
    suspect->reason = suspect->n_evidence ? suspect->evidence[0].text : STR("");
}

static void score_all(struct gauges *gauges)
{
    bool somebody = false;
    for (uint32_t i = 0; i < gauges->list->n_services; i++) {
        struct service *service = &gauges->services[i];
        bool slower =
            service->time.gain > 0 && metric_growth(&service->time.change, false) > SERIES_SLOWER;
        service->suffers = service->suffers || slower;
        somebody = somebody || service->suffers;
        service->score = service->time.gain + service->failures.gain + service->cause_gain;
    }
    for (uint32_t i = 0; i < gauges->list->n_services && somebody; i++)
        gauges->services[i].significant =
            gauges->services[i].suffers || gauges->services[i].cause_gain > 0;
}

static bool stands_before(const struct gauges *gauges, uint32_t a, uint32_t b)
{
    const struct service *x = &gauges->services[a], *y = &gauges->services[b];
    if (x->significant != y->significant)
        return x->significant;
    if (x->score != y->score)
        return x->score > y->score;
    return str_cmp(gauges->list->services[a].service, gauges->list->services[b].service) < 0;
}

static bool write_suspects(struct gauges *gauges, uint32_t limit, struct diagnosis *diagnosis)
{
    struct work work = {.arena = gauges->arena};
    uint32_t n_services = gauges->list->n_services, n = 0;
    uint32_t *order = arena_calloc(gauges->arena, (n_services + 1) * sizeof(*order));
    if (!order)
        return false;
    for (uint32_t i = 0; i < n_services; i++) {
        uint32_t k = n;
        if (!(gauges->services[i].score > 0))
            continue;
        for (n++; k > 0 && stands_before(gauges, i, order[k - 1]); k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    uint32_t listed = n < limit ? n : limit;
    diagnosis->suspects = arena_calloc(gauges->arena, (listed + 1) * sizeof(*diagnosis->suspects));
    if (!diagnosis->suspects)
        return false;
    diagnosis->n_suspects = listed;
    double weakest = INFINITY;
    for (uint32_t i = 0; i < listed; i++) {
        const struct service *service = &gauges->services[order[i]];
        struct suspect *suspect = &diagnosis->suspects[i];
        double rival = gauges->services[order[i > 0 ? 0 : n > 1]].score;
        if (n == 1)
            rival = 0;
        suspect->rank = i + 1;
        suspect->significant = service->significant;
        weakest = service->significant ? fmin(weakest, service->score) : weakest;
        suspect->score =
            service->significant ? service->score : fmin(service->score, HINT_SHARE * weakest);
        suspect->confidence =
            (service->significant ? 1 : 0.5) * service->score / (service->score + rival);
        write_suspect(&work, gauges, order[i], suspect);
    }
    if (gauges->requests) {
        diagnosis->verdict =
            listed && diagnosis->suspects[0].significant ? VERDICT_INCIDENT : VERDICT_NOTHING;
        diagnosis->need_requests = 0;
    }
    return !work.memory_short;
}

/* Two of the usual points make a step, as far as normal times are too short for long ones. */
static uint64_t step_for(const struct metric_samples_list *list)
{
    uint64_t lasted_ns = 0, n = 0;
    if (list->normal_to_ns - list->normal_from_ns >= GAUGE_LEAST * GAUGE_STEP_NS)
        return GAUGE_STEP_NS;
    for (uint32_t i = 0; i < list->n; i++) {
        const struct metric_samples *series = &list->items[i];
        uint32_t k = 0;
        while (k < series->n && series->points[k].at_ns < list->normal_to_ns)
            k++;
        if (k < 2)
            continue;
        lasted_ns += series->points[k - 1].at_ns - series->points[0].at_ns;
        n += k - 1;
    }
    uint64_t step_ns = n ? 2 * lasted_ns / n : GAUGE_STEP_NS;
    step_ns = step_ns < GAUGE_STEP_LEAST_NS ? GAUGE_STEP_LEAST_NS : step_ns;
    return step_ns < GAUGE_STEP_NS ? step_ns : GAUGE_STEP_NS;
}

static bool gauges_init(struct gauges *gauges, const struct metric_samples_list *list)
{
    uint64_t last_ns = list->to_ns > list->normal_to_ns ? list->to_ns : list->normal_to_ns;
    gauges->first_ns = list->normal_from_ns < list->from_ns ? list->normal_from_ns : list->from_ns;
    gauges->step_ns = step_for(list);
    uint64_t n_steps = (last_ns - gauges->first_ns) / gauges->step_ns + 1;
    uint64_t most = MOST_CELLS / (list->n_services + 1);
    gauges->n_steps = (uint32_t)(n_steps < most ? n_steps : most);
    uint32_t room = gauges->n_steps > list->n_services ? gauges->n_steps : list->n_services;
    gauges->services = calloc(list->n_services + 1, sizeof(*gauges->services));
    gauges->cells = calloc((size_t)list->n_services * gauges->n_steps + 1, sizeof(*gauges->cells));
    for (int t = 0; t < 2; t++)
        gauges->values[t] = calloc(room + 1, sizeof(double));
    return gauges->services && gauges->cells && gauges->values[0] && gauges->values[1];
}

static bool measure(struct gauges *gauges)
{
    const struct metric_samples_list *list = gauges->list;
    for (uint32_t i = 0; i < list->n; i++) {
        if (!weigh_series(gauges, &list->items[i]))
            return false;
        count_series(gauges, &list->items[i]);
    }
    for (uint32_t i = 0; i < list->n_services; i++)
        weigh_requests(gauges, i);
    for (int cause = CAUSE_NONE + 1; cause < N_METRIC_CAUSES; cause++)
        weigh_cause(gauges, cause);
    score_all(gauges);
    return true;
}

bool localise_gauges(const struct metric_samples_list *list, struct arena *arena, uint32_t limit,
                     struct diagnosis *diagnosis)
{
    struct gauges gauges = {.list = list, .arena = arena};
    bool good =
        gauges_init(&gauges, list) && measure(&gauges) && write_suspects(&gauges, limit, diagnosis);
    free(gauges.services);
    free(gauges.cells);
    free(gauges.values[0]);
    free(gauges.values[1]);
    return good;
}
