/* search_pairs.h - the attributes of sampled traces as pairs of dimension and value, each with the
 * traces that have it. Private to query_search_different.c.
 */
#ifndef STORE_SEARCH_PAIRS_H
#define STORE_SEARCH_PAIRS_H

#include "collector/store/search.h"

#define MOST_PAIRS 20000u
#define MOST_VALUES_A_DIMENSION 300u /* beyond, it is an id or a measure and not compared */

struct dimension {
    struct str key;   /* as in a search line: version, flag, http.route … */
    struct str scope; /* '' or SERVICE or CALLER→CALLEE */
    bool attribute;   /* its key is quoted when it looks like a word */
    bool dropped;
    uint32_t n_values;
    uint32_t first_pair; /* list by pair.next; UINT32_MAX: none */
};

struct pair {
    uint32_t dimension, next;
    struct str value;
    uint64_t *traces; /* a bit for each sampled trace */
    uint32_t n[2];    /* traces of the others, of the selected */
};

struct pairs {
    struct search *search;
    struct str about; /* only attributes of spans that tell of calls to this service; '' all */
    size_t n_traces, n_selected; /* the selected come first */
    struct dimension *dimensions;
    uint32_t n_dimensions, cap_dimensions;
    struct pair *pairs;
    uint32_t n_pairs, cap_pairs;
    struct map dimension_map, pair_map, list_map;
    struct pair_list *lists; /* of attribute sets and resources */
    uint32_t n_lists, cap_lists;
    bool full;
};

/* `about` is all when ''. */
void pairs_open(struct pairs *pairs, struct search *search, struct str about, size_t n_selected,
                size_t n_traces);
void pairs_close(struct pairs *pairs);
/* Reads the trace's row and spans; it is the `at`-th. */
void pairs_add_trace(struct pairs *pairs, int64_t trace_no, size_t at);
/* Traces of one group that have both pairs. */
uint32_t pairs_both(const struct pairs *pairs, const struct pair *a, const struct pair *b,
                    bool selected);

#endif
