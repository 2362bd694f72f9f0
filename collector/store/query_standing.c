/* query_standing.c - what is no failure and stays, for the page Now: traffic that leaves by a
 * gateway to come back in, clear text, services that drop trace context.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/store/query_now.h"

#define MOST_STANDING 20u
#define MOST_GAPS 200 /* operations looked at, the worst first */

/* ---- edges ---- */

enum standing { STANDING_HAIRPIN, STANDING_PLAINTEXT, N_STANDINGS };

static int64_t standing_of(const struct gedge *edge, int kind)
{
    return kind == STANDING_HAIRPIN ? edge->now.hairpins : edge->now.security[SECURITY_PLAINTEXT];
}

/* Sums of the edges between two services. */
struct between {
    int64_t calls, count; /* count: of those that stand */
    int64_t added_ns, detours;
};

/* Two services may have several edges, by protocol and way; what stands is told of them once: false
 * when an edge before it told. */
static bool gather_standing(const struct graph_answer *answer, uint32_t first, int kind,
                            struct between *between)
{
    const struct gedge *edge = &answer->edges[first];
    *between = (struct between){0};
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        const struct gedge *other = &answer->edges[i];
        if (other->caller != edge->caller || other->callee != edge->callee)
            continue;
        if (i < first && standing_of(other, kind))
            return false;
        between->count += standing_of(other, kind);
        between->calls += other->now.calls;
        between->added_ns += other->now.added_ns;
        between->detours += other->now.detours;
    }
    return between->calls > 0;
}

static unsigned edges_json(const struct graph_answer *answer, struct buf *out)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        const struct gedge *edge = &answer->edges[i];
        for (int kind = 0; kind < N_STANDINGS && n < MOST_STANDING; kind++) {
            struct between between;
            if (!standing_of(edge, kind) || answer->nodes[edge->caller].role == ROLE_USER ||
                !gather_standing(answer, i, kind, &between))
                continue;
            buf_add_c(out, n++ ? ",{" : "{");
            json_member(out, "kind", kind ? STR("plaintext") : STR("hairpin"));
            json_member(out, "caller", str_of(answer->nodes[edge->caller].id));
            json_member(out, "callee", str_of(answer->nodes[edge->callee].id));
            json_member(out, "via", str_of(edge->via_text));
            json_number_member(out, "calls", between.count);
            json_number_member(out, "of", between.calls);
            if (!kind && between.detours)
                json_number_member(out, "added_ns", between.added_ns / between.detours);
            buf_add_char(out, '}');
        }
    }
    return n;
}

/* ---- who drops trace context ---- */

static uint32_t node_of_row(const struct graph_answer *answer, int64_t row)
{
    for (uint32_t i = 1; i < answer->mesh.n_nodes; i++) {
        if (answer->mesh.nodes[i].row == row)
            return answer->node_of[mesh_same(&answer->mesh, i)];
    }
    return UINT32_MAX;
}

/* One operation of one service in two versions is one. */
static bool add_gap(struct now *now, struct gap gap)
{
    for (uint32_t i = 0; i < now->n_gaps; i++) {
        struct gap *known = &now->gaps[i];
        if (known->node == gap.node && str_eq(known->operation, gap.operation)) {
            known->broken += gap.broken;
            return true;
        }
    }
    if (!arena_room(&now->answer.mesh.arena, (void **)&now->gaps, now->n_gaps, &now->cap_gaps,
                    sizeof(gap)))
        return false;
    now->gaps[now->n_gaps++] = gap;
    return true;
}

int now_find_gaps(struct now *now, struct err *err)
{
    const struct window window = now->answer.window;
    sqlite3_stmt *select;
    int code;
    if (query_begin(now->answer.mesh.query,
                    "SELECT g.node, n.text, sum(m.broken) FROM gap_minute_row m "
                    "JOIN gap g ON g.id = m.gap JOIN name n ON n.id = g.operation "
                    "WHERE m.minute >= ?1 AND m.minute < ?2 GROUP BY 1, 2 ORDER BY 3 DESC LIMIT ?3",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)(window.from_ns / NS_PER_MINUTE));
    sqlite3_bind_int64(select, 2, (int64_t)(window.to_ns / NS_PER_MINUTE));
    sqlite3_bind_int(select, 3, MOST_GAPS);
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        struct gap gap = {node_of_row(&now->answer, sqlite3_column_int64(select, 0)),
                          arena_dup(&now->answer.mesh.arena, column_str(select, 1)),
                          sqlite3_column_int64(select, 2)};
        if ((gap.operation.len && !gap.operation.p) ||
            (gap.node != UINT32_MAX && !add_gap(now, gap)))
            break;
    }
    return query_end(now->answer.mesh.query, select, code == SQLITE_ROW ? SQLITE_NOMEM : code, err);
}

/* Worth telling by the measure of a failure: a stray trace or two are not. Who gets no calls at all
 * may begin traces. */
static void gaps_json(const struct now *now, unsigned n, struct buf *out)
{
    for (uint32_t i = 0; i < now->n_gaps && n < MOST_STANDING; i++) {
        const struct gap *gap = &now->gaps[i];
        const struct gnode *node = &now->answer.nodes[gap->node];
        if (!node->in.calls || graph_mark_of(node->in.calls, gap->broken, 0) == MARK_NONE)
            continue;
        buf_add_c(out, n++ ? ",{" : "{");
        json_member(out, "kind", STR("gap"));
        json_member(out, "id", str_of(node->id));
        json_member(out, "operation", gap->operation);
        json_number_member(out, "calls", gap->broken);
        json_number_member(out, "of", node->in.calls);
        buf_add_char(out, '}');
    }
}

void now_standing_json(const struct now *now, struct buf *out)
{
    buf_add_c(out, ",\"standing\":[");
    gaps_json(now, edges_json(&now->answer, out), out);
    buf_add_char(out, ']');
}
