/* replay_progress.h - a bar on standard error while files are read; nothing where that is no
 * terminal. */
#ifndef COMMAND_REPLAY_PROGRESS_H
#define COMMAND_REPLAY_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    bool shown;          /* it is a terminal, and all sizes are known */
    const char *what;    /* "reading" */
    uint64_t total;      /* bytes of all files */
    uint64_t before;     /* bytes of files that are done */
    uint64_t begun_ns;   /* monotonic */
    uint64_t from;       /* bytes that were there when it began to work: behind what is skipped */
    uint64_t painted_ns; /* when it was drawn last; 0 never */
};

void progress_begin(struct progress *progress, const char *what, const char *const *paths,
                    size_t n);
/* `passed`: bytes of the file at hand. Draws at most five times a second. */
void progress_show(struct progress *progress, uint64_t passed, uint64_t n_records);
/* From here on time counts: what was before was only skipped. */
void progress_skipped(struct progress *progress, uint64_t passed);
void progress_next_file(struct progress *progress, const char *path);
/* Wipes it away, until it is drawn again: something else is to be printed. */
void progress_wipe(struct progress *progress);
/* For good. */
void progress_end(struct progress *progress);

#endif
