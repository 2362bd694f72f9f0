/* query_series.c - counts over time, and the questions that are nothing else: /api/v1/series. */
#include "collector/store/query_series.h"

#include <stdlib.h>

#include "collector/base/clock.h"

/* ---- steps ---- */

void steps_init(struct steps *steps, struct window window)
{
    window = window_of_minutes(window);
    uint64_t minutes = (window.to_ns - window.from_ns) / NS_PER_MINUTE;
    *steps = (struct steps){.window = window, .minutes = 1};
    static const uint32_t sizes[] = {1, 2, 5, 10, 15, 30, 60, 120, 240, 720, 1440};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        steps->minutes = sizes[i];
        if (minutes <= (uint64_t)MOST_STEPS * sizes[i])
            break;
    }
    uint64_t n = (minutes + steps->minutes - 1) / steps->minutes;
    steps->n = n < MOST_STEPS ? (uint32_t)n : MOST_STEPS;
}

uint32_t steps_at(struct steps *steps, int64_t minute)
{
    int64_t at = (minute - (int64_t)(steps->window.from_ns / NS_PER_MINUTE)) / steps->minutes;
    if (at < 0 || at >= steps->n)
        return steps->n;
    steps->known[at] = 1;
    return (uint32_t)at;
}

/* The step that is not over is short. */
static double seconds_of(const struct steps *steps, uint32_t i)
{
    uint64_t step_ns = steps->minutes * NS_PER_MINUTE, now_ns = clock_wall_ns() - SHOWN_AFTER_NS;
    uint64_t begin_ns = steps->window.from_ns + i * step_ns, end_ns = begin_ns + step_ns;
    end_ns = end_ns < steps->window.to_ns ? end_ns : steps->window.to_ns;
    end_ns = end_ns < now_ns ? end_ns : now_ns;
    return end_ns > begin_ns ? (double)(end_ns - begin_ns) / NS_PER_S : 0;
}

void steps_json(const struct steps *steps, struct buf *out)
{
    buf_add_c(out, "\"step_ns\":");
    buf_add_u64(out, steps->minutes * NS_PER_MINUTE);
    buf_add_c(out, ",\"seconds\":[");
    for (uint32_t i = 0; i < steps->n; i++) {
        if (i)
            buf_add_char(out, ',');
        buf_add_double(out, seconds_of(steps, i));
    }
    buf_add_char(out, ']');
}

/* ---- series ---- */

struct series *series_new(bool latency)
{
    struct series *series = calloc(1, sizeof(*series));
    if (!series || !latency)
        return series;
    series->latency = calloc(MOST_STEPS + 1, sizeof(*series->latency));
    if (series->latency)
        return series;
    free(series);
    return NULL;
}

void series_free(struct series *series)
{
    if (!series)
        return;
    for (uint32_t i = 0; series->latency && i <= MOST_STEPS; i++)
        histogram_fini(&series->latency[i]);
    free(series->latency);
    free(series);
}

bool series_add(struct series *series, uint32_t step, const struct mesh_row *row)
{
    series->calls[step] += row->calls;
    series->began[step] += row->began;
    series->passed[step] += row->passed;
    return !series->latency || histogram_decode(&series->latency[step], row->histogram);
}

void counts_json(const char *name, const struct steps *steps, const int64_t *counts,
                 struct buf *out)
{
    buf_addf(out, ",\"%s\":[", name);
    for (uint32_t i = 0; i < steps->n; i++) {
        if (i)
            buf_add_char(out, ',');
        if (steps->known[i])
            buf_add_i64(out, counts[i]);
        else
            buf_add_c(out, "null");
    }
    buf_add_char(out, ']');
}

void latency_json(const char *name, const struct steps *steps, const struct series *series,
                  double q, struct buf *out)
{
    buf_addf(out, ",\"%s\":[", name);
    for (uint32_t i = 0; i < steps->n; i++) {
        uint64_t ns = histogram_quantile(&series->latency[i], q);
        if (i)
            buf_add_char(out, ',');
        if (ns == UINT64_MAX)
            buf_add_c(out, "null");
        else
            buf_add_u64(out, ns);
    }
    buf_add_char(out, ']');
}

/* ---- what users asked for, over time ---- */

struct entry_series {
    struct steps steps;
    struct series *series;
};

static void add_entry(struct mesh *mesh, const struct mesh_row *row, void *ctx)
{
    struct entry_series *entries = ctx;
    uint32_t step = steps_at(&entries->steps, row->minute);
    (void)mesh;
    if (step < entries->steps.n)
        series_add(entries->series, step, row);
}

int query_series_json(struct query *query, struct window window, struct buf *out, struct err *err)
{
    static const char entry_edges[] =
        "SELECT e.id FROM node d JOIN edge e ON e.caller = d.id WHERE d.role = ?";
    struct mesh mesh;
    struct entry_series entries = {.series = series_new(false)};
    int64_t *rows = NULL;
    uint32_t n;
    if (!entries.series)
        return err_set(err, ERR_BUSY, "memory is short");
    steps_init(&entries.steps, window);
    struct mesh_rows_to to = {add_entry, &entries};
    if (!mesh_init(&mesh, query, LEVEL_SERVICE, err) &&
        !mesh_edge_rows(&mesh, entry_edges, ROLE_USER, &rows, &n, err) &&
        !mesh_rows_of(&mesh, window, rows, n, to, err)) {
        buf_add_c(out, "{\"from\":\"");
        buf_add_time(out, entries.steps.window.from_ns);
        buf_add_c(out, "\",\"to\":\"");
        buf_add_time(out, entries.steps.window.to_ns);
        buf_add_c(out, "\",");
        steps_json(&entries.steps, out);
        counts_json("requests", &entries.steps, entries.series->calls, out);
        for (uint32_t i = 0; i < entries.steps.n; i++)
            entries.series->began[i] += entries.series->passed[i];
        counts_json("failed", &entries.steps, entries.series->began, out);
        buf_add_char(out, '}');
    }
    free(rows);
    mesh_fini(&mesh);
    series_free(entries.series);
    return err->code;
}
