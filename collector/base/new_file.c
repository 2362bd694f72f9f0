/* new_file.c - see new_file.h. */
#include "collector/base/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int exists(const char *path, struct err *err)
{
    return err_set(err, ERR_INVALID, "%s exists; choose another name, or remove it", path);
}

int new_file_begin(struct new_file *file, const char *path, struct err *err)
{
    struct stat info;
    *file = (struct new_file){.path = path};
    if (stat(path, &info) == 0)
        return exists(path, err);
    int n = snprintf(file->partial, sizeof(file->partial), "%s.partial-%d", path, (int)getpid());
    int fd = n < (int)sizeof(file->partial)
                 ? open(file->partial, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640)
                 : -1;
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    file->partial[0] = '\0';
    return err_set(err, ERR_IO, "%s: cannot be made: %s", path, strerror(errno));
}

static bool sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return synced;
}

int new_file_end(struct new_file *file, struct err *err)
{
    if (!file->partial[0])
        return err->code;
    if (!err->code && !sync_file(file->partial))
        err_set(err, ERR_IO, "%s: cannot be synced: %s", file->path, strerror(errno));
    if (!err->code &&
        renameat2(AT_FDCWD, file->partial, AT_FDCWD, file->path, RENAME_NOREPLACE) == 0)
        return 0;
    /* A file system that cannot rename so can link, which replaces nothing either. */
    if (!err->code && (errno != EINVAL || link(file->partial, file->path) != 0)) {
        if (errno == EEXIST)
            exists(file->path, err);
        else
            err_set(err, ERR_IO, "%s: cannot be named: %s", file->path, strerror(errno));
    }
    unlink(file->partial);
    return err->code;
}
