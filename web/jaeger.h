/* jaeger.h - what the two generations of Jaeger's query API share: a search in the making. */
#ifndef WEB_JAEGER_H
#define WEB_JAEGER_H

#include "web/others.h"

#define JAEGER_DEFAULT_TRACES 100

struct jaeger_asked {
    struct span_wanted wanted;
    struct span_tag tags[MOST_SPAN_TAGS];
    struct arena arena; /* texts of tags */
};

/* Each gives false, with err, for what cannot be read; what is empty is the default. */
bool jaeger_add_tag(struct jaeger_asked *asked, struct str key, struct str value, struct err *err);
/* A JSON object of texts; numbers and truths stand for their text. */
bool jaeger_tags(const struct http_request *request, const char *name, struct jaeger_asked *asked,
                 struct err *err);
/* As Go writes it; 0 when empty. */
bool jaeger_duration(const struct http_request *request, const char *name, uint64_t *ns,
                     struct err *err);

/* `name` is a kind of spans; '' any. */
bool jaeger_kind(const struct http_request *request, const char *name, struct str *kind,
                 struct err *err);
/* A row of query_span_operations() as {"name","spanKind"}; `ctx` is a struct others_list. */
bool jaeger_add_operation(const struct query_rows *rows, void *ctx);

#endif
