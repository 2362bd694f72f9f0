/* flag_words.h - what Envoy's response flags mean, in the words of the page. */
#ifndef MODEL_FLAG_WORDS_H
#define MODEL_FLAG_WORDS_H

#include "collector/base/buf.h"

/* In two words: "overflow"; NULL for a flag without. */
const char *flag_note(struct str flag);
/* What went wrong: "connection pool full", of the first flag of a list that is known; NULL for
 * none, as for a status. */
const char *flag_reason(struct str flags);
/* A trace's or call's reason as people say it: "UO" is "connection pool full", "503" "answered
 * 503"; other texts as they are. */
void reason_words(struct str reason, struct buf *out);

/* Why a failure began here, for a span's panel. */
struct began_here {
    struct str flags;                 /* '' none */
    int64_t http_status, grpc_status; /* −1 none */
    struct str caller, callee; /* as shown, with versions; caller '' when there is none to name */
    bool callee_spoke;         /* it reported a span of its own */
};
/* JSON: ["…", "UO", "…"], every second text is to be stressed. */
void began_here_json(const struct began_here *began, struct buf *out);

#endif
