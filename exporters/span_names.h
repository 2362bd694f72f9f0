/* span_names.h - span names without what makes each of them new: digits, UUIDs and hexadecimal runs
 * become {}. */
#ifndef EXPORTERS_SPAN_NAMES_H
#define EXPORTERS_SPAN_NAMES_H

#include "collector/base/buf.h"

/* Writes the templated name, at most 200 bytes. */
void span_name_template(struct str name, struct buf *out);

#endif
