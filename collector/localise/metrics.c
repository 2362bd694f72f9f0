/* metrics.c - robust z of each series, the strongest cause of each suspect, the order again. */
#include "collector/localise/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/localise/work.h"

/* ---- values of a series ---- */

enum reading { READ_VALUE, READ_COUNTER, READ_DELTA, READ_MEAN };

/* What Prometheus' naming says of a counter where its sender does not say what it is. */
static bool is_named_as_counter(struct str name)
{
    return str_ends(name, STR("_total")) || str_ends(name, STR("_count")) ||
           str_ends(name, STR("_sum")) || str_ends(name, STR("_bucket"));
}

static enum reading reading_of(const struct metric_samples *series)
{
    if (series->type > METRIC_SUM)
        return READ_MEAN;
    if (series->type == METRIC_SUM && series->monotonic)
        return series->temporality == TEMPORALITY_DELTA ? READ_DELTA : READ_COUNTER;
    bool said = series->type == METRIC_SUM && series->temporality != TEMPORALITY_UNSAID;
    return !said && is_named_as_counter(series->name) ? READ_COUNTER : READ_VALUE;
}

double metric_grown(double before, double after)
{
    return after < before ? after : after - before;
}

bool metric_is_counter(const struct metric_samples *series)
{
    return reading_of(series) == READ_COUNTER;
}

bool metric_steps_back(const struct metric_samples *series)
{
    unsigned n = 0;
    for (uint32_t i = 1; i < series->n && reading_of(series) == READ_COUNTER; i++) {
        double before = series->points[i - 1].value, after = series->points[i].value;
        n += after < before && after > before / 2;
    }
    return n >= METRIC_STEPS_BACK;
}

/* … then nothing that comes from there is one's own. */
static bool is_of_several(const struct metric_samples_list *list,
                          const struct metric_samples *series)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->items[i].sender == series->sender && metric_steps_back(&list->items[i]))
            return true;
    }
    return false;
}

/* Of what a histogram got since the point before. */
static double mean_since(const struct metric_samples *series, uint32_t i)
{
    const struct metric_sample *point = &series->points[i];
    if (series->temporality == TEMPORALITY_DELTA)
        return point->sum / point->count;
    if (i == 0)
        return NAN;
    bool again = point->count < point[-1].count;
    double n = again ? point->count : point->count - point[-1].count;
    return (again ? point->sum : point->sum - point[-1].sum) / n;
}

/* Of a counter that its sender had no reason to send before: it was 0. */
static double rate_of_new(const struct metric_samples *series)
{
    const struct metric_sample *first = &series->points[0];
    uint64_t step_ns = series->n > 1 ? first[1].at_ns - first->at_ns : NS_PER_MINUTE;
    return first->value / ((double)step_ns / 1e9);
}

/* The value that the i-th point stands for; NaN: none. */
static double value_at(const struct metric_samples *series, enum reading reading, uint32_t i)
{
    const struct metric_sample *point = &series->points[i];
    if (reading == READ_VALUE)
        return point->value;
    if (reading == READ_MEAN)
        return mean_since(series, i);
    if (i == 0)
        return series->grew_from_0 ? rate_of_new(series) : NAN;
    double seconds = (double)(point->at_ns - point[-1].at_ns) / 1e9;
    double more =
        reading == READ_DELTA ? point->value : metric_grown(point[-1].value, point->value);
    return more / seconds;
}

/* ---- units ---- */

static const struct {
    const char *unit;
    double ns;
} times[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 6e10}},
  endings[] = {{"_milliseconds", 1e6}, {"_seconds", 1e9}, {"_microseconds", 1e3}, {"_ms", 1e6}};

double metric_ns(const struct metric_samples *series)
{
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (str_eq(series->unit, str_of(times[i].unit)))
            return times[i].ns;
    }
    struct str name = series->name;
    static const char *const parts[] = {"_total", "_sum", "_count"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (str_ends(name, str_of(parts[i])))
            name.len -= strlen(parts[i]);
    }
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        if (str_ends(name, str_of(endings[i].unit)))
            return endings[i].ns;
    }
    return 0;
}

