/* search_facets.h - counts of a search's traces by what one would narrow it to. Private to
 * query_search_overview.c and its tests.
 */
#ifndef STORE_SEARCH_FACETS_H
#define STORE_SEARCH_FACETS_H

#include "collector/store/search.h"

struct facet_row {
    uint64_t key;
    uint64_t n;
};

struct facet_tally {
    struct map map;
    struct facet_row *rows;
    uint32_t n, cap;
};

enum facet {
    FACET_STATUS,
    FACET_BEGAN,
    FACET_ENTRY,
    FACET_SERVICE,
    FACET_VERSION,
    FACET_FLAG,
    N_FACETS
};

struct facets {
    struct facet_tally tallies[N_FACETS];
    uint32_t *service_of; /* node -> the first node of the same service name */
    uint32_t *stamps;     /* by node: the last trace that counted it */
    uint32_t stamp;
    uint32_t of_facet[N_FACETS]; /* bits of the conditions that a facet stands for */
    uint32_t focus; /* node whose service's versions are counted; 0: chosen at the end */
    struct facet_tally versions; /* by node */
};

int facets_open(struct facets *facets, struct search *search, struct err *err);
void facets_close(struct facets *facets);
/* A trace that fails the conditions of `failed` (at most one). */
void facets_count(struct facets *facets, const struct search *search,
                  const struct search_trace *trace, uint32_t failed);
/* Response flags of one trace of a sample: reads its spans. */
void facets_count_flags(struct facets *facets, struct search *search, int64_t trace_no);
/* `"facets":[…]`; flags were counted in `n_sampled` of `n_whole` traces. */
void facets_json(struct facets *facets, struct search *search, uint64_t n_sampled, uint64_t n_whole,
                 struct buf *out);

#endif
