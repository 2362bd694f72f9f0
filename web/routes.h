/* routes.h - what the server and its pages share. */
#ifndef WEB_ROUTES_H
#define WEB_ROUTES_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "collector/store/query.h"
#include "web/server.h"

#define MAX_SERVERS 16
#define ANSWER_BYTES ((size_t)64 << 20)

struct web {
    struct web_settings settings;
    struct httpd *servers[MAX_SERVERS];
    _Atomic size_t n_servers; /* requests come to the first while the next is started */
    char *db_path;
    pthread_mutex_t mutex;  /* guards the idle connections */
    struct query *idle[16]; /* a question borrows one, or opens one */
    size_t n_idle;
    _Atomic unsigned n_apart; /* answers on threads of their own, or waiting for a turn */
    sem_t apart_turns;        /* how many more of them may run */
    _Atomic bool exporting;   /* one of them makes a file */
    _Atomic bool stopping;
    struct graph_memory *memory; /* of the order of nodes in graphs; may be NULL */
};

/* Borrows a connection; NULL and err when the database cannot be read. */
struct query *web_query_take(struct web *web, struct err *err);
void web_query_give(struct web *web, struct query *query);

/* Has `answer` called on a thread of its own, for what may take seconds: those who serve have
 * others to serve. Some run at once, others wait for their turn, more are refused. It must call
 * web_apart_ends() and then answer. */
void web_apart(struct web *web, struct http_request *request,
               void (*answer)(struct web *web, struct http_request *request));
void web_apart_ends(struct web *web);
void web_apart_init(struct web *web);
/* Waits for those that the servers do not wait for: questions on other ports. */
void web_apart_drain(struct web *web);
void web_apart_fini(struct web *web);

/* slow.c: remembers the slowest answers of the API; `,"slow_queries":[…]`. */
void web_note_slow(const struct http_request *request);
void web_slow_json(struct buf *out);

/* gzip.c: does the asker take gzip; packs `in` into `out` (which may fail: false). */
bool web_takes_gzip(const struct http_request *request);
bool web_gzip(struct str in, struct buf *out);

/* Answers 200 with the body, or that it is too large; JSON is of CONTRACT §7, or of others' APIs.
 */
void web_answer(struct http_request *request, const char *type, struct buf *body);
void web_answer_json(struct http_request *request, struct buf *body);
/* Answers with an error as the API of the request's path words it (others.c). */
void web_answer_error(struct http_request *request, const struct err *err);
/* Ends what web_query_take began (query may be NULL): answers what `out` has or the error, gives
 * the connection back, frees `out`. */
void web_answer_asked(struct web *web, struct http_request *request, struct query *query,
                      struct buf *out, const struct err *err);
/* May the sender read? False when it was told that it may not. */
bool web_may_read(const struct web *web, struct http_request *request);
void web_refuse(struct http_request *request, unsigned status, const char *text);
/* A parameter's time; the default when it is empty. False (err set) when it cannot be read. */
bool web_window(const struct http_request *request, uint64_t default_ns, struct window *window,
                struct err *err);
/* The same of lists that need no window: all times where none is given. */
bool web_any_window(const struct http_request *request, struct window *window, struct err *err);

/* A text inside an element or a quoted attribute. */
void page_escape(struct buf *out, struct str text);
/* Answers a page with the headers that every page has; `out` is whole. */
void page_answer(struct http_request *request, unsigned status, struct buf *out);

/* pages.c: the built page and its files; without one (UI=0) the plain pages under the same paths */
void page_shell(struct web *web, struct http_request *request);
void page_shell_rest(struct web *web, struct http_request *request, struct str rest);
void page_unknown(struct web *web, struct http_request *request);
void page_trace(struct web *web, struct http_request *request, struct str id);
void page_file(struct web *web, struct http_request *request, struct str name);

/* plain_page.c */
void page_plain(struct web *web, struct http_request *request);
void page_plain_trace(struct web *web, struct http_request *request, struct str id);
/* The open incidents and the table of the last traces, for readers without scripts; nothing when
 * the store cannot be read.
 */
void plain_traces(struct web *web, struct buf *out);
void page_style(struct http_request *request);
/* api_graph.c */
void api_graph(struct web *web, struct http_request *request);
void api_graph_diff(struct web *web, struct http_request *request);
void api_series(struct web *web, struct http_request *request);
void api_now(struct web *web, struct http_request *request);
void api_edge(struct web *web, struct http_request *request);
void api_red(struct web *web, struct http_request *request);
void api_service(struct web *web, struct http_request *request, struct str rest);
/* api.c */
void api_services(struct web *web, struct http_request *request);
void api_operations(struct web *web, struct http_request *request);
void api_crossings(struct web *web, struct http_request *request);
void api_security(struct web *web, struct http_request *request);
void api_hairpins(struct web *web, struct http_request *request);
void api_zones(struct web *web, struct http_request *request);
void api_traces(struct web *web, struct http_request *request);
void api_trace(struct web *web, struct http_request *request, struct str path);
/* api_search.c */
void api_search(struct web *web, struct http_request *request);
void api_search_traces(struct web *web, struct http_request *request);
void api_search_overview(struct web *web, struct http_request *request);
void api_search_different(struct web *web, struct http_request *request);
void api_search_sql(struct web *web, struct http_request *request);
void api_search_csv(struct web *web, struct http_request *request);
/* api.c, of the running process */
void api_status(struct web *web, struct http_request *request);
void api_openapi(struct web *web, struct http_request *request);
void api_tail(struct web *web, struct http_request *request);
/* api_incidents.c */
void api_incidents(struct web *web, struct http_request *request);
void api_incident(struct web *web, struct http_request *request, struct str id);
/* api_compare.c */
void api_compare(struct web *web, struct http_request *request);
/* api_sql.c */
void api_sql(struct web *web, struct http_request *request);
void api_sql_examples(struct web *web, struct http_request *request);
/* api_export.c */
void api_export(struct web *web, struct http_request *request);
void api_backup(struct web *web, struct http_request *request);
/* others.c: how the API of a path words an error: our own as CONTRACT §7, Jaeger's in its envelope
 * (its version 3 as an object), those of Zipkin and Tempo as text. Gives the content type. */
const char *others_word_error(struct str path, unsigned status, const char *code, struct str text,
                              struct buf *body);
/* jaeger.c */
void jaeger_services(struct web *web, struct http_request *request);
void jaeger_operations(struct web *web, struct http_request *request);
void jaeger_service_operations(struct web *web, struct http_request *request, struct str rest);
void jaeger_traces(struct web *web, struct http_request *request);
void jaeger_trace(struct web *web, struct http_request *request, struct str id);
void jaeger_dependencies(struct web *web, struct http_request *request);
/* jaeger_v3.c */
void jaeger_v3_services(struct web *web, struct http_request *request);
void jaeger_v3_operations(struct web *web, struct http_request *request);
void jaeger_v3_traces(struct web *web, struct http_request *request);
void jaeger_v3_trace(struct web *web, struct http_request *request, struct str id);
void jaeger_v3_summaries(struct web *web, struct http_request *request);
/* tempo.c */
void tempo_echo(struct web *web, struct http_request *request);
void tempo_buildinfo(struct web *web, struct http_request *request);
void tempo_trace(struct web *web, struct http_request *request, struct str id);
/* Answers as Tempo's first API, which has the path of Jaeger's, for who takes protobuf alone. */
bool tempo_is_asked(const struct http_request *request);
void tempo_trace_v1(struct web *web, struct http_request *request);
/* api_diagnose.c */
void api_diagnose(struct web *web, struct http_request *request);

#endif
