/* ingest_stats.h - families that several folders count in. */
#ifndef MODEL_INGEST_STATS_H
#define MODEL_INGEST_STATS_H

#include "collector/base/stats.h"
#include "collector/model/words.h"

enum ingest_outcome { INGEST_ACCEPTED, INGEST_DUPLICATE, INGEST_REJECTED, N_INGEST_OUTCOMES };

/* faultline_ingest_records_total{format,transport,outcome}: adds `n` records. Every record is
 * counted once, when the stitcher takes its body. Any thread. */
void ingest_count(enum format format, enum transport transport, enum ingest_outcome outcome,
                  uint64_t n);

/* Records of one outcome, all formats and transports. */
uint64_t ingest_counted(enum ingest_outcome outcome);

/* faultline_series_limited_total{family}: label sets and series that met a bound. */
struct stat_series *series_limited(const char *family);
/* faultline_ingest_truncated_total{field}: values cut and things left out by limit.*. */
struct stat_series *ingest_truncated(const char *field);

#endif
