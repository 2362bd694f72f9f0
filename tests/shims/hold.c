/* hold.c - a shared object for LD_PRELOAD: the opening of a chosen file (fopen) waits, so that a
 * test can do something to a process that is surely not done.
 *
 * HOLD_PATH     how the path of the file must end
 * HOLD_UNTIL    a file; while it is there the opening waits
 * HOLD_AT       the how-manieth opening of the file waits (1)
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int n_met;

static int is_held(const char *path)
{
    const char *meant = getenv("HOLD_PATH"), *at = getenv("HOLD_AT");
    size_t n = strlen(path), length = meant ? strlen(meant) : 0;
    return length && n >= length && strcmp(path + n - length, meant) == 0 &&
           ++n_met == (at ? atoi(at) : 1);
}

FILE *fopen(const char *path, const char *mode)
{
    const char *until = getenv("HOLD_UNTIL");
    if (until && is_held(path)) {
        while (access(until, F_OK) == 0)
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return ((__typeof__(&fopen))dlsym(RTLD_NEXT, "fopen"))(path, mode);
}
