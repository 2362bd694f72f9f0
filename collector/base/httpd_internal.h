/* httpd_internal.h - what httpd.c (server and requests), httpd_guard.c and httpd_reaper.c share. */
#ifndef BASE_HTTPD_INTERNAL_H
#define BASE_HTTPD_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "collector/base/httpd.h"

#define MAX_ANSWER_HEADERS 8

struct httpd_budget {
    unsigned max_connections;
    size_t max_in_flight;
    _Atomic unsigned n_connections;
    _Atomic size_t in_flight;
};

/* One accepted socket, in the reaper's list. */
struct connection {
    struct connection *prev, *next;
    struct httpd *httpd;
    int fd;
    uint64_t deadline_ns; /* monotonic; 0: none, a request is being answered */
};

struct httpd {
    struct httpd_settings settings;
    struct MHD_Daemon *daemon;
    int listen_fd;
    char address[160];
    char *unix_path;
    _Atomic unsigned n_requests; /* being worked on */
    _Atomic bool draining;

    pthread_t reaper;
    bool reaping;
    pthread_mutex_t mutex; /* guards the list and its deadlines */
    pthread_cond_t wake;
    struct connection *connections;
    bool stopping;
};

struct http_request {
    struct httpd *httpd;
    struct MHD_Connection *mhd;
    struct connection *connection;
    const char *method, *path;
    struct buf body;
    size_t counted; /* bytes counted as in flight */
    uint64_t received_ns;
    void *data;
    char peer[64];
    bool refused;     /* the rest of its body is read and thrown away */
    bool finished;    /* the handler had the whole body */
    unsigned refusal; /* status to answer when the body has ended */
    const char *refusal_reason;

    pthread_mutex_t mutex; /* guards the answer: it may come from any thread */
    bool suspended, answered, close;
    unsigned status;
    struct MHD_Response *response;
    struct {
        char name[48], value[320];
    } headers[MAX_ANSWER_HEADERS];
    unsigned n_headers;
};

/* What MHD's parser lets through: 0 when the head is good, else a status; *reason says why. */
unsigned httpd_guard(struct http_request *request, const char *version, const char **reason);
/* Sets when this connection is closed whatever it does; 0: never. */
void httpd_deadline(struct connection *connection, uint64_t deadline_ns);
int httpd_reaper_start(struct httpd *httpd, struct err *err);
void httpd_reaper_stop(struct httpd *httpd);

#endif
