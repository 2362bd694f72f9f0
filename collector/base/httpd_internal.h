/* httpd_internal.h - what the files of the server share.
 *
 *   httpd.c             starting, draining, stopping; budgets
 *   httpd_loop.c        a thread: waits, accepts, hands out events, looks at deadlines
 *   httpd_connection.c  a connection's states
 *   httpd_request.c     requests: what a handler asks of one, and its answer
 */
#ifndef BASE_HTTPD_INTERNAL_H
#define BASE_HTTPD_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "collector/base/http_chunk.h"
#include "collector/base/http_head.h"
#include "collector/base/httpd.h"
#include "collector/base/listener.h"
#include "collector/base/tls.h"

#define MAX_ANSWER_HEADERS 10
#define LOOP_SCRATCH ((size_t)64 << 10)

struct httpd_budget {
    unsigned max_connections;
    size_t max_in_flight;
    _Atomic unsigned n_connections;
    _Atomic size_t in_flight; /* bytes of bodies */
    _Atomic size_t answers;   /* bytes of answers that wait for their readers */
};

/*            head whole          body whole             answered           sent
 *   HEAD ----------------> BODY -------------> WORKING ---------> ANSWER -------> HEAD or, refused
 *     \____ refused: ANSWER _/                                              early: LINGER -> closed
 *
 * LINGER reads and drops what still comes: a socket that is closed with bytes unread resets the
 * connection, and the sender may never see why it was refused.
 */
enum connection_state { IN_HEAD, IN_BODY, WORKING, IN_ANSWER, LINGERING, CLOSED };

struct connection {
    struct connection *prev, *next; /* of the loop */
    struct connection *next_again;  /* has more to do at once */
    struct loop *loop;
    struct channel channel;
    enum connection_state state;
    bool readable, writable; /* as far as is known: events come at edges */
    bool peer_ended;         /* it sends no more */
    bool queued_again, linger;
    struct buf in;  /* what came and is not used yet */
    size_t scanned; /* of it, without the end of a head */
    struct http_request *request;
    uint64_t deadline_ns, linger_end_ns; /* monotonic; 0: none, somebody works */
    uint64_t idle_since_ns;              /* 0: a request is coming or here */
    char peer[64];
};

struct loop {
    struct httpd *httpd;
    pthread_t thread;
    bool running;
    int epoll_fd, wake_fd, spare_fd;
    struct connection *connections, *again, *closed;
    uint64_t looked_ns; /* at deadlines */
    char *scratch;      /* of LOOP_SCRATCH bytes */

    pthread_mutex_t mutex; /* guards the list: answers come from any thread */
    struct http_request *answered;
};

struct httpd {
    struct httpd_settings settings;
    struct listener listener;
    struct loop *loops;
    unsigned n_loops;
    _Atomic unsigned n_requests; /* from their heads to their answers' last bytes */
    _Atomic unsigned n_working;  /* of them with `finish`, not answered yet */
    _Atomic bool draining, drained, stopping;
};

struct http_request {
    struct httpd *httpd;
    struct connection *connection;
    struct http_head head; /* its texts lie behind this struct */
    struct buf body;
    size_t counted; /* bytes counted as in flight */
    struct chunk_reader chunks;
    uint64_t received_ns;
    void *data;

    struct http_request *next_answered;
    bool answered; /* as the loop's own thread sees it */
    bool works;    /* counted in n_working */
    bool unread;   /* not all of its body was read: an answer ends the connection */
    bool close;
    char *answer; /* head and body as they are sent */
    size_t n_answer, n_sent, counted_answer;
    int file;           /* its rest, read piece by piece into `answer`; -1 without */
    uint64_t file_left; /* bytes of it, not read yet */
    struct {
        char name[48], value[320];
    } headers[MAX_ANSWER_HEADERS];
    unsigned n_headers;
};

/* httpd_loop.c */
extern __thread struct loop *loop_of_thread; /* NULL: not a loop's thread */
int loop_start(struct loop *loop, struct httpd *httpd, struct err *err);
/* Waits until every request was answered, closes what is open. */
void loop_join(struct loop *loop);
void loop_wake(struct loop *loop);
/* It has more to do and lets others go first. */
void loop_again(struct connection *connection);

/* httpd_connection.c */
void connection_new(struct loop *loop, int fd, const char *peer);
void connection_step(struct connection *connection); /* until it must wait */
void connection_close(struct connection *connection);
void connection_late(struct connection *connection);

/* httpd_request.c */
/* `head` is copied; the request's head is read from the copy: *status says whether it is good. NULL
 * when memory is short. */
struct http_request *request_new(struct connection *connection, struct str head, unsigned *status);
void request_free(struct http_request *request);
/* Counts bytes of a body as in flight; false when there are too many. */
bool request_count(struct http_request *request, size_t size);
/* The next piece of the file that is answered, in `answer`; false when it cannot be read. */
bool request_next_piece(struct http_request *request);
/* Answers as the server's own refusal; the connection ends with it. */
void request_refuse(struct http_request *request, unsigned status, const char *reason);

#endif