static bool is_share(const struct metric_samples *series)
{
    static const char *const words[] = {"utilization", "ratio", "percent", "usage_rate"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_contains(series->name, str_of(words[i])))
            return true;
    }
    return str_eq(series->unit, STR("%"));
}

static void set_unit(const struct metric_samples *series, enum reading reading,
                     struct metric_change *change)
{
    double ns = metric_ns(series);
    change->rate = reading == READ_COUNTER || reading == READ_DELTA;
    change->unit = 1;
    if (ns > 0 && change->rate) { /* seconds a second */
        change->kind = UNIT_RATIO;
        change->unit = ns / 1e9;
        change->rate = false;
    } else if (ns > 0) {
        change->kind = UNIT_NS;
        change->unit = ns;
    } else if (is_share(series)) {
        bool hundred = str_eq(series->unit, STR("%")) || str_contains(series->name, STR("percent"));
        change->kind = UNIT_RATIO;
        change->unit = hundred ? 0.01 : 1;
    } else {
        change->kind = UNIT_COUNT;
        change->bytes = str_eq(series->unit, STR("By")) || str_contains(series->name, STR("bytes"));
    }
}

/* What no one would notice, in ns, shares or counts. Of times without a unit nobody can say, and
 * CPU without one is of cores. */
static double floor_of(const struct metric_samples *series, const struct metric_change *change)
{
    bool plain = change->kind == UNIT_COUNT && !change->rate && !change->bytes;
    if (plain && series->measure == MEASURE_TIME)
        return 0;
    if (plain && series->cause == CAUSE_CPU)
        return METRIC_FLOOR_SHARE;
    return change->kind == UNIT_NS      ? METRIC_FLOOR_NS
           : change->kind == UNIT_RATIO ? METRIC_FLOOR_SHARE
           : change->bytes              ? METRIC_FLOOR_BYTES
           : change->rate               ? METRIC_FLOOR_RATE
                                        : METRIC_FLOOR_COUNT;
}

/* ---- the comparison ---- */

struct values {
    double *normal, *now; /* each with room for all */
    uint32_t n_normal, n_now;
};

