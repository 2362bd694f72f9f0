/* replay_note.c - two numbers in a file whose name is a number. */
#include "collector/command/replay_note.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/hash.h"

#define BEGINNING 4096

static uint64_t mix_file(uint64_t hash, const char *path)
{
    char beginning[BEGINNING];
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return 0;
    ssize_t n = -1;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
        n = pread(fd, beginning, sizeof(beginning), 0);
    close(fd);
    if (n < 0)
        return 0;
    hash = hash_stored(hash, &info.st_size, sizeof(info.st_size));
    hash = hash_stored(hash, &info.st_mtim, sizeof(info.st_mtim));
    return hash_stored(hash, beginning, (size_t)n);
}

uint64_t replay_files(const char *const *paths, size_t n, const char *how)
{
    uint64_t hash = hash_stored(HASH_STORED, how, strlen(how));
    for (size_t i = 0; i < n && hash; i++)
        hash = mix_file(hash, paths[i]);
    return hash;
}

static void make_folders(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
}

uint64_t replay_note_open(struct replay_note *note, uint64_t files, int64_t *shift_ns)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char text[64], *rest;
    note->fd = -1;
    if (!files || ((!state || state[0] != '/') && (!home || home[0] != '/')))
        return 0;
    bool own = state && state[0] == '/';
    int n = snprintf(note->path, sizeof(note->path), "%s%s/faultline/replay-%016" PRIx64,
                     own ? state : home, own ? "" : "/.local/state", files);
    if (n < 0 || (size_t)n >= sizeof(note->path))
        return 0;
    make_folders(note->path);
    note->fd = open(note->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    ssize_t got = note->fd < 0 ? 0 : pread(note->fd, text, sizeof(text) - 1, 0);
    if (got <= 0)
        return 0;
    text[got] = '\0';
    uint64_t n_pieces = strtoull(text, &rest, 10);
    if (n_pieces)
        *shift_ns = strtoll(rest, NULL, 10);
    return n_pieces;
}

/* Always of the same length, so that a half of it is never read as another number. */
void replay_note_put(struct replay_note *note, uint64_t n_pieces, int64_t shift_ns)
{
    char text[64];
    if (note->fd < 0)
        return;
    int n = snprintf(text, sizeof(text), "%020" PRIu64 " %+021" PRId64 "\n", n_pieces, shift_ns);
    if (pwrite(note->fd, text, (size_t)n, 0) != n)
        replay_note_close(note, true);
}

void replay_note_close(struct replay_note *note, bool whole)
{
    if (note->fd < 0)
        return;
    close(note->fd);
    note->fd = -1;
    if (whole)
        unlink(note->path);
}
