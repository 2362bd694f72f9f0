/* known.h - what a reload can change, made from settings: the stitcher's knowledge in one piece of
 * memory, and the redaction that decoders read.
 */
#ifndef COMMAND_KNOWN_H
#define COMMAND_KNOWN_H

#include <stdatomic.h>

#include "collector/config.h"
#include "collector/decode/redact.h"
#include "collector/stitch/stitch.h"

/* One malloc'd piece with copies of all it points to; NULL when memory is short. */
struct knowledge *knowledge_new(const struct settings *settings);

/* The redaction in force. Decoders on any thread may still read one that was replaced, so it is
 * kept for a minute. One thread changes it. */
struct redactions {
    struct redaction *_Atomic now;
    struct {
        struct redaction *redaction;
        uint64_t since_ns; /* monotonic */
    } old[64];
    size_t n_old;
};

/* False when memory is short, or the keys changed more often within a minute than can be kept. */
bool redactions_set(struct redactions *redactions, const struct settings *settings,
                    uint64_t now_mono_ns);
void redactions_fini(struct redactions *redactions);

#endif
