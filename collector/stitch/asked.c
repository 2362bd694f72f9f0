/* asked.c - what a call asked for, in the words of its spans. Many SDKs name all their client spans
 * `GET`: of two such calls to one callee only this tells whether the second takes up the first.
 *
 * It is looked for in the spans' attributes, so only where a failed call makes it matter.
 */
#include "collector/base/hash.h"
#include "collector/stitch/work.h"

static struct str first_text(const struct record *record, const struct str *keys, size_t n)
{
    struct str text = STR_NONE;
    for (size_t i = 0; i < n && !text.len; i++)
        text = span_escaped(record, keys[i]);
    return text;
}

static uint64_t known_hash(struct str text)
{
    return text.len ? hash_str(text) | 1 : 0;
}

/* Attempts may go to several hosts. */
static struct str without_host(struct str url)
{
    ptrdiff_t mark = str_find(url, ':');
    if (mark < 0 || !str_starts(str_skip(url, (size_t)mark), STR("://")))
        return url;
    struct str rest = str_skip(url, (size_t)mark + 3);
    ptrdiff_t slash = str_find(rest, '/');
    return slash < 0 ? STR("/") : str_skip(rest, (size_t)slash);
}

/* One SDK tells the query apart, the other leaves it where it is. */
static struct str without_query(struct str target)
{
    ptrdiff_t mark = str_find(target, '?');
    return mark < 0 ? target : (struct str){target.p, (size_t)mark};
}

static uint64_t method_of(const struct record *record)
{
    static const struct str keys[] = {STR("http.request.method"), STR("http.method")};
    return known_hash(first_text(record, keys, 2));
}

/* The request as who made it writes it down: its attempts agree on all of it. */
static uint64_t request_of(const struct record *record)
{
    static const struct str keys[] = {STR("url.full"),    STR("http.url"),  STR("url.path"),
                                      STR("http.target"), STR("grpc.path"), STR("db.query.text"),
                                      STR("db.statement")};
    return known_hash(without_host(first_text(record, keys, sizeof(keys) / sizeof(keys[0]))));
}

/* As it came to the callee, whose versions may write it down in several ways. */
static uint64_t target_of(const struct record *record)
{
    static const struct str keys[] = {STR("url.path"), STR("http.target"), STR("url.full"),
                                      STR("http.url"), STR("grpc.path")};
    struct str target = first_text(record, keys, sizeof(keys) / sizeof(keys[0]));
    return known_hash(without_query(without_host(target)));
}

/* Without a route, as where the request failed before it found one, the name is the method. */
static bool names_method_alone(struct str operation)
{
    static const struct str methods[] = {STR("GET"),     STR("POST"),  STR("PUT"),   STR("DELETE"),
                                         STR("HEAD"),    STR("PATCH"), STR("QUERY"), STR("OPTIONS"),
                                         STR("CONNECT"), STR("TRACE"), STR("HTTP"),  STR("")};
    if (str_starts(operation, STR("HTTP ")))
        operation = str_skip(operation, 5);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (str_eq_nocase(operation, methods[i]))
            return true;
    }
    return false;
}

static uint64_t route_of(const struct stitch *stitch, const struct work_span *application)
{
    struct str route = span_escaped(application->record, STR("http.route"));
    struct str operation = names_text(stitch->names, application->shape->operation);
    bool named = application->shape->proxy == PROXY_NONE &&
                 application->shape->operation != NAME_OTHER && !names_method_alone(operation);
    return known_hash(route.len || !named ? route : operation);
}

/* Where a part is not known yet. */
static void fill(uint64_t *part, uint64_t value)
{
    *part = *part ? *part : value;
}

struct asked asked_by(const struct stitch *stitch, const struct work_call *call)
{
    struct asked asked = {0};
    for (uint32_t at = call->bottom; at != NONE; at = row_next(stitch, call, at)) {
        const struct record *record = stitch->spans[at].record;
        uint64_t method = method_of(record), request = request_of(record);
        asked.method = method ? method : asked.method;
        asked.request = request ? request : asked.request;
    }
    if (call->callee_visit == NONE || !visit_answered(stitch, &stitch->visits[call->callee_visit]))
        return asked;
    const struct visit *visit = &stitch->visits[call->callee_visit];
    const struct work_span *outer = &stitch->spans[visit->first],
                           *application = &stitch->spans[visit->application];
    fill(&asked.method, method_of(application->record));
    asked.target = target_of(outer->record);
    fill(&asked.target, target_of(application->record));
    asked.route = route_of(stitch, application);
    return asked;
}

bool asked_alike(const struct asked *a, const struct asked *b)
{
    if (a->method && b->method && a->method != b->method)
        return false;
    if (a->request && b->request)
        return a->request == b->request;
    if (a->target && b->target)
        return a->target == b->target;
    return !a->route || !b->route || a->route == b->route;
}

void asked_fill(struct asked *asked, const struct asked *earlier)
{
    fill(&asked->method, earlier->method);
    fill(&asked->request, earlier->request);
    fill(&asked->target, earlier->target);
    fill(&asked->route, earlier->route);
}