static void sort_values(const struct metric_samples *series, enum reading reading,
                        const struct metric_samples_list *windows, struct values *values)
{
    for (uint32_t i = 0; i < series->n; i++) {
        uint64_t at_ns = series->points[i].at_ns;
        double value = value_at(series, reading, i);
        if (!isfinite(value))
            continue;
        if (at_ns >= windows->from_ns && at_ns < windows->to_ns)
            values->now[values->n_now++] = value;
        else if (at_ns >= windows->normal_from_ns && at_ns < windows->normal_to_ns)
            values->normal[values->n_normal++] = value;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median_of(double *values, uint32_t n)
{
    qsort(values, n, sizeof(*values), by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double mean_of(const double *values, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += values[i];
    return sum / n;
}

static void weigh(struct values *values, bool falls, double floor, struct metric_change *change)
{
    uint32_t n = values->n_normal;
    double mean = mean_of(values->normal, n) * change->unit;
    change->observed = mean_of(values->now, values->n_now) * change->unit;
    change->normal = median_of(values->normal, n) * change->unit;
    for (uint32_t i = 0; i < n; i++)
        values->normal[i] = fabs(values->normal[i] * change->unit - change->normal);
    change->spread =
        METRIC_MAD * median_of(values->normal, n) + METRIC_OF_MEDIAN * fabs(change->normal) + floor;
    /* What comes in bursts has a median without them: its mean knows better. */
    double usual = falls == (mean < change->normal) ? mean : change->normal;
    double sign = falls ? -1 : 1;
    change->z = sign * (change->observed - usual) / change->spread;
    /* One outlier of now moves the mean, and nothing that a quarter of the values reach. */
    qsort(values->now, values->n_now, sizeof(*values->now), by_value);
    uint32_t quarter = values->n_now / 4;
    double reached = values->now[falls ? quarter : values->n_now - 1 - quarter] * change->unit;
    change->held = falls ? fmax(reached, change->observed) : fmin(reached, change->observed);
    change->held_z = sign * (change->held - usual) / change->spread;
}

void metric_weigh(double *normal, uint32_t n_normal, double *now, uint32_t n_now, double floor,
                  struct metric_change *change)
{
    struct values values = {normal, now, n_normal, n_now};
    change->n_normal = n_normal;
    change->n_now = n_now;
    change->z = change->held_z = 0;
    if (n_normal >= METRIC_LEAST && n_now > 0)
        weigh(&values, false, floor, change);
}

bool metric_compare(const struct metric_samples *series, const struct metric_samples_list *windows,
                    struct metric_change *change)
{
    enum reading reading = reading_of(series);
    struct values values = {.normal = calloc(series->n + METRIC_LEAST, sizeof(double)),
                            .now = calloc(series->n + 1, sizeof(double))};
    bool good = values.normal && values.now;
    *change = (struct metric_change){0};
    set_unit(series, reading, change);
    if (good)
        sort_values(series, reading, windows, &values);
    while (good && series->grew_from_0 && reading == READ_COUNTER && values.n_normal < METRIC_LEAST)
        values.normal[values.n_normal++] = 0;
    change->n_normal = values.n_normal;
    change->n_now = values.n_now;
    if (good && values.n_normal >= METRIC_LEAST && values.n_now > 0)
        weigh(&values, series->falls, floor_of(series, change), change);
    free(values.normal);
    free(values.now);
    return good;
}

/* ---- what it says ---- */

double metric_sureness(double z)
{
    return z > SIGNIFICANT_Z ? 1 - SIGNIFICANT_Z / z : 0;
}

double metric_growth(const struct metric_change *change, bool falls)
{
    double was = fabs(change->normal) + change->spread, is = fabs(change->held) + change->spread;
    return falls ? log(was / is) : log(is / was);
}

/* These pile up, too, where somebody waits for another who is slow. */
static bool piles_up(enum metric_cause cause)
{
    return cause == CAUSE_QUEUE || cause == CAUSE_CONNECTIONS || cause == CAUSE_THREADS ||
           cause == CAUSE_FILES || cause == CAUSE_LOCKS || cause == CAUSE_POOL_OVERFLOW;
}

double metric_gain(const struct metric_samples *series, const struct metric_change *change,
                   double less)
{
    if (!(change->held_z > SIGNIFICANT_Z))
        return 0;
    double own = metric_growth(change, series->falls) - less;
    own = fmin(fmax(own, 0), GAUGE_MOST) * metric_sureness(change->held_z);
    return piles_up(series->cause) ? GAUGE_WAITING * own : own;
}

/* ---- suspects ---- */

/* The strongest series of a suspect, each of another cause. */
struct cause {
    const struct metric_samples *series;
    struct metric_change change;
};

static void keep_strongest(struct cause causes[METRIC_TELLS], const struct cause *found)
{
    int n = 0, at = 0;
    for (int i = 0; i < METRIC_TELLS && causes[i].series; i++) {
        bool same = causes[i].series->cause == found->series->cause;
        if (same && causes[i].change.z >= found->change.z)
            return;
        if (!same)
            causes[n++] = causes[i];
    }
    while (at < n && causes[at].change.z >= found->change.z)
        at++;
    for (int i = n < METRIC_TELLS ? n : METRIC_TELLS - 1; i > at; i--)
        causes[i] = causes[i - 1];
    if (at < METRIC_TELLS)
        causes[at] = *found;
}

static bool find_causes(const struct metric_samples_list *list, uint32_t suspect,
                        struct cause causes[METRIC_TELLS])
{
    for (uint32_t i = 0; i < list->n; i++) {
        struct cause found = {.series = &list->items[i]};
        if (found.series->service != suspect)
            continue;
        if (!metric_compare(found.series, list, &found.change))
            return false;
        if (found.change.z > SIGNIFICANT_Z && !is_of_several(list, found.series))
            keep_strongest(causes, &found);
    }
    return true;
}

struct str metric_say(struct work *work, const struct metric_change *change, double value)
{
    static const char *const sizes[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    if (change->kind == UNIT_NS)
        return say_ns(work, value);
    if (change->kind == UNIT_RATIO)
        return say_share(work, value);
    if (!change->bytes)
        return say(work, fabs(value) < 1000 ? "%.3g" : "%.0f", value);
    int size = 0;
    for (; fabs(value) >= 1024 && size < 4; size++)
        value /= 1024;
    return say(work, "%.3g %s", value, sizes[size]);
}

static void tell(struct work *work, const struct cause *cause, struct suspect *suspect)
{
    const struct metric_samples *series = cause->series;
    const struct metric_change *change = &cause->change;
    /* Beside what requests say; the weakest of that makes room. */
    if (suspect->n_evidence == MAX_EVIDENCE)
        suspect->n_evidence--;
    bool named = series->instance.len && !suspect->instance.len;
    suspect->evidence[suspect->n_evidence++] = (struct evidence){
        .kind = EVIDENCE_METRIC,
        .metric = arena_dup(work->arena, series->name),
        .unit = change->kind,
        .baseline = change->normal,
        .observed = change->observed,
        .deviation = change->z,
        .text = say(work, "%s: %.*s %.*s → %.*s%s%s%.*s", metric_cause_word(series->cause),
                    STR_ARG(series->name), STR_ARG(metric_say(work, change, change->normal)),
                    STR_ARG(metric_say(work, change, change->observed)),
                    change->rate ? " a second" : "", named ? " at " : "",
                    named ? (int)series->instance.len : 0, named ? series->instance.p : "")};
}

static double bonus_of(const struct cause *strongest)
{
    return strongest->series ? METRIC_BONUS * (1 - SIGNIFICANT_Z / strongest->change.z) : 0;
}

/* ---- the order again ---- */

static void hold_hints_below(struct diagnosis *diagnosis)
{
    double weakest = INFINITY;
    for (uint32_t i = 0; i < diagnosis->n_suspects; i++) {
        const struct suspect *suspect = &diagnosis->suspects[i];
        weakest = suspect->significant ? fmin(weakest, suspect->score) : weakest;
    }
    for (uint32_t i = 0; i < diagnosis->n_suspects; i++) {
        struct suspect *suspect = &diagnosis->suspects[i];
        if (!suspect->significant)
            suspect->score = fmin(suspect->score, HINT_SHARE * weakest);
    }
}

static bool stands_before(const struct suspect *a, const struct suspect *b)
{
    return a->significant != b->significant ? a->significant : a->score > b->score;
}

void metrics_rank_again(struct diagnosis *diagnosis)
{
    struct suspect *suspects = diagnosis->suspects;
    for (uint32_t i = 1; i < diagnosis->n_suspects; i++) {
        for (uint32_t k = i; k > 0 && stands_before(&suspects[k], &suspects[k - 1]); k--) {
            struct suspect swap = suspects[k];
            suspects[k] = suspects[k - 1];
            suspects[k - 1] = swap;
        }
    }
    for (uint32_t i = 0; i < diagnosis->n_suspects; i++) {
        double rival = i > 0                       ? suspects[0].score
                       : diagnosis->n_suspects > 1 ? suspects[1].score
                                                   : 0;
        suspects[i].rank = i + 1;
        suspects[i].confidence = suspect_confidence(diagnosis, &suspects[i], rival);
    }
}

bool metrics_weigh(const struct metric_samples_list *list, struct arena *arena, uint32_t limit,
                   struct diagnosis *diagnosis)
{
    struct work work = {.arena = arena};
    bool changed = false;
    for (uint32_t i = 0; i < diagnosis->n_suspects && list->n; i++) {
        struct suspect *suspect = &diagnosis->suspects[i];
        struct cause causes[METRIC_TELLS] = {{0}};
        if (!find_causes(list, i, causes))
            return false;
        for (int k = 0; k < METRIC_TELLS && causes[k].series; k++)
            tell(&work, &causes[k], suspect);
        suspect->score += bonus_of(&causes[0]);
        changed = changed || causes[0].series;
    }
    if (changed) {
        hold_hints_below(diagnosis);
        metrics_rank_again(diagnosis);
    }
    diagnosis->n_suspects = diagnosis->n_suspects < limit ? diagnosis->n_suspects : limit;
    return !work.memory_short;
}
