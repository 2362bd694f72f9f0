/* query_now.c - the state of things for the page Now: what users asked for and what failed, against
 * the window before; the sharpest way of failures; what is new. API: now.
 *
 * Nothing here judges: no suspect is ranked and no cause is named. The sharpest way is that of the
 * edge at which the most failures began, followed back to the entries along the most passed on.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/store/query_now.h"

#define MOST_ENTRIES 12

/* ---- entries ---- */

static int load_entries(struct now *now, struct err *err)
{
    const struct graph_answer *answer = &now->answer;
    sqlite3_stmt *select;
    uint32_t cap = 0;
    int code = SQLITE_DONE;
    if (query_begin(answer->mesh.query,
                    "SELECT o.id, n.text FROM operation_row o JOIN name n ON n.id = o.name "
                    "WHERE o.node = ?1 AND o.kind = ?2",
                    &select, err))
        return err->code;
    for (uint32_t i = 0; i < answer->mesh.n_edges && code == SQLITE_DONE; i++) {
        const struct mesh_edge *edge = &answer->mesh.edges[i];
        const struct mesh_node *callee = &answer->mesh.nodes[edge->callee];
        if (answer->mesh.nodes[edge->caller].role != ROLE_USER || edge->mine == UINT32_MAX)
            continue;
        sqlite3_bind_int64(select, 1, callee->row);
        sqlite3_bind_int64(select, 2, KIND_SERVER);
        while ((code = sqlite3_step(select)) == SQLITE_ROW) {
            int64_t row = sqlite3_column_int64(select, 0);
            if (now->n_entries == cap) {
                cap = cap ? 2 * cap : 64;
                struct entry *grown = realloc(now->entries, cap * sizeof(*grown));
                if (!grown)
                    break;
                now->entries = grown;
            }
            const char *name = arena_dup(&now->answer.mesh.arena, column_str(select, 1)).p;
            if (!name || !map_add(&now->entry_map, hash_u64((uint64_t)row), now->n_entries))
                break;
            now->entries[now->n_entries++] =
                (struct entry){.node = answer->node_of[mesh_same(&answer->mesh, edge->callee)],
                               .name = name,
                               .row = row};
        }
        sqlite3_reset(select);
    }
    return query_end(answer->mesh.query, select, code == SQLITE_ROW ? SQLITE_NOMEM : code, err);
}

static struct entry *entry_of(const struct now *now, int64_t row)
{
    for (struct map_iter it = map_find(&now->entry_map, hash_u64((uint64_t)row));
         map_next(&now->entry_map, &it);) {
        if (now->entries[it.value].row == row)
            return &now->entries[it.value];
    }
    return NULL;
}

static int sum_entries(struct now *now, struct window window, bool base, struct err *err)
{
    sqlite3_stmt *select;
    int code;
    if (query_begin(now->answer.mesh.query,
                    "SELECT operation, calls, errors, client_errors, histogram "
                    "FROM operation_minute_row WHERE minute >= ?1 AND minute < ?2",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)(window.from_ns / NS_PER_MINUTE));
    sqlite3_bind_int64(select, 2, (int64_t)(window.to_ns / NS_PER_MINUTE));
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        struct entry *entry = entry_of(now, sqlite3_column_int64(select, 0));
        if (!entry)
            continue;
        struct traffic *traffic = base ? &entry->was : &entry->now;
        traffic->calls += sqlite3_column_int64(select, 1);
        traffic->began += sqlite3_column_int64(select, 2);
        traffic->client_errors += sqlite3_column_int64(select, 3);
        struct str blob = {sqlite3_column_blob(select, 4), (size_t)sqlite3_column_bytes(select, 4)};
        histogram_decode(&traffic->histogram, blob);
    }
    return query_end(now->answer.mesh.query, select, code, err);
}

/* One operation of one service in two versions is one entry. */
static void merge_entries(struct now *now)
{
    for (uint32_t i = 0; i < now->n_entries; i++) {
        for (uint32_t k = 0; k < i; k++) {
            struct entry *into = &now->entries[k], *from = &now->entries[i];
            if (into->node != from->node || strcmp(into->name, from->name) != 0 || !into->row)
                continue;
            traffic_merge(&into->now, &from->now);
            traffic_merge(&into->was, &from->was);
            traffic_fini(&from->now);
            traffic_fini(&from->was);
            from->now = from->was = (struct traffic){0};
            from->row = 0;
            break;
        }
    }
}

static double badness(const struct entry *entry)
{
    return graph_mark_of(entry->now.calls, entry->now.began, 0) == MARK_NONE
               ? 0
               : (double)entry->now.began;
}

static int worst_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    double bad_x = badness(x), bad_y = badness(y);
    if (bad_x != bad_y)
        return bad_x > bad_y ? -1 : 1;
    if (x->now.calls != y->now.calls)
        return x->now.calls > y->now.calls ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* ---- the sharpest way ---- */

