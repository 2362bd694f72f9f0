/* series_symptom.c - what users feel at the entries, as far as series tell it, and since when. */
#include <math.h>
#include <stdlib.h>

#include "collector/localise/onset.h"
#include "collector/localise/series_work.h"
#include "collector/localise/statistics.h"

/* ---- since when ---- */

bool find_onset(struct mesh *mesh, struct diagnosis *diagnosis)
{
    struct request_minute *rows = calloc(mesh->n_minutes + 1, sizeof(*rows));
    size_t n = 0;
    if (!rows)
        return false;
    for (uint32_t i = 0; i < mesh->input->list->n; i++) {
        const struct mesh_series *series = &mesh->input->list->items[i];
        uint32_t caller = end_of(mesh, &series->caller);
        const struct edge *edge = edge_of(mesh, caller, end_of(mesh, &series->callee));
        const struct sums *in = &mesh->ends[caller].in;
        bool surer =
            series->by_caller == (series->times ? edge->times_by_caller : edge->calls_by_caller);
        for (uint32_t k = 0; k < series->n && surer && in->calls[0] + in->calls[1] <= 0; k++) {
            uint64_t at = series->minutes[k].minute - mesh->first_minute;
            struct request_minute *row = at < mesh->n_minutes ? &rows[at] : NULL;
            if (!row || time_of(mesh->diagnosis, series->minutes[k].minute) < 0)
                continue;
            row->n += series->times ? 0 : llround(series->minutes[k].n);
            row->failed += series->failed && !series->times ? llround(series->minutes[k].n) : 0;
            row->sum_ns += llround(series->minutes[k].ns);
        }
    }
    for (uint32_t i = 0; i < mesh->n_minutes; i++) {
        rows[i].minute = mesh->first_minute + i;
        if (rows[i].n > 0)
            rows[n++] = rows[i];
    }
    diagnosis->onset_ns = onset_ns(rows, n, 0);
    free(rows);
    return true;
}

/* ---- what users feel ---- */

/* The entry of a call from outside. */
static const struct node_text *entry_of(const struct mesh *mesh, const struct edge *edge)
{
    const struct end *caller = &mesh->ends[edge->caller];
    if (caller->in.calls[0] + caller->in.calls[1] > 0)
        return NULL;
    return caller->node.service.len ? &caller->node : &mesh->ends[edge->callee].node;
}

static struct series_symptom symptom_at(const struct mesh *mesh, const struct node_text *entry)
{
    struct series_symptom symptom = {.entry = *entry};
    struct sums sums = {.calls = {0, 0}};
    for (uint32_t i = 0; i < mesh->n_edges; i++) {
        const struct node_text *other = entry_of(mesh, &mesh->edges[i]);
        if (other && same_node(other, entry))
            add_sums(&sums, &mesh->edges[i].sums);
    }
    for (int t = 0; t < 2; t++) {
        symptom.calls[t] = sums.calls[t];
        symptom.failed[t] = sums.failed[t];
        symptom.mean_ns[t] = mean_ns(&sums, t);
    }
    return symptom;
}

/* Nobody knows how single requests scatter: they are slower where somebody is, beyond chance. */
static bool somebody_slows(const struct mesh *mesh)
{
    for (uint32_t i = 0; i < mesh->n_ends; i++) {
        if (slows(&mesh->ends[i]))
            return true;
    }
    return false;
}

static double judge_symptom(const struct mesh *mesh, struct series_symptom *symptom)
{
    if (symptom->calls[0] < SYMPTOM_NORMAL || symptom->calls[1] < MIN_TIMES)
        return 0;
    double rise = symptom->failed[1] / symptom->calls[1] - symptom->failed[0] / symptom->calls[0];
    double z = two_proportions(symptom->failed[0], symptom->calls[0], symptom->failed[1],
                               symptom->calls[1]);
    double growth = symptom->mean_ns[0] > 0 ? symptom->mean_ns[1] / symptom->mean_ns[0] - 1 : 0;
    symptom->failing = z > SYMPTOM_Z && rise >= SYMPTOM_FAILED;
    symptom->slower = !symptom->failing && growth > SERIES_SLOWER && somebody_slows(mesh);
    return symptom->failing ? 1 + rise : symptom->slower ? growth / (1 + growth) : 0;
}

void find_symptom(const struct mesh *mesh, struct series_symptom *sharpest)
{
    double most = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < mesh->n_edges; i++) {
        const struct node_text *entry = entry_of(mesh, &mesh->edges[i]);
        struct series_symptom symptom;
        double weight;
        if (!entry)
            continue;
        symptom = symptom_at(mesh, entry);
        weight = judge_symptom(mesh, &symptom);
        if (weight > most) {
            most = weight;
            *sharpest = symptom;
        }
    }
    for (uint32_t i = 0; i < mesh->n_minutes; i++) {
        bool some = false;
        for (uint32_t e = 0; e < mesh->n_ends && !some; e++)
            some = mesh->minute_n[(size_t)e * mesh->n_minutes + i] > 0;
        n += some && time_of(mesh->diagnosis, mesh->first_minute + i) == 0;
    }
    sharpest->n_minutes = n;
}
