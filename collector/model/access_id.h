/* access_id.h - ids of entries of access logs, made of their texts: the same in every process and
 * every version: they are stored. */
#ifndef MODEL_ACCESS_ID_H
#define MODEL_ACCESS_ID_H

#include "collector/model/span.h"

/* Never 0. */
uint64_t access_id_of(struct str text);
/* The `n`th of lines that are equal (0: the first). Never 0. */
uint64_t access_id_repeated(uint64_t id, uint32_t n);
/* The trace that all entries with this x-request-id share: the digit that carries Envoy's trace
 * decision is masked. */
struct trace_id access_trace_of_request(struct str request_id);
/* The trace of an entry that names none. */
struct trace_id access_trace_alone(uint64_t id);

#endif
