/* grpcd_stream.c - calls that are streams of messages: for as long as the peer likes, one message
 * with the handler at a time.
 *
 * Credit is given back for what arrives of a message, so that one may be larger than the window,
 * but not while the handler works or memory is short: then the window fills and the peer waits.
 */
#include <stdio.h>
#include <string.h>

#include "collector/base/grpc_message.h"
#include "collector/base/grpcd_internal.h"

#define AHEAD_BYTES ((size_t)512 << 10) /* behind a message: two windows of a stream */
#define KEPT_BYTES ((size_t)64 << 10)
#define MESSAGE_NS (30 * NS_PER_S) /* for the rest of one that has begun */
#define SHORT_NS (30 * NS_PER_S)   /* of memory, until the peer is told to come again */

void grpc_take_stream(struct grpc_call *call, void *state)
{
    call->streams = true;
    call->stream_state = state;
    call->deadline_ns = UINT64_MAX;
    buf_fini(&call->body);
    buf_init(&call->body, GRPC_FRAME_BYTES + call->grpcd->settings.max_message + AHEAD_BYTES);
}

void *grpc_stream_state(const struct grpc_call *call)
{
    return call->stream_state;
}

/* A large message was a rare one: its room is not kept for the days that a stream may last. */
static void trim(struct buf *buf)
{
    size_t max = buf->max;
    if (buf->len || buf->cap <= KEPT_BYTES)
        return;
    buf_fini(buf);
    buf_init(buf, max);
}

/* ---- messages ---- */

static void uncount(struct grpc_call *call, size_t n)
{
    call->counted -= n;
    call->grpcd->settings.budget->in_flight -= n;
}

/* Why the next message cannot be taken; NULL when it can, or is not whole. */
static const char *judge_head(const struct grpc_call *call, const unsigned char *head,
                              size_t length, enum grpc_status *status)
{
    *status = GRPC_INTERNAL;
    if (head[0] > 1)
        return "a message's flag is neither 0 nor 1";
    if (head[0] && (!call->encoding[0] || strcmp(call->encoding, "identity") == 0))
        return "a compressed message without a grpc-encoding";
    *status = GRPC_RESOURCE_EXHAUSTED;
    return length > call->grpcd->settings.max_message
               ? "a message is larger than receive.max_grpc_message"
               : NULL;
}

/* Moves the next message out of what came. False when there is none, or the stream ends for it. */
static bool cut_message(struct grpc_call *call)
{
    struct buf *body = &call->body;
    const unsigned char *head = (const unsigned char *)body->p;
    enum grpc_status status;
    if (body->len < GRPC_FRAME_BYTES)
        return false;
    size_t length = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
    const char *wrong = judge_head(call, head, length, &status);
    if (wrong) {
        call_refuse(call, status, wrong, 0);
        return false;
    }
    size_t whole = GRPC_FRAME_BYTES + length;
    if (body->len < whole)
        return false;
    call->compressed = head[0] == 1;
    buf_reset(&call->message);
    buf_add(&call->message, body->p + GRPC_FRAME_BYTES, length);
    if (buf_failed(&call->message)) {
        call_refuse(call, GRPC_UNAVAILABLE, "memory is short; try again", 1);
        return false;
    }
    memmove(body->p, body->p + whole, body->len - whole);
    body->len -= whole;
    return true;
}

static void hand_to_handler(struct grpc_call *call)
{
    const struct grpcd_settings *settings = &call->grpcd->settings;
    call->again = false;
    settings->message(call, buf_str(&call->message), settings->ctx);
}

/* False when the server has ended: nothing reaches a handler any more. */
static bool begin_work(struct grpc_call *call)
{
    call->grpcd->n_working++; /* before the question, as with single messages */
    if (call->grpcd->drained) {
        call->grpcd->n_working--;
        call_refuse(call, GRPC_UNAVAILABLE, "the collector is stopping; try again", 1);
        return false;
    }
    call->busy = true;
    call->connection->working_bytes += call->message.len;
    return true;
}

static void end_when_all_came(struct grpc_call *call)
{
    if (!call->request_ended || call->busy || call->state != CALL_BODY)
        return;
    if (call->body.len)
        call_refuse(call, GRPC_INVALID_ARGUMENT, "the stream ended within a message", 0);
    else
        grpc_answer(call, STR_NONE);
}

