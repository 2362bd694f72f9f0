/* hints.c - where requests speak against nobody, what services say of themselves are hints: of
 * those whom requests show next to nothing of, and of those that take no part in any trace.
 */
#include <math.h>
#include <string.h>

#include "collector/localise/constants.h"
#include "collector/localise/gauges.h"
#include "collector/localise/metrics.h"

static struct suspect *find_same(struct suspect *suspects, uint32_t n, const struct node_text *node)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct node_text *other = &suspects[i].node;
        bool differ = node->namespace.len && other->namespace.len &&
                      !str_eq(node->namespace, other->namespace);
        if (!differ && str_eq(node->service, other->service) && suspects[i].level != SUSPECT_HOP)
            return &suspects[i];
    }
    return NULL;
}

bool hints_add(const struct metric_samples_list *list, struct arena *arena, uint32_t limit,
               double most, struct diagnosis *diagnosis)
{
    struct diagnosis told = {.n_suspects = 0};
    if (!localise_gauges(list, arena, limit, &told))
        return false;
    uint32_t n = diagnosis->n_suspects;
    struct suspect *suspects = arena_calloc(arena, (n + told.n_suspects + 2) * sizeof(*suspects));
    if (!suspects)
        return false;
    if (n)
        memcpy(suspects, diagnosis->suspects, n * sizeof(*suspects));
    for (uint32_t i = 0; i < told.n_suspects; i++) {
        const struct suspect *hint = &told.suspects[i];
        struct suspect *suspect = find_same(suspects, diagnosis->n_suspects, &hint->node);
        double bonus = most * fmin(1, hint->score / GAUGE_MOST);
        if (!suspect) {
            suspect = &suspects[n++];
            *suspect = *hint;
            suspect->score = 0;
            suspect->significant = false;
        } else {
            for (unsigned k = 0; k < hint->n_evidence && suspect->n_evidence < MAX_EVIDENCE; k++)
                suspect->evidence[suspect->n_evidence++] = hint->evidence[k];
        }
        suspect->score += bonus;
    }
    diagnosis->suspects = suspects;
    diagnosis->n_suspects = n;
    metrics_rank_again(diagnosis);
    diagnosis->n_suspects = n < limit ? n : limit;
    return true;
}