static int more_began(const struct gedge *x, const struct gedge *y)
{
    return (x->now.began > y->now.began) - (x->now.began < y->now.began);
}

/* The edges at which most failures began, if they are worth a mark. */
static void find_origins(struct now *now)
{
    const struct graph_answer *answer = &now->answer;
    while (now->n_origins < MOST_ORIGINS) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < answer->n_edges; i++) {
            bool had = false;
            for (uint32_t k = 0; k < now->n_origins; k++)
                had = had || now->origin_edges[k] == i;
            if (!had && answer->edges[i].mark == MARK_BEGAN &&
                (best == UINT32_MAX || more_began(&answer->edges[i], &answer->edges[best]) > 0))
                best = i;
        }
        if (best == UINT32_MAX)
            return;
        now->origin_edges[now->n_origins++] = best;
    }
}

/* The edge into this node that passed the most failures on. */
static uint32_t worst_into(const struct now *now, uint32_t node)
{
    const struct graph_answer *answer = &now->answer;
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        const struct gedge *edge = &answer->edges[i];
        if (edge->callee != node || edge->caller == node || !edge->now.passed)
            continue;
        if (best == UINT32_MAX || edge->now.passed > answer->edges[best].now.passed)
            best = i;
    }
    return best;
}

static void find_path(struct now *now)
{
    uint32_t back[MOST_PATH], n = 0;
    uint32_t edge = now->n_origins ? now->origin_edges[0] : UINT32_MAX;
    while (edge != UINT32_MAX && n < MOST_PATH) {
        for (uint32_t i = 0; i < n; i++) {
            if (back[i] == edge)
                edge = UINT32_MAX; /* in a circle */
        }
        if (edge == UINT32_MAX)
            break;
        back[n++] = edge;
        edge = worst_into(now, now->answer.edges[edge].caller);
    }
    for (uint32_t i = 0; i < n; i++)
        now->path[i] = back[n - 1 - i];
    now->n_path = n;
}

/* ---- JSON ---- */

static void entries_json(const struct now *now, struct buf *out)
{
    const struct graph_answer *answer = &now->answer;
    buf_add_c(out, ",\"entries\":[");
    for (uint32_t i = 0, n = 0; i < now->n_entries && n < MOST_ENTRIES; i++) {
        const struct entry *entry = &now->entries[i];
        if (!entry->now.calls && !entry->was.calls)
            continue;
        buf_add_c(out, n++ ? ",{" : "{");
        json_member(out, "id", str_of(answer->nodes[entry->node].id));
        json_member(out, "service", str_of(answer->nodes[entry->node].node->text[SERVICE]));
        json_member(out, "operation", str_of(entry->name));
        traffic_json(&entry->now, out);
        buf_add_c(out, ",\"was\":{");
        traffic_json(&entry->was, out);
        buf_add_c(out, "}}");
    }
    buf_add_char(out, ']');
}

static void requests_json(const struct now *now, struct buf *out)
{
    const struct graph_answer *answer = &now->answer;
    struct traffic both[2] = {{0}, {0}};
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        if (answer->nodes[answer->edges[i].caller].role != ROLE_USER)
            continue;
        traffic_merge(&both[0], &answer->edges[i].now);
        traffic_merge(&both[1], &answer->edges[i].was);
    }
    buf_add_c(out, ",\"requests\":{");
    traffic_json(&both[0], out);
    buf_add_c(out, ",\"was\":{");
    traffic_json(&both[1], out);
    buf_add_c(out, "}}");
    traffic_fini(&both[0]);
    traffic_fini(&both[1]);
}

/* A step of the way is all that went from the one to the other, also where it crossed differently.
 */
static void step_json(const struct graph_answer *answer, const struct gedge *edge, struct buf *out)
{
    struct gedge all = *edge;
    all.now = all.was = (struct traffic){0};
    all.n_merged = 0;
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        const struct gedge *other = &answer->edges[i];
        if (other->caller != edge->caller || other->callee != edge->callee)
            continue;
        traffic_merge(&all.now, &other->now);
        traffic_merge(&all.was, &other->was);
        all.n_merged += other->n_merged;
    }
    graph_edge_json(answer, &all, out);
    traffic_fini(&all.now);
    traffic_fini(&all.was);
}

static void path_json(const struct now *now, struct buf *out)
{
    const struct graph_answer *answer = &now->answer;
    buf_add_c(out, ",\"path\":{\"nodes\":[");
    for (uint32_t i = 0; i < now->n_path; i++) {
        const struct gedge *edge = &answer->edges[now->path[i]];
        if (i == 0)
            graph_node_json(answer, &answer->nodes[edge->caller], out);
        buf_add_char(out, ',');
        graph_node_json(answer, &answer->nodes[edge->callee], out);
    }
    buf_add_c(out, "],\"edges\":[");
    for (uint32_t i = 0; i < now->n_path; i++) {
        if (i)
            buf_add_char(out, ',');
        step_json(answer, &answer->edges[now->path[i]], out);
    }
    buf_add_c(out, "]}");
}