static void hand_on(struct grpc_call *call)
{
    if (call->looping)
        return;
    call->looping = true;
    while (!call->busy && call->state == CALL_BODY && cut_message(call) && begin_work(call))
        hand_to_handler(call);
    call->looping = false;
    trim(&call->body);
    bool begun = call->body.len > 0 && !call->busy;
    if (call->state == CALL_BODY && (!begun || call->deadline_ns == UINT64_MAX))
        call->deadline_ns = begun ? clock_mono_ns() + MESSAGE_NS : UINT64_MAX;
    end_when_all_came(call);
}

static void give_credit(struct grpc_call *call)
{
    if (call->busy || call->held_ns || !call->held_bytes)
        return;
    nghttp2_session_consume_stream(call->connection->session, call->stream, call->held_bytes);
    call->held_bytes = 0;
    call->connection->has_answers = true; /* the window's update is to go out */
}

/* There is no memory for what came: the stream cannot go on. What its handler has is not touched.
 */
static void lose(struct grpc_call *call)
{
    if (call->busy)
        nghttp2_submit_rst_stream(call->connection->session, NGHTTP2_FLAG_NONE, call->stream,
                                  NGHTTP2_CANCEL);
    else
        call_refuse(call, GRPC_UNAVAILABLE, "memory is short; try again", 1);
}

void stream_take_data(struct grpc_call *call, struct str bytes)
{
    call_consume_connection(call->connection, bytes.len);
    call->held_bytes += bytes.len;
    if (call->state != CALL_BODY) {
        give_credit(call);
        return;
    }
    if (!call_count(call, bytes.len) && !call->held_ns)
        call->held_ns = clock_mono_ns();
    buf_add_str(&call->body, bytes);
    if (buf_failed(&call->body)) {
        lose(call);
        return;
    }
    hand_on(call);
    give_credit(call);
}

void stream_request_ended(struct grpc_call *call)
{
    hand_on(call);
}

/* ---- what the handler says ---- */

static void end_work(struct grpc_call *call)
{
    call_has_worked(call->connection, call->message.len);
    uncount(call, GRPC_FRAME_BYTES + call->message.len);
    buf_reset(&call->message);
    trim(&call->message);
    call->busy = call->waits = false;
    call->grpcd->n_working--;
}

static void tell_ended(struct grpc_call *call)
{
    const struct grpcd_settings *settings = &call->grpcd->settings;
    settings->ended(call, call->status, settings->ctx);
}

void stream_go_on(struct grpc_call *call)
{
    if (call->again && call->connection) {
        call->waits = true;
        return;
    }
    end_work(call);
    if (!call->connection) {
        tell_ended(call);
        call_free(call);
    } else if (call->ends) {
        call_submit(call);
    } else {
        hand_on(call);
        give_credit(call);
    }
}

void grpc_message_done(struct grpc_call *call)
{
    call_give_back(call);
}

void grpc_message_again(struct grpc_call *call)
{
    call->again = true;
    call_give_back(call);
}

void grpc_stream_refuse(struct grpc_call *call, enum grpc_status status, const char *reason)
{
    call->ends = true;
    call->status = status;
    snprintf(call->reason, sizeof(call->reason), "%s", reason);
    call_give_back(call);
}

/* ---- now and then ---- */

static void look_at_memory(struct grpc_call *call, uint64_t now_ns)
{
    const struct httpd_budget *budget = call->grpcd->settings.budget;
    if (budget->in_flight <= budget->max_in_flight) {
        call->held_ns = 0;
        give_credit(call);
    } else if (!call->busy && now_ns >= call->held_ns + SHORT_NS) {
        call_refuse(call, GRPC_UNAVAILABLE, "too many bodies are in flight; try again", 1);
    }
}

void stream_look(struct grpc_call *call, uint64_t now_ns)
{
    if (call->waits && !call->grpcd->draining) {
        call->waits = false;
        hand_to_handler(call);
    } else if (call->waits) {
        call->waits = call->again = false;
        grpc_stream_refuse(call, GRPC_UNAVAILABLE, "the collector is stopping; try again");
    }
    if (call->state == CALL_BODY && call->held_ns)
        look_at_memory(call, now_ns);
    if (call->state == CALL_BODY && call->grpcd->draining && !call->busy && !call->body.len)
        call_refuse(call, GRPC_UNAVAILABLE, "the collector is stopping; try again", 1);
}

bool stream_detach(struct grpc_call *call)
{
    if (call->busy && !call->waits) {
        call_has_worked(call->connection, call->message.len);
        return false;
    }
    if (call->busy)
        end_work(call);
    tell_ended(call);
    return true;
}
