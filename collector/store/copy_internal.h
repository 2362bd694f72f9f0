/* copy_internal.h - a new file that gets its name at its end; shared by copy.c and export.c. */
#ifndef STORE_COPY_INTERNAL_H
#define STORE_COPY_INTERNAL_H

#include <sqlite3.h>

#include "collector/base/new_file.h"
#include "collector/store/copy.h"
#include "collector/store/query_internal.h"

struct copy {
    const struct copy_settings *settings;
    struct query *source;
    struct new_file file;
    sqlite3 *db; /* in it */
};

/* Makes the file, nameless yet, with nothing in it. copy_end() in any case. */
int copy_begin(struct copy *copy, const struct copy_settings *settings, struct err *err);
/* With err->code 0 the file gets its name, else it goes. */
int copy_end(struct copy *copy, struct err *err);
/* Fills err from an SQLite code; gives err->code. */
int copy_failed(const struct copy *copy, int code, struct err *err);

#endif
