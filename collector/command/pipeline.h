/* pipeline.h - the stages of a collector, wired: inbox -> stitcher -> writer -> exporters.
 *
 * `serve` and `demo` run it behind listeners, `replay` feeds it from files. The order of starting
 * and stopping is the order in which data flows.
 *
 *   body --append--> inbox --synced--> (direct, or read again by the feeder when the stitcher is
 * busy)
 *        --> stitcher --turn--> writer --committed--> exporter --given back--> stitcher
 */
#ifndef COMMAND_PIPELINE_H
#define COMMAND_PIPELINE_H

#include "collector/base/buf.h"
#include "collector/base/err.h"
#include "collector/config.h"
#include "collector/model/body.h"

struct pipeline;

/* A failed sync of inbox or database ends the process with code 3, at once.
 *
 * Opens store and inbox, starts every stage; what the inbox still holds is fed behind the caller's
 * back. With a `replay` there is no inbox: bodies go straight to the stitcher, and the mark says
 * from which on (store.h). */
struct replay_mark;
int pipeline_start(const struct settings *settings, struct replay_mark *replay,
                   struct pipeline **pipeline, struct err *err);
/* Of a replay: all is fed and flushed, pipeline_stop() may forget it. */
void pipeline_replay_ends(struct pipeline *pipeline);
/* Drains: everything accepted is stitched and committed. The inbox's folder is removed when it is
 * empty. */
void pipeline_stop(struct pipeline *pipeline);

/* For the acceptor: takes the body when it returns 0. */
int pipeline_append(struct body *body, void *pipeline, struct err *err);
/* Without an inbox: numbers and takes a decoded body; waits for room. ERR_BUSY when stopping. */
int pipeline_feed(struct pipeline *pipeline, struct body *body, struct err *err);
/* Cuts and commits everything that was accepted before the call; waits. */
int pipeline_flush(struct pipeline *pipeline, uint64_t *n_cut, struct err *err);

/* Is what an earlier process accepted in the database? */
bool pipeline_settled(struct pipeline *pipeline);
/* The next message of a Kafka partition, by the database; -1 when none ever came. */
int64_t pipeline_kafka_next(struct pipeline *pipeline, uint64_t topic, int32_t partition);

/* store_vacuum(), for at most an hour. */
int pipeline_vacuum(struct pipeline *pipeline, uint64_t bytes[2], struct err *err);
/* The collector's web, for other programs on this machine (store_tell_web). */
struct store_web;
void pipeline_tell_web(struct pipeline *pipeline, const struct store_web *web);
/* "" or a word of CONTRACT §3 (draining is the caller's to say). */
const char *pipeline_not_ready(struct pipeline *pipeline);
/* "" while every stage made progress in the last 30 s, else the stuck one's name. */
const char *pipeline_unhealthy(struct pipeline *pipeline);
/* Text for /metrics and its content type. */
void pipeline_metrics(struct pipeline *pipeline, struct str accept, struct buf *out,
                      const char **content_type);
/* `"inbox":{…},"live":{…}` of /api/v1/status. */
void pipeline_status(struct pipeline *pipeline, struct buf *out);
/* Limits of decoding, from the settings; nothing is redacted by them. */
struct limits settings_limits(const struct settings *settings);
/* Those in force here, redaction included. Lives as long as the pipeline. */
const struct limits *pipeline_limits(const struct pipeline *pipeline);
/* Takes over what a reload can change: the stitcher's knowledge, where clear text is allowed,
 * redaction. On an error all stays as it was. */
int pipeline_reload(struct pipeline *pipeline, const struct settings *settings, struct err *err);
#endif
