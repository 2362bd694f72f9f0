/* search_match.h - does a trace satisfy the conditions of a search? */
#ifndef STORE_SEARCH_MATCH_H
#define STORE_SEARCH_MATCH_H

#include "collector/store/search.h"

/* Prepares: which nodes satisfy which condition. */
int search_match_open(struct search *search, struct err *err);
/* Bits of the conditions that do not hold; may stop once more than `most_failed` are found. */
uint32_t search_match(struct search *search, const struct search_trace *trace,
                      unsigned most_failed);
/* Bits of the conditions on attributes that an attribute set's text (members without braces)
 * satisfies. */
uint32_t search_attributes_fit(const struct search *search, struct str members);

#endif
