/* localiser.h - the stage that watches: takes every committed turn's roll-up, and looks at each
 * `localise.window` once its traces are cut (watch.h has what it looks for).
 */
#ifndef COMMAND_LOCALISER_H
#define COMMAND_LOCALISER_H

#include "collector/base/buf.h"
#include "collector/base/err.h"
#include "collector/model/incident.h"
#include "collector/model/turn.h"

struct localiser_settings {
    const char *db_path;
    uint64_t window_ns, baseline_ns, close_after_ns;
    uint64_t settle_ns; /* after its end a step's traces are cut and committed */
    uint32_t min_requests;
    bool event_time; /* a replay: what a flush finds is walked through in order of its own time */
    /* Takes the turn when the localiser is done with it. */
    void (*done)(struct turn *turn, void *ctx);
    /* Takes the incident, to be stored. */
    void (*put)(struct incident *incident, void *ctx);
    void *ctx;
};

struct localiser;
/* Reads what is normal, and the open incidents, from the database. */
int localiser_start(const struct localiser_settings *settings, struct localiser **localiser,
                    struct err *err);
/* Takes the turn; waits for room. A turn with `flush` makes it look at once. */
void localiser_push(struct localiser *localiser, struct turn *turn);
/* The series of open incidents, as text of /metrics. Any thread. */
void localiser_metrics(struct localiser *localiser, struct buf *out);
void localiser_stop(struct localiser *localiser);

#endif