static void series_json(struct now *now, struct buf *out)
{
    buf_add_c(out, ",\"series\":{");
    steps_json(&now->steps, out);
    counts_json("requests", &now->steps, now->users->calls, out);
    for (uint32_t i = 0; i < now->steps.n; i++)
        now->users->began[i] += now->users->passed[i];
    counts_json("failed", &now->steps, now->users->began, out);
    buf_add_char(out, '}');
}

/* Calls of others to the callee of an edge. */
static void others_json(const struct now *now, const struct gedge *of, struct buf *out)
{
    const struct graph_answer *answer = &now->answer;
    struct traffic others = {0};
    uint32_t n = 0;
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        const struct gedge *edge = &answer->edges[i];
        if (edge->callee != of->callee || edge->caller == of->caller)
            continue;
        traffic_merge(&others, &edge->now);
        n++;
    }
    buf_addf(out, ",\"others\":{\"callers\":%u", n);
    traffic_json(&others, out);
    buf_add_char(out, '}');
    traffic_fini(&others);
}

static void origins_json(const struct now *now, struct buf *out)
{
    const struct graph_answer *answer = &now->answer;
    buf_add_c(out, ",\"origins\":[");
    for (uint32_t i = 0; i < now->n_origins; i++) {
        const struct gedge *edge = &answer->edges[now->origin_edges[i]];
        buf_add_c(out, i ? ",{\"edge\":" : "{\"edge\":");
        graph_edge_json(answer, edge, out);
        buf_add_c(out, ",\"caller\":");
        graph_node_json(answer, &answer->nodes[edge->caller], out);
        buf_add_c(out, ",\"callee\":");
        graph_node_json(answer, &answer->nodes[edge->callee], out);
        counts_json("began", &now->steps, now->origins[i]->began, out);
        others_json(now, edge, out);
        buf_add_char(out, '}');
    }
    int64_t all = 0;
    for (uint32_t i = 0; i < answer->n_edges; i++)
        all += answer->edges[i].now.began;
    buf_addf(out, "],\"began\":%lld", (long long)all);
}

/* ---- the whole ---- */

static bool make_room(struct now *now)
{
    size_t n = now->answer.n_edges + 1;
    now->first_ns = calloc(n, sizeof(*now->first_ns));
    now->first_plain_ns = calloc(n, sizeof(*now->first_plain_ns));
    now->users = series_new(false);
    bool good = now->first_ns && now->first_plain_ns && now->users;
    for (uint32_t i = 0; i < now->n_origins; i++) {
        now->origins[i] = series_new(false);
        good = good && now->origins[i];
    }
    return good;
}

static void now_free(struct now *now)
{
    for (uint32_t i = 0; i < now->n_entries; i++) {
        traffic_fini(&now->entries[i].now);
        traffic_fini(&now->entries[i].was);
    }
    for (uint32_t i = 0; i < now->n_origins; i++)
        series_free(now->origins[i]);
    series_free(now->users);
    map_fini(&now->entry_map);
    free(now->entries);
    free(now->first_ns);
    free(now->first_plain_ns);
    graph_fini(&now->answer);
    free(now);
}

static int gather(struct now *now, struct err *err)
{
    find_origins(now);
    find_path(now);
    if (!make_room(now))
        return err_set(err, ERR_BUSY, "memory is short");
    if (load_entries(now, err) || sum_entries(now, now->answer.window, false, err) ||
        sum_entries(now, now->answer.base, true, err) || now_look_again(now, err) ||
        now_find_gaps(now, err) || graph_examples(&now->answer, err))
        return err->code;
    merge_entries(now);
    if (now->n_entries > 1)
        qsort(now->entries, now->n_entries, sizeof(*now->entries), worst_first);
    now_find_changes(now);
    return 0;
}

int query_now_json(struct query *query, struct window window, struct window base, struct buf *out,
                   struct err *err)
{
    struct now *now = calloc(1, sizeof(*now));
    if (!now)
        return err_set(err, ERR_BUSY, "memory is short");
    steps_init(&now->steps, window);
    if (!graph_load(&now->answer, query, LEVEL_SERVICE, window, base, err) && !gather(now, err)) {
        buf_add_char(out, '{');
        graph_head_json(&now->answer, out);
        requests_json(now, out);
        entries_json(now, out);
        path_json(now, out);
        series_json(now, out);
        origins_json(now, out);
        now_standing_json(now, out);
        now_changes_json(now, out);
        buf_add_char(out, '}');
    }
    now_free(now);
    return err->code;
}
