/* names.h - every text that recurs, once: service, operation, instance, cluster, peer …
 *
 * A name is a number; 0 is ''. The table only grows, up to its limits; beyond them a new text
 * becomes NAME_OTHER and is counted. One thread adds (the stitcher); another thread may read a name
 * whose number it was handed through a queue, because entries never move and never change.
 */
#ifndef MODEL_NAMES_H
#define MODEL_NAMES_H

#include "collector/base/str.h"

typedef uint32_t name_no;
#define NAME_NONE 0u  /* '' */
#define NAME_OTHER 1u /* 'other': beyond a limit */

struct names;

/* Limits: texts and bytes of text. NULL when memory is short. */
struct names *names_new(uint32_t max_names, size_t max_bytes);
void names_free(struct names *names);
/* The number of this text, added when new. */
name_no names_add(struct names *names, struct str text);
/* The number if the text is known, else NAME_NONE. */
name_no names_find(const struct names *names, struct str text);
/* Lives as long as the table; NUL-terminated. */
struct str names_text(const struct names *names, name_no name);
uint32_t names_count(const struct names *names);
/* How often NAME_OTHER was given because a limit was reached. */
uint64_t names_overflowed(const struct names *names);

#endif
