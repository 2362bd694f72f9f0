/* parts.h - the parts of the writing half, and when each has its turn. A new part is a row of the
 * table in parts.c.
 */
#ifndef STORE_PARTS_H
#define STORE_PARTS_H

struct store;

/* Gives 0 or an SQLite code; parts_close() in any case. */
int parts_open(struct store *store);
void parts_close(struct store *store);
/* Before a commit: what is in memory is written. Gives 0 or an SQLite code. */
int parts_write(struct store *store);
/* The transaction was rolled back: what is in memory of it is forgotten. */
void parts_forget(struct store *store);

#endif
