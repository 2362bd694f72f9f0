/* query_search.h - what the page's Traces view asks; the JSON is described in web/openapi.json. */
#ifndef STORE_QUERY_SEARCH_H
#define STORE_QUERY_SEARCH_H

#include "collector/store/query.h"

enum search_order { ORDER_NEW, ORDER_SLOW, ORDER_FAILED };

/* A box drawn into the picture of durations over time. */
struct search_box {
    bool drawn;
    uint64_t from_ns, to_ns;    /* starts, half open */
    uint64_t least_ns, most_ns; /* durations, both in */
    bool failed, good;          /* only these; never both */
};

struct search_request {
    struct window window;
    struct str q; /* see search_text.h */
    struct search_box box;
    enum search_order order;
    uint32_t limit;    /* 1…1000 */
    struct str cursor; /* from the last answer's "next" */
    struct str ids; /* of a page: these traces in this order, whenever they were; '' all that fit */
    uint32_t sample;  /* most traces of either kind that are compared; 0: as many as the page */
    struct str about; /* only spans that tell of calls to this service are compared; '' all */
};

/* A page of traces, in the box where one is drawn. */
int query_search_traces_json(struct query *query, const struct search_request *request,
                             struct buf *out, struct err *err);
/* Counts by facet, a sample of points, a histogram; the box counts, it hides nothing. */
int query_search_overview_json(struct query *query, const struct search_request *request,
                               struct buf *out, struct err *err);
/* What tells the traces in the box (without one: the failed, else the slowest) from the others. */
int query_search_different_json(struct query *query, const struct search_request *request,
                                struct buf *out, struct err *err);
/* The same search as SQL on the views, and as a command. */
int query_search_sql_json(struct query *query, const struct search_request *request,
                          struct buf *out, struct err *err);
/* Up to 10,000 of the traces as CSV; a cell that a spreadsheet would run begins with an apostrophe.
 */
int query_search_csv(struct query *query, const struct search_request *request, struct buf *out,
                     struct err *err);
/* Services, operations, edges that a few letters name: at most eight. */
int query_search_places_json(struct query *query, struct str q, struct buf *out, struct err *err);

#endif
