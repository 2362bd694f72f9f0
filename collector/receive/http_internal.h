/* http_internal.h - what http.c and http_answers.c share: a receiver of OTLP or Zipkin over HTTP,
 * and a request whose body is on its way to the disk.
 */
#ifndef RECEIVE_HTTP_INTERNAL_H
#define RECEIVE_HTTP_INTERNAL_H

#include <stdatomic.h>

#include "collector/decode/decode.h"
#include "collector/receive/http.h"

#define PROTOBUF "application/x-protobuf"
#define JSON "application/json"
#define TEXT "text/plain; charset=utf-8"

enum protocol { OTLP, ZIPKIN };

struct receiver {
    struct receiver_settings settings;
    enum protocol protocol;
    struct httpd *httpd;
    char *web;               /* owns settings.web_address */
    char *_Atomic found_web; /* what receiver_tell_web() said, in its place */
};

/* What is needed to answer once the body is on disk. */
struct exchange {
    struct receiver *receiver;
    struct http_request *request;
    struct content content; /* what was taken */
};

/* ---- http.c ---- */

bool wants_json(const struct http_request *request);
bool is_for_logs(const struct http_request *request);
bool is_for_remote_write(const struct http_request *request);

/* ---- http_answers.c ---- */

/* Answers and counts; `came`: what stands before the reason. */
void receiver_refuse(struct receiver *receiver, struct http_request *request, unsigned status,
                     const char *reason);
void receiver_refuse_with(struct receiver *receiver, struct http_request *request, unsigned status,
                          struct str came, const char *reason);
/* Of the server's own refusals, for struct httpd_settings: the body, and who was not let in. `ctx`
 * is the receiver. */
void receiver_word_refusal(struct http_request *request, unsigned status, const char *reason,
                           struct buf *body, const char **content_type, void *ctx);
void receiver_stranger(const char *peer, const char *reason, void *ctx);
/* Once the body is on disk, or could not be taken. `ctx` is the exchange, which is freed. */
void receiver_answer(const struct acceptance *acceptance, void *ctx);

#endif
