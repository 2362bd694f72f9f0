/* copy.h - databases made from another: all of it (`backup`), or what belongs to a window, a
 * service or an incident (`export`).
 *
 * Both read one snapshot by a read-only connection, so the collector goes on writing meanwhile, and
 * hold little memory whatever the size. The new file gets its name when it is whole and on disk;
 * one that exists is never touched. What a process leaves behind that was killed is named
 * `OUT.partial-…`.
 */
#ifndef STORE_COPY_H
#define STORE_COPY_H

#include "collector/base/err.h"
#include "collector/base/str.h"
#include "collector/store/query.h"

struct copy_settings {
    const char *from, *to; /* paths */
    uint64_t min_free;     /* bytes of the disk that are left alone */
    /* Asked now and then, many times a second; false: the copy is given up. NULL: it goes on. */
    bool (*go_on)(void *ctx);
    void *ctx;
};

/* What an export holds. All empty: everything of the last hour. */
struct export_request {
    struct window window; /* event time; to_ns 0: the last hour; or of the incident: from half an
                             hour before its onset, and of its traces the failed ones and those that
                             it names */
    struct str cluster, namespace, service; /* '' any: traces it takes part in, edges at either end
                                             */
    uint64_t incident;                      /* its number; 0: those of the window */
};

/* The whole database, page by page.
 *
 * ERR_INVALID: the target exists, or `from` is of another version; ERR_NOT_FOUND without a
 * database; ERR_BUSY: too little room on the disk, or given up; ERR_IO. */
int store_backup(const struct copy_settings *settings, struct err *err);
/* Plain tables under the names and columns of the views, and beside them the private tables, which
 * faultline's own commands read. ERR_NOT_FOUND also when there is no such incident or service. */
int store_export(const struct copy_settings *settings, const struct export_request *request,
                 struct err *err);
/* `service`, `namespace/service` or `cluster/namespace/service` into the three of the request;
 * false for more parts. */
bool export_of_service(struct str text, struct export_request *request);

/* Is a file of store_export(): nothing is added to one. */
#define EXPORT_MARK "export_of"

#endif
