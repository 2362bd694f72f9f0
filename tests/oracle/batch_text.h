/* batch_text.h - a batch as text, one line a field, in a form that never changes by itself: for
 * golden files and for comparing decoders. */
#ifndef ORACLE_BATCH_TEXT_H
#define ORACLE_BATCH_TEXT_H

#include "collector/base/buf.h"
#include "collector/model/batch.h"

/* What the body says: ids, times, names, attributes, events, links. A field that is empty has no
 * line. Another decoder of the same message must give the same text. */
void batch_text_said(struct buf *out, const struct batch *batch);
/* The same, then what it means (facts, the resource's identity), and what was refused and cut. */
void batch_text_all(struct buf *out, const struct batch *batch);

/* The lines themselves, for an oracle that has no batch. */
void text_line(struct buf *out, const char *name, struct str text); /* nothing when it is '' */
void text_number(struct buf *out, const char *name, uint64_t number);
void text_ids(struct buf *out, struct trace_id trace_id, uint64_t span_id, uint64_t parent_id);
/* `attr "key" = ` and what the caller adds as the value, then a newline. */
void text_attr_begin(struct buf *out, const char *of, struct str key);

#endif
