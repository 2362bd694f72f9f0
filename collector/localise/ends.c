/* ends.c - how bad the calls of a group are, as their caller and as their callee: of the two ends
 * of a call that went wrong it is the one whose other calls go wrong as well.
 */
#include "collector/localise/work.h"

bool ends_init(struct work *work, uint32_t n_groups, struct ends *ends)
{
    bool good = true;
    for (int e = 0; e < 2; e++) {
        ends->sum[e] = arena_calloc(work->arena, (n_groups + 1) * sizeof(double));
        ends->n[e] = arena_calloc(work->arena, (n_groups + 1) * sizeof(double));
        good = good && ends->sum[e] && ends->n[e];
    }
    return good;
}

double edge_weight(int64_t calls)
{
    return (double)calls / ((double)calls + EDGE_HALF);
}

void ends_add(struct ends *ends, const struct pair *edge, double share, double weight)
{
    const uint32_t groups[2] = {edge->key.node, edge->key.peer};
    for (int e = 0; e < 2; e++) {
        ends->sum[e][groups[e]] += weight * share;
        ends->n[e][groups[e]] += weight;
    }
}

double ends_mean(const struct ends *ends, int end, uint32_t group)
{
    double n = ends->n[end][group];
    return n > 0 ? ends->sum[end][group] / n : 0;
}

void blame_end(struct work *work, const struct pair *edge, int end, double value,
               struct finding *finding)
{
    const uint32_t groups[2] = {edge->key.node, edge->key.peer};
    finding->group = groups[end];
    finding->peer = groups[1 - end];
    finding->end = end == 0 ? END_CALLER : END_CALLEE;
    finding->value = value;
    blame(work, finding);
}
