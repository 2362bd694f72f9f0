/* api_export.c - GET /api/v1/export and /api/v1/backup: a database to download (CONTRACT §7).
 *
 * The file is made beside the database, sent, and gone: its name goes as soon as it is open. One at
 * a time, on a thread of its own; a stop of the collector gives it up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/store/copy.h"
#include "web/routes.h"

#define TYPE "application/vnd.sqlite3"
#define DEFAULT_NS (60 * NS_PER_MINUTE)

static bool go_on(void *ctx)
{
    return !atomic_load(&((struct web *)ctx)->stopping);
}

static void stamp(uint64_t ns, char text[20])
{
    time_t s = (time_t)(ns / NS_PER_S);
    struct tm parts;
    gmtime_r(&s, &parts);
    strftime(text, 20, "%Y%m%dT%H%M%SZ", &parts);
}

/* Never by what a client wrote or a sender sent. */
static void name_file(const struct export_request *what, char name[120])
{
    char from[20], to[20];
    stamp(what ? what->window.from_ns : clock_wall_ns(), from);
    stamp(what ? what->window.to_ns : 0, to);
    if (!what)
        snprintf(name, 120, "attachment; filename=\"faultline-backup-%s.db\"", from);
    else if (what->incident)
        snprintf(name, 120, "attachment; filename=\"faultline-incident-%llu.db\"",
                 (unsigned long long)what->incident);
    else
        snprintf(name, 120, "attachment; filename=\"faultline-%s-%s.db\"", from, to);
}

static int read_request(const struct http_request *request, struct export_request *what,
                        struct err *err)
{
    struct str from = http_query(request, "from"), to = http_query(request, "to");
    struct str incident = http_query(request, "incident");
    *what = (struct export_request){0};
    if (!export_of_service(http_query(request, "service"), what))
        return err_set(err, ERR_INVALID,
                       "service is service, namespace/service or cluster/namespace/service");
    if (http_query(request, "namespace").len)
        what->namespace = http_query(request, "namespace");
    if (http_query(request, "cluster").len)
        what->cluster = http_query(request, "cluster");
    if (incident.len &&
        (!str_to_u64(incident, &what->incident) || !what->incident || what->incident > INT64_MAX))
        return err_set(err, ERR_INVALID, "incident is the number of one, from 1");
    if (!from.len && !to.len && what->incident)
        return 0; /* the incident's own */
    return web_window(request, DEFAULT_NS, &what->window, err) ? 0 : err->code;
}

/* Flushes, makes the file, and opens it: -1 and err when that failed. `what` NULL: all. */
static int make_file(struct web *web, const struct export_request *what, struct err *err)
{
    char *path = NULL;
    uint64_t n_cut;
    int fd = -1;
    if (web->settings.hooks.flush(web->settings.hooks.ctx, &n_cut, err))
        return -1;
    if (asprintf(&path, "%s-sending", web->db_path) < 0)
        return err_set(err, ERR_BUSY, "memory is short; try again"), -1;
    struct copy_settings copy = {.from = web->db_path,
                                 .to = path,
                                 .min_free = web->settings.min_free,
                                 .go_on = go_on,
                                 .ctx = web};
    unlink(path); /* of a process that was killed */
    if ((what ? store_export(&copy, what, err) : store_backup(&copy, err)) == 0) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            err_set(err, ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
        unlink(path);
    }
    free(path);
    return fd;
}

static void answer(struct web *web, struct http_request *request, bool whole)
{
    struct export_request what;
    struct err err = {0};
    char name[120];
    int fd = -1;
    bool first = !atomic_exchange(&web->exporting, true);
    if (!first)
        err_set(&err, ERR_BUSY, "another file is being made; try again");
    else if (whole || read_request(request, &what, &err) == 0)
        fd = make_file(web, whole ? NULL : &what, &err);
    if (first)
        atomic_store(&web->exporting, false);
    web_apart_ends(web);
    if (fd < 0) {
        web_answer_error(request, &err);
        return;
    }
    name_file(whole ? NULL : &what, name);
    http_add_header(request, "Cache-Control", "no-store");
    http_add_header(request, "Content-Disposition", name);
    httpd_answer_file(request, TYPE, fd);
}

static void answer_export(struct web *web, struct http_request *request)
{
    answer(web, request, false);
}

static void answer_backup(struct web *web, struct http_request *request)
{
    answer(web, request, true);
}

void api_export(struct web *web, struct http_request *request)
{
    web_apart(web, request, answer_export);
}

void api_backup(struct web *web, struct http_request *request)
{
    web_apart(web, request, answer_backup);
}
