/* otlp_answer.c - OTLP's answers, a few fields each. */
#include "collector/receive/otlp_answer.h"

static void write_partial_pb(struct buf *out, const struct acceptance *acceptance)
{
    struct str reason = str_of(acceptance->first_reason);
    struct buf partial;
    buf_init(&partial, 1024);
    buf_add_varint(&partial, 1 << 3);
    buf_add_varint(&partial, acceptance->n_rejected);
    buf_add_varint(&partial, 2 << 3 | 2);
    buf_add_varint(&partial, reason.len);
    buf_add_str(&partial, reason);
    buf_add_varint(out, 1 << 3 | 2);
    buf_add_varint(out, partial.len);
    buf_add_str(out, buf_str(&partial));
    buf_fini(&partial);
}

void otlp_write_answer(struct buf *out, enum signal signal, bool json,
                       const struct acceptance *acceptance)
{
    static const char *const rejected[N_SIGNALS] = {"rejectedSpans", "rejectedDataPoints",
                                                    "rejectedLogRecords"};
    if (acceptance->n_rejected && json) {
        buf_addf(out, "{\"partialSuccess\":{\"%s\":\"%u\",\"errorMessage\":", rejected[signal],
                 acceptance->n_rejected);
        buf_add_json(out, str_of(acceptance->first_reason));
        buf_add_c(out, "}}");
    } else if (acceptance->n_rejected) {
        write_partial_pb(out, acceptance);
    } else if (json) {
        buf_add_c(out, "{}");
    }
}

/* code = 1, message = 2. */
void otlp_write_status(struct buf *out, bool json, unsigned code, const char *reason)
{
    struct str text = str_of(reason);
    if (json) {
        buf_addf(out, "{\"code\":%u,\"message\":", code);
        buf_add_json(out, text);
        buf_add_char(out, '}');
        return;
    }
    buf_add_varint(out, 1 << 3);
    buf_add_varint(out, code);
    buf_add_varint(out, 2 << 3 | 2);
    buf_add_varint(out, text.len);
    buf_add_str(out, text);
}
