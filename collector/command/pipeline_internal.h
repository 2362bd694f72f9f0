/* pipeline_internal.h - what the files of the pipeline share:
 *
 *   pipeline.c         wiring, start, stop, flush, reload
 *   pipeline_feeder.c  bodies to the stitcher, in order of their numbers
 *   pipeline_state.c   how it does: readiness, health, metrics, status
 */
#ifndef COMMAND_PIPELINE_INTERNAL_H
#define COMMAND_PIPELINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "collector/base/queue.h"
#include "collector/command/compare.h"
#include "collector/command/known.h"
#include "collector/command/localiser.h"
#include "collector/command/pipeline.h"
#include "collector/localise/count.h"
#include "collector/stitch/stitcher.h"
#include "collector/store/inbox.h"
#include "collector/store/store.h"
#include "exporters/prometheus.h"

struct pipeline {
    const struct settings *settings;
    struct limits limits;
    char *inbox_folder;
    struct store *store;
    struct trace_finder *finder;
    struct inbox *inbox; /* NULL without */
    struct stitcher *stitcher;
    struct prometheus *prometheus;
    struct localiser *localiser; /* NULL without */
    struct canary *canary;       /* NULL without an inbox */
    struct counting *counting;   /* the stitcher's thread's */
    struct redactions redactions;
    bool replayed;  /* a replay is done with */
    bool gave_room; /* the inbox, for the start */

    struct queue *exports; /* struct turn */
    pthread_t exporter, feeder;
    bool exporting, feeding;

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    bool behind; /* the feeder reads bodies from the inbox */
    bool stopping;
    uint64_t fed;      /* greatest number that the stitcher was given */
    uint64_t found_to; /* greatest number of what an earlier process left in the inbox */
    uint64_t exported; /* greatest turn that was committed and read */
};

/* The inbox's `synced`: to the stitcher at once, or left to the feeder. Takes the body. */
void feeder_take_synced(struct body *body, void *ctx);
/* Starts the inbox too. What a crash left in it is read again, behind the listeners. */
int feeder_start(struct pipeline *pipeline, struct err *err);
/* Returns when all is fed that the inbox has. */
void feeder_stop(struct pipeline *pipeline);

#endif
