/* grpcd_internal.h - what the files of the gRPC server share.
 *
 *   grpcd.c             starting, draining, stopping; the thread, its connections, their deadlines
 *   grpcd_connection.c  a connection: bytes in and out, its limits, its end
 *   grpcd_session.c     what nghttp2 calls back: heads, data, floods
 *   grpcd_call.c        calls: what a handler asks of one, and its answer
 *   grpcd_stream.c      calls that are streams of messages
 */
#ifndef BASE_GRPCD_INTERNAL_H
#define BASE_GRPCD_INTERNAL_H

#include <nghttp2/nghttp2.h>
#include <pthread.h>
#include <stdatomic.h>

#include "collector/base/clock.h"
#include "collector/base/grpcd.h"
#include "collector/base/httpd_internal.h"
#include "collector/base/listener.h"
#include "collector/base/tls.h"

#define GRPC_HEAD_BYTES ((size_t)16 << 10) /* names, values and 32 a header (RFC 9113 §6.5.2) */

/*        head whole          message whole            answered           sent, or reset
 *   HEAD ------------> BODY ---------------> WORKING ----------> ANSWERED -------------> freed
 *     \________________ refused: ANSWERED __/
 *
 * A stream of messages stays in BODY; while one of them is with its handler it is `busy`, and
 * counts as one that works.
 *
 * A stream that is reset while its call is WORKING leaves the call without a connection: it is
 * freed once it is answered.
 */
enum call_state { CALL_HEAD, CALL_BODY, CALL_WORKING, CALL_ANSWERED };

struct grpc_call {
    struct grpcd *grpcd;
    struct grpc_connection *connection; /* the thread's own; NULL when the stream is gone */
    struct grpc_call *prev, *next;      /* of the connection */
    int32_t stream;
    enum call_state state;
    bool request_ended;   /* the peer's half is closed */
    uint64_t deadline_ns; /* monotonic; not while WORKING */
    size_t n_head;        /* bytes of the head so far */
    bool is_post, is_grpc, has_timeout;
    uint64_t timeout_ns;
    char path[160], encoding[16], peer[64];
    struct buf authorization, body;
    bool compressed;
    size_t counted; /* bytes counted as in flight */

    bool streams;       /* many messages */
    bool busy;          /* one is with the handler */
    bool looping;       /* the server's thread is handing messages on */
    bool again;         /* the handler wants it once more */
    bool waits;         /* for that */
    bool ends;          /* the handler ends the stream */
    void *stream_state; /* the handler's */
    struct buf message; /* the one that is with the handler */
    size_t held_bytes;  /* of the stream's window, not given back yet */
    uint64_t held_ns;   /* since when memory is short for it; 0: it is not */
    struct grpc_call *next_answered;
    enum grpc_status status;
    unsigned http_status; /* not 200: not gRPC at all */
    unsigned retry_s;
    char reason[400];
    struct buf answer; /* a framed message */
    size_t n_sent;
};

/* How long a peer may say nothing at first, have no call, or leave bytes of ours unread. */
#define PREFACE_NS (5 * NS_PER_S)
#define IDLE_NS (300 * NS_PER_S)
#define STALL_NS (30 * NS_PER_S)
/* When it is told to come anew, so that a balancer before us can send it elsewhere: all of them not
 * at once. */
#define AGE_NS (3600 * NS_PER_S)
#define AGE_SPREAD_S 360
#define CALLS_MOST 1000000
#define GOODBYE_NS NS_PER_S /* between "no new calls" and the number of the last one */

struct grpc_connection {
    struct grpc_connection *prev, *next; /* of the server */
    struct grpcd *grpcd;
    nghttp2_session *session;
    struct channel channel;
    uint32_t events;                  /* epoll waits for */
    bool failed;                      /* nothing more is read; it ends when all is sent */
    bool has_begun;                   /* the peer's preface and settings came */
    bool has_answers;                 /* something was submitted since it was flushed */
    bool says_nothing;                /* what came was not HTTP/2: no GOAWAY */
    struct buf out;                   /* not sent yet */
    size_t n_out;                     /* of it sent */
    size_t working_bytes, held_bytes; /* of calls that work; not given back to the peer's window */
    struct grpc_call *calls;
    uint64_t n_calls;              /* ever */
    uint64_t begun_ns, moved_ns;   /* accepted; last time bytes went out or none waited */
    uint64_t idle_since_ns;        /* 0: has calls */
    uint64_t leave_ns, goodbye_ns; /* when it is told to leave; when it was told, 0 */
    uint32_t credit;               /* frames that cost us and bring no call */
    uint64_t credit_ns, resets_ns; /* when credit was last given; when counting resets began */
    uint32_t n_resets;             /* of streams, by us for the peer's mistakes */
    char peer[64];
};

struct grpcd {
    struct grpcd_settings settings;
    struct listener listener;
    pthread_t thread;
    bool running;
    int epoll_fd, wake_fd;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *options;
    struct grpc_connection *connections;
    uint64_t looked_ns;
    _Atomic unsigned n_calls, n_working;
    _Atomic bool draining, drained, stopping;
    pthread_mutex_t mutex; /* guards the list: answers come from any thread */
    struct grpc_call *answered;
};

/* grpcd.c */
void grpcd_wake(struct grpcd *grpcd);

/* grpcd_session.c */
int session_setup(struct grpcd *grpcd); /* callbacks and options, once */
int session_new(struct grpc_connection *connection);

/* grpcd_connection.c */
void grpc_connection_new(struct grpcd *grpcd, int fd, const char *peer);
void grpc_connection_step(struct grpc_connection *connection, uint32_t events);
void grpc_connection_look(struct grpc_connection *connection, uint64_t now_ns);
void grpc_connection_flush(struct grpc_connection *connection); /* may free it */
void grpc_connection_close(struct grpc_connection *connection);

/* grpcd_call.c */
extern __thread struct grpcd *grpcd_of_thread; /* NULL: not a server's thread */
struct grpc_call *call_new(struct grpc_connection *connection, int32_t stream);
/* The stream is gone: freed, or left to whoever works on it. */
void call_detach(struct grpc_call *call);
void call_free(struct grpc_call *call);
/* Answers and tells the handler. */
void call_refuse(struct grpc_call *call, enum grpc_status status, const char *reason,
                 unsigned retry_s);
/* On the server's thread: hands the answer to nghttp2, or frees a call whose stream is gone. */
void call_submit(struct grpc_call *call);
/* Data came. */
void call_take_data(struct grpc_call *call, struct str bytes);
void call_head_is_whole(struct grpc_call *call);
void call_request_ended(struct grpc_call *call);
bool call_count(struct grpc_call *call, size_t n); /* as in flight; false beyond the budget */
void call_give_back(struct grpc_call *call);       /* to the server's thread */
void call_returned(struct grpc_call *call);        /* there */
/* Gives back credit of the connection, now or when less is worked on. */
void call_consume_connection(struct grpc_connection *connection, size_t n);
/* So many bytes are with a handler no more. */
void call_has_worked(struct grpc_connection *connection, size_t n);

/* grpcd_stream.c */
void stream_take_data(struct grpc_call *call, struct str bytes);
void stream_request_ended(struct grpc_call *call);
/* On the server's thread: the handler said something of the message. */
void stream_go_on(struct grpc_call *call);
/* Now and then: what waits for memory, for a second try, or for the end of the server. */
void stream_look(struct grpc_call *call, uint64_t now_ns);
/* The stream is gone. True when the call is to be freed. */
bool stream_detach(struct grpc_call *call);

#endif
