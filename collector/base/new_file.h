/* new_file.h - a file that gets its name when it is whole and on disk, and never replaces another.
 *
 * Until then it is named `PATH.partial-PID`, which is what a killed process leaves behind.
 */
#ifndef BASE_NEW_FILE_H
#define BASE_NEW_FILE_H

#include "collector/base/err.h"

struct new_file {
    const char *path;   /* borrowed until new_file_end() */
    char partial[4200]; /* its name meanwhile; '' when it could not be made */
};

/* Makes it, empty. ERR_INVALID when `path` exists, ERR_IO. new_file_end() in any case. */
int new_file_begin(struct new_file *file, const char *path, struct err *err);
/* With err->code 0 it is synced and gets its name, which may fail as above; else it goes. Gives
 * err->code. */
int new_file_end(struct new_file *file, struct err *err);

#endif
